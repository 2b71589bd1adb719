/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void set16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void set32(uint8_t *p, uint32_t v)
{
	set16(p, (uint16_t)(v >> 16));
	set16(p + 2, (uint16_t)v);
}

void dns_set_id(uint8_t *msg, uint16_t id)
{
	set16(msg, id);
}

uint16_t dns_get_id(const uint8_t *msg)
{
	return get16(msg);
}

int dns_hdr_read(struct dns_hdr *h, const uint8_t *msg, size_t len)
{
	struct rd r = rd_make(msg, len);
	bool ok = rd_u16(&r, &h->id) && rd_u16(&r, &h->flags);

	for (int i = 0; i < 4; i++)
		ok = ok && rd_u16(&r, &h->count[i]);
	return ok ? 0 : -EBADMSG;
}

/* one question at @*pos */
static int read_question(const uint8_t *msg, size_t len, size_t *pos,
			 struct dns_name *name, uint16_t *type, uint16_t *klass)
{
	struct rd r;
	int rc = dns_name_read(msg, len, pos, name);

	if (rc < 0)
		return rc;
	r = rd_make(msg + *pos, len - *pos);
	if (!rd_u16(&r, type) || !rd_u16(&r, klass))
		return -EBADMSG;
	*pos += 4;
	return 0;
}

