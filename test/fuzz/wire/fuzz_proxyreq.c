/* SPDX-License-Identifier: Apache-2.0 */
/* A request that a proxy is asked to forward: what the server gets is one head,
 * and it fits. */
#include "base/mem.h"
#include "wire/proxyreq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int used, size_t size, const struct socks_dst *dst,
		  const struct buf *head)
{
	static const char ends[] = "\r\nConnection: close\r\n\r\n";
	const size_t n = sizeof(ends) - 1;
	const uint8_t *end;

	if (used > (int)size || used == -ENOBUFS)
		abort();
	if (used <= 0)
		return;
	end = memmem(buf_data(head), head->len, "\r\n\r\n", 4);
	if (!end || end + 4 != buf_data(head) + head->len ||
	    memcmp(end + 4 - n, ends, n) != 0 ||
	    memchr(buf_data(head), 0, head->len))
		abort();
	if (!dst->host[0] == !dst->addr.family || !dst->port)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct socks_dst dst;
	struct buf head;

	if (size > SOCKS_HTTP_MAX)
		size = SOCKS_HTTP_MAX;
	buf_init(&head, PROXYREQ_HEAD_MAX);
	check(proxyreq_parse(data, size, &dst, &head), size, &dst, &head);
	buf_fini(&head);
	return 0;
}
