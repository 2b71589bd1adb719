/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/encode.h"

#include "base/mem.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

char *base64_decode(const char *text, size_t *len)
{
	size_t n = 0, pad = 0, size = strlen(text);
	auto_free char *clean = xmalloc(size + 1);
	char *out;
	int got;

	for (const char *p = text; *p; p++)
		if (!isspace((unsigned char)*p))
			clean[n++] = *p;
	while (pad < n && clean[n - 1 - pad] == '=')
		pad++;
	if (n % 4 || pad > 2 || n > INT32_MAX)
		return NULL;
	out = xmalloc(n / 4 * 3 + 1);
	got = EVP_DecodeBlock((unsigned char *)out,
			      (const unsigned char *)clean, (int)n);
	if (got < 0 || (size_t)got < pad) {
		free(out);
		return NULL;
	}
	*len = (size_t)got - pad;
	out[*len] = '\0';
	return out;
}

char *base64_encode(const void *data, size_t len)
{
	char *out = xmalloc((len + 2) / 3 * 4 + 1);

	EVP_EncodeBlock((unsigned char *)out, data, (int)len);
	return out;
}

char *blank_trim(char *s)
{
	size_t n = strlen(s), redirector = 0;

	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	while (redirector < n && isspace((unsigned char)s[redirector]))
		redirector++;
	memmove(s, s + redirector, n - redirector);
	s[n - redirector] = '\0';
	return s;
}

bool field_value_ok(const char *s)
{
	for (; *s; s++)
		if ((*s != '\t' && (unsigned char)*s < 0x20) || *s == 0x7f)
			return false;
	return true;
}

int uri_put(struct buf *b, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		char esc[3] = { '%', hex[c >> 4], hex[c & 15] };
		int rc;

		if ((c < 0x80 && isalnum(c)) || strchr("-._~", c))
			rc = buf_put(b, s, 1);
		else
			rc = buf_put(b, esc, 3);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int64_t rfc3339_parse(const char *s)
{
	struct tm tm = { 0 };
	const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t t;
	int h, m, n = 0;

	if (!p)
		return -1;
	t = timegm(&tm);
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p);)
			p++;
	if ((*p == 'Z' || *p == 'z') && !p[1])
		return t;
	if ((*p != '+' && *p != '-') ||
	    sscanf(p + 1, "%2d:%2d%n", &h, &m, &n) != 2 || p[1 + n])
		return -1;
	return *p == '+' ? t - (h * 3600 + m * 60) : t + (h * 3600 + m * 60);
}

const char *rfc3339_format(int64_t unix_seconds, char dst[RFC3339_STRLEN])
{
	time_t t = (time_t)unix_seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    !strftime(dst, RFC3339_STRLEN, "%Y-%m-%dT%H:%M:%SZ", &tm))
		dst[0] = '\0';
	return dst;
}
