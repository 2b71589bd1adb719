/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "wire/resolvconf.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	struct resolvconf rc;

	resolvconf_parse(&rc, text, NULL);
	if (rc.nservers > RESOLVCONF_SERVERS || rc.ndots > 15)
		abort();
	for (size_t i = 0; i < rc.nservers; i++) {
		if (rc.servers[i].port != 53)
			abort();
	}
	resolvconf_fini(&rc);
	return 0;
}
