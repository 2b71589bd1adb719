/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/envmark.h"

#include "base/mem.h"
#include "base/str.h"
#include "wire/rulemark.h"

#include <ctype.h>
#include <string.h>

#define ENVMARK_LABEL 63

static bool envmark_is_label(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool edge = i == 0 || i + 1 == s.n;

		if (!islower(c) && !isdigit(c) && (c != '-' || edge))
			return false;
	}
	return s.n > 0 && s.n <= ENVMARK_LABEL;
}

bool envmark_is_name(struct slice s)
{
	struct slice label;

	if (s.n >= ENVMARK_MAX)
		return false;
	while (slice_cut(&s, '.', &label))
		if (!envmark_is_label(label))
			return false;
	return envmark_is_label(s);
}

/* the first mark of @kind with this name; true: there is one, @s is its value
 */
static bool envmark_find(const struct rule_request *req, enum rule_kind kind,
			 const char *key, struct slice *s)
{
	struct rulemark m = { .req = req, .kind = kind };
	struct slice name;

	while (rulemark_next(&m, &name, s))
		if (kind == RULE_HEADER ? slice_is_nocase(name, key)
					: slice_is(name, key))
			return true;
	return false;
}

bool envmark_of(const struct rule_request *req, char name[ENVMARK_MAX])
{
	static const struct {
		enum rule_kind kind;
		const char *key;
	} from[] = { { RULE_BAGGAGE, ENVMARK_MEMBER },
		     { RULE_HEADER, "x-virtual-env" },
		     { RULE_HEADER, "version" } };

	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		struct slice s;
		int n;

		if (!envmark_find(req, from[i].kind, from[i].key, &s))
			continue;
		n = rulemark_decode(from[i].kind, s, name, ENVMARK_MAX - 1);
		if (n < 0 || !envmark_is_name(slice_make(name, (size_t)n)))
			return false;
		name[n] = 0;
		return true;
	}
	return false;
}

bool envmark_is_missing(const struct rule_request *req)
{
	char name[ENVMARK_MAX];
	struct slice s;

	return !envmark_of(req, name) &&
	       !envmark_find(req, RULE_BAGGAGE, ENVMARK_MEMBER, &s);
}

bool envmark_within(const char *name, const char *env)
{
	size_t n = strlen(env);

	return strncmp(name, env, n) == 0 && (!name[n] || name[n] == '.');
}

bool envmark_parent(char *name)
{
	char *dot = strrchr(name, '.');

	if (dot)
		*dot = 0;
	return dot != NULL;
}
