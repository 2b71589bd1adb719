/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/fault.h"

#include "base/mem.h"
#include "base/str.h"
#include "wire/dns_name.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MS ((int64_t)1000000) /* ns */
#define LATENCY_MAX ((int64_t)600 * 1000 * MS)
#define RATE_MAX ((uint64_t)10 << 30)
#define DIGITS "0123456789"
#define NUMBER_MAX 9 /* digits */

enum fault_effect {
	EFFECT_LATENCY,
	EFFECT_JITTER,
	EFFECT_RATE,
	EFFECT_REFUSE,
	EFFECT_RESET,
	EFFECT_DROP,
	EFFECT_PERCENT,
	EFFECT_N_
};

const char *const fault_effects[] = {
	[EFFECT_LATENCY] = "latency", [EFFECT_JITTER] = "jitter",
	[EFFECT_RATE] = "rate",	      [EFFECT_REFUSE] = "refuse",
	[EFFECT_RESET] = "reset",     [EFFECT_DROP] = "drop",
	[EFFECT_PERCENT] = "percent", [EFFECT_N_] = NULL
};

/** struct fault_unit - what a number may be followed by */
struct fault_unit {
	const char *name;
	uint64_t times, by; /* value * times / by */
};

static const struct fault_unit fault_times[] = { { "ms", 1000000, 1 },
						 { "s", 1000000000, 1 },
						 { "m", 60000000000, 1 },
						 { NULL, 0, 0 } };
static const struct fault_unit fault_rates[] = { { "", 1, 1 },
						 { "k", 1 << 10, 1 },
						 { "m", 1 << 20, 1 },
						 { "g", 1 << 30, 1 },
						 { "kbit", 1000, 8 },
						 { "mbit", 1000000, 8 },
						 { "gbit", 1000000000, 8 },
						 { NULL, 0, 0 } };

/* --- the target ----------------------------------------------------------- */

static int fault_where(struct fault *f, const char *where, struct kt_error *err)
{
	if (strcmp(where, "*") == 0) {
		f->all = true;
		return 0;
	}
	if (ipprefix_parse(&f->range, where) == 0)
		return 0;
	f->range = (struct ipprefix){ 0 };
	if (!dns_name_is_host(where))
		return kt_fail(err, EINVAL,
			       "'%.80s' is no target: a name, an address, a "
			       "range or *",
			       where);
	for (size_t i = 0; where[i]; i++)
		f->name[i] = (char)tolower((unsigned char)where[i]);
	return 0;
}

static void fault_cut_proto(struct fault *f, char *target)
{
	size_t n = strlen(target);

	if (str_ends(target, "/tcp"))
		f->proto = FAULT_TCP;
	else if (str_ends(target, "/udp"))
		f->proto = FAULT_UDP;
	else
		return;
	target[n - 4] = '\0';
}

/* Of "[::1]:80" the part in brackets; the port, or NULL, is what follows */
static char *fault_cut_port(char **target)
{
	char *first = strchr(*target, ':');
	char *end;

	if (**target == '[' && (end = strchr(*target, ']'))) {
		if (end[1] && end[1] != ':')
			return NULL; /* the bracket is told */
		(*target)++;
		*end = '\0';
		return end[1] ? end + 2 : NULL;
	}
	if (!first || strchr(first + 1, ':'))
		return NULL; /* none, or an IPv6 address */
	*first = '\0';
	return first + 1;
}

static int fault_target(struct fault *f, char *target, struct kt_error *err)
{
	char *port;

	fault_cut_proto(f, target);
	port = fault_cut_port(&target);
	if (port && str_to_port(port, &f->port) < 0)
		return kt_fail(err, EINVAL,
			       "'%.80s' is no port from 1 to 65535", port);
	return fault_where(f, target, err);
}

/* --- the effects ---------------------------------------------------------- */

static int fault_number(uint64_t *v, const char *text,
			const struct fault_unit *unit)
{
	size_t digits = strspn(text, DIGITS);
	uint64_t n = 0;

	if (!digits || digits > NUMBER_MAX)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (uint64_t)(text[i] - '0');
	for (; unit->name; unit++)
		if (strcmp(text + digits, unit->name) == 0) {
			*v = n * unit->times / unit->by;
			return 0;
		}
	return -EINVAL;
}

static int fault_duration(int64_t *ns, const char *name, const char *text,
			  struct kt_error *err)
{
	uint64_t v;

	if (fault_number(&v, text, fault_times) < 0 || v < (uint64_t)MS ||
	    v > (uint64_t)LATENCY_MAX)
		return kt_fail(err, EINVAL,
			       "%s=%.40s is no time from 1ms to 10m, as in "
			       "200ms or 2s",
			       name, text);
	*ns = (int64_t)v;
	return 0;
}

static int fault_rate(struct fault *f, const char *text, struct kt_error *err)
{
	if (fault_number(&f->rate, text, fault_rates) < 0 || !f->rate ||
	    f->rate > RATE_MAX)
		return kt_fail(err, EINVAL,
			       "rate=%.40s is no rate up to 10g: bytes a "
			       "second, as in 500k or 1m, or bits, as in 8mbit",
			       text);
	return 0;
}

static int fault_percent(struct fault *f, const char *text,
			 struct kt_error *err)
{
	long v;

