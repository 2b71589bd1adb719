/* SPDX-License-Identifier: Apache-2.0 */
#include "env/name.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "wire/envmark.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define ENV_HASH_LEN 6 /* "-" and five digits */

static int env_name_check(const char *name, struct kt_error *err)
{
	if (!envmark_is_name((struct slice){ name, strlen(name) })) {
		kt_hint(err,
			"labels of lower-case letters, digits and '-', joined "
			"by dots: pr-42, or dev.pr-42 below dev");
		return kt_fail(err, EINVAL,
			       "'%.80s' is no name of an environment", name);
	}
	if (strlen(name) > ENV_NAME_MAX)
		return kt_fail(err, EINVAL,
			       "'%.80s' has %zu characters; the name of an "
			       "environment has at most %d",
			       name, strlen(name), ENV_NAME_MAX);
	return 0;
}

char *env_name_make(const char *name, const char *parent, struct kt_error *err)
{
	char *whole;

	if (parent && *parent && env_name_check(parent, err) < 0)
		return NULL;
	if (!parent || !*parent || envmark_within(name, parent))
		whole = xstrdup(name);
	else
		whole = xasprintf("%s.%s", parent, name);
	if (parent && str_eq(whole, parent)) {
		kt_fail(err, EINVAL,
			"environment '%.80s' cannot be its own parent", name);
		free(whole);
		return NULL;
	}
	if (env_name_check(whole, err) < 0) {
		free(whole);
		return NULL;
	}
	return whole;
}

bool env_name_is_tail(const char *name, const char *given)
{
	size_t n = strlen(name), m = strlen(given);

	if (!m || m > n || strcmp(name + n - m, given) != 0)
		return false;
	return m == n || name[n - m - 1] == '.';
}

char *env_name_job(const char *name)
{
	return xasprintf(KT_ENV_PREFIX "%s", name);
}

const char *env_name_service(const char *name, char dst[ENV_SERVICE_MAX])
{
	char text[2 * ENVMARK_MAX + sizeof(KT_ENV_PREFIX)] = KT_ENV_PREFIX;
	size_t n = strlen(text);
	bool exact = !strstr(name, "--");

	for (const char *p = name; *p && n + 3 < sizeof(text); p++) {
		text[n++] = *p == '.' ? '-' : *p;
		if (*p == '.')
			text[n++] = '-';
	}
	text[n] = '\0';
	if (exact && n < ENV_SERVICE_MAX) {
		memcpy(dst, text, n + 1);
		return dst;
	}
	n = MIN(n, (size_t)ENV_SERVICE_MAX - 1 - ENV_HASH_LEN);
	snprintf(dst, ENV_SERVICE_MAX, "%.*s-%05x", (int)n, text,
		 str_hash(name) & 0xfffffu);
	return dst;
}
