/* SPDX-License-Identifier: Apache-2.0 */
/* Session frames: the same frames however the bytes are cut. */
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t h;
	int rc;
};

static void mix(struct sum *s, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		s->h = (s->h ^ b[i]) * 0x100000001b3u;
}

static void take(struct sum *s, const struct frame_event *ev)
{
	char text[FRAME_TEXT_MAX + 1];
	struct frame_hello hello;
	uint16_t code;
	uint64_t t;

	/* pieces of DATA differ with the cuts, their bytes do not */
	if (ev->hdr.type != FRAME_DATA)
		mix(s, &ev->hdr.type, 1);
	mix(s, ev->data, ev->len);
	if (ev->hdr.type != FRAME_DATA && ev->len != ev->hdr.len)
		abort();
	if (frame_get_text(ev->data, ev->len, &code, text) == 0 &&
	    strlen(text) > FRAME_TEXT_MAX)
		abort();
	if (frame_get_hello(ev->data, ev->len, &hello) == 0)
		mix(s, hello.id, sizeof(hello.id));
	if (frame_get_number(ev->data, ev->len, &t) == 0)
		mix(s, &t, sizeof(t));
}

static struct sum run(const uint8_t *data, size_t size, size_t step)
{
	struct frame_parser p = { 0 };
	struct sum s = { 0xcbf29ce484222325u, 0 };

	for (size_t off = 0; off < size && s.rc >= 0; off += step) {
		size_t n = step < size - off ? step : size - off;
		struct rd in = rd_make(data + off, n);
		struct frame_event ev;

		while ((s.rc = frame_parse(&p, &in, &ev)) == 1)
			take(&s, &ev);
		if (s.rc == 0 && rd_left(&in))
			abort();
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum all, cut;

	if (!size)
		return 0;
	all = run(data, size, size);
	cut = run(data, size, 1 + data[0] % 37);
	/* get_*() see whole pieces, so compare only what is cut the same */
	if ((all.rc < 0) != (cut.rc < 0))
		abort();
	return 0;
}
