/* SPDX-License-Identifier: Apache-2.0 */
/* What ~/.kt/carrier remembers: taken only for the server and the time that it
 * is for. */
#include "base/mem.h"
#include "carrier/carriers.h"

#include <stdint.h>
#include <string.h>

#define NOW 1700000000L
#define DAY (24L * 3600)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char server[] = "https://api.test:6443";
	char *text = xstrndup((const char *)data, size);
	enum pf_form f = carriers_parse(text, server, NOW);

	if (f != PF_NFORMS_ &&
	    (!strstr(text, server) || !strstr(text, pf_form_name(f)) ||
	     carriers_parse(text, server, NOW + DAY + 1) != PF_NFORMS_ ||
	     carriers_parse(text, "https://other", NOW) != PF_NFORMS_))
		abort();
	free(text);
	return 0;
}
