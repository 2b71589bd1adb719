/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http1.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define MAX_EMPTY_LINES 8

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110 section 5.6.2 */
static bool is_tchar(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_text(char c)
{
	unsigned char u = (unsigned char)c;

	return c == '\t' || (u >= 0x20 && u != 0x7f);
}

/* --- lines and words ------------------------------------------------------ */

/*
 * The next line without its CR LF: 0, -EAGAIN when it has no end yet, -EBADMSG
 * for a control character (a bare CR among them) or a bare LF.
 */
static int next_line(struct rd *r, struct slice *line)
{
	const uint8_t *start = r->p, *p = start, *end = r->end;

	/* each byte of each head comes by here */
	while (p < end && is_text((char)*p))
		p++;
	r->p = p;
	if (p == end)
		return -EAGAIN;
	if (*p != '\r')
		return -EBADMSG;
	if (end - p < 2)
		return -EAGAIN;
	if (p[1] != '\n')
		return -EBADMSG;
	*line = slice_make((const char *)start, (size_t)(p - start));
	r->p = p + 2;
	return 0;
}

static bool http1_is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_tchar(s.p[i]))
			return false;
	return s.n;
}

static int version(struct slice s, unsigned int *minor)
{
	if (s.n != 8 || memcmp(s.p, "HTTP/1.", 7) != 0 ||
	    (s.p[7] != '0' && s.p[7] != '1'))
		return -EBADMSG;
	*minor = (unsigned int)(s.p[7] - '0');
	return 0;
}

/* --- start lines ---------------------------------------------------------- */

static int status_line(struct http1_head *h, struct slice line)
{
	struct slice v, code;

	if (!slice_cut(&line, ' ', &v) || version(v, &h->minor) < 0)
		return -EBADMSG;
	if (!slice_cut(&line, ' ',
		       &code)) { /* no reason and no blank before it */
		code = line;
		line.n = 0;
	}
	if (code.n != 3 || !is_digit(code.p[0]) || !is_digit(code.p[1]) ||
	    !is_digit(code.p[2]) || code.p[0] == '0')
		return -EBADMSG;
	h->status = (unsigned int)((code.p[0] - '0') * 100 +
				   (code.p[1] - '0') * 10 + code.p[2] - '0');
	h->reason = line;
	return 0;
}

static int http1_request_line(struct http1_head *h, struct slice line)
{
	if (!slice_cut(&line, ' ', &h->method) || !http1_is_token(h->method) ||
	    !slice_cut(&line, ' ', &h->target) || !h->target.n ||
	    memchr(h->target.p, '\t', h->target.n))
		return -EBADMSG;
	return version(line, &h->minor);
}

/* --- fields --------------------------------------------------------------- */

static int field_line(struct http1_head *h, struct slice line)
{
	struct http1_field *f;

	f = &h->fields[h->nfields];
	/* a blank in the name: a folded line, or one before the colon */
	if (!slice_cut(&line, ':', &f->name) || !http1_is_token(f->name))
		return -EBADMSG;
	f->value = slice_trim(line);
	h->nfields++;
	return 0;
}

struct http1_max {
	size_t bytes, fields;
};

static ssize_t http1_parse(struct http1_head *h, const void *data, size_t len,
			   int (*start)(struct http1_head *h,
					struct slice line),
			   int empty_lines, struct http1_max max)
{
	struct rd r = rd_make(data, len < max.bytes ? len : max.bytes);
	struct slice line;
	int rc;

	memset(h, 0, offsetof(struct http1_head, fields));
	do
		rc = next_line(&r, &line);
	while (!rc && !line.n && empty_lines-- > 0);
	if (!rc)
		rc = start(h, line);
	while (!rc) {
		rc = next_line(&r, &line);
		if (!rc && !line.n)
			return (ssize_t)(r.p - (const uint8_t *)data);
		if (!rc)
			rc = h->nfields < max.fields ? field_line(h, line)
						     : -E2BIG;
	}
	if (rc == -EAGAIN && len >= max.bytes)
		return -E2BIG;
	return rc;
}

static const struct http1_max usual = { HTTP1_MAX_HEAD, HTTP1_MAX_FIELDS };

ssize_t http1_parse_response(struct http1_head *h, const void *data, size_t len)
{
	return http1_parse(h, data, len, status_line, 0, usual);
}

ssize_t http1_parse_request(struct http1_head *h, const void *data, size_t len)
{
	return http1_parse(h, data, len, http1_request_line, MAX_EMPTY_LINES,
			   usual);
}

ssize_t http1_parse_passed(struct http1_head *h, const void *data, size_t len)
{
	const struct http1_max more = { HTTP1_PASSED_HEAD,
					HTTP1_MAX_FIELDS + HTTP1_OWN_FIELDS };

	return http1_parse(h, data, len, http1_request_line, MAX_EMPTY_LINES,
			   more);
}

const struct http1_field *http1_find(const struct http1_head *h,
				     const char *name)
{
	for (size_t i = 0; i < h->nfields; i++)
		if (slice_is_nocase(h->fields[i].name, name))
			return &h->fields[i];
	return NULL;
}

