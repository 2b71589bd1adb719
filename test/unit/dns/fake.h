/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_DNS_FAKE_H
#define KT_UNIT_DNS_FAKE_H

#include "base/ipaddr.h"
#include "base/list.h"
#include "base/loop.h"
#include "dns/lookup.h"
#include "wire/dns.h"

/** struct fake_rr - one address of a fake zone; ip "" : the name exists only */
struct fake_rr {
	const char *name, *ip;
};

/** fake_answer() - a name server's reply to @msg from a list that ends with
 *  a NULL name: A records, NODATA or NXDOMAIN with an SOA; its length */
size_t fake_answer(const struct fake_rr *zone, const uint8_t *msg, size_t len,
		   uint8_t out[DNS_MSG_MAX]);

/** struct fake_cluster - the tunnel's side of dns_cluster_ops */
struct fake_cluster {
	struct loop *loop;
	const struct fake_rr *zone;
	bool down;     /* ready() says no */
	bool mute;     /* takes questions, does not answer */
	int64_t delay; /* ns until the answer */
	int asked;     /* questions so far */
	char last[DNS_NAME_STRLEN];
	struct list held;
};

extern const struct dns_cluster_ops fake_cluster_ops;
void fake_cluster_init(struct fake_cluster *c, struct loop *l,
		       const struct fake_rr *zone);
/** fake_cluster_fini() - as a tunnel that ends: -ECANCELED for all held */
void fake_cluster_fini(struct fake_cluster *c);

/** struct fake_upstream - a name server on 127.0.0.1, UDP and TCP */
struct fake_upstream {
	struct loop *loop;
	const struct fake_rr *zone;
	struct watch udp, tcp, conn;
	int udp_fd, tcp_fd, conn_fd;
	struct ipport addr;
	int asked, asked_tcp;
	bool mute;
	bool truncate; /* over UDP only TC */
	int lies;      /* so many wrong datagrams before the right one */
	uint8_t last[DNS_UDP_PLAIN];
	size_t last_len;
};

void fake_upstream_init(struct fake_upstream *u, struct loop *l,
			const struct fake_rr *zone);
void fake_upstream_fini(struct fake_upstream *u);

#endif
