/* SPDX-License-Identifier: Apache-2.0 */
#include "control/judge.h"

#include "base/mem.h"
#include "base/str.h"
#include "control/eventjson.h"
#include "kube/rest.h"

#include <errno.h>

int judge_init(struct judge *j, const char *who, const char *expect,
	       int64_t since, struct kt_error *err)
{
	int n = 0;

	*j = (struct judge){ .who = who,
			     .from = eventjson_now() - since / 1000 };
	if (expect)
		n = expects_new(j->expect, expect, eventjson_fields, err);
	j->n = MAX(n, 0);
	return MIN(n, 0);
}

void judge_fini(struct judge *j)
{
	expects_free(j->expect, j->n);
	j->n = 0;
}

bool judge_see(struct judge *j, const json_t *event)
{
	bool dropped = str_eq(json_str(event, "type", NULL), "dropped");

	if (eventjson_when(event) < j->from) {
		j->before += !dropped;
		return false;
	}
	if (dropped) {
		j->dropped +=
			json_integer_value(json_object_get(event, "count"));
		return true;
	}
	j->seen++;
	for (int i = 0; i < j->n; i++)
		expect_see(j->expect[i], event);
	return true;
}

bool judge_decided(const struct judge *j)
{
	bool all = j->n > 0;

	for (int i = 0; i < j->n; i++) {
		if (expect_state(j->expect[i]) == EXPECT_FAILED)
			return true;
		all = all && expect_state(j->expect[i]) == EXPECT_MET;
	}
	return all;
}

/* "session" and "router" have their own words, for they are short */
static const char *judge_say(const struct judge *j, const char *session,
			     const char *router)
{
	return str_eq(j->who, "router") ? router : session;
}

const char *judge_gap(const struct judge *j, int rc, size_t unheard)
{
	if (j->dropped)
		return "some events were dropped";
	if (j->refused)
		return judge_say(j, "not all sessions tell",
				 "not all routers tell");
	if (rc == -ETIMEDOUT && unheard)
		return judge_say(j, "not all sessions have answered",
				 "not all routers have answered");
	if (rc != -ETIMEDOUT || j->ended)
		return judge_say(j,
				 "a session has ended before the time was over",
				 "a router has ended before the time was over");
	return NULL;
}

bool judge_met(const struct judge *j, const char *gap)
{
	for (int i = 0; i < j->n; i++)
		if (!expect_met(j->expect[i], !gap))
			return false;
	return true;
}

json_t *judge_result(const struct judge *j, const char *gap)
{
	json_t *list = json_array();

	for (int i = 0; i < j->n; i++)
		json_array_append_new(list, expect_result(j->expect[i], !gap));
	return json_pack("{s:i,s:s,s:b,s:I,s:I,s:I,s:o}", "version",
			 EVENTJSON_VERSION, "type", "result", "met",
			 judge_met(j, gap), "seen", (json_int_t)j->seen,
			 "before", (json_int_t)j->before, "dropped", j->dropped,
			 "expected", list);
}

static const char *judge_reason(const struct judge *j, const struct expect *x,
				const char *gap, int rc)
{
	switch (expect_state(x)) {
	case EXPECT_FAILED:
		return "more than expected";
	case EXPECT_HOLDS:
		return gap ? gap : "it is not known whether more came";
	default:
		return rc == -ETIMEDOUT
			       ? "the time is over"
			       : judge_say(j, "the session has ended",
					   "the environment has ended");
	}
}

char *judge_why(const struct judge *j, const char *gap, int rc)
{
	for (int i = 0; i < j->n; i++) {
		auto_free char *why = NULL;

		if (expect_met(j->expect[i], !gap))
			continue;
		why = expect_why(j->expect[i]);
		return xasprintf(
			"%s: %s (%zu events in all%s%s%s%s%s)",
			judge_reason(j, j->expect[i], gap, rc), why, j->seen,
			j->before ? ", and earlier ones that --since "
				    "would take in"
				  : "",
			j->dropped ? ", some were dropped" : "",
			j->refused ? ", not all " : "",
			j->refused ? j->who : "", j->refused ? "s tell" : "");
	}
	return NULL;
}