static bool list_has(struct slice list, const char *token)
{
	struct slice word;

	while (slice_cut(&list, ',', &word))
		if (slice_is_nocase(slice_trim(word), token))
			return true;
	return slice_is_nocase(slice_trim(list), token);
}

bool http1_has_token(const struct http1_head *h, const char *name,
		     const char *token)
{
	for (size_t i = 0; i < h->nfields; i++)
		if (slice_is_nocase(h->fields[i].name, name) &&
		    list_has(h->fields[i].value, token))
			return true;
	return false;
}

/* --- bodies --------------------------------------------------------------- */

static int one_length(struct slice s, uint64_t *v)
{
	uint64_t n = 0;

	if (!s.n || s.n > 18)
		return -EBADMSG;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_digit(s.p[i]))
			return -EBADMSG;
		n = n * 10 + (uint64_t)(s.p[i] - '0');
	}
	*v = n;
	return 0;
}

/* Every Content-Length says the same: 1 with *@length, 0 when there is none. */
static int content_length(const struct http1_head *h, uint64_t *length)
{
	bool have = false;

	for (size_t i = 0; i < h->nfields; i++) {
		uint64_t v;

		if (!slice_is_nocase(h->fields[i].name, "content-length"))
			continue;
		if (one_length(h->fields[i].value, &v) < 0 ||
		    (have && v != *length))
			return -EBADMSG;
		*length = v;
		have = true;
	}
	return have;
}

/* 1 when the body is chunked, 0 without any transfer coding. Codings other
 * than chunked alone are not for us. */
static int chunked(const struct http1_head *h)
{
	int seen = 0;

	for (size_t i = 0; i < h->nfields; i++) {
		if (!slice_is_nocase(h->fields[i].name, "transfer-encoding"))
			continue;
		if (seen || !slice_is_nocase(h->fields[i].value, "chunked"))
			return -EBADMSG;
		seen = 1;
	}
	return seen && h->minor == 0 ? -EBADMSG : seen;
}

static int framing(const struct http1_head *h, uint64_t *length,
		   enum http1_body otherwise)
{
	int te = chunked(h), cl = content_length(h, length);

	if (te < 0 || cl < 0 || (te && cl))
		return -EBADMSG;
	if (te)
		return HTTP1_CHUNKED;
	if (!cl)
		return otherwise;
	return *length ? HTTP1_LENGTH : HTTP1_NO_BODY;
}

int http1_request_body(const struct http1_head *h, uint64_t *length)
{
	*length = 0;
	return framing(h, length, HTTP1_NO_BODY);
}

int http1_response_body(const struct http1_head *h, bool to_head,
			uint64_t *length)
{
	*length = 0;
	if (to_head || h->status < 200 || h->status == 204 || h->status == 304)
		return HTTP1_NO_BODY;
	return framing(h, length, HTTP1_UNTIL_EOF);
}

/* the last coding of the last Transfer-Encoding field is chunked */
static bool ends_chunked(const struct http1_head *h)
{
	struct slice v = { 0 }, word;

	for (size_t i = 0; i < h->nfields; i++)
		if (slice_is_nocase(h->fields[i].name, "transfer-encoding"))
			v = h->fields[i].value;
	while (slice_cut(&v, ',', &word))
		continue;
	return slice_is_nocase(slice_trim(v), "chunked");
}

int http1_passed_body(const struct http1_head *h, bool to_head,
		      uint64_t *length)
{
	if (!http1_find(h, "transfer-encoding") || to_head || h->status < 200 ||
	    h->status == 204 || h->status == 304)
		return http1_response_body(h, to_head, length);
	*length = 0;
	if (http1_find(h, "content-length"))
		return -EBADMSG;
	return ends_chunked(h) && h->minor ? HTTP1_CHUNKED : HTTP1_UNTIL_EOF;
}

bool http1_is_odd(const struct http1_head *h)
{
	uint64_t length;

	if (!http1_find(h, "transfer-encoding"))
		return content_length(h, &length) < 0;
	return http1_find(h, "content-length") ||
	       http1_has_token(h, "transfer-encoding", "identity");
}

/* --- chunked coding (RFC 9112 section 7.1) -------------------------------- */

enum {
	C_SIZE,
	C_EXT,
	C_SIZE_LF,
	C_DATA,
	C_DATA_CR,
	C_DATA_LF,
	C_TRAILER, /* the field's name, or the empty line */
	C_TRAILER_VALUE,
	C_TRAILER_LF,
	C_PAD, /* blanks behind the size */
	C_LAST_LF,
};

#define MAX_CHUNK_LINE 4096U

static int http1_hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* blanks, then an extension or the end: nothing else, that a reader could take
 * for a part of the size */
static int after_size(struct http1_chunks *c, uint8_t b)
{
	if (b == '\r')
		c->state = C_SIZE_LF;
	else if (b == ';')
		c->state = C_EXT;
	else if (is_blank((char)b) && ++c->line <= MAX_CHUNK_LINE)
		c->state = C_PAD;
	else
		return -EBADMSG;
	return 0;
}

