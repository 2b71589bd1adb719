/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/hpack.h"

#include <errno.h>
#include <string.h>

#define ENTRY_OVERHEAD 32 /* section 4.1 */
#define INTEGER_MAX ((size_t)1 << 24)

/* --- tables --------------------------------------------------------------- */

struct hpack_text {
	const char *name, *value;
	uint8_t nname, nvalue;
};

#define TEXT(name, value)                                                      \
	{                                                                      \
		name, value, sizeof(name) - 1, sizeof(value) - 1               \
	}

/* appendix A; the first has index 1 */
static const struct hpack_text fixed[] = {
	TEXT(":authority", ""),
	TEXT(":method", "GET"),
	TEXT(":method", "POST"),
	TEXT(":path", "/"),
	TEXT(":path", "/index.html"),
	TEXT(":scheme", "http"),
	TEXT(":scheme", "https"),
	TEXT(":status", "200"),
	TEXT(":status", "204"),
	TEXT(":status", "206"),
	TEXT(":status", "304"),
	TEXT(":status", "400"),
	TEXT(":status", "404"),
	TEXT(":status", "500"),
	TEXT("accept-charset", ""),
	TEXT("accept-encoding", "gzip, deflate"),
	TEXT("accept-language", ""),
	TEXT("accept-ranges", ""),
	TEXT("accept", ""),
	TEXT("access-control-allow-origin", ""),
	TEXT("age", ""),
	TEXT("allow", ""),
	TEXT("authorization", ""),
	TEXT("cache-control", ""),
	TEXT("content-disposition", ""),
	TEXT("content-encoding", ""),
	TEXT("content-language", ""),
	TEXT("content-length", ""),
	TEXT("content-location", ""),
	TEXT("content-range", ""),
	TEXT("content-type", ""),
	TEXT("cookie", ""),
	TEXT("date", ""),
	TEXT("etag", ""),
	TEXT("expect", ""),
	TEXT("expires", ""),
	TEXT("from", ""),
	TEXT("host", ""),
	TEXT("if-match", ""),
	TEXT("if-modified-since", ""),
	TEXT("if-none-match", ""),
	TEXT("if-range", ""),
	TEXT("if-unmodified-since", ""),
	TEXT("last-modified", ""),
	TEXT("link", ""),
	TEXT("location", ""),
	TEXT("max-forwards", ""),
	TEXT("proxy-authenticate", ""),
	TEXT("proxy-authorization", ""),
	TEXT("range", ""),
	TEXT("referer", ""),
	TEXT("refresh", ""),
	TEXT("retry-after", ""),
	TEXT("server", ""),
	TEXT("set-cookie", ""),
	TEXT("strict-transport-security", ""),
	TEXT("transfer-encoding", ""),
	TEXT("user-agent", ""),
	TEXT("vary", ""),
	TEXT("via", ""),
	TEXT("www-authenticate", ""),
};

struct hpack_entry {
	struct list node;
	size_t nname, nvalue;
	uint8_t text[]; /* name, value */
};

static size_t entry_size(const struct hpack_entry *e)
{
	return e->nname + e->nvalue + ENTRY_OVERHEAD;
}

static void shrink(struct hpack_decoder *d, size_t size)
{
	while (d->size > size) {
		struct hpack_entry *e =
			container_of(d->table.prev, struct hpack_entry, node);

		d->size -= entry_size(e);
		d->count--;
		list_del(&e->node);
		free(e);
	}
}

static int hpack_insert(struct hpack_decoder *d, const struct hpack_field *f)
{
	size_t size = f->nname + f->nvalue + ENTRY_OVERHEAD;
	struct hpack_entry *e;

	if (size > d->max) { /* empties the table, and is no error */
		shrink(d, 0);
		return 0;
	}
	e = malloc(sizeof(*e) + f->nname + f->nvalue);
	if (!e)
		return -ENOMEM;
	e->nname = f->nname;
	e->nvalue = f->nvalue;
	memcpy(e->text, f->name, f->nname);
	memcpy(e->text + f->nname, f->value, f->nvalue);
	/* its texts may be those of an entry that goes now */
	shrink(d, d->max - size);
	list_add_head(&d->table, &e->node);
	d->count++;
	d->size += size;
	return 0;
}

