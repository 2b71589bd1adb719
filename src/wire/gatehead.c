/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/gatehead.h"

#include <errno.h>
#include <string.h>

void gatehead_put(uint8_t dst[GATEHEAD_SIZE], char kind,
		  const struct ipport *at)
{
	dst[0] = (uint8_t)kind;
	dst[1] = at->addr.family == AF_INET ? 4 : 6;
	memcpy(dst + 2, at->addr.b, 16);
	dst[18] = (uint8_t)(at->port >> 8);
	dst[19] = (uint8_t)at->port;
}

int gatehead_get(const uint8_t src[GATEHEAD_SIZE], struct ipport *at)
{
	static const char kinds[] = { GATEHEAD_CALLER, GATEHEAD_ORIGIN,
				      GATEHEAD_MEMBER, GATEHEAD_TRY_ORIGIN,
				      GATEHEAD_TRY_MEMBER };
	static const uint8_t zero[12];

	if (!memchr(kinds, src[0], sizeof(kinds)) ||
	    (src[1] != 6 && (src[1] != 4 || memcmp(src + 6, zero, 12) != 0)))
		return -EPROTO;
	*at = (struct ipport){ .addr.family = src[1] == 4 ? AF_INET : AF_INET6,
			       .port = (uint16_t)(src[18] << 8 | src[19]) };
	memcpy(at->addr.b, src + 2, 16);
	return src[0];
}
