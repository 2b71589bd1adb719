/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "base/buf.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

int str_to_long(const char *s, long *v)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)s[0]) &&
	    !(s[0] == '-' && isdigit((unsigned char)s[1])))
		return -EINVAL;
	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*v = n;
	return 0;
}

int str_to_port(const char *s, uint16_t *port)
{
	long v;

	if (str_to_long(s, &v) < 0 || v < 1 || v > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)v;
	return 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

static int str_hex(unsigned char c)
{
	if (isdigit(c))
		return c - '0';
	return isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

int str_unescape(const char *p, size_t n)
{
	int hi = n > 2 && p[0] == '%' ? str_hex((unsigned char)p[1]) : -1;
	int lo = hi >= 0 ? str_hex((unsigned char)p[2]) : -1;

	return lo < 0 ? -1 : hi * 16 + lo;
}

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

void strv_take(struct strv *s, char *text)
{
	s->v = xrealloc(s->v, (s->n + 2) * sizeof(*s->v));
	s->v[s->n++] = text;
	s->v[s->n] = NULL;
}

void strv_add(struct strv *s, const char *text)
{
	strv_take(s, xstrdup(text));
}

bool strv_has(const struct strv *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], text) == 0)
			return true;
	return false;
}

struct strv strv_split(const char *text, char sep)
{
	struct strv out = { 0 };

	for (const char *p = text; *p;) {
		const char *end = strchr(p, sep);
		const char *next = end ? end + 1 : p + strlen(p);

		if (!end)
			end = next;
		while (p < end && isspace((unsigned char)*p))
			p++;
		while (end > p && isspace((unsigned char)end[-1]))
			end--;
		if (end > p)
			strv_take(&out, xstrndup(p, (size_t)(end - p)));
		p = next;
	}
	return out;
}

char *strv_join(const struct strv *s, const char *between)
{
	size_t size = 1;
	char *text, *at;

	for (size_t i = 0; i < s->n; i++)
		size += strlen(s->v[i]) + strlen(between);
	at = text = xmalloc(size);
	*at = 0;
	for (size_t i = 0; i < s->n; i++)
		at = stpcpy(stpcpy(at, i ? between : ""), s->v[i]);
	return text;
}

void strv_fini(struct strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct strv){ 0 };
}

void str_random(char *dst, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned char c;

		if (getrandom(&c, 1, 0) != 1 || c >= 26 * 9)
			continue;
		dst[i++] = (char)('a' + c % 26);
	}
	dst[n] = '\0';
}

uint32_t str_hash(const char *text)
{
	uint32_t h = 2166136261U;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619U;
	return h;
}

char *str_shorten(const char *text, size_t max)
{
	if (strlen(text) <= max)
		return xstrdup(text);
	return xasprintf("%.*s-%05x", (int)(max - 6), text,
			 str_hash(text) & 0xfffff);
}

char *file_read(const char *path, size_t max, size_t *len)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf b;
	ssize_t n;

	if (fd < 0)
		return NULL;
	buf_init(&b, max + 4096);
	do {
		uint8_t *p = b.len <= max ? buf_reserve(&b, 4096) : NULL;

		if (!p) {
			buf_fini(&b);
			errno = EFBIG;
			return NULL;
		}
		n = read(fd, p, 4095);
		if (n < 0) {
			int saved = errno;

			buf_fini(&b);
			errno = saved;
			return NULL;
		}
		buf_commit(&b, (size_t)n);
	} while (n > 0);
	b.mem[b.len] = '\0';
	if (len)
		*len = b.len;
	return (char *)b.mem;
}
