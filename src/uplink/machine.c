/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/shadow.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

const char *shadow_machine(char dst[SHADOW_MACHINE_SIZE])
{
	char name[256] = "";
	size_t n = 0;

	gethostname(name, sizeof(name) - 1);
	for (const char *p = name; *p && n + 1 < SHADOW_MACHINE_SIZE; p++)
		if (isalnum((unsigned char)*p) || strchr(".-_", *p))
			dst[n++] = *p;
	dst[n] = '\0';
	return dst;
}
