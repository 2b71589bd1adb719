/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ippkt.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define V4_HEAD 20
#define V6_HEAD 40
#define TCP_HEAD 20
#define UDP_HEAD 8
#define ICMP_HEAD 8
#define HOPS 64
#define MAX_EXT 16 /* extension headers we are willing to skip */

#define EXT_HOPOPTS 0
#define EXT_ROUTING 43
#define EXT_FRAGMENT 44
#define EXT_DSTOPTS 60

/* --- checksum (RFC 1071) -------------------------------------------------- */

/* Adds 16-bit words in memory order; the fold makes the width irrelevant. */
static uint64_t sum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t w;
	uint16_t h;

	for (; len >= sizeof(w); p += sizeof(w), len -= sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		sum += w; /* 2^32 words fit; a packet has 2^14 */
	}
	if (len >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		sum += h;
		p += sizeof(h);
		len -= sizeof(h);
	}
	if (len) {
		uint8_t last[2] = { *p, 0 };

		memcpy(&h, last, sizeof(h));
		sum += h;
	}
	return sum;
}

static uint16_t sum_fold(uint64_t sum)
{
	uint8_t b[2];
	uint16_t v;

	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	v = (uint16_t)~sum;
	memcpy(b, &v, sizeof(b));
	return (uint16_t)(b[0] << 8 | b[1]);
}

uint16_t ippkt_checksum(const void *data, size_t len)
{
	return sum_fold(sum_add(0, data, len));
}

