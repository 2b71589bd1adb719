/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/socks.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define VERSION 5
#define ATYP_V4 1
#define ATYP_NAME 3
#define ATYP_V6 4

int socks_parse_greeting(const uint8_t *data, size_t len, bool *no_auth)
{
	struct rd r = rd_make(data, len);
	const uint8_t *methods;
	uint8_t version, n;

	*no_auth = false;
	if (!rd_u8(&r, &version))
		return 0;
	if (version != VERSION)
		return -EPROTO;
	if (!rd_u8(&r, &n))
		return 0;
	if (!n)
		return -EPROTO;
	methods = rd_bytes(&r, n);
	if (!methods)
		return 0;
	*no_auth = memchr(methods, 0, n);
	return 2 + n;
}

/* A name becomes a string; one with a NUL in it would be another name. */
static int socks_take_name(struct rd *r, struct socks_dst *dst)
{
	const uint8_t *name;
	uint8_t n;

	if (!rd_u8(r, &n))
		return 0;
	if (!n)
		return -EPROTO;
	name = rd_bytes(r, n);
	if (!name)
		return 0;
	if (memchr(name, 0, n))
		return -EPROTO;
	memcpy(dst->host, name, n);
	dst->host[n] = '\0';
	/* an address as text is an address */
	if (ipaddr_parse(&dst->addr, dst->host) == 0)
		dst->host[0] = '\0';
	return 1;
}

/* Address type, address, port: 1, 0 when cut off, -errno. */
static int take_dst(struct rd *r, struct socks_dst *dst)
{
	const uint8_t *b;
	uint8_t atyp;
	int rc;

	*dst = (struct socks_dst){ 0 };
	if (!rd_u8(r, &atyp))
		return 0;
	switch (atyp) {
	case ATYP_V4:
		b = rd_bytes(r, 4);
		if (!b)
			return 0;
		dst->addr = ipaddr_v4(b);
		break;
	case ATYP_V6:
		b = rd_bytes(r, 16);
		if (!b)
			return 0;
		dst->addr = ipaddr_v6(b);
		break;
	case ATYP_NAME:
		rc = socks_take_name(r, dst);
		if (rc <= 0)
			return rc;
		break;
	default:
		return -EAFNOSUPPORT;
	}
	return rd_u16(r, &dst->port);
}

int socks_parse_request(const uint8_t *data, size_t len,
			struct socks_request *r)
{
	struct rd rd = rd_make(data, len);
	uint8_t version, reserved;
	int rc;

	*r = (struct socks_request){ 0 };
	if (!rd_u8(&rd, &version))
		return 0;
	if (version != VERSION)
		return -EPROTO;
	if (!rd_u8(&rd, &r->command) || !rd_u8(&rd, &reserved))
		return 0;
	rc = take_dst(&rd, &r->dst);
	return rc <= 0 ? rc : (int)(len - rd_left(&rd));
}

int socks_parse_udp(const uint8_t *data, size_t len, struct socks_dst *dst)
{
	struct rd rd = rd_make(data, len);
	uint16_t reserved;
	uint8_t fragment;

	if (!rd_u16(&rd, &reserved) || !rd_u8(&rd, &fragment) || fragment ||
	    take_dst(&rd, dst) <= 0)
		return -EPROTO;
	return (int)(len - rd_left(&rd));
}

/* --- HTTP ----------------------------------------------------------------- */

int socks_parse_authority(const char *s, size_t len, struct socks_dst *dst)
{
	char text[sizeof(dst->host) + 8];
	char *colon, *p;

	*dst = (struct socks_dst){ 0 };
	if (len >= sizeof(text) || memchr(s, 0, len))
		return -EPROTO;
	memcpy(text, s, len);
	text[len] = '\0';
	colon = strrchr(text, ':');
	if (!colon || colon == text)
		return -EPROTO;
	*colon = '\0';
	if (str_to_port(colon + 1, &dst->port) < 0)
		return -EPROTO;
	p = text;
	if (*p == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		p++;
		return ipaddr_parse(&dst->addr, p) < 0 ? -EPROTO : 0;
	}
	if (strchr(p, ':') || strlen(p) >= sizeof(dst->host))
		return -EPROTO;
	if (ipaddr_parse(&dst->addr, p) == 0)
		return 0;
	dst->addr = (struct ipaddr){ 0 };
	memcpy(dst->host, p, strlen(p) + 1);
	return 0;
}

