/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation in pieces: the first byte of each says whose it is and how
 * long. Each request is told once, whatever comes. */
#include "base/mem.h"
#include "wire/observe.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_on_event(void *user, const struct event *ev)
{
	size_t *n = user;

	++*n;
	if (ev->kind >= EVENT_NKINDS_ || ev->latency < -1 ||
	    strlen(ev->path) >= EVENT_PATH_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t told = 0, asked = 0;
	struct observer *o = observer_new(fuzz_on_event, &told, 0);
	int64_t now = 0;

	if (!o)
		abort();
	while (size) {
		bool ask = *data & 0x80;
		size_t n = MIN((size_t)(*data & 0x7f) * 4 + 1, size - 1);
		/* a copy, so that a read past its end is seen */
		uint8_t *piece = malloc(n ? n : 1);

		if (!piece)
			abort();
		memcpy(piece, data + 1, n);
		if (ask)
			observer_ask(o, piece, n, ++now);
		else
			observer_answer(o, piece, n, ++now);
		free(piece);
		asked += ask ? n : 0;
		data += n + 1;
		size -= n + 1;
	}
	observer_free(o);
	/* "G / HTTP/1.1" and two line ends are a request's least */
	if (!told || told > 1 + asked / 10)
		abort();
	return 0;
}
