/* SPDX-License-Identifier: Apache-2.0 */
/* What is made in the namespace; see loopback.h */
#include "run/loopback.h"

#include "base/ipaddr.h"
#include "base/mem.h"
#include "net/nft.h"
#include "net/nlmsg.h"
#include "run/loopback_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static const char *const loopback_host[2] = { "127.0.0.1", "::1" };

/* A listener that is given connections to other ports as well */
static int loopback_listen(int f, uint16_t *port)
{
	struct ipport at = { 0 };
	auto_close int fd = -1;
	struct sockaddr_storage ss;
	socklen_t len;
	int on = 1, rc = ipaddr_parse(&at.addr, loopback_host[f]);

	if (rc < 0)
		return rc;
	len = ipport_to_sockaddr(&at, &ss);
	fd = socket(at.addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	/* what it accepts has the called port, which the program may want for
	 * a listener of its own afterwards: like one that it had before */
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, f ? SOL_IPV6 : SOL_IP,
		       f ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on,
		       sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	rc = ipport_from_sockaddr(&at, (struct sockaddr *)&ss);
	*port = at.port;
	return rc < 0 ? rc : steal_fd(&fd);
}

#define SYN "tcp flags & (fin|syn|rst|ack) == syn"

static int loopback_rules(const struct loopback_link *l, struct kt_error *err)
{
	char six[256] = "", text[2048];
	struct nft *nft = NULL;
	int rc;

	if (l->fds[1] >= 0)
		snprintf(six, sizeof(six),
			 "meta nfproto ipv6 meta l4proto tcp tproxy ip6 to "
			 "[::1]:%u accept\n",
			 l->port[1]);
	snprintf(text, sizeof(text),
		 "table inet " LOOPBACK_TABLE " {\n"
		 "set " LOOPBACK_SET4 " { type inet_service; }\n"
		 "set " LOOPBACK_SET6 " { type inet_service; }\n"
		 "chain absent {\n"
		 "socket wildcard 0 accept\n"
		 "socket wildcard 1 accept\n"
		 "meta nfproto ipv4 meta l4proto tcp tproxy ip to "
		 "127.0.0.1:%u accept\n"
		 "%s"
		 "}\n"
		 "chain in {\n"
		 "type filter hook prerouting priority mangle\n"
		 "iifname lo ip daddr 127.0.0.0/8 " SYN
		 " tcp dport @" LOOPBACK_SET4 " jump absent\n"
		 "iifname lo ip6 daddr ::1 " SYN " tcp dport @" LOOPBACK_SET6
		 " jump absent\n"
		 "}\n}\n",
		 l->port[0], six);
	rc = nft_new(&nft, err);
	if (rc < 0)
		return rc;
	rc = nft_run(nft, text, "rules for the loopback", err);
	nft_free(nft);
	return rc;
}

int loopback_link_open(struct loopback_link *l, struct kt_error *err)
{
	struct nlsock sock;
	int rc;

	*l = (struct loopback_link){ .fds = { -1, -1, -1 } };
	for (int f = 0; f < 2; f++) {
		l->fds[f] = loopback_listen(f, &l->port[f]);
		if (l->fds[f] < 0 && f == 0)
			return kt_fail(err, -l->fds[f],
				       "open a socket for the loopback: %s",
				       strerror(-l->fds[f]));
		if (l->fds[f] < 0) /* no IPv6 */
			l->fds[f] = -1;
	}
	rc = loopback_rules(l, err);
	if (rc == 0) {
		rc = nlsock_open(&sock, NETLINK_NETFILTER);
		l->fds[2] = rc == 0 ? sock.fd : -1;
		if (rc < 0)
			kt_fail(err, -rc, "open nfnetlink: %s", strerror(-rc));
	}
	if (rc < 0)
		loopback_link_close(l);
	return rc;
}

void loopback_link_close(struct loopback_link *l)
{
	for (int i = 0; i < LOOPBACK_FDS; i++) {
		if (l->fds[i] >= 0)
			close(l->fds[i]);
		l->fds[i] = -1;
	}
}
