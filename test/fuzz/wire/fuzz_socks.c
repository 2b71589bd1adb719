/* SPDX-License-Identifier: Apache-2.0 */
/* What a program may send to the proxy, by every parser. */
#include "wire/socks.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int used, size_t size, const struct socks_dst *dst)
{
	if (used > (int)size)
		abort();
	if (used <= 0 || !dst)
		return;
	/* either a name or an address */
	if (!memchr(dst->host, 0, sizeof(dst->host)) ||
	    !dst->host[0] == !dst->addr.family)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct socks_request r;
	struct socks_dst dst;
	bool no_auth;

	if (size > SOCKS_HTTP_MAX)
		size = SOCKS_HTTP_MAX;
	check(socks_parse_greeting(data, size, &no_auth), size, NULL);
	check(socks_parse_request(data, size, &r), size, &r.dst);
	check(socks_parse_udp(data, size, &dst), size, &dst);
	check(socks_parse_http(data, size, &dst), size, &dst);
	return 0;
}
