/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_PORT53_H
#define KT_NET_PORT53_H

#include "base/ipaddr.h"

/**
 * DOC: Port 53
 *
 * Brings the DNS queries of local programs to our own listeners, whatever
 * server they were meant for, by a table of our own in nftables (output hook,
 * redirect). The table has `flags owner`: it belongs to a socket of this
 * process and vanishes with it, also after kill -9; other tables are not
 * touched. Not redirected:
 *   - packets with our mark (SO_MARK): the queries we pass on ourselves;
 *   - packets to the exempt prefixes: a program that asks a server in the
 *     cluster by its address reaches it through the capture.
 *
 * Packets that the machine only forwards (containers) are left alone.
 */

struct port53;

/** struct port53_config - where our listeners are; port 0: not redirected */
struct port53_config {
	uint32_t mark;		       /* of our own queries, not 0 */
	uint16_t udp4_port, tcp4_port; /* on 127.0.0.1 */
	uint16_t udp6_port, tcp6_port; /* on ::1 */
};

/**
 * port53_open() - redirect from now on, in the present namespace
 * Return: 0, or -errno with a hint (the table is there already: another ktctl;
 * no nftables in this kernel, ...).
 */
KT_CHECK int port53_open(struct port53 **out, const struct port53_config *cfg,
			 struct kt_error *err);
/** port53_close() - the redirect ends; safe on NULL */
void port53_close(struct port53 *p);

/** port53_set_exempt() - these prefixes and no others, in one step */
KT_CHECK int port53_set_exempt(struct port53 *p, const struct ipprefix *list,
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