int dns_walk_start(struct dns_walk *w, const uint8_t *msg, size_t len)
{
	struct dns_name name;
	uint16_t type, klass;
	struct dns_hdr h;
	int rc = dns_hdr_read(&h, msg, len);

	if (rc < 0)
		return rc;
	*w = (struct dns_walk){ msg, len, DNS_HDR_LEN, DNS_ANSWER, { 0 } };
	memcpy(w->left, h.count, sizeof(w->left));
	for (unsigned int i = 0; i < h.count[0]; i++) {
		rc = read_question(msg, len, &w->pos, &name, &type, &klass);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int dns_walk_next(struct dns_walk *w, struct dns_rr *rr)
{
	uint16_t rdlen;
	struct rd r;
	int rc;

	while (w->section <= DNS_ADDITIONAL && !w->left[w->section])
		w->section++;
	if (w->section > DNS_ADDITIONAL)
		return 0;
	w->left[w->section]--;

	rr->section = (enum dns_section)w->section;
	rr->start = w->pos;
	rc = dns_name_read(w->msg, w->len, &w->pos, &rr->name);
	if (rc < 0)
		return rc;
	r = rd_make(w->msg + w->pos, w->len - w->pos);
	if (!rd_u16(&r, &rr->type) || !rd_u16(&r, &rr->klass) ||
	    !rd_u32(&r, &rr->ttl) || !rd_u16(&r, &rdlen) || rd_left(&r) < rdlen)
		return -EBADMSG;
	rr->ttl_at = w->pos + 4;
	rr->rdata = w->pos + 10;
	rr->rdlen = rdlen;
	w->pos = rr->rdata + rdlen;
	return 1;
}

/* take what an OPT record says into @q (RFC 6891 section 6.1.3) */
static int read_opt(struct dns_query *q, const struct dns_rr *rr)
{
	if (q->edns || rr->name.len != 1 || rr->section != DNS_ADDITIONAL)
		return -EBADMSG; /* one at most, of the root */
	q->edns = true;
	q->udp_size = rr->klass < DNS_UDP_PLAIN ? DNS_UDP_PLAIN : rr->klass;
	q->edns_version = (uint8_t)(rr->ttl >> 16);
	q->dnssec_ok = rr->ttl & 0x8000;
	return 0;
}

int dns_query_parse(struct dns_query *q, const uint8_t *msg, size_t len)
{
	struct dns_hdr h;
	struct dns_walk w;
	struct dns_rr rr;
	size_t pos = DNS_HDR_LEN;
	int rc = dns_hdr_read(&h, msg, len);

	if (rc < 0 || h.flags & DNS_QR)
		return -EBADMSG;
	*q = (struct dns_query){ .id = h.id,
				 .flags = h.flags,
				 .udp_size = DNS_UDP_PLAIN };
	if (h.flags & DNS_OPCODE)
		return -EOPNOTSUPP;
	if (h.count[0] != 1)
		return -EBADMSG;
	rc = read_question(msg, len, &pos, &q->name, &q->type, &q->klass);
	if (rc < 0)
		return rc;
	rc = dns_walk_start(&w, msg, len);
	while (rc >= 0 && (rc = dns_walk_next(&w, &rr)) > 0) {
		if (rr.type == DNS_OPT)
			rc = read_opt(q, &rr);
	}
	return rc;
}

static void put_header(struct wr *w, const struct dns_query *q, uint16_t flags,
		       uint16_t answers)
{
	wr_u16(w, q->id);
	wr_u16(w, flags);
	wr_u16(w, 1);
	wr_u16(w, answers);
	wr_u16(w, 0);
	wr_u16(w, q->edns);
	wr_bytes(w, q->name.b, q->name.len);
	wr_u16(w, q->type);
	wr_u16(w, q->klass);
}

/* @size: what is taken over UDP; @rcode: its upper bits go here */
static void put_opt(struct wr *w, const struct dns_query *q, uint16_t size,
		    unsigned int rcode)
{
	if (!q->edns)
		return;
	wr_u8(w, 0);
	wr_u16(w, DNS_OPT);
	wr_u16(w, size);
	wr_u32(w, (uint32_t)(rcode >> 4) << 24 | (q->dnssec_ok ? 0x8000 : 0));
	wr_u16(w, 0);
}

ssize_t dns_query_build(const struct dns_query *q, uint8_t *out, size_t cap)
{
	struct wr w = wr_make(out, cap);

	put_header(&w, q, q->flags & (DNS_RD | DNS_AD | DNS_CD), 0);
	put_opt(&w, q, q->udp_size, 0);
	return w.full ? -EMSGSIZE : (ssize_t)wr_len(&w);
}

static uint16_t reply_flags(uint16_t asked, unsigned int rcode)
{
	return (uint16_t)(DNS_QR | DNS_RA |
			  (asked & (DNS_OPCODE | DNS_RD | DNS_CD)) |
			  (rcode & DNS_RCODE));
}

ssize_t dns_reply_empty(const struct dns_query *q, unsigned int rcode,
			uint8_t *out, size_t cap)
{
	struct wr w = wr_make(out, cap);

	put_header(&w, q, reply_flags(q->flags, rcode), 0);
	put_opt(&w, q, DNS_EDNS_SIZE, rcode);
	return w.full ? -EMSGSIZE : (ssize_t)wr_len(&w);
}

ssize_t dns_reply_addr(const struct dns_query *q, const uint8_t *addr,
		       size_t addr_len, uint32_t ttl, uint8_t *out, size_t cap)
{
	struct wr w = wr_make(out, cap);

	put_header(&w, q, reply_flags(q->flags, DNS_NOERROR) | DNS_AA, 1);
	wr_u16(&w, 0xc000 | DNS_HDR_LEN); /* the question's name */
	wr_u16(&w, addr_len == 4 ? DNS_A : DNS_AAAA);
	wr_u16(&w, DNS_IN);
	wr_u32(&w, ttl);
	wr_u16(&w, (uint16_t)addr_len);
	wr_bytes(&w, addr, addr_len);
	put_opt(&w, q, DNS_EDNS_SIZE, DNS_NOERROR);
	return w.full ? -EMSGSIZE : (ssize_t)wr_len(&w);
}

size_t dns_reply_raw(const uint8_t *msg, size_t len, unsigned int rcode,
		     uint8_t out[DNS_HDR_LEN])
{
	struct dns_hdr h;

	/* answering an answer would let two servers talk for ever */
	if (dns_hdr_read(&h, msg, len) < 0 || h.flags & DNS_QR)
		return 0;
	memset(out, 0, DNS_HDR_LEN);
	set16(out, h.id);
	set16(out + 2, reply_flags(h.flags, rcode));
	return DNS_HDR_LEN;
}

bool dns_reply_matches(const uint8_t *reply, size_t rlen, const uint8_t *query,
		       size_t qlen)
{
	struct dns_name rn, qn;
	uint16_t rt, rc, qt, qc;
	struct dns_hdr rh, qh;
	size_t rpos = DNS_HDR_LEN, qpos = DNS_HDR_LEN;

	if (dns_hdr_read(&rh, reply, rlen) < 0 ||
	    dns_hdr_read(&qh, query, qlen) < 0)
		return false;
	if (rh.id != qh.id || !(rh.flags & DNS_QR) ||
	    (rh.flags ^ qh.flags) & DNS_OPCODE)
		return false;
	if (rh.count[0] == 0)
		return dns_hdr_rcode(&rh) != DNS_NOERROR ||
		       (qh.flags & DNS_OPCODE) || qh.count[0] == 0;
	if (rh.count[0] != qh.count[0])
		return false;
	for (unsigned int i = 0; i < qh.count[0]; i++) {
		if (read_question(reply, rlen, &rpos, &rn, &rt, &rc) < 0 ||
		    read_question(query, qlen, &qpos, &qn, &qt, &qc) < 0)
			return false;
		if (!dns_name_eq(&rn, &qn) || rt != qt || rc != qc)
			return false;
	}
	return true;
}

/* what dns_truncate() finds out in its one walk */
struct cut {
	size_t fits;	   /* end of the last thing that stays in */
	uint16_t count[4]; /* records of each section up to there */
	bool lost;	   /* an answer or authority record stays out */
	size_t opt, opt_len;
};

/* EDNS where it belongs, its name written as the one root byte */
static bool is_opt(const uint8_t *msg, const struct dns_rr *rr)
{
	return rr->type == DNS_OPT && rr->section == DNS_ADDITIONAL &&
	       msg[rr->start] == 0;
}

static int find_cut(struct cut *c, const uint8_t *msg, size_t len, size_t max)
{
	uint16_t count[4] = { 0 };
	struct dns_rr rr, prev = { 0 };
	struct dns_walk w;
	size_t end;
	int rc;

	/* first where EDNS is: its room must be kept */
	rc = dns_walk_start(&w, msg, len);
	while (rc >= 0 && (rc = dns_walk_next(&w, &rr)) > 0) {
		if (is_opt(msg, &rr)) {
			c->opt = rr.start;
			c->opt_len = rr.rdata + rr.rdlen - rr.start;
		}
	}
	if (rc < 0 || dns_walk_start(&w, msg, len) < 0)
		return -EBADMSG;
	c->fits = end = w.pos;
	while (dns_walk_next(&w, &rr) > 0) {
		bool same = rr.section == prev.section &&
			    rr.type == prev.type && rr.klass == prev.klass &&
			    dns_name_eq(&rr.name, &prev.name);

		/* a new RRset begins: everything before it is whole; answers
		 * may be cut anywhere */
		if ((!same || rr.section == DNS_ANSWER) &&
		    end + c->opt_len <= max) {
			c->fits = end;
			memcpy(c->count, count, sizeof(count));
		}
		end = rr.rdata + rr.rdlen;
		if (is_opt(msg, &rr) || end + c->opt_len > max) {
			c->lost = rr.section != DNS_ADDITIONAL;
			return 0;
		}
		count[rr.section]++;
		prev = rr;
	}
	c->fits = end;
	memcpy(c->count, count, sizeof(count));
	return 0;
}

ssize_t dns_truncate(uint8_t *msg, size_t len, size_t max)
{
	uint8_t opt[DNS_UDP_PLAIN];
	struct cut c = { 0 };

	if (len <= max)
		return (ssize_t)len;
	if (find_cut(&c, msg, len, max) < 0)
		return -EBADMSG;
	if (c.opt_len > sizeof(opt) || c.fits + c.opt_len > max)
		c.opt_len = 0;
	memcpy(opt, msg + c.opt, c.opt_len);
	memcpy(msg + c.fits, opt, c.opt_len);
	if (c.opt_len)
		c.count[DNS_ADDITIONAL]++;
	for (int i = DNS_ANSWER; i <= DNS_ADDITIONAL; i++)
		set16(msg + 4 + i * 2, c.count[i]);
	if (c.lost)
		msg[2] |= DNS_TC >> 8;
	return (ssize_t)(c.fits + c.opt_len);
}

void dns_age(uint8_t *msg, size_t len, uint32_t age, uint32_t cap)
{
	struct dns_walk w;
	struct dns_rr rr;

	if (dns_walk_start(&w, msg, len) < 0)
		return;
	while (dns_walk_next(&w, &rr) > 0) {
		uint32_t ttl = rr.ttl > age ? rr.ttl - age : 0;

		if (rr.type != DNS_OPT)
			set32(msg + rr.ttl_at, ttl < cap ? ttl : cap);
	}
}

int dns_lifetime(const uint8_t *msg, size_t len, uint32_t *ttl, bool *negative)
{
	uint32_t best = UINT32_MAX, neg = UINT32_MAX;
	struct dns_walk w;
	struct dns_rr rr;
	struct dns_hdr h;
	int rc;

	if (dns_hdr_read(&h, msg, len) < 0 || h.flags & DNS_TC ||
	    (dns_hdr_rcode(&h) != DNS_NOERROR &&
	     dns_hdr_rcode(&h) != DNS_NXDOMAIN))
		return -ENODATA;
	*negative = !h.count[DNS_ANSWER] || dns_hdr_rcode(&h) == DNS_NXDOMAIN;
	rc = dns_walk_start(&w, msg, len);
	while (rc >= 0 && (rc = dns_walk_next(&w, &rr)) > 0) {
		/* RFC 2181 section 8: the top bit set means zero */
		uint32_t t = rr.ttl & 0x80000000u ? 0 : rr.ttl;

		if (rr.section == DNS_ANSWER && t < best)
			best = t;
		if (rr.section == DNS_AUTHORITY && rr.type == DNS_SOA &&
		    rr.rdlen >= 22) {
			struct rd r = rd_make(msg + rr.rdata + rr.rdlen - 4, 4);
			uint32_t minimum;

			if (rd_u32(&r, &minimum))
				neg = t < minimum ? t : minimum;
		}
	}
	if (rc < 0)
		return -ENODATA;
	*ttl = *negative && neg < best ? neg : best;
	return *ttl == UINT32_MAX || (*negative && neg == UINT32_MAX) ? -ENODATA
								      : 0;
}

bool dns_has_answer(const uint8_t *msg, size_t len)
{
	struct dns_hdr h;

	return dns_hdr_read(&h, msg, len) == 0 &&
	       dns_hdr_rcode(&h) == DNS_NOERROR && h.count[DNS_ANSWER];
}

static bool dns_find_address(const uint8_t *msg, size_t len, uint16_t type,
			     const uint8_t *addr, size_t size)
{
	struct dns_walk w;
	struct dns_rr rr;

	if (dns_walk_start(&w, msg, len) < 0)
		return false;
	while (dns_walk_next(&w, &rr) > 0)
		if (rr.section == DNS_ANSWER && rr.type == type &&
		    rr.rdlen == size && memcmp(msg + rr.rdata, addr, size) == 0)
			return true;
	return false;
}

/* All of @a's are among @b's */
static bool dns_has_addresses(const uint8_t *a, size_t alen, const uint8_t *b,
			      size_t blen, uint16_t type, size_t size)
{
	struct dns_walk w;
	struct dns_rr rr;
	int rc = dns_walk_start(&w, a, alen);

	while (rc >= 0 && (rc = dns_walk_next(&w, &rr)) > 0)
		if (rr.section == DNS_ANSWER && rr.type == type &&
		    rr.rdlen == size &&
		    !dns_find_address(b, blen, type, a + rr.rdata, size))
			return false;
	return rc >= 0;
}

bool dns_same_addresses(const uint8_t *a, size_t alen, const uint8_t *b,
			size_t blen, uint16_t type)
{
	size_t size = type == DNS_A ? 4 : type == DNS_AAAA ? 16 : 0;

	return size && dns_has_addresses(a, alen, b, blen, type, size) &&
	       dns_has_addresses(b, blen, a, alen, type, size);
}
