/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/mark.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/takeover.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define RANDOM_LEN 5
#define HASH_LEN 6 /* "-" and five digits */

static bool is_key(const char *text, size_t n)
{
	if (!n || n >= sizeof(((struct mark *)0)->key) ||
	    !islower((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)text[i]) &&
		    !isdigit((unsigned char)text[i]) && text[i] != '_' &&
		    text[i] != '-')
			return false;
	return true;
}

/* What a header field can carry, and survives the trim of its blanks */
static bool mark_is_value(const char *text)
{
	size_t n = strlen(text);

	if (!n || n >= sizeof(((struct mark *)0)->value) || text[0] == ' ' ||
	    text[n - 1] == ' ')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isprint((unsigned char)text[i]))
			return false;
	return true;
}

int mark_parse(struct mark *m, const char *text, struct kt_error *err)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	const char *value = colon ? colon + 1 : text;
	size_t n = colon ? (size_t)(colon - text) : 0;

	*m = (struct mark){ .key = MARK_KEY };
	if (colon && is_key(text, n))
		snprintf(m->key, sizeof(m->key), "%.*s", (int)n, text);
	else
		m->key_replaced = colon != NULL;
	if (!value || !*value) {
		str_random(m->value, RANDOM_LEN);
		return 0;
	}
	if (!mark_is_value(value))
		return kt_fail(err, EINVAL,
			       "'%s' cannot be the value of a header: 1 to 127 "
			       "printable characters, no blank at its ends",
			       value);
	snprintf(m->value, sizeof(m->value), "%s", value);
	return 0;
}

const char *mark_header(const struct mark *m, char *dst, size_t size)
{
	size_t n = strlen(m->key);

	snprintf(dst, size, "%s: %s", m->key, m->value);
	for (size_t i = 0; i < n && i < size; i++)
		dst[i] = (char)toupper((unsigned char)dst[i]);
	return dst;
}

bool mark_is_label(const struct mark *m)
{
	size_t n = strlen(m->value), k = strlen(m->key);

	if (n > 63 || k > 63 || !isalnum((unsigned char)m->value[0]) ||
	    !isalnum((unsigned char)m->value[n - 1]) ||
	    !isalnum((unsigned char)m->key[k - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)m->value[i]) &&
		    !strchr("-_.", m->value[i]))
			return false;
	return true;
}

const char *mark_object_name(const struct mark *m, const char *service,
			     char dst[OBJECT_NAME_LEN])
{
	auto_free char *of = str_shorten(service, KT_MESH_SERVICE_MAX);
	auto_free char *mark = xasprintf("%s:%s", m->key, m->value);
	bool exact = strcmp(m->key, MARK_KEY) == 0;
	char text[256];
	size_t head, n;

	head = (size_t)snprintf(text, sizeof(text), "%s" KT_MESH, of);
	n = head +
	    (size_t)snprintf(text + head, sizeof(text) - head, "%s", m->value);
	for (size_t i = head; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (islower(c) || isdigit(c) || (c == '-' && i > head))
			continue;
		exact = false;
		text[i] = isupper(c) ? (char)tolower(c) : '-';
	}
	if (text[n - 1] == '-' || n >= OBJECT_NAME_LEN)
		exact = false;
	if (exact) {
		memcpy(dst, text, n + 1);
		return dst;
	}
	if (n > OBJECT_NAME_LEN - 1 - HASH_LEN)
		n = OBJECT_NAME_LEN - 1 - HASH_LEN;
	snprintf(dst, OBJECT_NAME_LEN, "%.*s-%05x", (int)n, text,
		 str_hash(mark) & 0xfffff);
	return dst;
}
