/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/clientline.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define AWAY_MAX 1000000000L

/* The next word of *@at, decoded; -EINVAL: there is none, or it is malformed */
static int clientline_word(const char **at, char *out, size_t size)
{
	size_t n = strcspn(*at, " ");
	int rc = n ? rule_decode(*at, n, out, size) : -EINVAL;

	*at += n + ((*at)[n] == ' ');
	return rc;
}

static int clientline_state(const char **at, long *away)
{
	char word[16];
	int rc = clientline_word(at, word, sizeof(word));

	if (rc < 0)
		return rc;
	if (strcmp(word, "here") == 0) {
		*away = CLIENTLINE_HERE;
		return 0;
	}
	rc = str_to_long(word, away);
	return rc < 0 || *away < 0 || *away > AWAY_MAX ? -EINVAL : 0;
}

static int clientline_client(struct clientline *l, const char *at)
{
	char way[8];
	int rc = clientline_word(&at, way, sizeof(way));

	if (rc == 0)
		rc = clientline_state(&at, &l->away);
	if (rc < 0)
		return rc;
	l->inbound = strcmp(way, "in") == 0;
	if (!l->inbound)
		return strcmp(way, "out") == 0 && !*at ? 0 : -EINVAL;
	rc = clientline_word(&at, l->word, sizeof(l->word));
	return rc == 0 && *at ? -EINVAL : rc;
}

static int clientline_read_who(struct clientline *l, const char *at)
{
	char who[CLIENTLINE_WHO_MAX];
	int rc = clientline_word(&at, l->command, sizeof(l->command));

	if (rc == 0)
		rc = clientline_word(&at, l->word, sizeof(l->word));
	if (rc == 0)
		rc = clientline_word(&at, l->machine, sizeof(l->machine));
	if (rc < 0 || *at)
		return rc < 0 ? rc : -EINVAL;
	/* bytes that should have been encoded may be too many when they are */
	return clientline_who(who, l->command, l->word, l->machine)[0]
		       ? 0
		       : -EMSGSIZE;
}

int clientline_parse(struct clientline *l, const char *line,
		     struct kt_error *err)
{
	int rc = 0;

	*l = (struct clientline){ 0 };
	if (str_starts(line, "shadow ")) {
		const char *at = line + strlen("shadow ");

		l->kind = CLIENTLINE_SHADOW;
		rc = clientline_word(&at, l->word, sizeof(l->word));
	} else if (str_starts(line, "client ")) {
		l->kind = CLIENTLINE_CLIENT;
		rc = clientline_client(l, line + strlen("client "));
	} else if (str_starts(line, "who ")) {
		l->kind = CLIENTLINE_WHO;
		rc = clientline_read_who(l, line + strlen("who "));
	} else if (str_starts(line, "rule ")) {
		l->kind = CLIENTLINE_RULE;
		return rule_parse(&l->rule, line + strlen("rule "), err);
	}
	return rc < 0 ? kt_fail(err, -rc, "malformed line '%.60s'", line) : 0;
}

int clientline_put_shadow(struct buf *out, const char *version)
{
	char word[3 * CLIENTLINE_WORD_MAX];
	int rc = rule_encode(version, word, sizeof(word));

	return rc < 0 ? rc : buf_printf(out, "shadow %s\n", word);
}

int clientline_put_client(struct buf *out, long away, const char *user)
{
	char word[3 * CLIENTLINE_WORD_MAX] = "", state[24] = "here";
	int rc = user ? rule_encode(user, word, sizeof(word)) : 0;

	if (rc < 0)
		return rc;
	if (away != CLIENTLINE_HERE)
		snprintf(state, sizeof(state), "%ld",
			 MIN(MAX(away, 0L), AWAY_MAX));
	return buf_printf(out, "client %s %s%s%s\n", user ? "in" : "out", state,
			  user ? " " : "", word);
}

int clientline_put_rule(struct buf *out, const struct rule *rule)
{
	char text[RULE_TEXT_MAX];

	return buf_printf(out, "rule %s\n", rule_print(rule, text));
}

int clientline_put_who(struct buf *out, const char *who)
{
	struct clientline l = { 0 };

	if (strlen(who) >= CLIENTLINE_WHO_MAX ||
	    clientline_read_who(&l, who) < 0)
		return -EINVAL;
	return buf_printf(out, "who %s\n", who);
}

const char *clientline_who(char dst[CLIENTLINE_WHO_MAX], const char *command,
			   const char *user, const char *machine)
{
	const char *const texts[] = { command, user, machine };
	char word[3 * CLIENTLINE_WORD_MAX];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *text = *texts[i] ? texts[i] : "-";

		if (rule_encode(text, word, sizeof(word)) < 0 ||
		    n + strlen(word) + 1 >= CLIENTLINE_WHO_MAX) {
			dst[0] = '\0';
			return dst;
		}
		n += (size_t)snprintf(dst + n, CLIENTLINE_WHO_MAX - n, "%s%s",
				      i ? " " : "", word);
	}
	return dst;
}