static int size_byte(struct http1_chunks *c, uint8_t b)
{
	int v = http1_hex_value(b);

	if (v >= 0) {
		if (++c->line > 15)
			return -EBADMSG;
		c->left = c->left * 16 + (uint64_t)v;
		return 0;
	}
	return c->line ? after_size(c, b) : -EBADMSG;
}

/* Trailer lines are checked and skipped; @line counts the bytes of one. */
static int trailer_byte(struct http1_chunks *c, uint8_t b)
{
	if (b == '\r' && !c->line)
		c->state = C_LAST_LF;
	else if (b == ':' && c->line)
		c->state = C_TRAILER_VALUE;
	else if (!is_tchar((char)b) || ++c->line > MAX_CHUNK_LINE)
		return -EBADMSG;
	return 0;
}

static int trailer_value_byte(struct http1_chunks *c, uint8_t b)
{
	if (b == '\r')
		c->state = C_TRAILER_LF;
	else if (!is_text((char)b) || ++c->line > MAX_CHUNK_LINE)
		return -EBADMSG;
	return 0;
}

static int ext_byte(struct http1_chunks *c, uint8_t b)
{
	if (b == '\r')
		c->state = C_SIZE_LF;
	else if (!is_text((char)b) || ++c->line > MAX_CHUNK_LINE)
		return -EBADMSG;
	return 0;
}

static int chunk_byte(struct http1_chunks *c, uint8_t b)
{
	switch (c->state) {
	case C_SIZE:
		return size_byte(c, b);
	case C_EXT:
		return ext_byte(c, b);
	case C_SIZE_LF:
		c->state = c->left ? C_DATA : C_TRAILER;
		c->line = 0;
		return b == '\n' ? 0 : -EBADMSG;
	case C_DATA_CR:
		c->state = C_DATA_LF;
		return b == '\r' ? 0 : -EBADMSG;
	case C_DATA_LF:
		c->state = C_SIZE;
		return b == '\n' ? 0 : -EBADMSG;
	case C_TRAILER:
		return trailer_byte(c, b);
	case C_TRAILER_VALUE:
		return trailer_value_byte(c, b);
	case C_TRAILER_LF:
		c->line = 0;
		c->state = C_TRAILER;
		return b == '\n' ? 0 : -EBADMSG;
	case C_LAST_LF:
		c->done = true;
		return b == '\n' ? 0 : -EBADMSG;
	case C_PAD:
		return after_size(c, b);
	default:
		return -EBADMSG;
	}
}

/* a bare LF where a CR may be is both */
static int any_chunk_byte(struct http1_chunks *c, uint8_t b)
{
	bool at_lf = c->state == C_SIZE_LF || c->state == C_DATA_LF ||
		     c->state == C_TRAILER_LF || c->state == C_LAST_LF;

	if (c->lenient && b == '\n' && !at_lf && chunk_byte(c, '\r') < 0)
		return -EBADMSG;
	return chunk_byte(c, b);
}

ssize_t http1_chunks_next(struct http1_chunks *c, const void *data, size_t len,
			  struct slice *out)
{
	struct rd r = rd_make(data, len);
	uint8_t b;

	*out = (struct slice){ data, 0 };
	while (!c->done && c->state != C_DATA && rd_u8(&r, &b))
		if (any_chunk_byte(c, b) < 0)
			return -EBADMSG;
	if (c->state == C_DATA && rd_left(&r)) {
		out->n = rd_left(&r) < c->left ? rd_left(&r) : (size_t)c->left;
		out->p = (const char *)rd_bytes(&r, out->n);
		c->left -= out->n;
		if (!c->left)
			c->state = C_DATA_CR;
	}
	return (ssize_t)(len - rd_left(&r));
}

void http1_flow_start(struct http1_flow *f, int kind, uint64_t length)
{
	*f = (struct http1_flow){ .kind = kind, .left = length };
	f->done = kind == HTTP1_NO_BODY || (kind == HTTP1_LENGTH && !length);
}

static ssize_t chunked_next(struct http1_flow *f, const uint8_t *p, size_t len)
{
	size_t used = 0;

	while (used < len && !f->chunks.done) {
		struct slice payload;
		ssize_t n = http1_chunks_next(&f->chunks, p + used, len - used,
					      &payload);

		if (n < 0)
			return n;
		used += (size_t)n;
	}
	f->done = f->chunks.done;
	return (ssize_t)used;
}

ssize_t http1_flow_next(struct http1_flow *f, const void *data, size_t len)
{
	if (f->done)
		return 0;
	if (f->kind == HTTP1_CHUNKED)
		return chunked_next(f, data, len);
	if (f->kind == HTTP1_UNTIL_EOF)
		return (ssize_t)len;
	if (len > f->left)
		len = (size_t)f->left;
	f->left -= len;
	f->done = !f->left;
	return (ssize_t)len;
}
