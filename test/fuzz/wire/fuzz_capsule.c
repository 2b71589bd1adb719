/* SPDX-License-Identifier: Apache-2.0 */
/* Capsules and echo messages: the same ones however the bytes are cut. */
#include "wire/capsule.h"
#include "wire/echo.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t take(uint64_t h, const struct capsule *c)
{
	struct echo_request q;
	struct echo_answer a;

	if (c->len > CAPSULE_VALUE_MAX)
		abort();
	h = (h ^ c->type) * 0x100000001b3u;
	for (size_t i = 0; i < c->len; i++)
		h = (h ^ c->value[i]) * 0x100000001b3u;
	if (echo_get_request(c->value, c->len, &q) == 0)
		h ^= q.seq;
	if (echo_get_answer(c->value, c->len, &a) == 0)
		h ^= a.from.b[0];
	return h;
}

static uint64_t run(const uint8_t *data, size_t size, size_t step)
{
	uint64_t h = 0xcbf29ce484222325u;
	struct capsule_parser p;
	struct capsule c;

	capsule_parser_init(&p);
	for (size_t off = 0; off < size; off += step) {
		size_t n = step < size - off ? step : size - off;
		struct rd in = rd_make(data + off, n);

		while (capsule_parse(&p, &in, &c) == 1)
			h = take(h, &c);
		if (rd_left(&in))
			abort();
	}
	capsule_parser_fini(&p);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && run(data, size, size) != run(data, size, 1 + data[0] % 7))
		abort();
	return 0;
}