/* 0 or -EBADMSG */
static int look_up(const struct hpack_decoder *d, size_t index,
		   struct hpack_field *f)
{
	const struct hpack_entry *e;
	struct list *n = d->table.next;

	if (index == 0 || index > ARRAY_SIZE(fixed) + d->count)
		return -EBADMSG;
	if (index <= ARRAY_SIZE(fixed)) {
		const struct hpack_text *t = &fixed[index - 1];

		f->name = (const uint8_t *)t->name;
		f->nname = t->nname;
		f->value = (const uint8_t *)t->value;
		f->nvalue = t->nvalue;
		return 0;
	}
	for (index -= ARRAY_SIZE(fixed) + 1; index; index--)
		n = n->next;
	e = container_of(n, struct hpack_entry, node);
	f->name = e->text;
	f->nname = e->nname;
	f->value = e->text + e->nname;
	f->nvalue = e->nvalue;
	return 0;
}

void hpack_decoder_init(struct hpack_decoder *d)
{
	*d = (struct hpack_decoder){ .max = HPACK_TABLE_SIZE,
				     .limit = HPACK_TABLE_SIZE };
	list_init(&d->table);
}

void hpack_decoder_fini(struct hpack_decoder *d)
{
	shrink(d, 0);
}

void hpack_decoder_limit(struct hpack_decoder *d, size_t limit)
{
	d->limit = limit;
	d->max = MIN(d->max, limit);
	shrink(d, d->max);
}

/* --- decoding ------------------------------------------------------------- */

