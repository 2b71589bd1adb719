/* SPDX-License-Identifier: Apache-2.0 */
#include "birdseye/life.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/heartbeat.h"
#include "cluster/objects.h"
#include "kube/rest.h"
#include "local/owner.h"
#include "wire/clientline.h"

#include <inttypes.h>
#include <string.h>

void life_set(json_t *row, int alive, const char *state, int64_t age,
	      const char *by)
{
	json_object_set_new(row, "alive",
			    alive < 0 ? json_null() : json_boolean(alive));
	json_object_set_new(row, "state", json_string(state));
	json_object_set_new(row, "age",
			    age < 0 ? json_null() : json_integer(age));
	json_object_set_new(row, "by", json_string(by));
}

static bool life_has_rule(const json_t *client, const char *match)
{
	const json_t *rule;
	size_t i;

	if (!match)
		return true;
	json_array_foreach (json_object_get(client, "rules"), i, rule)
		if (str_eq(json_string_value(rule), match))
			return true;
	return false;
}

/* One that is here counts more than one that is lost, whoever that was */
static void life_ask(json_t *row, const struct life_facts *f)
{
	int64_t least = -1;
	const json_t *c;
	size_t i;

	json_array_foreach (json_object_get(f->answer, "clients"), i, c) {
		json_int_t away =
			json_integer_value(json_object_get(c, "away"));

		if (json_is_true(json_object_get(c, "inbound")) != f->inbound ||
		    !life_has_rule(c, f->match))
			continue;
		if (away == CLIENTLINE_HERE) {
			life_set(row, 1, "connected", -1, "shadow");
			return;
		}
		least = least < 0 ? away : MIN(least, away);
	}
	life_set(row, 0, least < 0 ? "absent" : "away", least, "shadow");
}

void life_judge(json_t *row, const struct life_config *cfg,
		const struct life_facts *f)
{
	const char *owner = object_annotation(f->holder, KT_ANNOTATION_OWNER);
	int64_t age = object_age(f->holder, KT_ANNOTATION_HEARTBEAT, cfg->now);
	int64_t limit = object_is_of_ktctl(f->holder) ? HEARTBEAT_DEAD
						      : HEARTBEAT_DEAD_KT;

	if (owner && cfg->dead && cfg->dead(cfg->user, owner))
		life_set(row, 0, "killed", -1, "owner");
	else if (f->answer)
		life_ask(row, f);
	else if (age < 0)
		life_set(row, -1, "unknown", -1, "nothing");
	else
		life_set(row, age <= limit, age <= limit ? "beating" : "silent",
			 age, "heartbeat");
}

/* --- for people ----------------------------------------------------------- */

const char *life_duration(int64_t seconds, char dst[24])
{
	if (seconds < 120)
		snprintf(dst, 24, "%" PRId64 "s", seconds);
	else if (seconds < 120 * 60)
		snprintf(dst, 24, "%" PRId64 "m", seconds / 60);
	else if (seconds < (int64_t)48 * 3600)
		snprintf(dst, 24, "%" PRId64 "h", seconds / 3600);
	else
		snprintf(dst, 24, "%" PRId64 "d", seconds / 86400);
	return dst;
}

const char *life_text(const json_t *row, char *dst, size_t size)
{
	static const struct {
		const char *state, *text; /* %s: how long ago */
	} words[] = {
		{ "connected", "yes" },
		{ "away", "no, lost %s ago" },
		{ "absent", "no, nobody is connected" },
		{ "killed", "no, it was killed" },
		{ "beating", "heartbeat %s ago" },
		{ "silent", "no heartbeat for %s" },
		{ "running", "its container runs" },
		{ "gone", "no, its Pod is gone" },
		{ "living", "yes, with its environment" },
		{ "ended", "no, its environment ended" },
	};
	const char *state = json_str(row, "state", NULL), *at;
	char ago[24];

	snprintf(dst, size, "unknown");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!str_eq(words[i].state, state))
			continue;
		at = strstr(words[i].text, "%s");
		life_duration(json_integer_value(json_object_get(row, "age")),
			      ago);
		if (at)
			snprintf(dst, size, "%.*s%s%s",
				 (int)(at - words[i].text), words[i].text, ago,
				 at + 2);
		else
			snprintf(dst, size, "%s", words[i].text);
	}
	return dst;
}