int socks_parse_http(const uint8_t *data, size_t len, struct socks_dst *dst)
{
	static const char method[] = "CONNECT ";
	const size_t mlen = sizeof(method) - 1;
	const uint8_t *end, *eol, *space;

	*dst = (struct socks_dst){ 0 };
	if (memcmp(data, method, MIN(len, mlen)) != 0)
		return -EOPNOTSUPP;
	end = memmem(data, len, "\r\n\r\n", 4);
	if (!end)
		return len >= SOCKS_HTTP_MAX ? -EPROTO : 0;
	eol = memmem(data, len, "\r\n", 2);
	data += mlen;
	space = memchr(data, ' ', (size_t)(eol - data));
	if (!space || eol - space < 9 || memcmp(space, " HTTP/1.", 8) != 0 ||
	    socks_parse_authority((const char *)data, (size_t)(space - data),
				  dst) < 0)
		return -EPROTO;
	return (int)(end + 4 - (data - mlen));
}

const char *socks_http_reply(int errnum)
{
	switch (errnum) {
	case 0:
		return "HTTP/1.1 200 Connection established\r\n\r\n";
	case ETIMEDOUT:
		return "HTTP/1.1 504 Gateway Timeout\r\n"
		       "Content-Length: 0\r\nConnection: close\r\n\r\n";
	case EACCES:
		return "HTTP/1.1 403 Forbidden\r\n"
		       "Content-Length: 0\r\nConnection: close\r\n\r\n";
	case EPROTO:
		return "HTTP/1.1 400 Bad Request\r\n"
		       "Content-Length: 0\r\nConnection: close\r\n\r\n";
	case EOPNOTSUPP:
		return "HTTP/1.1 501 Not Implemented\r\n"
		       "Content-Length: 0\r\nConnection: close\r\n\r\n";
	default:
		return "HTTP/1.1 502 Bad Gateway\r\n"
		       "Content-Length: 0\r\nConnection: close\r\n\r\n";
	}
}

/* --- replies -------------------------------------------------------------- */

static uint8_t reply_code(int errnum)
{
	switch (errnum) {
	case 0:
		return 0;
	case EACCES:
	case EPERM:
		return 2; /* not allowed by ruleset */
	case ENETUNREACH:
		return 3;
	case EHOSTUNREACH:
	case ENOENT: /* no such name */
		return 4;
	case ECONNREFUSED:
	case ECONNRESET:
		return 5;
	case ETIMEDOUT:
		return 6; /* "TTL expired": what servers say for a time-out */
	case EOPNOTSUPP:
		return 7; /* command */
	case EAFNOSUPPORT:
		return 8; /* address type */
	default:
		return 1;
	}
}

static void put_addr(struct wr *w, const struct ipport *p)
{
	static const struct ipport none = { .addr.family = AF_INET };

	if (!p || !p->addr.family)
		p = &none;
	wr_u8(w, p->addr.family == AF_INET ? ATYP_V4 : ATYP_V6);
	wr_bytes(w, p->addr.b, ipaddr_size(&p->addr));
	wr_u16(w, p->port);
}

size_t socks_build_reply(int errnum, const struct ipport *bound,
			 uint8_t out[SOCKS_HEAD_MAX])
{
	struct wr w = wr_make(out, SOCKS_HEAD_MAX);

	wr_u8(&w, VERSION);
	wr_u8(&w, reply_code(errnum));
	wr_u8(&w, 0);
	put_addr(&w, bound);
	return wr_len(&w);
}

size_t socks_build_udp(const struct ipport *from, uint8_t out[SOCKS_HEAD_MAX])
{
	struct wr w = wr_make(out, SOCKS_HEAD_MAX);

	wr_u16(&w, 0);
	wr_u8(&w, 0);
	put_addr(&w, from);
	return wr_len(&w);
}
