/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	challenge  = scheme [ 1*SP ( token68 / #( name BWS "=" BWS value ) ) ]
 *
 * The comma stands between challenges and between their parameters: what
 * follows one is a parameter when there is a "=" behind its name.
 */
#include "image/challenge.h"

#include "base/slice.h"

#include <string.h>

static void challenge_skip(struct slice *s, const char *set)
{
	while (s->n && strchr(set, *s->p) && *s->p) {
		s->p++;
		s->n--;
	}
}

static bool challenge_is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct slice challenge_token(struct slice *s)
{
	struct slice t = slice_make(s->p, 0);

	while (s->n && challenge_is_token(*s->p)) {
		t.n++;
		s->p++;
		s->n--;
	}
	return t;
}

/* A token or a quoted-string, into @dst (NULL: passed over) */
static bool challenge_value(struct slice *s, char *dst, size_t size)
{
	bool quoted = s->n && *s->p == '"';
	size_t n = 0;

	if (quoted) {
		s->p++;
		s->n--;
	}
	while (s->n && (quoted ? *s->p != '"' : challenge_is_token(*s->p))) {
		if (quoted && *s->p == '\\' && s->n > 1) {
			s->p++;
			s->n--;
		}
		if (dst && n + 1 >= size)
			return false;
		if (dst)
			dst[n++] = *s->p;
		s->p++;
		s->n--;
	}
	if (dst)
		dst[n] = '\0';
	if (!quoted)
		return true;
	if (!s->n)
		return false; /* it does not end */
	s->p++;
	s->n--;
	return true;
}

/* "name = value" at @s; false: there is none, and @s is where it was */
static bool challenge_parameter(struct slice *s, struct slice *name)
{
	struct slice at = *s;

	*name = challenge_token(&at);
	challenge_skip(&at, " \t");
	if (!name->n || !at.n || *at.p != '=')
		return false;
	at.p++;
	at.n--;
	challenge_skip(&at, " \t");
	/* a token68 ends in "=", and has no value behind it */
	if (!at.n || (*at.p != '"' && !challenge_is_token(*at.p)))
		return false;
	*s = at;
	return true;
}

/* All parameters; into @out where it is not NULL */
static bool challenge_parameters(struct slice *s, struct challenge *out)
{
	struct slice name;

	while (challenge_parameter(s, &name)) {
		char *dst = NULL;
		size_t size = 0;

		if (out && slice_is_nocase(name, "realm")) {
			dst = out->realm;
			size = sizeof(out->realm);
		} else if (out && slice_is_nocase(name, "service")) {
			dst = out->service;
			size = sizeof(out->service);
		}
		if (!challenge_value(s, dst, size))
			return false;
		challenge_skip(s, " \t");
		if (s->n && *s->p != ',')
			return false;
		challenge_skip(s, " \t,");
	}
	return true;
}

bool challenge_find(const char *value, const char *scheme,
		    struct challenge *out)
{
	struct slice s = slice_of(value);

	*out = (struct challenge){ 0 };
	for (;;) {
		struct slice name;
		const char *at;
		bool wanted;

		challenge_skip(&s, " \t,");
		name = challenge_token(&s);
		if (!name.n)
			return false;
		wanted = slice_is_nocase(name, scheme);
		challenge_skip(&s, " \t");
		at = s.p;
		if (!challenge_parameters(&s, wanted ? out : NULL))
			return false;
		if (wanted)
			return true;
		/* without a parameter there may be a token68 */
		while (s.p == at && s.n && *s.p != ',' && *s.p != ' ') {
			at = ++s.p;
			s.n--;
		}
	}
}
