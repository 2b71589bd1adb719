/* SPDX-License-Identifier: Apache-2.0 */
#include "router/detect.h"

#include "base/mem.h"
#include "wire/http1.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#define METHOD_MAX 24

/* @text begins with all of @p, or @p with all of @text */
static bool agree(const char *p, size_t n, const char *text)
{
	return memcmp(p, text, MIN(n, strlen(text))) == 0;
}

static bool method_char(char c)
{
	return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* RTSP, SIP and others have such lines too, and HTTP/0.9 has no version: these
 * are not for us. What claims to be HTTP/1 and is not quite is refused there.
 */
static enum detect request_version(const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', MIN(n, HTTP1_MAX_HEAD));
	const char *end = lf, *v;

	if (!lf)
		return n < HTTP1_MAX_HEAD ? DETECT_LINE : DETECT_HTTP1;
	while (end > p && strchr("\r \t", end[-1]))
		end--;
	for (v = end; v > p && v[-1] != ' ';)
		v--;
	n = (size_t)(end - v);
	if (n < 4 || strncasecmp(v, "http", 4) != 0)
		return DETECT_OTHER;
	if (n == 8 && memcmp(v, "HTTP/", 5) == 0 &&
	    isdigit((unsigned char)v[5]) && v[6] == '.' &&
	    isdigit((unsigned char)v[7]) && memcmp(v, "HTTP/1.0", 8) != 0 &&
	    memcmp(v, "HTTP/1.1", 8) != 0)
		return DETECT_OTHER;
	return DETECT_HTTP1;
}

/* METHOD SP ("/" | "*" | "http:" | "https:"), or CONNECT SP */
static enum detect detect_request_line(const char *p, size_t n)
{
	const char *start;
	size_t m = 0, len;

	while (m < n && m <= METHOD_MAX && method_char(p[m]))
		m++;
	if (m == n && m <= METHOD_MAX)
		return DETECT_MORE;
	if (!m || m > METHOD_MAX || p[m] != ' ')
		return DETECT_OTHER;
	if (m == 7 && memcmp(p, "CONNECT", 7) == 0)
		return request_version(p, n);
	start = p;
	len = n;
	p += m + 1;
	n -= m + 1;
	if (!n)
		return DETECT_MORE;
	if (*p == '/' || *p == '*')
		return request_version(start, len);
	if (agree(p, n, "http:") || agree(p, n, "https:"))
		return n >= 5 ? request_version(start, len) : DETECT_MORE;
	return DETECT_OTHER;
}

enum detect detect(const void *data, size_t n)
{
	const char *p = data;

	if (!n)
		return DETECT_MORE;
	if (*p == 0x16) /* handshake record, then the version's 3 */
		return n < 2	   ? DETECT_MORE
		       : p[1] == 3 ? DETECT_TLS
				   : DETECT_OTHER;
	if (agree(p, n, preface))
		return n >= sizeof(preface) - 1 ? DETECT_HTTP2 : DETECT_MORE;
	/* empty lines before a request, RFC 9112 section 2.2 */
	for (int i = 0; i < 4 && n && *p == '\r'; i++) {
		if (n > 1 && p[1] != '\n')
			return DETECT_OTHER;
		p += MIN(n, (size_t)2);
		n -= MIN(n, (size_t)2);
	}
	return n ? detect_request_line(p, n) : DETECT_MORE;
}