/* The pseudo header of TCP, UDP and ICMPv6. */
static uint64_t sum_pseudo(const struct ipaddr *src, const struct ipaddr *dst,
			   uint8_t proto, size_t l4_len)
{
	uint8_t tail[8] = { (uint8_t)(l4_len >> 24),
			    (uint8_t)(l4_len >> 16),
			    (uint8_t)(l4_len >> 8),
			    (uint8_t)l4_len,
			    0,
			    0,
			    0,
			    proto };
	uint64_t sum = sum_add(0, src->b, ipaddr_size(src));

	sum = sum_add(sum, dst->b, ipaddr_size(dst));
	return sum_add(sum, tail, sizeof(tail));
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* --- parsing -------------------------------------------------------------- */

static int parse_v4(struct ippkt *p, const uint8_t *data, size_t len)
{
	struct rd r = rd_make(data, len);
	uint16_t total, id, frag, sum;
	const uint8_t *src, *dst;
	uint8_t vihl, tos;
	size_t head;

	if (!rd_u8(&r, &vihl) || !rd_u8(&r, &tos) || !rd_u16(&r, &total) ||
	    !rd_u16(&r, &id) || !rd_u16(&r, &frag) || !rd_u8(&r, &p->ttl) ||
	    !rd_u8(&r, &p->proto) || !rd_u16(&r, &sum) ||
	    !(src = rd_bytes(&r, 4)) || !(dst = rd_bytes(&r, 4)))
		return -EINVAL;
	head = (size_t)(vihl & 15) * 4;
	if (head < V4_HEAD || total < head || total > len)
		return -EINVAL;
	p->src = ipaddr_v4(src);
	p->dst = ipaddr_v4(dst);
	p->fragment = frag & 0x3fff; /* offset or "more" */
	p->whole = data;
	p->whole_len = total;
	p->l4 = data + head;
	p->l4_len = total - head;
	return 0;
}

/* Skips one extension header; @r stands behind its 8 first bytes' header. */
static bool skip_extension(struct ippkt *p, struct rd *r)
{
	uint8_t next, len;
	uint16_t frag;

	if (!rd_u8(r, &next) || !rd_u8(r, &len))
		return false;
	if (p->proto == EXT_FRAGMENT) {
		if (!rd_u16(r, &frag) || !rd_bytes(r, 4))
			return false;
		if (frag & 0xfff9) /* offset or "more" */
			p->fragment = true;
	} else if (!rd_bytes(r, (size_t)len * 8 + 6)) {
		return false;
	}
	p->proto = next;
	return true;
}

static bool is_extension(uint8_t proto)
{
	return proto == EXT_HOPOPTS || proto == EXT_ROUTING ||
	       proto == EXT_FRAGMENT || proto == EXT_DSTOPTS;
}

static int parse_v6(struct ippkt *p, const uint8_t *data, size_t len)
{
	struct rd r = rd_make(data, len);
	const uint8_t *src, *dst;
	uint16_t payload;
	uint32_t flow;

	if (!rd_u32(&r, &flow) || !rd_u16(&r, &payload) ||
	    !rd_u8(&r, &p->proto) || !rd_u8(&r, &p->ttl) ||
	    !(src = rd_bytes(&r, 16)) || !(dst = rd_bytes(&r, 16)) ||
	    payload > rd_left(&r))
		return -EINVAL;
	p->src = ipaddr_v6(src);
	p->dst = ipaddr_v6(dst);
	p->whole = data;
	p->whole_len = V6_HEAD + (size_t)payload;
	r = rd_make(data + V6_HEAD, payload);
	for (int i = 0; is_extension(p->proto); i++) {
		/* what follows a later fragment's header is no header */
		if (p->fragment)
			break;
		if (i == MAX_EXT || !skip_extension(p, &r))
			return -EINVAL;
	}
	p->l4 = r.p;
	p->l4_len = rd_left(&r);
	return 0;
}

int ippkt_parse(struct ippkt *p, const void *data, size_t len)
{
	const uint8_t *b = data;

	*p = (struct ippkt){ 0 };
	if (!len)
		return -EINVAL;
	if (b[0] >> 4 == 4)
		return parse_v4(p, b, len);
	if (b[0] >> 4 == 6)
		return parse_v6(p, b, len);
	return -EINVAL;
}

int ippkt_tcp(const struct ippkt *p, struct ippkt_tcp *t)
{
	struct rd r = rd_make(p->l4, p->l4_len);
	uint8_t off;
	size_t head;

	*t = (struct ippkt_tcp){ 0 };
	if (p->proto != IPPKT_PROTO_TCP || p->fragment ||
	    !rd_u16(&r, &t->sport) || !rd_u16(&r, &t->dport) ||
	    !rd_u32(&r, &t->seq) || !rd_u32(&r, &t->ack) || !rd_u8(&r, &off) ||
	    !rd_u8(&r, &t->flags))
		return -EINVAL;
	head = (size_t)(off >> 4) * 4;
	if (head < TCP_HEAD || head > p->l4_len)
		return -EINVAL;
	t->seq_len = (uint32_t)(p->l4_len - head) + !!(t->flags & IPPKT_SYN) +
		     !!(t->flags & IPPKT_FIN);
	return 0;
}

int ippkt_udp(const struct ippkt *p, struct ippkt_udp *u)
{
	struct rd r = rd_make(p->l4, p->l4_len);
	uint16_t len, sum;

	*u = (struct ippkt_udp){ 0 };
	if (p->proto != IPPKT_PROTO_UDP || p->fragment ||
	    !rd_u16(&r, &u->sport) || !rd_u16(&r, &u->dport) ||
	    !rd_u16(&r, &len) || !rd_u16(&r, &sum) || len < UDP_HEAD)
		return -EINVAL;
	u->len = len - UDP_HEAD;
	u->data = rd_bytes(&r, u->len);
	return u->data ? 0 : -EINVAL;
}

int ippkt_echo(const struct ippkt *p, struct ippkt_echo *e)
{
	bool v4 = p->src.family == AF_INET;
	struct rd r = rd_make(p->l4, p->l4_len);
	uint8_t type, code;
	uint16_t sum;

	*e = (struct ippkt_echo){ 0 };
	if (p->proto != (v4 ? IPPKT_PROTO_ICMP : IPPKT_PROTO_ICMPV6) ||
	    p->fragment || !rd_u8(&r, &type) || !rd_u8(&r, &code) ||
	    !rd_u16(&r, &sum) || !rd_u16(&r, &e->id) || !rd_u16(&r, &e->seq) ||
	    code != 0)
		return -EINVAL;
	if (type == (v4 ? 0 : 129))
		e->reply = true;
	else if (type != (v4 ? 8 : 128))
		return -EINVAL;
	e->data = r.p;
	e->len = rd_left(&r);
	return 0;
}

/* --- building ------------------------------------------------------------- */

/* Writes the IP header for @l4_len bytes; returns its length or -EMSGSIZE. */
static int build_ip(const struct ipaddr *src, const struct ipaddr *dst,
		    uint8_t proto, size_t l4_len, uint8_t *out)
{
	bool v4 = src->family == AF_INET;
	struct wr w = wr_make(out, v4 ? V4_HEAD : V6_HEAD);

	if (src->family != dst->family ||
	    l4_len > IPPKT_MAX - (v4 ? V4_HEAD : 0))
		return -EMSGSIZE;
	if (v4) {
		wr_u16(&w, 0x4500);
		wr_u16(&w, (uint16_t)(V4_HEAD + l4_len));
		wr_u32(&w, 0); /* no identification, may be fragmented */
		wr_u8(&w, HOPS);
		wr_u8(&w, proto);
		wr_u16(&w, 0);
		wr_bytes(&w, src->b, 4);
		wr_bytes(&w, dst->b, 4);
		put16(out + 10, ippkt_checksum(out, V4_HEAD));
	} else {
		wr_u32(&w, 0x60000000);
		wr_u16(&w, (uint16_t)l4_len);
		wr_u8(&w, proto);
		wr_u8(&w, HOPS);
		wr_bytes(&w, src->b, 16);
		wr_bytes(&w, dst->b, 16);
	}
	return (int)wr_len(&w);
}

size_t ippkt_build_tcp(const struct ipport *src, const struct ipport *dst,
		       uint32_t seq, uint32_t ack, uint8_t flags,
		       uint8_t out[60])
{
	int ip = build_ip(&src->addr, &dst->addr, IPPKT_PROTO_TCP, TCP_HEAD,
			  out);
	uint8_t *l4;
	struct wr w;
	uint64_t sum;

	if (ip < 0)
		return 0;
	l4 = out + ip;
	w = wr_make(l4, TCP_HEAD);
	wr_u16(&w, src->port);
	wr_u16(&w, dst->port);
	wr_u32(&w, seq);
	wr_u32(&w, ack);
	wr_u8(&w, TCP_HEAD / 4 << 4);
	wr_u8(&w, flags);
	wr_u16(&w, 0);
	wr_u32(&w, 0);
	sum = sum_pseudo(&src->addr, &dst->addr, IPPKT_PROTO_TCP, TCP_HEAD);
	put16(l4 + 16, sum_fold(sum_add(sum, l4, TCP_HEAD)));
	return (size_t)ip + TCP_HEAD;
}

size_t ippkt_build_rst(const struct ippkt *p, const struct ippkt_tcp *t,
		       uint8_t out[60])
{
	struct ipport src = { p->dst, t->dport }, dst = { p->src, t->sport };

	if (t->flags & IPPKT_ACK)
		return ippkt_build_tcp(&src, &dst, t->ack, 0, IPPKT_RST, out);
	return ippkt_build_tcp(&src, &dst, 0, t->seq + t->seq_len,
			       IPPKT_RST | IPPKT_ACK, out);
}

int ippkt_udp_head(const struct ipport *src, const struct ipport *dst,
		   const void *data, size_t len, uint8_t head[IPPKT_HEAD_MAX])
{
	uint64_t sum;
	uint8_t *l4;
	struct wr w;
	int ip;

	if (len > IPPKT_MAX - UDP_HEAD)
		return -EMSGSIZE;
	ip = build_ip(&src->addr, &dst->addr, IPPKT_PROTO_UDP, UDP_HEAD + len,
		      head);
	if (ip < 0)
		return ip;
	l4 = head + ip;
	w = wr_make(l4, UDP_HEAD);
	wr_u16(&w, src->port);
	wr_u16(&w, dst->port);
	wr_u16(&w, (uint16_t)(UDP_HEAD + len));
	wr_u16(&w, 0);
	sum = sum_pseudo(&src->addr, &dst->addr, IPPKT_PROTO_UDP,
			 UDP_HEAD + len);
	sum = sum_add(sum_add(sum, l4, UDP_HEAD), data, len);
	/* 0 says "no checksum"; the other zero stands for it (RFC 768) */
	put16(l4 + 6, sum_fold(sum) ? sum_fold(sum) : 0xffff);
	return ip + UDP_HEAD;
}

int ippkt_echo_head(const struct ipaddr *src, const struct ipaddr *dst,
		    const struct ippkt_echo *e, uint8_t head[IPPKT_HEAD_MAX])
{
	bool v4 = src->family == AF_INET;
	uint8_t proto = v4 ? IPPKT_PROTO_ICMP : IPPKT_PROTO_ICMPV6;
	uint64_t sum = 0;
	uint8_t *l4;
	struct wr w;
	int ip;

	if (e->len > IPPKT_MAX - ICMP_HEAD)
		return -EMSGSIZE;
	ip = build_ip(src, dst, proto, ICMP_HEAD + e->len, head);
	if (ip < 0)
		return ip;
	l4 = head + ip;
	w = wr_make(l4, ICMP_HEAD);
	if (v4)
		wr_u8(&w, e->reply ? 0 : 8);
	else
		wr_u8(&w, e->reply ? 129 : 128);
	wr_u8(&w, 0);
	wr_u16(&w, 0);
	wr_u16(&w, e->id);
	wr_u16(&w, e->seq);
	if (!v4)
		sum = sum_pseudo(src, dst, proto, ICMP_HEAD + e->len);
	sum = sum_add(sum_add(sum, l4, ICMP_HEAD), e->data, e->len);
	put16(l4 + 2, sum_fold(sum));
	return ip + ICMP_HEAD;
}

static const struct {
	uint8_t type4, code4, type6, code6;
} error_codes[] = {
	[IPPKT_NET_UNREACHABLE] = { 3, 0, 1, 0 },
	[IPPKT_HOST_UNREACHABLE] = { 3, 1, 1, 3 },
	[IPPKT_PORT_UNREACHABLE] = { 3, 3, 1, 4 },
	[IPPKT_PROHIBITED] = { 3, 13, 1, 1 },
	[IPPKT_TOO_BIG] = { 3, 4, 2, 0 },
	[IPPKT_HOP_LIMIT] = { 11, 0, 3, 0 },
};
_Static_assert(ARRAY_SIZE(error_codes) == IPPKT_NERRORS_, "a code for each");

int ippkt_build_error(const struct ipaddr *from, const uint8_t *quoted,
		      size_t len, enum ippkt_error kind, uint32_t mtu,
		      uint8_t out[IPPKT_ERROR_MAX])
{
	bool v4 = from->family == AF_INET;
	/* RFC 1812 4.3.2.3: no more than 576 bytes in all; RFC 4443: 1280 */
	size_t room = (v4 ? 576 - V4_HEAD : 1280 - V6_HEAD) - ICMP_HEAD;
	uint8_t proto = v4 ? IPPKT_PROTO_ICMP : IPPKT_PROTO_ICMPV6;
	uint64_t sum = 0;
	struct ipaddr to;
	uint8_t *l4;
	struct wr w;
	int ip;

	if (len < (v4 ? V4_HEAD : V6_HEAD) || quoted[0] >> 4 != (v4 ? 4 : 6))
		return -EINVAL;
	to = v4 ? ipaddr_v4(quoted + 12) : ipaddr_v6(quoted + 8);
	len = MIN(len, room);
	ip = build_ip(from, &to, proto, ICMP_HEAD + len, out);
	if (ip < 0)
		return -EINVAL;
	l4 = out + ip;
	w = wr_make(l4, ICMP_HEAD + len);
	wr_u8(&w, v4 ? error_codes[kind].type4 : error_codes[kind].type6);
	wr_u8(&w, v4 ? error_codes[kind].code4 : error_codes[kind].code6);
	wr_u16(&w, 0);
	/* IPv4 keeps the MTU in the lower half (RFC 1191) */
	if (kind != IPPKT_TOO_BIG)
		mtu = 0;
	wr_u32(&w, v4 ? mtu & 0xffff : mtu);
	wr_bytes(&w, quoted, len);
	if (!v4)
		sum = sum_pseudo(from, &to, proto, ICMP_HEAD + len);
	put16(l4 + 2, sum_fold(sum_add(sum, l4, ICMP_HEAD + len)));
	return ip + ICMP_HEAD + (int)len;
}
