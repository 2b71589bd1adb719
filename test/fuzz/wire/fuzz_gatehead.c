/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken is written as the same bytes again. */
#include "wire/gatehead.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[GATEHEAD_SIZE];
	struct ipport at;
	int kind;

	if (size < GATEHEAD_SIZE)
		return 0;
	kind = gatehead_get(data, &at);
	if (kind < 0)
		return 0;
	gatehead_put(again, (char)kind, &at);
	if (memcmp(data, again, sizeof(again)) != 0)
		abort();
	return 0;
}
