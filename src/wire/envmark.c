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

bool envmark_is_field(struct slice name, const char *header)
{
	return slice_is_nocase(name, ENVMARK_FIELD) ||
	       slice_is_nocase(name, "x-virtual-env") ||
	       slice_is_nocase(name, "version") ||
	       (header && slice_is_nocase(name, header));
}

bool envmark_is_header(struct slice s)
{
	/* with "-" at the end: whatever begins so */
	static const char *const taken[] = {
		"accept",
		"accept-",
		"access-control-",
		"age",
		"allow",
		"authorization",
		"baggage",
		"cache-control",
		"connection",
		"content-",
		"cookie",
		"cookie2",
		"date",
		"expect",
		"forwarded",
		"from",
		"grpc-",
		"host",
		"http2-settings",
		"if-",
		"keep-alive",
		"kt-",
		"link",
		"location",
		"max-forwards",
		"origin",
		"pragma",
		"priority",
		"proxy-",
		"range",
		"referer",
		"sec-",
		"server",
		"set-cookie",
		"te",
		"traceparent",
		"tracestate",
		"trailer",
		"transfer-encoding",
		"upgrade",
		"user-agent",
		"vary",
		"version",
		"via",
		"x-forwarded-",
		"x-real-ip",
		"x-virtual-env",
	};

	if (!s.n || s.n >= ENVMARK_HEADER_MAX || !islower((unsigned char)*s.p))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!islower((unsigned char)s.p[i]) &&
		    !isdigit((unsigned char)s.p[i]) && s.p[i] != '-' &&
		    s.p[i] != '_')
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		size_t n = strlen(taken[i]);
		bool prefix = taken[i][n - 1] == '-';

		if (prefix ? s.n >= n && memcmp(s.p, taken[i], n) == 0
			   : slice_is(s, taken[i]))
			return false;
	}
	return true;
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
	const struct {
		enum rule_kind kind;
		const char *key;
	} from[] = { { RULE_BAGGAGE, ENVMARK_MEMBER },
		     { RULE_HEADER, "x-virtual-env" },
		     { RULE_HEADER, "version" },
		     { RULE_HEADER, req->env_header } };

	for (size_t i = 0; i < ARRAY_SIZE(from) && from[i].key; i++) {
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
