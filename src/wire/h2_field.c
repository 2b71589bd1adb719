/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/slice.h"
#include "wire/h2.h"

#include <string.h>
#include <strings.h>

/*
 * RFC 9113 sections 8.1 to 8.5: a head that another reader could take for
 * something else, above all one that goes on as HTTP/1, is malformed.
 */

static bool h2_field_is_any(const uint8_t *p, size_t n,
			    const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_is(slice_make(p, n), names[i]))
			return true;
	return false;
}

/* --- characters ----------------------------------------------------------- */

static bool h2_field_is_token(const uint8_t *p, size_t n, bool upper)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t c = p[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    (upper && c >= 'A' && c <= 'Z'))
			continue;
		if (c == 0 || !strchr("!#$%&'*+-.^_`|~", c))
			return false;
	}
	return n > 0;
}

/* RFC 9110 section 5.5. Blanks at the ends, which RFC 9113 section 8.2.1 does
 * not allow either, are said by programs in use and mislead nobody: they go on.
 */
static bool h2_field_is_value(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
			return false;
	return true;
}

static bool is_authority(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f ||
		    strchr("\"#/<>?\\^`{|}", p[i]))
			return false;
	return true;
}

static bool is_path(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] == 0x7f)
			return false;
	return n > 0 && (p[0] == '/' || slice_is(slice_make(p, n), "*"));
}

static bool is_scheme(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t c = p[i], low = c | 0x20;

		if (!(low >= 'a' && low <= 'z') &&
		    (i == 0 || (!(c >= '0' && c <= '9') && c != '+' &&
				c != '-' && c != '.')))
			return false;
	}
	return n > 0;
}

/* --- pseudo-header fields ------------------------------------------------- */

static bool once(bool *seen)
{
	bool first = !*seen;

	*seen = true;
	return first;
}

static bool request_pseudo(struct h2_check *c, const struct hpack_field *f)
{
	const uint8_t *v = f->value;
	size_t n = f->nvalue;

	if (slice_is(slice_make(f->name, f->nname), ":method")) {
		c->is_connect = slice_is(slice_make(v, n), "CONNECT");
		c->is_options = slice_is(slice_make(v, n), "OPTIONS");
		return once(&c->method) && h2_field_is_token(v, n, true);
	}
	if (slice_is(slice_make(f->name, f->nname), ":scheme"))
		return once(&c->scheme) && is_scheme(v, n);
	if (slice_is(slice_make(f->name, f->nname), ":authority"))
		return once(&c->authority) && is_authority(v, n);
	if (slice_is(slice_make(f->name, f->nname), ":protocol"))
		return once(&c->protocol) && h2_field_is_token(v, n, true);
	if (slice_is(slice_make(f->name, f->nname), ":path")) {
		c->asterisk = slice_is(slice_make(v, n), "*");
		return once(&c->path) && is_path(v, n);
	}
	return false;
}

static bool response_pseudo(struct h2_check *c, const struct hpack_field *f)
{
	const uint8_t *v = f->value;

	if (!slice_is(slice_make(f->name, f->nname), ":status") ||
	    !once(&c->status) || f->nvalue != 3)
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (v[i] < '0' || v[i] > '9')
			return false;
		c->code = c->code * 10 + v[i] - '0';
	}
	/* 101 is of HTTP/1 alone (section 8.6) */
	return c->code >= 100 && c->code != 101;
}

/* --- fields --------------------------------------------------------------- */

static bool is_length(struct h2_check *c, const uint8_t *p, size_t n)
{
	int64_t v = 0;

	if (n == 0 || n > 18)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + p[i] - '0';
	}
	if (c->length >= 0) /* said twice */
		return false;
	c->length = v;
	return true;
}

/* those of a connection (section 8.2.2), and those that say where a message
 * ends or goes */
static bool is_fit(struct h2_check *c, const struct hpack_field *f)
{
	static const char *const forbidden[] = { "connection", "keep-alive",
						 "proxy-connection",
						 "transfer-encoding",
						 "upgrade" };

	if (h2_field_is_any(f->name, f->nname, forbidden,
			    ARRAY_SIZE(forbidden)))
		return false;
	if (slice_is(slice_make(f->name, f->nname), "te"))
		return f->nvalue == 8 &&
		       strncasecmp((const char *)f->value, "trailers", 8) == 0;
	if (slice_is(slice_make(f->name, f->nname), "content-length"))
		return !c->trailer && is_length(c, f->value, f->nvalue);
	if (slice_is(slice_make(f->name, f->nname), "host") && !c->response &&
	    !c->trailer)
		return once(&c->host) && is_authority(f->value, f->nvalue);
	return true;
}

void h2_check_field(struct h2_check *c, const struct hpack_field *f)
{
	bool fit;

	if (f->nname && f->name[0] == ':') {
		fit = !c->regular && !c->trailer &&
		      (c->response ? response_pseudo(c, f)
				   : request_pseudo(c, f));
	} else {
		c->regular = true;
		fit = h2_field_is_token(f->name, f->nname, false) &&
		      h2_field_is_value(f->value, f->nvalue) && is_fit(c, f);
	}
	if (!fit)
		c->bad = true;
}

bool h2_check_head(const struct h2_check *c)
{
	if (c->bad)
		return false;
	if (c->trailer)
		return true;
	if (c->response)
		return c->status;
	if (!c->method)
		return false;
	if (c->protocol) /* RFC 8441 section 4: CONNECT that has all of them */
		return c->is_connect && c->authority && c->scheme && c->path;
	if (c->is_connect) /* section 8.5 */
		return c->authority && !c->scheme && !c->path;
	return c->scheme && c->path && (c->authority || c->host) &&
	       (!c->asterisk || c->is_options);
}
