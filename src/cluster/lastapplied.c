/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/lastapplied.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <string.h>

/* Quotes inside of a text have a backslash, and of a Service no other member
 * with this name is an object: it can be nowhere else */
#define LASTAPPLIED_SELECTOR "\"selector\":{"

/* where the selector's members begin; NULL: there are none */
static const char *lastapplied_members(const char *text)
{
	const char *at = strstr(text, LASTAPPLIED_SELECTOR);

	at = at ? at + strlen(LASTAPPLIED_SELECTOR) : NULL;
	return at && *at == '"' ? at : NULL;
}

/* behind a member of ours, which is followed by others; NULL: it is none */
static const char *lastapplied_skip(const char *at)
{
	static const char *const ours[] = { "\"" KT_LABEL_ROLE "\":\"",
					    "\"" KT_LABEL_TARGET "\":\"" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		const char *end;

		if (!str_starts(at, ours[i]))
			continue;
		end = strstr(at + strlen(ours[i]), "\",");
		return end ? end + 2 : NULL;
	}
	return NULL;
}

char *lastapplied_without(const char *text)
{
	const char *begin = lastapplied_members(text), *end = begin, *next;

	if (!begin)
		return xstrdup(text);
	while ((next = lastapplied_skip(end)))
		end = next;
	return xasprintf("%.*s%s", (int)(begin - text), text, end);
}

char *lastapplied_with(const char *text, const json_t *selector)
{
	const char *at = lastapplied_members(text);
	const char *role = json_str(selector, KT_LABEL_ROLE, NULL);
	const char *target = json_str(selector, KT_LABEL_TARGET, NULL);

	if (!at || !role || !target)
		return xstrdup(text);
	return xasprintf("%.*s\"" KT_LABEL_ROLE "\":\"%s\",\"" KT_LABEL_TARGET
			 "\":\"%s\",%s",
			 (int)(at - text), text, role, target, at);
}
