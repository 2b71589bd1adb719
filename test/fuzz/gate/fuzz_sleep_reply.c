/* SPDX-License-Identifier: Apache-2.0 */
/* What an API server, or who stands in its place, says to a sleeper */
#include "gate/sleep_reply.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipport out[SLEEP_ADDRESSES];
	struct sleep_scale scale;
	struct sleep_reply r;
	size_t half = size / 2;

	/* what is whole is whole, however it came */
	if (sleep_reply_read(&r, data, half, false) == 0) {
		struct sleep_reply all;

		if (sleep_reply_read(&all, data, size, true) != 0 ||
		    all.status != r.status)
			abort();
		sleep_reply_fini(&all);
	}
	sleep_reply_fini(&r);
	if (sleep_reply_read(&r, data, size, true) < 0)
		return 0;
	if (sleep_scale_read(&scale, r.body) == 0)
		free(sleep_scale_patch(&scale, scale.replicas));
	if (sleep_addresses_read(out, r.body, "http") > SLEEP_ADDRESSES ||
	    sleep_addresses_read(out, r.body, "") > SLEEP_ADDRESSES)
		abort();
	sleep_reply_fini(&r);
	return 0;
}
