/* SPDX-License-Identifier: Apache-2.0 */
#include "net/bypass.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/netlink.h"

#include <errno.h>
#include <string.h>

#define TRIES 8 /* of the best routes */

struct bypass {
	struct netlink *nl;
	int ifindex;
};

int bypass_open(struct bypass **out, int ifindex, struct kt_error *err)
{
	struct bypass *b = xcalloc(1, sizeof(*b));
	int rc = netlink_open(&b->nl, err);

	if (rc < 0) {
		free(b);
		return rc;
	}
	b->ifindex = ifindex;
	*out = b;
	return 0;
}

void bypass_close(struct bypass *b)
{
	if (!b)
		return;
	netlink_close(b->nl);
	free(b);
}

/** struct choice - the longest prefixes that have the address, best first */
struct choice {
	const struct ipaddr *to;
	int without; /* this device */
	struct netlink_net v[TRIES];
	size_t n;
};

static void note_choice(void *user, const struct netlink_net *r)
{
	struct choice *c = user;
	size_t at = c->n;

	if (!r->ifindex || r->ifindex == c->without ||
	    !ipprefix_has(&r->net, c->to))
		return;
	while (at && c->v[at - 1].net.len < r->net.len)
		at--;
	if (at == TRIES)
		return;
	if (c->n < TRIES)
		c->n++;
	memmove(&c->v[at + 1], &c->v[at], (c->n - at - 1) * sizeof(c->v[0]));
	c->v[at] = *r;
}

static int bind_to(int fd, const char *ifname)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname,
			  (socklen_t)strlen(ifname)) < 0
		       ? -errno
		       : 0;
}

static int bypass_device(struct bypass *b, int fd, const struct ipaddr *to)
{
	struct choice c = { .to = to, .without = b->ifindex };
	struct netlink_hop hop;
	char text[IPADDR_STRLEN];
	int rc;

	rc = netlink_route_get(b->nl, to, &hop);
	if (rc < 0 || hop.ifindex != b->ifindex)
		return 0; /* the kernel's way is no capture's */
	rc = netlink_table_each(b->nl, NETLINK_ALL_TABLES, note_choice, &c);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c.n; i++) {
		if (netlink_route_by(b->nl, to, c.v[i].ifindex, &hop) < 0 ||
		    !hop.ifname[0])
			continue;
		log_debug("to %s past the capture, by %s", ipaddr_str(to, text),
			  hop.ifname);
		return bind_to(fd, hop.ifname);
	}
	return -ENETUNREACH;
}

int bypass_socket(struct bypass *b, int fd, const struct ipaddr *to)
{
	const uint32_t mark = BYPASS_MARK;

	if (b->ifindex)
		return bypass_device(b, fd, to);
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0
		       ? -errno
		       : 0;
}
