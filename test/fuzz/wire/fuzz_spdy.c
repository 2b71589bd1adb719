/* SPDX-License-Identifier: Apache-2.0 */
/* A peer's bytes, whole and in pieces: both must read the same. */
#include "wire/spdy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	size_t payload, ends, frames, fields, values;
	struct spdy_limit limit;
	bool refused;
};

static void add(struct sum *s, const struct spdy_event *ev)
{
	struct rd r = spdy_fields(ev);
	struct spdy_field f;

	s->ends += ev->fin;
	s->values += ev->value;
	switch (ev->type) {
	case SPDY_DATA:
		s->payload += ev->len;
		break;
	case SPDY_SYN_STREAM:
	case SPDY_SYN_REPLY:
	case SPDY_HEADERS:
		while (spdy_field_next(&r, &f))
			s->fields += f.name_len + f.value_len;
		if (rd_left(&r)) /* it was said to be whole */
			abort();
		s->frames++;
		break;
	default:
		s->refused = spdy_limit_hear(&s->limit, ev, 3) < 0;
		s->frames++;
	}
}

static struct sum read_in_pieces(const uint8_t *data, size_t size, size_t step)
{
	struct spdy_rx *rx = spdy_rx_new();
	struct sum s = { 0 };
	size_t at = 0;

	if (!rx)
		abort();
	spdy_limit_init(&s.limit);
	while (at < size && !s.refused) {
		size_t k = size - at < step ? size - at : step;
		struct spdy_event ev;
		bool found;
		ssize_t n = spdy_rx_next(rx, data + at, k, &ev, &found);

		if (n < 0) {
			s.refused = true;
			break;
		}
		if (!n || (size_t)n > k)
			abort();
		if (found)
			add(&s, &ev);
		at += (size_t)n;
	}
	spdy_rx_free(rx);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum a = read_in_pieces(data, size, size ? size : 1);

	for (size_t step = 1; step < 14; step += 4) {
		struct sum b = read_in_pieces(data, size, step);

		if (a.payload != b.payload || a.ends != b.ends ||
		    a.frames != b.frames || a.fields != b.fields ||
		    a.values != b.values || a.refused != b.refused ||
		    spdy_limit_room(&a.limit) != spdy_limit_room(&b.limit))
			abort();
	}
	return 0;
}
