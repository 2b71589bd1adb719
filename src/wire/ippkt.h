/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_IPPKT_H
#define KT_WIRE_IPPKT_H

#include "base/ipaddr.h"

/**
 * DOC: IP packets
 *
 * What the capture needs of IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293),
 * UDP (RFC 768) and ICMP (RFC 792, RFC 4443): find the headers of a packet that
 * came out of a TUN device, and build the few packets that are put back.
 * Parsing borrows the packet's bytes; building writes into the caller's memory.
 * Checksums of parsed packets are not verified: the local kernel made them.
 */

#define IPPKT_PROTO_ICMP 1
#define IPPKT_PROTO_TCP 6
#define IPPKT_PROTO_UDP 17
#define IPPKT_PROTO_ICMPV6 58

#define IPPKT_MAX 65535		/* bytes of a whole packet */
#define IPPKT_HEAD_MAX (40 + 8) /* IPv6 header and UDP or ICMP echo header */
#define IPPKT_ERROR_MAX 1280	/* bytes of an ICMP error we build */

/** struct ippkt - one parsed packet; pointers into the borrowed bytes */
struct ippkt {
	struct ipaddr src, dst;
	uint8_t proto;	      /* after all IPv6 extension headers */
	uint8_t ttl;	      /* or hop limit */
	bool fragment;	      /* a part of a datagram: @l4 is not its beginning,
				 or not all of it */
	const uint8_t *whole; /* the IP header ... */
	size_t whole_len;     /* ... and all that belongs to it */
	const uint8_t *l4;
	size_t l4_len;
};

/** ippkt_parse() - find the headers; 0, or -EINVAL when it is not whole IP */
KT_CHECK int ippkt_parse(struct ippkt *p, const void *data, size_t len);

#define IPPKT_FIN 0x01
#define IPPKT_SYN 0x02
#define IPPKT_RST 0x04
#define IPPKT_ACK 0x10

/** struct ippkt_tcp - the part of a TCP header that matters here */
struct ippkt_tcp {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	uint32_t seq_len; /* sequence numbers used: payload, SYN and FIN */
};

/** ippkt_tcp() - 0, or -EINVAL when it is no TCP, or not its beginning */
KT_CHECK int ippkt_tcp(const struct ippkt *p, struct ippkt_tcp *t);

/** struct ippkt_udp - a datagram; @data is borrowed */
struct ippkt_udp {
	uint16_t sport, dport;
	const uint8_t *data;
	size_t len;
};

/** ippkt_udp() - 0, or -EINVAL when it is no UDP, or a fragment */
KT_CHECK int ippkt_udp(const struct ippkt *p, struct ippkt_udp *u);

/** struct ippkt_echo - an ICMP or ICMPv6 echo; @data is borrowed */
struct ippkt_echo {
	bool reply;
	uint16_t id, seq;
	const uint8_t *data;
	size_t len;
};

/** ippkt_echo() - 0, or -EINVAL when it is another message, or a fragment */
KT_CHECK int ippkt_echo(const struct ippkt *p, struct ippkt_echo *e);

/**
 * ippkt_build_rst() - the reset that a host without such a socket sends
 * @p, @t: the segment to answer, not a RST itself (RFC 9293, 3.5.2)
 * Return: bytes written to @out, at most 60.
 */
size_t ippkt_build_rst(const struct ippkt *p, const struct ippkt_tcp *t,
		       uint8_t out[60]);

/**
 * ippkt_build_tcp() - a segment without options and data
 * Return: bytes written to @out, at most 60.
 */
size_t ippkt_build_tcp(const struct ipport *src, const struct ipport *dst,
		       uint32_t seq, uint32_t ack, uint8_t flags,
		       uint8_t out[60]);

/**
 * ippkt_udp_head() - IP and UDP header for @data, which is to follow them
 * Return: bytes written to @head, or -EMSGSIZE when no packet can hold it.
 */
KT_CHECK int ippkt_udp_head(const struct ipport *src, const struct ipport *dst,
			    const void *data, size_t len,
			    uint8_t head[IPPKT_HEAD_MAX]);

/**
 * ippkt_echo_head() - IP and ICMP header for an echo with @e->data behind
 * Return: bytes written to @head, or -EMSGSIZE.
 */
KT_CHECK int ippkt_echo_head(const struct ipaddr *src, const struct ipaddr *dst,
			     const struct ippkt_echo *e,
			     uint8_t head[IPPKT_HEAD_MAX]);

/** enum ippkt_error - why a packet was not delivered */
enum ippkt_error {
	IPPKT_NET_UNREACHABLE,	/* ENETUNREACH */
	IPPKT_HOST_UNREACHABLE, /* EHOSTUNREACH */
	IPPKT_PORT_UNREACHABLE, /* ECONNREFUSED */
	IPPKT_PROHIBITED,	/* EACCES (IPv6), EHOSTUNREACH (IPv4) */
	IPPKT_TOO_BIG,		/* EMSGSIZE; with an MTU */
	IPPKT_HOP_LIMIT,	/* time exceeded */
	IPPKT_NERRORS_
};

/**
 * ippkt_build_error() - an ICMP or ICMPv6 error about a packet
 * @from: who complains; its family must be that of the packet
 * @quoted: the packet (its beginning is enough), starting at its IP header
 * @mtu: for IPPKT_TOO_BIG, else ignored
 * Return: bytes written to @out, or -EINVAL.
 */
KT_CHECK int ippkt_build_error(const struct ipaddr *from, const uint8_t *quoted,
			       size_t len, enum ippkt_error kind, uint32_t mtu,
			       uint8_t out[IPPKT_ERROR_MAX]);

/** ippkt_checksum() - RFC 1071 checksum of some bytes, host order */
uint16_t ippkt_checksum(const void *data, size_t len);

#endif
