/* SPDX-License-Identifier: Apache-2.0 */
/* SHADOW_SERVE: what is taken keeps the promises of its header. */
#include "base/ipaddr.h"
#include "base/mem.h"
#include "shadow/servespec.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct serve_item *it)
{
	size_t n = strnlen(it->host, sizeof(it->host));
	struct ipaddr a;

	if (!it->port || n == sizeof(it->host) || !n != !it->origin_port)
		abort();
	if (n && it->host[n - 1] != '.' && ipaddr_parse(&a, it->host) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct kt_error err = { 0 };
	struct servespec s;

	if (servespec_parse(&s, text, &err) == 0) {
		if (s.n > SERVESPEC_MAX)
			abort();
		for (size_t i = 0; i < s.n; i++)
			check(&s.item[i]);
	} else if (!err.msg[0]) {
		abort();
	}
	free(text);
	return 0;
}
