/* SPDX-License-Identifier: Apache-2.0 */
/* A packed program that anybody may have written. The size that it says is the
 * one that is used, as in the loader, up to a bound. */
#include "base/mem.h"
#include "wire/inflate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = gzip_size(data, size);
	uint8_t *out;

	if (n > 1 << 16)
		return 0;
	out = malloc(n ? n : 1);
	if (gzip_inflate(data, size, out, n) == 0 && n && !out)
		abort();
	free(out);
	return 0;
}