/* section 5.1, with a prefix of @bits */
static int get_integer(struct rd *r, unsigned int bits, size_t *v)
{
	const uint8_t mask = (uint8_t)((1u << bits) - 1);
	uint8_t c;

	if (!rd_u8(r, &c))
		return -EBADMSG;
	*v = c & mask;
	if (*v < mask)
		return 0;
	for (unsigned int shift = 0; shift <= 21; shift += 7) {
		if (!rd_u8(r, &c))
			return -EBADMSG;
		*v += (size_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return *v < INTEGER_MAX ? 0 : -EBADMSG;
	}
	return -EBADMSG;
}

/* section 5.2; *mem: to be freed, if the text had to be decoded */
static int hpack_get_text(struct rd *r, const uint8_t **p, size_t *n,
			  uint8_t **mem)
{
	const uint8_t *raw;
	size_t nraw, room;
	bool huffman;
	ssize_t rc;

	if (!rd_left(r))
		return -EBADMSG;
	huffman = *r->p & 0x80;
	rc = get_integer(r, 7, &nraw);
	raw = rc < 0 ? NULL : rd_bytes(r, nraw);
	if (!raw)
		return -EBADMSG;
	*p = raw;
	*n = nraw;
	if (!huffman)
		return 0;
	room = nraw * 8 / 5;
	*mem = malloc(room + 1);
	if (!*mem)
		return -ENOMEM;
	rc = hpack_huffman_decode(raw, nraw, *mem, room);
	if (rc < 0)
		return -EBADMSG;
	*p = *mem;
	*n = (size_t)rc;
	return 0;
}

/* section 6.2; @bits: of the prefix that holds the name's index, or 0 */
static int get_literal(struct hpack_decoder *d, struct rd *r, unsigned int bits,
		       struct hpack_field *f, uint8_t *mem[2])
{
	size_t index;
	int rc = get_integer(r, bits, &index);

	if (rc == 0 && index)
		rc = look_up(d, index, f);
	else if (rc == 0)
		rc = hpack_get_text(r, &f->name, &f->nname, &mem[0]);
	if (rc == 0)
		rc = hpack_get_text(r, &f->value, &f->nvalue, &mem[1]);
	return rc;
}

/* one field, or a change of the table's size (*none) */
static int get_field(struct hpack_decoder *d, struct rd *r,
		     struct hpack_field *f, uint8_t *mem[2], bool *keep,
		     bool *none)
{
	uint8_t c = *r->p;
	size_t v;
	int rc;

	*keep = *none = false;
	if (c & 0x80) {
		rc = get_integer(r, 7, &v);
		return rc < 0 ? rc : look_up(d, v, f);
	}
	if (c & 0x40) {
		*keep = true;
		return get_literal(d, r, 6, f, mem);
	}
	if (!(c & 0x20)) {
		f->never = c & 0x10;
		return get_literal(d, r, 4, f, mem);
	}
	*none = true;
	rc = get_integer(r, 5, &v);
	if (rc < 0 || v > d->limit)
		return -EBADMSG;
	d->max = v;
	shrink(d, v);
	return 0;
}

int hpack_decode(struct hpack_decoder *d, const uint8_t *p, size_t n,
		 int (*each)(void *user, const struct hpack_field *f),
		 void *user)
{
	struct rd r = rd_make(p, n);
	bool begun = false, keep, none;

	while (rd_left(&r)) {
		struct hpack_field f = { 0 };
		uint8_t *mem[2] = { NULL, NULL };
		int rc = get_field(d, &r, &f, mem, &keep, &none);

		/* sizes change in front of all fields only (section 4.2) */
		if (rc == 0 && none && begun)
			rc = -EBADMSG;
		if (rc == 0 && !none) {
			begun = true;
			rc = each(user, &f);
			if (rc == 0 && keep)
				rc = hpack_insert(d, &f);
		}
		free(mem[0]);
		free(mem[1]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- encoding ------------------------------------------------------------- */

static int put_integer(struct buf *out, uint8_t first, unsigned int bits,
		       size_t v)
{
	const uint8_t mask = (uint8_t)((1u << bits) - 1);
	uint8_t text[12];
	size_t n = 0;

	if (v < mask) {
		text[n++] = (uint8_t)(first | v);
		return buf_put(out, text, n);
	}
	text[n++] = first | mask;
	for (v -= mask; v >= 0x80; v >>= 7)
		text[n++] = (uint8_t)(v | 0x80);
	text[n++] = (uint8_t)v;
	return buf_put(out, text, n);
}

static int hpack_put_text(struct buf *out, const uint8_t *p, size_t n)
{
	int rc = put_integer(out, 0, 7, n);

	return rc < 0 ? rc : buf_put(out, p, n);
}

static bool hpack_same(const uint8_t *p, size_t n, const char *text,
		       size_t ntext)
{
	return n == ntext && (n == 0 || memcmp(p, text, n) == 0);
}

/* the index of name and value (*whole), or of the name, or 0 */
static size_t hpack_find(const struct hpack_field *f, bool *whole)
{
	size_t index = 0;

	*whole = false;
	for (size_t i = 0; i < ARRAY_SIZE(fixed) && !*whole; i++) {
		const struct hpack_text *t = &fixed[i];

		if (!hpack_same(f->name, f->nname, t->name, t->nname))
			continue;
		*whole = hpack_same(f->value, f->nvalue, t->value, t->nvalue);
		if (!index || *whole)
			index = i + 1;
	}
	return index;
}

int hpack_encode(struct buf *out, const struct hpack_field *f)
{
	bool whole;
	size_t index = hpack_find(f, &whole);
	int rc;

	if (whole && !f->never)
		return put_integer(out, 0x80, 7, index);
	rc = put_integer(out, f->never ? 0x10 : 0, 4, index);
	if (rc == 0 && !index)
		rc = hpack_put_text(out, f->name, f->nname);
	if (rc == 0)
		rc = hpack_put_text(out, f->value, f->nvalue);
	return rc;
}
