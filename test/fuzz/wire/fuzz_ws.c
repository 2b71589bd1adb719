/* SPDX-License-Identifier: Apache-2.0 */
/* A server's bytes, whole and in pieces: both must read the same. */
#include "wire/ws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	size_t payload, ends;
	bool refused;
};

static struct sum read_in_pieces(const uint8_t *data, size_t size, size_t step)
{
	struct ws_rx rx = { 0 };
	struct sum s = { 0 };
	size_t at = 0;

	while (at < size) {
		size_t k = size - at < step ? size - at : step;
		struct ws_slice slice;
		bool found;
		ssize_t n = ws_rx_next(&rx, data + at, k, &slice, &found);

		if (n < 0) {
			s.refused = true;
			return s;
		}
		if (!n || (size_t)n > k)
			abort();
		if (found) {
			if (slice.len > (size_t)n || slice.op == WS_CONT)
				abort();
			s.payload += slice.len;
			s.ends += slice.last;
		}
		at += (size_t)n;
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum a = read_in_pieces(data, size, size ? size : 1);

	for (size_t step = 1; step < 6; step++) {
		struct sum b = read_in_pieces(data, size, step);

		if (a.payload != b.payload || a.ends != b.ends ||
		    a.refused != b.refused)
			abort();
	}
	return 0;
}
