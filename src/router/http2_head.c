/* SPDX-License-Identifier: Apache-2.0 */
#include "router/http2_head.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define XFF "x-forwarded-for"

struct http2_head *http2_head_new(void)
{
	struct http2_head *h = malloc(sizeof(*h));

	if (!h)
		return NULL;
	h->n = 0;
	buf_init(&h->text, HTTP2_HEAD_MAX);
	return h;
}

void http2_head_free(struct http2_head *h)
{
	if (h)
		buf_fini(&h->text);
	free(h);
}

static struct rule_str name_of(const struct http2_head *h, size_t i)
{
	return (struct rule_str){ (const char *)buf_data(&h->text) +
					  h->field[i].name,
				  h->field[i].nname };
}

static struct rule_str value_of(const struct http2_head *h, size_t i)
{
	return (struct rule_str){ (const char *)buf_data(&h->text) +
					  h->field[i].value,
				  h->field[i].nvalue };
}

static bool is(struct rule_str s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

int http2_head_add(struct http2_head *h, const uint8_t *name, size_t nname,
		   const uint8_t *value, size_t nvalue, uint8_t flags)
{
	struct http2_field f = { .name = (uint32_t)h->text.len,
				 .nname = (uint32_t)nname,
				 .value = (uint32_t)(h->text.len + nname),
				 .nvalue = (uint32_t)nvalue,
				 .flags = flags };

	if (h->n == HTTP2_FIELDS_MAX || nname > HTTP2_HEAD_MAX ||
	    nvalue > HTTP2_HEAD_MAX ||
	    h->text.len + nname + nvalue > HTTP2_HEAD_MAX)
		return -E2BIG;
	if (buf_put(&h->text, name, nname) < 0 ||
	    buf_put(&h->text, value, nvalue) < 0)
		return -ENOMEM;
	h->field[h->n++] = f;
	return 0;
}

int http2_head_forwarded(struct http2_head *h, const struct ipport *from)
{
	char text[IPADDR_STRLEN + 2] = ", ";
	struct http2_field *f = NULL;
	size_t start = h->text.len, n;

	ipaddr_str(&from->addr, text + 2);
	n = strlen(text);
	for (size_t i = 0; i < h->n; i++)
		if (is(name_of(h, i), XFF))
			f = &h->field[i];
	if (!f)
		return http2_head_add(h, (const uint8_t *)XFF, strlen(XFF),
				      (const uint8_t *)text + 2, n - 2, 0);
	if (start + f->nvalue + n > HTTP2_HEAD_MAX)
		return -E2BIG;
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

size_t http2_head_nv(const struct http2_head *h,
		     nghttp2_nv nv[HTTP2_FIELDS_MAX])
{
	for (size_t i = 0; i < h->n; i++)
		nv[i] = (nghttp2_nv){
			.name = buf_data(&h->text) + h->field[i].name,
			.namelen = h->field[i].nname,
			.value = buf_data(&h->text) + h->field[i].value,
			.valuelen = h->field[i].nvalue,
			.flags = h->field[i].flags,
		};
	return h->n;
}

int http2_head_status(const struct http2_head *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct rule_str v = value_of(h, i);

		if (is(name_of(h, i), ":status") && v.n == 3)
			return (v.p[0] - '0') * 100 + (v.p[1] - '0') * 10 +
			       v.p[2] - '0';
	}
	return 0;
}

void http2_head_rule(const struct http2_head *h, struct rule_field *field,
		     struct rule_request *req)
{
	*req = (struct rule_request){ .field = field };
	for (size_t i = 0; i < h->n; i++) {
		struct rule_str name = name_of(h, i), v = value_of(h, i);

		if (is(name, ":method"))
			req->method = v;
		else if (is(name, ":path"))
			req->path = v;
		else if (is(name, ":authority"))
			field[req->nfields++] =
				(struct rule_field){ { "host", 4 }, v };
		else if (name.n && name.p[0] != ':')
			field[req->nfields++] = (struct rule_field){ name, v };
	}
}
