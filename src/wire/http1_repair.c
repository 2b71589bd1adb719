/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/mem.h"
#include "wire/http1.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/**
 * DOC: Heads of responses that are not as they should be
 *
 * A server's own clients have learned to live with what it says; a proxy before
 * it that is stricter than they are breaks what worked. So a response's head is
 * written anew, as RFC 9112 has it, and only that is read and passed on:
 *
 *   a line that ends in LF alone        CR LF                     section 2.2
 *   NUL, a bare CR, control characters  a blank        RFC 9110 section 5.5
 *   lines with a blank before them,     left out                  section 2.2
 *     behind the status line
 *   a blank before the colon            left out                  section 5.1
 *   folded lines                        one line                  section 5.2
 *   "HTTP/1.1 404: Not Found"           without the colon
 *   what is no field                    left out
 *   Content-Length beside               left out                  section 6.3
 *     Transfer-Encoding
 *   Content-Length: 5, 5                5              RFC 9110 section 8.6
 *   Transfer-Encoding: identity         left out
 *
 * Requests are never repaired: who reads them otherwise than we do would be
 * tricked into somebody else's request.
 */

#define EMPTY_LINES_MAX 8

struct repair {
	struct buf *out;
	char *text; /* the head's lines, each with LF */
	size_t len;
	bool coded; /* it has a transfer coding */
	bool open;  /* a field's line may go on */
	int rc;
};

/* --- lines ---------------------------------------------------------------- */

/* false: there is none that is whole */
static bool repair_line(const char **p, const char *end, struct slice *line)
{
	const char *lf = *p < end ? memchr(*p, '\n', (size_t)(end - *p)) : NULL;

	if (!lf)
		return false;
	*line = (struct slice){ *p, (size_t)(lf - *p) };
	if (line->n && lf[-1] == '\r')
		line->n--;
	*p = lf + 1;
	return true;
}

static bool repair_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice repair_trim(struct slice s)
{
	for (; s.n && repair_is_blank(*s.p); s.n--)
		s.p++;
	while (s.n && repair_is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static void repair_put(struct repair *r, struct slice s)
{
	if (r->rc == 0)
		r->rc = buf_put(r->out, s.p, s.n);
}

static void repair_put_text(struct repair *r, const char *text)
{
	repair_put(r, (struct slice){ text, strlen(text) });
}

/* where the head begins (*start) and ends; 0, -EAGAIN, -E2BIG */
static ssize_t repair_find(const char *data, size_t len, const char **start)
{
	const char *p = data, *end = data + MIN(len, HTTP1_MAX_HEAD);
	struct slice line;
	int empty = EMPTY_LINES_MAX;

	do {
		*start = p;
		if (!repair_line(&p, end, &line))
			return len < HTTP1_MAX_HEAD ? -EAGAIN : -E2BIG;
	} while (!line.n && empty-- > 0);
	while (line.n)
		if (!repair_line(&p, end, &line))
			return len < HTTP1_MAX_HEAD ? -EAGAIN : -E2BIG;
	return p - data;
}

/* the ends of lines stay as they are */
static void repair_chars(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		bool end = c == '\r' && i + 1 < n && p[i + 1] == '\n';

		if ((c < ' ' && c != '\t' && c != '\n' && !end) || c == 0x7f)
			p[i] = ' ';
	}
}

/* --- the status line ------------------------------------------------------ */

static int repair_status(struct repair *r, struct slice s)
{
	char text[24];

	if (s.n < 8 || memcmp(s.p, "HTTP/1.", 7) != 0 || s.p[7] < '0' ||
	    s.p[7] > '9')
		return -EBADMSG;
	snprintf(text, sizeof(text), "HTTP/1.%c ", s.p[7] == '0' ? '0' : '1');
	repair_put_text(r, text);
	s.p += 8;
	s.n -= 8;
	s = repair_trim(s);
	if (s.n < 3 || (s.n > 3 && s.p[3] >= '0' && s.p[3] <= '9'))
		return -EBADMSG;
	/* that these are digits the strict reader sees */
	repair_put(r, (struct slice){ s.p, 3 });
	for (s.p += 3, s.n -= 3; s.n && (repair_is_blank(*s.p) || *s.p == ':');
	     s.n--)
		s.p++;
	repair_put_text(r, " ");
	repair_put(r, s);
	repair_put_text(r, "\r\n");
	return 0;
}

/* --- fields --------------------------------------------------------------- */

/* false: it is none */
static bool repair_field(struct slice line, struct http1_field *f)
{
	const char *colon = memchr(line.p, ':', line.n);

	if (!colon)
		return false;
	f->name =
		repair_trim((struct slice){ line.p, (size_t)(colon - line.p) });
	f->value = repair_trim((struct slice){
		colon + 1, (size_t)(line.p + line.n - colon - 1) });
	for (size_t i = 0; i < f->name.n; i++) {
		unsigned char c = (unsigned char)f->name.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"(),/;<=>?@[\\]{}", c))
			return false;
	}
	return f->name.n;
}

