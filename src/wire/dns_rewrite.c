/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/dns_rewrite.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define COMP_MAX 128 /* places remembered for compression */

/* the output, and where names (or their ends) begin in it */
struct out {
	struct wr w;
	uint16_t at[COMP_MAX];
	size_t n;
};

/*
 * Data that holds names. The layout: 'n' a name that may be written compressed
 * (types of RFC 1035), 'N' one that may not, a digit that many bytes, 's' a
 * character string, '*' whatever is left.
 */
static const struct layout {
	uint16_t type;
	const char *fields;
} layouts[] = {
	{ DNS_NS, "n" },
	{ 3, "n" },
	{ 4, "n" },
	{ DNS_CNAME, "n" },
	{ DNS_SOA, "nn*" },
	{ 7, "n" },
	{ 8, "n" },
	{ 9, "n" },
	{ DNS_PTR, "n" },
	{ 14, "nn" },
	{ DNS_MX, "2n" },
	{ 17, "NN" },
	{ 18, "2N" },
	{ 21, "2N" },
	{ 24, "99N*" },
	{ 26, "2NN" },
	{ 30, "N*" },
	{ DNS_SRV, "6N" },
	{ DNS_NAPTR, "4sssN" },
	{ 36, "2N" },
	{ DNS_DNAME, "N" },
};

static const char *layout_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		if (layouts[i].type == type)
			return layouts[i].fields;
	}
	return "*";
}

/* the name written at @at of the output has exactly the bytes @name */
static bool written_is(const struct out *o, size_t at, const uint8_t *name)
{
	const uint8_t *m = o->w.start;

	for (;;) {
		while ((m[at] & 0xc0) == 0xc0) /* we wrote it: it points back */
			at = (size_t)(m[at] & 0x3f) << 8 | m[at + 1];
		if (m[at] != name[0] || memcmp(m + at, name, m[at] + 1u) != 0)
			return false;
		if (m[at] == 0)
			return true;
		name += m[at] + 1u;
		at += m[at] + 1u;
	}
}

static bool put_pointer(struct out *o, const uint8_t *name)
{
	for (size_t i = 0; i < o->n; i++) {
		if (written_is(o, o->at[i], name)) {
			wr_u16(&o->w, 0xc000 | o->at[i]);
			return true;
		}
	}
	return false;
}

/* @compress: may be written as, or end in, a pointer */
static void put_name(struct out *o, const struct dns_name *n, bool compress)
{
	size_t here[128], nhere = 0;

	for (size_t i = 0; i < n->len && !o->w.full; i += n->b[i] + 1u) {
		if (n->b[i] == 0) {
			wr_u8(&o->w, 0);
			break;
		}
		if (compress && put_pointer(o, n->b + i))
			break;
		if (nhere < ARRAY_SIZE(here))
			here[nhere++] = wr_len(&o->w);
		wr_bytes(&o->w, n->b + i, n->b[i] + 1u);
	}
	/* remembered only now: the name must be whole to be compared with */
	if (o->w.full)
		return;
	for (size_t i = 0; compress && i < nhere && o->n < COMP_MAX; i++) {
		if (here[i] < 0x4000)
			o->at[o->n++] = (uint16_t)here[i];
	}
}

static int copy_name(struct out *o, const uint8_t *in, size_t end, size_t *pos,
		     bool compress)
{
	struct dns_name n;
	int rc = dns_name_read(in, end, pos, &n);

	if (rc == 0)
		put_name(o, &n, compress);
	return rc;
}

static int copy_bytes(struct out *o, const uint8_t *in, size_t end, size_t *pos,
		      size_t n)
{
	if (end - *pos < n)
		return -EBADMSG;
	wr_bytes(&o->w, in + *pos, n);
	*pos += n;
	return 0;
}

static int copy_rdata(struct out *o, const uint8_t *in, const struct dns_rr *rr)
{
	size_t pos = rr->rdata, end = rr->rdata + rr->rdlen;
	int rc = 0;

	/* an update or a question may carry a type without data */
	if (!rr->rdlen)
		return 0;
	for (const char *f = layout_of(rr->type); *f && rc == 0; f++) {
		if (*f == 'n' || *f == 'N')
			rc = copy_name(o, in, end, &pos, *f == 'n');
		else if (*f == '*')
			rc = copy_bytes(o, in, end, &pos, end - pos);
		else if (*f == 's')
			rc = pos < end ? copy_bytes(o, in, end, &pos,
						    in[pos] + 1u)
				       : -EBADMSG;
		else
			rc = copy_bytes(o, in, end, &pos, (size_t)(*f - '0'));
	}
	return rc == 0 && pos != end ? -EBADMSG : rc;
}

static int copy_rr(struct out *o, const struct dns_query *q,
		   const struct dns_name *from, const uint8_t *in,
		   const struct dns_rr *rr)
{
	bool renamed = rr->type != DNS_OPT && dns_name_eq(&rr->name, from);
	uint8_t *rdlen_at;
	size_t rdlen;
	int rc;

	put_name(o, renamed ? &q->name : &rr->name, true);
	wr_u16(&o->w, rr->type);
	wr_u16(&o->w, rr->klass);
	wr_u32(&o->w, rr->ttl);
	rdlen_at = o->w.p;
	wr_u16(&o->w, 0);
	rc = copy_rdata(o, in, rr);
	if (rc < 0)
		return rc;
	if (o->w.full)
		return -EMSGSIZE;
	rdlen = (size_t)(o->w.p - rdlen_at) - 2;
	if (rdlen > UINT16_MAX)
		return -EMSGSIZE;
	rdlen_at[0] = (uint8_t)(rdlen >> 8);
	rdlen_at[1] = (uint8_t)rdlen;
	return 0;
}

ssize_t dns_rewrite(const struct dns_query *q, const struct dns_name *from,
		    const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
	const uint16_t client = DNS_RD | DNS_CD;
	struct out o = { .w = wr_make(out, cap) };
	uint16_t count[4] = { 1 };
	struct dns_walk walk;
	struct dns_hdr h;
	struct dns_rr rr;
	int rc = dns_hdr_read(&h, in, len);

	if (rc < 0 || !(h.flags & DNS_QR))
		return -EBADMSG;
	wr_u16(&o.w, q->id);
	wr_u16(&o.w, (uint16_t)((h.flags & ~client) | (q->flags & client)));
	for (int i = 0; i < 4; i++)
		wr_u16(&o.w, 0);
	put_name(&o, &q->name, true);
	wr_u16(&o.w, q->type);
	wr_u16(&o.w, q->klass);

	rc = dns_walk_start(&walk, in, len);
	while (rc >= 0 && (rc = dns_walk_next(&walk, &rr)) > 0) {
		if (rr.type == DNS_OPT && !q->edns)
			continue;
		rc = copy_rr(&o, q, from, in, &rr);
		if (rc < 0)
			return rc;
		count[rr.section]++;
	}
	if (rc < 0)
		return rc;
	if (o.w.full)
		return -EMSGSIZE;
	for (int i = 0; i < 4; i++) {
		out[4 + i * 2] = (uint8_t)(count[i] >> 8);
		out[5 + i * 2] = (uint8_t)count[i];
	}
	return (ssize_t)wr_len(&o.w);
}
