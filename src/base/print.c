/* SPDX-License-Identifier: Apache-2.0 */
#include "base/print.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* the longest that stands for one character: \u202e; and for a byte: \xff */
#define ESCAPE_MAX 8
#define GROWTH 4

/* the first character of @p: its bytes and @cp; 0: it is not UTF-8 (RFC 3629)
 */
static size_t print_decode(const uint8_t *p, size_t n, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80	     ? 1
		     : (p[0] & 0xe0) == 0xc0 ? 2
		     : (p[0] & 0xf0) == 0xe0 ? 3
		     : (p[0] & 0xf8) == 0xf0 ? 4
					     : 0;

	if (!len || len > n)
		return 0;
	*cp = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (p[i] & 0x3f);
	}
	if (*cp < least[len] || *cp > 0x10ffff ||
	    (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return len;
}

/* it changes the place or the order of what is around it, or has no look */
static bool print_has_power(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00, 0x08 },	      /* C0, without tab */
		{ 0x0a, 0x1f },	      /* likewise */
		{ 0x7f, 0x9f },	      /* DEL, C1 */
		{ 0x061c, 0x061c },   /* Arabic letter mark */
		{ 0x200e, 0x200f },   /* left-to-right, right-to-left mark */
		{ 0x2028, 0x202e },   /* line, paragraph; embedding, override */
		{ 0x2066, 0x2069 },   /* isolates */
		{ 0xfff9, 0xfffb },   /* annotations */
		{ 0xe0000, 0xe007f }, /* tags */
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (cp >= ranges[i].first && cp <= ranges[i].last)
			return true;
	return false;
}

/* the next character as it is shown, in @out; returns the bytes of @p it was */
static size_t print_next(const uint8_t *p, size_t n, char out[ESCAPE_MAX + 1])
{
	uint32_t cp = 0;
	size_t len = print_decode(p, n, &cp);

	if (!len)
		snprintf(out, ESCAPE_MAX + 1, "\\x%02x", p[0]);
	else if (cp == '\n' || cp == '\r')
		snprintf(out, ESCAPE_MAX + 1, " ");
	else if (cp < 0x80 && print_has_power(cp))
		snprintf(out, ESCAPE_MAX + 1, "\\x%02x", (unsigned int)cp);
	else if (print_has_power(cp))
		snprintf(out, ESCAPE_MAX + 1, "\\u%04x", (unsigned int)cp);
	else
		snprintf(out, ESCAPE_MAX + 1, "%.*s", (int)len,
			 (const char *)p);
	return len ? len : 1;
}

size_t print_clean(char *dst, size_t size, const char *src, size_t n)
{
	const uint8_t *p = (const uint8_t *)src;
	char one[ESCAPE_MAX + 1];
	size_t at = 0;

	if (!size)
		return 0;
	while (n && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	for (size_t i = 0; i < n;) {
		size_t len;

		i += print_next(p + i, n - i, one);
		len = strlen(one);
		if (at + len >= size)
			break;
		memcpy(dst + at, one, len);
		at += len;
	}
	dst[at] = '\0';
	return at;
}

void print_text(FILE *f, const char *text, size_t n)
{
	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;
		auto_free char *clean = xcalloc(len + 1, GROWTH);

		print_clean(clean, (len + 1) * GROWTH, text, len);
		fprintf(f, "%s\n", clean);
		len += end ? 1 : 0;
		text += len;
		n -= len;
	}
}

void print_line(FILE *f, const char *fmt, ...)
{
	auto_free char *text = NULL, *clean = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return;
	}
	clean = xcalloc((size_t)n + 1, GROWTH);
	print_clean(clean, ((size_t)n + 1) * GROWTH, text, (size_t)n);
	fprintf(f, "%s\n", clean);
}
