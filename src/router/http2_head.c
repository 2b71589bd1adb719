/* SPDX-License-Identifier: Apache-2.0 */
#include "router/http2_head.h"

#include "base/mem.h"
#include "wire/envmark.h"

#include <errno.h>
#include <string.h>

#define XFF "x-forwarded-for"
#define FIELD_OVERHEAD 32
#define OWN_FIELD ((size_t)256)
#define OWN_FIELDS 3 /* X-Forwarded-For, a mark in one field or two */

struct http2_head *http2_head_new(void)
{
	struct http2_head *h = malloc(sizeof(*h));

	if (!h)
		return NULL;
	h->field = h->few;
	h->n = 0;
	h->room = HTTP2_FEW;
	h->size = 0;
	h->cookie = false;
	/* twice: X-Forwarded-For is copied to where it can grow */
	buf_init(&h->text, 2 * HTTP2_HEAD_MAX + OWN_FIELDS * OWN_FIELD);
	return h;
}

void http2_head_free(struct http2_head *h)
{
	if (!h)
		return;
	buf_fini(&h->text);
	if (h->field != h->few)
		free(h->field);
	free(h);
}

static struct slice http2_head_name_of(const struct http2_head *h, size_t i)
{
	return (struct slice){ (const char *)buf_data(&h->text) +
				       h->field[i].name,
			       h->field[i].nname };
}

static struct slice http2_head_value_of(const struct http2_head *h, size_t i)
{
	return (struct slice){ (const char *)buf_data(&h->text) +
				       h->field[i].value,
			       h->field[i].nvalue };
}

static int http2_head_grow(struct http2_head *h)
{
	struct http2_field *more;

	if (h->n < h->room)
		return 0;
	more = malloc(2 * h->room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memcpy(more, h->field, h->n * sizeof(*more));
	if (h->field != h->few)
		free(h->field);
	h->field = more;
	h->room *= 2;
	return 0;
}

static int http2_head_put(struct http2_head *h, const struct hpack_field *f)
{
	size_t at = h->text.len;

	if (http2_head_grow(h) < 0 ||
	    buf_put(&h->text, f->name, f->nname) < 0 ||
	    buf_put(&h->text, f->value, f->nvalue) < 0)
		return -ENOMEM;
	h->field[h->n++] =
		(struct http2_field){ .name = (uint32_t)at,
				      .nname = (uint32_t)f->nname,
				      .value = (uint32_t)(at + f->nname),
				      .nvalue = (uint32_t)f->nvalue,
				      .never = f->never };
	return 0;
}

int http2_head_add(struct http2_head *h, const struct hpack_field *f)
{
	bool cookie = f->nname == 6 && memcmp(f->name, "cookie", 6) == 0;
	size_t size = f->nname + f->nvalue + FIELD_OVERHEAD;

	if (cookie && h->cookie) /* the next crumb: "; " and itself */
		size = f->nvalue + 2;
	if (h->n == HTTP2_FIELDS_MAX || size > HTTP2_HEAD_MAX - h->size)
		return -E2BIG;
	h->size += size;
	h->cookie |= cookie;
	return http2_head_put(h, f);
}

int http2_head_forwarded(struct http2_head *h, const struct ipport *from)
{
	char text[IPADDR_STRLEN + 2] = ", ";
	struct http2_field *f = NULL;
	size_t start = h->text.len, n;

	ipaddr_str(&from->addr, text + 2);
	n = strlen(text);
	for (size_t i = 0; i < h->n; i++)
		if (slice_is(http2_head_name_of(h, i), XFF))
			f = &h->field[i];
	if (!f)
		return http2_head_put(
			h, &(struct hpack_field){ (const uint8_t *)XFF,
						  (const uint8_t *)text + 2,
						  strlen(XFF), n - 2, false });
	/* the value is copied to the end, where it can grow */
	if (!buf_reserve(&h->text, f->nvalue + n))
		return -ENOMEM;
	if (buf_put(&h->text, buf_data(&h->text) + f->value, f->nvalue) < 0 ||
	    buf_put(&h->text, text, n) < 0)
		return -ENOMEM;
	f->value = (uint32_t)start;
	f->nvalue += (uint32_t)n;
	return 0;
}

int http2_head_put_own(struct http2_head *h, const char *name,
		       const char *value)
{
	const struct hpack_field f = { (const uint8_t *)name,
				       (const uint8_t *)value, strlen(name),
				       strlen(value), false };

	return http2_head_put(h, &f);
}

static void http2_head_remove(struct http2_head *h, size_t i)
{
	h->n--;
	memmove(&h->field[i], &h->field[i + 1], (h->n - i) * sizeof(*h->field));
}

void http2_head_unmark(struct http2_head *h, const char *header)
{
	for (size_t i = h->n; i-- > 0;)
		if (envmark_is_field(http2_head_name_of(h, i), header))
			http2_head_remove(h, i);
}

int http2_head_no_store(struct http2_head *h)
{
	for (size_t i = h->n; i-- > 0;)
		if (slice_is(http2_head_name_of(h, i), "cache-control"))
			http2_head_remove(h, i);
	return http2_head_put_own(h, "cache-control", "no-store");
}

int http2_head_mark(struct http2_head *h, const char *env, const char *header)
{
	char text[sizeof(ENVMARK_MEMBER) + ENVMARK_MAX];
	int rc;

	snprintf(text, sizeof(text), ENVMARK_MEMBER "=%s", env);
	rc = http2_head_put_own(h, ENVMARK_FIELD, text);
	return rc == 0 && header ? http2_head_put_own(h, header, env) : rc;
}

const struct hpack_field *http2_head_fields(const struct http2_head *h,
					    size_t *n)
{
	static struct hpack_field f[HTTP2_FIELDS_MAX + OWN_FIELDS];

	for (size_t i = 0; i < h->n; i++)
		f[i] = (struct hpack_field){
			.name = buf_data(&h->text) + h->field[i].name,
			.nname = h->field[i].nname,
			.value = buf_data(&h->text) + h->field[i].value,
			.nvalue = h->field[i].nvalue,
			.never = h->field[i].never,
		};
	*n = h->n;
	return f;
}

int http2_head_status(const struct http2_head *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct slice v = http2_head_value_of(h, i);

		if (slice_is(http2_head_name_of(h, i), ":status") && v.n == 3)
			return (v.p[0] - '0') * 100 + (v.p[1] - '0') * 10 +
			       v.p[2] - '0';
	}
	return 0;
}

