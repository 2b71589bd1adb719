/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_PORT53_H
#define KT_NET_PORT53_H

#include "base/ipaddr.h"
#include "base/loop.h"

#include <net/if.h>

/**
 * DOC: Port 53
 *
 * Brings the DNS queries of local programs to our own listeners, whatever
 * server they were meant for, by a table of our own in nftables (output hook,
 * redirect). The table has `flags owner`: it belongs to a socket of our nft(8)
 * and vanishes with it, also after kill -9; other tables are not touched. Not
 * redirected are packets with our marks (SO_MARK), the queries we pass on
 * ourselves. Where a server is makes no difference, with one exception:
 *
 * A server of a link ("nameserver fe80::1%eth0"). A socket that asks it is
 * bound to that link, and nothing that is sent from there gets to ::1. So its
 * queries go to the link's own address (port53_set_links()), where a listener
 * on every address takes them; those of a link that has none stay as they are.
 *
 * What a bridge of this machine brings in for a server elsewhere, the queries
 * of containers, is redirected as well, to the bridge's own address. A name
 * server on this machine itself (that of Docker, Podman, libvirt) keeps its
 * clients: it asks others as a local program.
 *
 * The listeners on every address are not open to all: what was not redirected
 * to them is dropped.
 */

struct port53;
struct nft_last;

/** struct port53_config - where our listeners are; port 0: not redirected */
struct port53_config {
	struct loop *loop;  /* for nft_follow(), runs while the kernel makes the
			       rules; NULL: without */
	uint32_t mark;	    /* of our own queries, not 0 */
	uint32_t past_mark; /* the same, 0: none */
	uint16_t udp4_port, tcp4_port; /* on 127.0.0.1 */
	uint16_t udp6_port, tcp6_port; /* on ::1 */
	uint16_t any4_port, any6_port; /* on every address; UDP and TCP */
	struct nft_last *last; /* see nft_free_last(); borrowed, or NULL */
};

/**
 * port53_open() - redirect from now on, in the present namespace
 * @out: is there before the first query is redirected, while the loop runs
 * Return: 0, or -errno with a hint (the table is there already: another ktctl;
 * no nftables in this kernel, ...).
 */
KT_CHECK int port53_open(struct port53 **out, const struct port53_config *cfg,
			 struct kt_error *err);
/** port53_close() - the redirect ends; safe on NULL */
void port53_close(struct port53 *p);

/** struct port53_link - a link, and its own link-local address */
struct port53_link {
	char ifname[IF_NAMESIZE];
	struct ipaddr addr;
};

#define PORT53_LINKS 16

/** port53_find_link() - a link by its index; -ENOENT: it is not there, or has
 *  no address that queries could be led to */
KT_CHECK int port53_find_link(uint32_t ifindex, struct port53_link *out);
/** port53_set_links() - the queries to servers of these links, and of no
 *  others, are redirected, in one step */
KT_CHECK int port53_set_links(struct port53 *p, const struct port53_link *list,
			      size_t n, struct kt_error *err);

/**
 * port53_original_udp() - the server a datagram was meant for
 * @client: its sender, as recvmsg() said
 * @listener: the address and port it was received on
 * Return: 0, or -ENOENT when it is not known (not redirected, or no
 * nf_conntrack_netlink): use the configured server.
 */
KT_CHECK int port53_original_udp(struct port53 *p, const struct ipport *client,
				 const struct ipport *listener,
				 struct ipport *orig);

/** port53_original_tcp() - the same for an accepted socket */
KT_CHECK int port53_original_tcp(int fd, struct ipport *orig);

#endif
