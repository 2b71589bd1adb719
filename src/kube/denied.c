/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/denied.h"

#include <stddef.h>
#include <string.h>

#define ANONYMOUS "system:anonymous"

/* a YAML document is made of it */
static bool denied_is_one_line(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return false;
	return true;
}

/* Copies what stands between @before and @after; the place behind, or NULL. */
static const char *between(const char *s, const char *before, const char *after,
			   char *dst, size_t size)
{
	const char *start = s ? strstr(s, before) : NULL;
	const char *end;
	size_t n;

	if (!start)
		return NULL;
	start += strlen(before);
	end = strstr(start, after);
	n = end ? (size_t)(end - start) : size;
	if (n >= size || !denied_is_one_line(start, n))
		return NULL;
	memcpy(dst, start, n);
	dst[n] = '\0';
	return end + strlen(after);
}

bool denied_anonymous(const char *message)
{
	return message && strstr(message, "User \"" ANONYMOUS "\"");
}

bool denied_parse(struct denied *d, const char *message)
{
	const char *p;

	*d = (struct denied){ 0 };
	if (denied_anonymous(message))
		return false;
	p = between(message, "User \"", "\" cannot ", d->user, sizeof(d->user));
	p = between(p, "", " resource \"", d->verb, sizeof(d->verb));
	p = between(p, "", "\"", d->resource, sizeof(d->resource));
	if (!p)
		return false;
	p = between(p, "in API group \"", "\"", d->group, sizeof(d->group));
	if (!p ||
	    !between(p, "in the namespace \"", "\"", d->ns, sizeof(d->ns)))
		d->ns[0] = '\0';
	return true;
}
