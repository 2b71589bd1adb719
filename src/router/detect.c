/* SPDX-License-Identifier: Apache-2.0 */
#include "router/detect.h"

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

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

/* METHOD SP ("/" | "*" | "http:" | "https:"), or CONNECT SP */
static enum detect detect_request_line(const char *p, size_t n)
{
	size_t m = 0;

	while (m < n && m <= METHOD_MAX && method_char(p[m]))
		m++;
	if (m == n && m <= METHOD_MAX)
		return DETECT_MORE;
	if (!m || m > METHOD_MAX || p[m] != ' ')
		return DETECT_OTHER;
	if (m == 7 && memcmp(p, "CONNECT", 7) == 0)
		return DETECT_HTTP1;
	p += m + 1;
	n -= m + 1;
	if (!n)
		return DETECT_MORE;
	if (*p == '/' || *p == '*')
		return DETECT_HTTP1;
	if (agree(p, n, "http:") || agree(p, n, "https:"))
		return n >= 5 ? DETECT_HTTP1 : DETECT_MORE;
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
