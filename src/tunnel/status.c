/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/status.h"

#include "base/mem.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <string.h>

/* RFC 9209, section 2.3; the first row of an errno or a type is the one used.
 * Types of our own where the RFC has none carry a prefix. */
static const struct {
	int error;
	const char *type;
	int http;
} types[] = {
	{ ECONNREFUSED, "connection_refused", 502 },
	{ ETIMEDOUT, "connection_timeout", 504 },
	{ EHOSTUNREACH, "destination_ip_unroutable", 502 },
	{ ENETUNREACH, "kt_network_unreachable", 502 },
	{ EHOSTDOWN, "destination_unavailable", 503 },
	{ ENETRESET, "kt_ask_again", 503 },
	{ EACCES, "destination_ip_prohibited", 502 },
	{ EPERM, "destination_ip_prohibited", 502 },
	{ ECONNRESET, "connection_terminated", 502 },
	{ EPIPE, "connection_terminated", 502 },
	{ ECONNABORTED, "connection_terminated", 502 },
	{ ENOENT, "dns_error", 502 },
	{ ETIME, "dns_timeout", 504 },
	{ EMFILE, "connection_limit_reached", 503 },
	{ ENFILE, "connection_limit_reached", 503 },
	{ ENOBUFS, "connection_limit_reached", 503 },
	{ EADDRNOTAVAIL, "kt_no_local_port", 503 },
	{ EAFNOSUPPORT, "kt_no_such_family", 502 },
	{ EINVAL, "http_request_error", 400 },
	{ EMSGSIZE, "http_request_error", 400 },
	{ ENOTSUP, "http_request_denied", 501 },
	{ EPROTO, "http_protocol_error", 502 },
	{ ENOMEM, "proxy_internal_response", 503 },
	{ EIO, "proxy_internal_error", 500 },
};

static size_t row_of(int error)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types) - 1; i++)
		if (types[i].error == error)
			break;
	return i;
}

int status_http(int error)
{
	return types[row_of(error)].http;
}

int status_errno(int http)
{
	switch (http) {
	case 400:
	case 405:
		return EINVAL;
	case 404:
	case 501:
		return ENOTSUP;
	case 503:
		return ENOBUFS;
	case 504:
		return ETIMEDOUT;
	default:
		return EPROTO;
	}
}

/* a structured-field string (RFC 8941): printable, without " and \ */
static void put_string(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++) {
		bool plain = *text >= ' ' && *text < 0x7f && *text != '"' &&
			     *text != '\\';

		out[n++] = plain ? *text : '\'';
	}
	out[n] = 0;
}

void status_format(char out[STATUS_FIELD_MAX], int error, const char *detail)
{
	const char *type = types[row_of(error)].type;
	char text[200] = "";

	put_string(text, sizeof(text), detail && *detail ? detail : "");
	if (*text)
		snprintf(out, STATUS_FIELD_MAX,
			 "shadow; error=%s; details=\"%s\"", type, text);
	else
		snprintf(out, STATUS_FIELD_MAX, "shadow; error=%s", type);
}

static int error_of(const char *type, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strlen(types[i].type) == n &&
		    memcmp(types[i].type, type, n) == 0)
			return types[i].error;
	return EPROTO;
}

/* the value of parameter @name: a token or a quoted string, without quotes */
static const char *param(const char *value, size_t len, const char *name,
			 size_t *n)
{
	const char *p = memmem(value, len, name, strlen(name));
	const char *end = value + len;
	const char *start;

	if (!p)
		return NULL;
	p += strlen(name);
	start = p;
	if (p < end && *p == '"') {
		start = ++p;
		while (p < end && *p != '"')
			p++;
	} else {
		while (p < end && *p != ';' && *p != ',' && *p != ' ')
			p++;
	}
	*n = (size_t)(p - start);
	return start;
}

int status_parse(const char *value, size_t len, char *detail, size_t size)
{
	size_t n = 0, dn = 0;
	const char *type = param(value, len, "; error=", &n);
	const char *text = param(value, len, "; details=", &dn);

	if (size) {
		dn = text ? MIN(dn, size - 1) : 0;
		if (dn)
			memcpy(detail, text, dn);
		detail[dn] = 0;
	}
	return type ? error_of(type, n) : EPROTO;
}

uint32_t status_rst_code(int error)
{
	switch (error) {
	case 0:
		return NGHTTP2_NO_ERROR;
	case ECANCELED:
		return NGHTTP2_CANCEL;
	case ENOMEM:
	case ENOBUFS:
		return NGHTTP2_REFUSED_STREAM;
	case EPROTO:
		return NGHTTP2_PROTOCOL_ERROR;
	default:
		return NGHTTP2_CONNECT_ERROR;
	}
}

int status_rst_errno(uint32_t code)
{
	switch (code) {
	case NGHTTP2_NO_ERROR:
		return 0;
	case NGHTTP2_CANCEL:
		return -ECANCELED;
	case NGHTTP2_REFUSED_STREAM:
		return -ENOBUFS;
	default:
		return -ECONNRESET;
	}
}
