/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/expand.h"

#include "base/mem.h"
#include "pod/text.h"

#include <string.h>

/* What stands behind a '$'; how many bytes that is */
static size_t expand_one(struct pod_text *t, const char *p, expand_fn value,
			 void *user)
{
	const char *end = *p == '(' ? strchr(p, ')') : NULL;
	auto_free char *name = NULL;
	const char *found;

	if (*p == '$') {
		pod_text_put(t, "$", 1);
		return 1;
	}
	if (!end) {
		pod_text_put(t, "$", 1);
		pod_text_put(t, p, *p != '\0');
		return *p != '\0';
	}
	name = xstrndup(p + 1, (size_t)(end - p) - 1);
	found = value(user, name);
	if (found) {
		pod_text_put(t, found, strlen(found));
	} else {
		pod_text_put(t, "$", 1);
		pod_text_put(t, p, (size_t)(end - p) + 1);
	}
	return (size_t)(end - p) + 1;
}

char *expand_text(const char *text, expand_fn value, void *user)
{
	struct pod_text t = { 0 };

	pod_text_put(&t, "", 0);
	while (*text) {
		size_t n = strcspn(text, "$");

		pod_text_put(&t, text, n);
		text += n;
		if (*text)
			text += 1 + expand_one(&t, text + 1, value, user);
	}
	return t.p;
}
