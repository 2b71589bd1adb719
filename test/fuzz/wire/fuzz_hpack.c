/* SPDX-License-Identifier: Apache-2.0 */
/* A field block, read; and what was read, written and read again. */
#include "wire/hpack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX ((size_t)1 << 20)

struct seen {
	struct buf text;
	struct buf block; /* written again */
	bool full;
};

static int on_field(void *user, const struct hpack_field *f)
{
	struct seen *s = user;
	size_t n[2] = { f->nname, f->nvalue };

	if (s->full || buf_put(&s->text, n, sizeof(n)) < 0 ||
	    buf_put(&s->text, f->name, f->nname) < 0 ||
	    buf_put(&s->text, f->value, f->nvalue) < 0 ||
	    hpack_encode(&s->block, f) < 0)
		s->full = true;
	return 0;
}

static void seen_init(struct seen *s)
{
	s->full = false;
	buf_init(&s->text, TEXT_MAX);
	buf_init(&s->block, 2 * TEXT_MAX);
}

static void seen_fini(struct seen *s)
{
	buf_fini(&s->text);
	buf_fini(&s->block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hpack_decoder d, again;
	struct seen a, b;
	size_t half = size / 2;
	int rc;

	hpack_decoder_init(&d);
	hpack_decoder_init(&again);
	seen_init(&a);
	seen_init(&b);
	/* two blocks, and a smaller table between them */
	rc = hpack_decode(&d, data, half, on_field, &a);
	if (size && data[0] & 1)
		hpack_decoder_limit(&d, data[0]);
	if (rc == 0)
		rc = hpack_decode(&d, data + half, size - half, on_field, &a);
	if (d.size > d.max || d.max > d.limit)
		abort();
	if (!a.full) {
		if (hpack_decode(&again, buf_data(&a.block), a.block.len,
				 on_field, &b) < 0 ||
		    again.count || b.text.len != a.text.len ||
		    (a.text.len && memcmp(buf_data(&a.text), buf_data(&b.text),
					  a.text.len) != 0))
			abort();
	}
	seen_fini(&a);
	seen_fini(&b);
	hpack_decoder_fini(&d);
	hpack_decoder_fini(&again);
	return 0;
}
