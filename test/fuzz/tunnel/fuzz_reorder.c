/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of a stream in any order, some twice: each byte once, in its place,
 * and no more memory than was said. */
#include "base/buf.h"
#include "base/mem.h"
#include "tunnel/reorder.h"

#include <stdlib.h>
#include <string.h>

#define SPAN 65536
#define MEMORY (256 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t stream[SPAN];
static bool given[SPAN];

static void fuzz_reorder_take(struct reorder *r, size_t *at)
{
	struct reorder_piece *p;

	while ((p = reorder_take(r, *at))) {
		if (p->at != *at || !p->len || *at + p->len > SPAN)
			abort();
		for (size_t i = 0; i < p->len; i++, (*at)++)
			if (!given[*at] || p->mem[p->off + i] != stream[*at])
				abort();
		free(p);
	}
	if (*at < SPAN && given[*at])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd in = rd_make(data, size);
	struct reorder r;
	uint16_t pos, len;
	size_t at = 0;

	for (size_t i = 0; i < SPAN; i++)
		stream[i] = (uint8_t)(i * 7 + (i >> 8) * 13);
	memset(given, 0, sizeof(given));
	reorder_init(&r, MEMORY);
	while (rd_u16(&in, &pos) && rd_u16(&in, &len)) {
		size_t n = MIN((size_t)len, (size_t)(SPAN - pos));
		/* exact, so that a sanitizer sees a byte too far */
		uint8_t *copy = xmalloc(n + 1);

		memcpy(copy, stream + pos, n);
		if (reorder_put(&r, pos, copy, n, len - n) == 0)
			memset(given + pos, true, n * sizeof(*given));
		else if (r.used < MEMORY / 2)
			abort();
		else
			reorder_reset(&r), memset(given, 0, sizeof(given));
		free(copy);
		if (r.used > MEMORY)
			abort();
		if (pos & 1)
			fuzz_reorder_take(&r, &at);
	}
	fuzz_reorder_take(&r, &at);
	reorder_reset(&r);
	if (r.used)
		abort();
	return 0;
}
