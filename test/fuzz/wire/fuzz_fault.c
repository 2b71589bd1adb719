/* SPDX-License-Identifier: Apache-2.0 */
/* Faults: what is taken is within its bounds, and its text means the same. */
#include "wire/fault.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xcalloc(size + 1, 1);
	struct kt_error err = { 0 };
	const char *unknown = NULL;
	struct fault f, again;
	size_t len = 0;

	if (size)
		memcpy(text, data, size);
	if (fault_parse(&f, text, &unknown, &len, &err) < 0) {
		if (!err.msg[0])
			abort();
		if (unknown && (unknown < text || unknown + len > text + size))
			abort();
	} else {
		if (f.percent < 1 || f.percent > 100 || f.jitter > f.latency ||
		    f.all + (f.range.addr.family != 0) + (f.name[0] != 0) != 1)
			abort();
		if (fault_parse(&again, f.text, NULL, NULL, &err) < 0 ||
		    strcmp(again.text, f.text) != 0 ||
		    again.latency != f.latency || again.rate != f.rate ||
		    again.port != f.port || again.act != f.act)
			abort();
	}
	free(text);
	return 0;
}
