/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/form.h"

#include <ctype.h>
#include <string.h>

#define FORM_DNS_MAX 253
#define FORM_LABEL_MAX 63
#define FORM_IMAGE_MAX 512
#define FORM_LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define FORM_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* @n characters, all of @set, and letters or digits at both ends */
static bool form_is_word(const char *text, size_t n, size_t max,
			 const char *set)
{
	if (!n || n > max || !isalnum((unsigned char)text[0]) ||
	    !isalnum((unsigned char)text[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!text[i] || !strchr(set, text[i]))
			return false;
	return true;
}

/* A DNS subdomain: words with dots between them */
static bool form_is_subdomain(const char *text, size_t n)
{
	size_t label;

	if (!n || n > FORM_DNS_MAX)
		return false;
	for (size_t at = 0; at <= n; at += label + 1) {
		const char *dot = memchr(text + at, '.', n - at);

		label = dot ? (size_t)(dot - text) - at : n - at;
		if (!form_is_word(text + at, label, FORM_DNS_MAX,
				  FORM_LOWER "-"))
			return false;
	}
	return true;
}

bool form_is_name(const char *text)
{
	return form_is_subdomain(text, strlen(text));
}

bool form_is_namespace(const char *text)
{
	return form_is_word(text, strlen(text), FORM_LABEL_MAX, FORM_LOWER "-");
}

bool form_is_key(const char *text)
{
	const char *slash = strchr(text, '/');
	const char *name = slash ? slash + 1 : text;

	if (slash && !form_is_subdomain(text, (size_t)(slash - text)))
		return false;
	return *name && form_is_label(name);
}

bool form_is_label(const char *text)
{
	return !*text || form_is_word(text, strlen(text), FORM_LABEL_MAX,
				      FORM_LOWER FORM_UPPER "-_.");
}

bool form_is_image(const char *text)
{
	static const char marks[] = "/:@";
	const char *close = text[0] == '[' ? strchr(text, ']') : NULL;
	const char *p = close ? close + 1 : text; /* behind an IPv6 address */
	size_t n = strspn(p, FORM_LOWER FORM_UPPER "-_.+/:@");

	if (close && strspn(text + 1, "0123456789abcdefABCDEF:.") !=
			     (size_t)(close - text - 1))
		return false;
	if (!n || p[n] || strlen(text) > FORM_IMAGE_MAX ||
	    (!close && strchr(marks, p[0])) || strchr(marks, p[n - 1]))
		return false;
	while ((p = strpbrk(p, marks)))
		if (strchr(marks, *++p))
			return false; /* a part is empty */
	return true;
}
