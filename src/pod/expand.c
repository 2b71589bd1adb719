/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/expand.h"

#include "base/mem.h"

#include <string.h>

struct expand_text {
	char *p;
	size_t n, cap;
};

static void expand_put(struct expand_text *t, const char *data, size_t n)
{
	if (t->n + n + 1 > t->cap) {
		t->cap = (t->n + n + 1) * 2;
		t->p = xrealloc(t->p, t->cap);
	}
	memcpy(t->p + t->n, data, n);
	t->n += n;
	t->p[t->n] = '\0';
}

/* What stands behind a '$'; how many bytes that is */
static size_t expand_one(struct expand_text *t, const char *p, expand_fn value,
			 void *user)
{
	const char *end = *p == '(' ? strchr(p, ')') : NULL;
	auto_free char *name = NULL;
	const char *found;

	if (*p == '$') {
		expand_put(t, "$", 1);
		return 1;
	}
	if (!end) {
		expand_put(t, "$", 1);
		expand_put(t, p, *p != '\0');
		return *p != '\0';
	}
	name = xstrndup(p + 1, (size_t)(end - p) - 1);
	found = value(user, name);
	if (found) {
		expand_put(t, found, strlen(found));
	} else {
		expand_put(t, "$", 1);
		expand_put(t, p, (size_t)(end - p) + 1);
	}
	return (size_t)(end - p) + 1;
}

char *expand_text(const char *text, expand_fn value, void *user)
{
	struct expand_text t = { 0 };

	expand_put(&t, "", 0);
	while (*text) {
		size_t n = strcspn(text, "$");

		expand_put(&t, text, n);
		text += n;
		if (*text)
			text += 1 + expand_one(&t, text + 1, value, user);
	}
	return t.p;
}
