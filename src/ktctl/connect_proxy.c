/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/connect_proxy.h"

#include <errno.h>

int proxy_open(struct proxy **out, struct loop *loop, struct tunnel *t,
	       const struct ipaddr *addr, uint16_t port, struct kt_error *err)
{
	(void)out;
	(void)loop;
	(void)t;
	(void)addr;
	(void)port;
	return kt_fail(err, ENOSYS, "SOCKS5 proxy: not built yet");
}

void proxy_close(struct proxy *p)
{
	(void)p;
}