/* of "5, 5" the 5; others as they are */
static struct slice repair_same(struct slice list)
{
	const char *comma = memchr(list.p, ',', list.n);
	struct slice first = { list.p,
			       comma ? (size_t)(comma - list.p) : list.n };
	struct slice rest = list;

	first = repair_trim(first);
	while (comma) {
		struct slice word;

		rest.n -= (size_t)(comma + 1 - rest.p);
		rest.p = comma + 1;
		comma = memchr(rest.p, ',', rest.n);
		word = repair_trim((struct slice){
			rest.p, comma ? (size_t)(comma - rest.p) : rest.n });
		if (word.n != first.n || memcmp(word.p, first.p, word.n) != 0)
			return list;
	}
	return first;
}

static void repair_put_field(struct repair *r, struct slice line)
{
	bool folded = repair_is_blank(*line.p);
	struct http1_field f;

	if (folded) {
		line = repair_trim(line);
		if (!r->open || !line.n)
			return;
		repair_put_text(r, " ");
		repair_put(r, line);
		return;
	}
	if (r->open)
		repair_put_text(r, "\r\n");
	r->open = false;
	if (!repair_field(line, &f))
		return;
	if (slice_is_nocase(f.name, "content-length")) {
		if (r->coded)
			return;
		f.value = repair_same(f.value);
	}
	if (slice_is_nocase(f.name, "transfer-encoding") && !r->coded)
		return;
	repair_put(r, f.name);
	repair_put_text(r, ": ");
	repair_put(r, f.value);
	r->open = true;
}

static bool repair_is_coded(const char *p, const char *end)
{
	struct slice line;
	struct http1_field f;

	while (repair_line(&p, end, &line))
		if (line.n && !repair_is_blank(*line.p) &&
		    repair_field(line, &f) &&
		    slice_is_nocase(f.name, "transfer-encoding") &&
		    !slice_is_nocase(f.value, "identity"))
			return true;
	return false;
}

static int repair_head(struct repair *r)
{
	const char *p = r->text, *end = r->text + r->len;
	struct slice line;

	repair_chars(r->text, r->len);
	if (!repair_line(&p, end, &line) || repair_status(r, line) < 0)
		return -EBADMSG;
	r->coded = repair_is_coded(p, end);
	while (repair_line(&p, end, &line) && line.n)
		repair_put_field(r, line);
	repair_put_text(r, r->open ? "\r\n\r\n" : "\r\n");
	return r->rc;
}

ssize_t http1_repair(struct buf *out, const void *data, size_t len)
{
	const char *start = data;
	ssize_t n = repair_find(data, len, &start);
	struct repair r = { .out = out };
	int rc;

	if (n < 0)
		return n;
	r.len = (size_t)((const char *)data + n - start);
	r.text = malloc(r.len);
	if (!r.text)
		return -ENOMEM;
	memcpy(r.text, start, r.len);
	rc = repair_head(&r);
	free(r.text);
	return rc < 0 ? rc : n;
}
