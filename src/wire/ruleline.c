/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ruleline.h"

#include "base/mem.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const verbs[] = {
	"",	    "user",  "grace",  "rule",	"commit", "version", "accepted",
	"refused",  "drain", "ending", "wait",	"able",	  "copies",  "watch",
	"watching", "event", "closed", "owner", "held",	  "heir",
};
static_assert(ARRAY_SIZE(verbs) == RULELINE_NVERBS_, "one name each");

static enum ruleline_verb verb_of(const char *line, size_t n)
{
	for (int v = 1; v < RULELINE_NVERBS_; v++)
		if (strlen(verbs[v]) == n && memcmp(verbs[v], line, n) == 0)
			return (enum ruleline_verb)v;
	return RULELINE_OTHER;
}

static int ruleline_take_word(struct ruleline *l, const char *arg,
			      struct kt_error *err)
{
	size_t n = strcspn(arg, " ");
	int rc = rule_decode(arg, n, l->word, sizeof(l->word));

	if (rc < 0 || !n)
		return kt_fail(err, rc < 0 ? -rc : EINVAL,
			       "malformed word after '%s'", verbs[l->verb]);
	if (strcmp(l->word, "-") == 0)
		l->word[0] = 0;
	l->text = arg + n + (arg[n] == ' ');
	return 0;
}

static int take_seconds(struct ruleline *l, const char *arg,
			struct kt_error *err)
{
	long v;

	if (str_to_long(arg, &v) < 0 || v < 0 || v > RULELINE_GRACE_MAX)
		return kt_fail(err, EINVAL,
			       "the grace time '%.40s' is not 0 to %d seconds",
			       arg, RULELINE_GRACE_MAX);
	l->seconds = (unsigned int)v;
	return 0;
}

/* "SENT DROPPED" */
static int ruleline_take_copies(struct ruleline *l, const char *arg,
				struct kt_error *err)
{
	size_t n = strcspn(arg, " ");
	char word[24];
	long sent, dropped;

	snprintf(word, sizeof(word), "%.*s", (int)MIN(n, sizeof(word)), arg);
	if (!arg[n] || n >= sizeof(word) || str_to_long(word, &sent) < 0 ||
	    str_to_long(arg + n + 1, &dropped) < 0 || sent < 0 || dropped < 0)
		return kt_fail(err, EINVAL, "malformed numbers of copies");
	l->sent = (uint64_t)sent;
	l->dropped = (uint64_t)dropped;
	return 0;
}

int ruleline_parse(struct ruleline *l, const char *line, struct kt_error *err)
{
	size_t n = strcspn(line, " ");
	const char *arg = line + n + (line[n] == ' ');

	*l = (struct ruleline){ .verb = verb_of(line, n), .text = "" };
	switch (l->verb) {
	case RULELINE_USER:
	case RULELINE_VERSION:
	case RULELINE_ABLE:
	case RULELINE_REFUSED:
	case RULELINE_WATCH:
	case RULELINE_WATCHING:
	case RULELINE_OWNER:
	case RULELINE_HELD:
	case RULELINE_HEIR:
		return ruleline_take_word(l, arg, err);
	case RULELINE_GRACE:
		return take_seconds(l, arg, err);
	case RULELINE_COPIES:
		return ruleline_take_copies(l, arg, err);
	case RULELINE_RULE:
	case RULELINE_CLOSED:
		return rule_parse(&l->rule, arg, err);
	case RULELINE_EVENT:
		l->text = arg;
		return 0;
	default:
		return 0;
	}
}

int ruleline_put(struct buf *out, enum ruleline_verb verb)
{
	return buf_printf(out, "%s\n", verbs[verb]);
}

int ruleline_put_word(struct buf *out, enum ruleline_verb verb,
		      const char *word)
{
	char text[3 * RULELINE_WORD_MAX];
	int rc = rule_encode(*word ? word : "-", text, sizeof(text));

	return rc < 0 ? rc : buf_printf(out, "%s %s\n", verbs[verb], text);
}

int ruleline_put_grace(struct buf *out, unsigned int seconds)
{
	return buf_printf(out, "grace %u\n", seconds);
}

int ruleline_put_copies(struct buf *out, uint64_t sent, uint64_t dropped)
{
	return buf_printf(out, "copies %" PRIu64 " %" PRIu64 "\n", sent,
			  dropped);
}

int ruleline_put_rule(struct buf *out, const struct rule *rule)
{
	char text[RULE_TEXT_MAX];

	return buf_printf(out, "rule %s\n", rule_print(rule, text));
}

int ruleline_put_closed(struct buf *out, const struct rule *rule)
{
	char text[RULE_TEXT_MAX];

	return buf_printf(out, "closed %s\n", rule_print(rule, text));
}

int ruleline_put_refused(struct buf *out, const char *holder, const char *text)
{
	char word[3 * RULELINE_WORD_MAX];
	int rc = rule_encode(*holder ? holder : "-", word, sizeof(word));

	return rc < 0 ? rc : buf_printf(out, "refused %s %.500s\n", word, text);
}

int ruleline_put_watching(struct buf *out, const char *id, int64_t now)
{
	return buf_printf(out, "watching %s %" PRId64 "\n", id, now);
}

int ruleline_read(struct ruleline_reader *r, struct rd *in)
{
	uint8_t c;

	if (r->whole) {
		r->whole = false;
		r->n = 0;
	}
	while (rd_u8(in, &c)) {
		if (c == '\n') {
			r->line[r->n] = 0;
			r->whole = true;
			return 1;
		}
		if (c < ' ' || c == 0x7f)
			return -EINVAL;
		if (r->n == RULELINE_MAX)
			return -EMSGSIZE;
		r->line[r->n++] = (char)c;
	}
	return 0;
}
