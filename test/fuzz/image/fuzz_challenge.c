/* SPDX-License-Identifier: Apache-2.0 */
/* The value of a WWW-Authenticate field. */
#include "image/challenge.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const schemes[] = { "Bearer", "Basic", "" };
	auto_free char *text = xstrndup((const char *)data, size);
	struct challenge c;

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (challenge_find(text, schemes[i], &c) &&
		    (!memchr(c.realm, '\0', sizeof(c.realm)) ||
		     !memchr(c.service, '\0', sizeof(c.service)) ||
		     !*schemes[i]))
			abort();
	return 0;
}