	if (!*text || strspn(text, DIGITS) != strlen(text) ||
	    str_to_long(text, &v) < 0 || v < 1 || v > 100)
		return kt_fail(err, EINVAL,
			       "percent=%.40s is no whole number from 1 to 100",
			       text);
	f->percent = (unsigned int)v;
	return 0;
}

static int fault_act(struct fault *f, enum fault_act act, const char *name,
		     struct kt_error *err)
{
	if (f->act != FAULT_SLOW)
		return kt_fail(err, EINVAL,
			       "refuse, reset and drop exclude each other "
			       "(%s)",
			       name);
	f->act = act;
	return 0;
}

static int fault_set(struct fault *f, enum fault_effect e, const char *value,
		     struct kt_error *err)
{
	switch (e) {
	case EFFECT_LATENCY:
		return fault_duration(&f->latency, "latency", value, err);
	case EFFECT_JITTER:
		return fault_duration(&f->jitter, "jitter", value, err);
	case EFFECT_RATE:
		return fault_rate(f, value, err);
	case EFFECT_REFUSE:
		return fault_act(f, FAULT_REFUSE, "refuse", err);
	case EFFECT_RESET:
		return fault_act(f, FAULT_RESET, "reset", err);
	case EFFECT_DROP:
		return fault_act(f, FAULT_DROP, "drop", err);
	case EFFECT_PERCENT:
		return fault_percent(f, value, err);
	default:
		return -EINVAL;
	}
}

static bool fault_takes_value(enum fault_effect e)
{
	return e < EFFECT_REFUSE || e == EFFECT_PERCENT;
}

static int fault_word(struct fault *f, char *word, unsigned int *seen,
		      bool *unknown, struct kt_error *err)
{
	char *value = strchr(word, '=');
	size_t e = 0;

	if (value)
		*value++ = '\0';
	while (e < EFFECT_N_ && strcmp(fault_effects[e], word) != 0)
		e++;
	*unknown = e == EFFECT_N_;
	if (*unknown)
		return kt_fail(err, EINVAL,
			       "'%.40s' is none of: latency=, jitter=, rate=, "
			       "refuse, reset, drop, percent=",
			       word);
	if (*seen & 1U << e)
		return kt_fail(err, EINVAL, "%s is there twice", word);
	*seen |= 1U << e;
	if (!value == fault_takes_value((enum fault_effect)e))
		return kt_fail(err, EINVAL, "%s %s", word,
			       value ? "takes no value"
				     : "needs a value behind '='");
	return fault_set(f, (enum fault_effect)e, value, err);
}

/* --- all of it ------------------------------------------------------------ */

static int fault_check(const struct fault *f, struct kt_error *err)
{
	if (f->jitter > f->latency)
		return kt_fail(err, EINVAL,
			       "jitter must not be more than latency");
	if (f->act == FAULT_SLOW && !f->latency && !f->rate)
		return kt_fail(err, EINVAL,
			       "no effect is named: latency=200ms, for "
			       "instance, or refuse");
	if (f->rate && (f->act == FAULT_REFUSE || f->act == FAULT_DROP))
		return kt_fail(err, EINVAL,
			       "rate goes with neither refuse nor drop");
	if (f->latency && f->act == FAULT_DROP)
		return kt_fail(err, EINVAL, "latency does not go with drop");
	if (f->act == FAULT_RESET && f->proto == FAULT_UDP)
		return kt_fail(err, EINVAL, "reset is of TCP, not of UDP");
	return 0;
}

int fault_parse(struct fault *f, const char *text, const char **unknown,
		size_t *len, struct kt_error *err)
{
	char copy[FAULT_TEXT_MAX], *save = NULL, *word;
	unsigned int seen = 0;
	bool bad = false;
	size_t n = 0;
	int rc;

	*f = (struct fault){ .percent = 100 };
	if (unknown)
		*unknown = NULL;
	if (strlen(text) >= sizeof(copy))
		return kt_fail(err, EINVAL, "more than %d bytes",
			       FAULT_TEXT_MAX - 1);
	snprintf(copy, sizeof(copy), "%s", text);
	word = strtok_r(copy, " ", &save);
	if (!word)
		return kt_fail(err, EINVAL,
			       "no target is named: 'db.prod:5432 "
			       "latency=200ms', for instance");
	/* the text has single blanks from here on */
	n = (size_t)snprintf(f->text, sizeof(f->text), "%s", word);
	rc = fault_target(f, word, err);
	while (rc == 0 && (word = strtok_r(NULL, " ", &save))) {
		size_t at = (size_t)(word - copy), size = strlen(word);

		n += (size_t)snprintf(f->text + n, sizeof(f->text) - n, " %s",
				      word);
		rc = fault_word(f, word, &seen, &bad, err);
		if (bad && unknown) {
			*unknown = text + at;
			*len = MIN(size, strcspn(text + at, "="));
		}
	}
	return rc < 0 ? -EINVAL : fault_check(f, err);
}

bool fault_is_at(const struct fault *f, enum fault_proto proto, uint16_t port)
{
	return (f->proto == FAULT_ANY || f->proto == proto) &&
	       (f->act != FAULT_RESET || proto == FAULT_TCP) &&
	       (!f->port || f->port == port);
}