bool http2_head_is_extended(const struct http2_head *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (slice_is(http2_head_name_of(h, i), ":protocol"))
			return true;
	return false;
}

/* one more crumb of @*all, whose bytes are borrowed until there are two */
static void http2_head_join(struct slice *all, struct slice crumb)
{
	static char joined[2 * HTTP2_HEAD_MAX];

	if (!all->p) {
		*all = crumb;
		return;
	}
	if (all->n + crumb.n + 2 > sizeof(joined))
		return; /* more than http2_head_add() takes */
	if (all->p != joined) {
		memcpy(joined, all->p, all->n);
		all->p = joined;
	}
	memcpy(joined + all->n, "; ", 2);
	memcpy(joined + all->n + 2, crumb.p, crumb.n);
	all->n += crumb.n + 2;
}

void http2_head_rule(const struct http2_head *h, struct rule_request *req)
{
	static struct rule_field field[HTTP2_FIELDS_MAX + OWN_FIELDS + 1];
	struct slice cookie = { NULL, 0 };

	*req = (struct rule_request){ .field = field };
	for (size_t i = 0; i < h->n; i++) {
		struct slice name = http2_head_name_of(h, i),
			     v = http2_head_value_of(h, i);

		if (slice_is(name, ":method"))
			req->method = v;
		else if (slice_is(name, ":path"))
			req->path = v;
		else if (slice_is(name, ":authority"))
			field[req->nfields++] =
				(struct rule_field){ { "host", 4 }, v };
		else if (slice_is(name, "cookie"))
			http2_head_join(&cookie, v);
		else if (name.n && name.p[0] != ':')
			field[req->nfields++] = (struct rule_field){ name, v };
	}
	if (cookie.p)
		field[req->nfields++] =
			(struct rule_field){ { "cookie", 6 }, cookie };
}
