/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/namecheck.h"

#include <errno.h>

#define PATIENCE (5 * NS_SEC)
#define PORT 9 /* nothing is sent there */

struct namecheck {
	struct tunnel_udp *udp;
	bool done;
	int error;
};

static void namecheck_on_open(void *user)
{
	struct namecheck *c = user;

	c->done = true;
}

static void namecheck_on_datagram(void *user, const uint8_t *data, size_t len)
{
	(void)user;
	(void)data;
	(void)len;
}

static void namecheck_on_close(void *user, int error)
{
	struct namecheck *c = user;

	c->udp = NULL;
	c->error = error;
	c->done = true;
}

int namecheck(struct loop *loop, struct tunnel *t, const char *host)
{
	static const struct tunnel_udp_ops ops = {
		.open = namecheck_on_open,
		.datagram = namecheck_on_datagram,
		.close = namecheck_on_close,
	};
	struct namecheck c = { 0 };
	int rc;

	c.udp = tunnel_udp_open_name(t, host, PORT, &ops, &c);
	if (!c.udp)
		return 0;
	rc = loop_run_until(loop, &c.done, PATIENCE);
	tunnel_udp_close(c.udp);
	if (rc == -EINTR)
		return rc;
	return c.error == -ENOENT || c.error == -ETIME ? c.error : 0;
}
