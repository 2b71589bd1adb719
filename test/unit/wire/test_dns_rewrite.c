/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "wire/dns_rewrite.h"

#include <errno.h>
#include <string.h>

#define QNAME 0xc00c /* pointer to the question's name */

static struct dns_name name(const char *text)
{
	struct dns_name n = { 0 };

	assert_int_equal(dns_name_parse(&n, text), 0);
	return n;
}

static struct wr begin(uint8_t *msg, size_t cap, uint16_t type, uint16_t an,
		       uint16_t ns, uint16_t ar)
{
	struct wr w = wr_make(msg, cap);
	struct dns_name n = name("web.demo.svc.cluster.local");

	wr_u16(&w, 0);
	wr_u16(&w, DNS_QR | DNS_AA | DNS_RD);
	wr_u16(&w, 1);
	wr_u16(&w, an);
	wr_u16(&w, ns);
	wr_u16(&w, ar);
	wr_bytes(&w, n.b, n.len);
	wr_u16(&w, type);
	wr_u16(&w, DNS_IN);
	return w;
}

/* a record whose owner is the pointer @owner */
static void put(struct wr *w, uint16_t owner, uint16_t type, const void *data,
		size_t len)
{
	wr_u16(w, owner);
	wr_u16(w, type);
	wr_u16(w, DNS_IN);
	wr_u32(w, 30);
	wr_u16(w, (uint16_t)len);
	wr_bytes(w, data, len);
}

static struct dns_query client(const char *text, uint16_t type, bool edns)
{
	return (struct dns_query){ .id = 77,
				   .flags = DNS_CD,
				   .name = name(text),
				   .type = type,
				   .klass = DNS_IN,
				   .edns = edns };
}

static size_t rewrite(const struct dns_query *q, const struct wr *in,
		      uint8_t out[2048])
{
	struct dns_name from = name("WEB.demo.svc.cluster.local");
	ssize_t n;

	assert_false(in->full);
	n = dns_rewrite(q, &from, in->start, wr_len(in), out, 2048);
	assert_true(n > 0);
	return (size_t)n;
}

static void nth(const uint8_t *msg, size_t len, int n, struct dns_rr *rr)
{
	struct dns_walk w;

	assert_int_equal(dns_walk_start(&w, msg, len), 0);
	while (n-- >= 0)
		assert_int_equal(dns_walk_next(&w, rr), 1);
}

static void assert_name_at(const uint8_t *msg, size_t len, size_t pos,
			   const char *text)
{
	char buf[DNS_NAME_STRLEN];
	struct dns_name n;

	assert_int_equal(dns_name_read(msg, len, &pos, &n), 0);
	assert_string_equal(dns_name_str(&n, buf), text);
}

static void renames_the_owner(void **state)
{
	uint8_t in[512], out[2048];
	struct dns_query q = client("Web", DNS_A, false);
	struct wr w = begin(in, sizeof(in), DNS_A, 2, 0, 1);
	struct dns_hdr h;
	struct dns_rr rr;
	size_t n;

	(void)state;
	put(&w, QNAME, DNS_A, "abcd", 4);
	put(&w, QNAME, DNS_A, "efgh", 4);
	wr_u8(&w, 0); /* EDNS, which the client did not use */
	wr_u16(&w, DNS_OPT);
	wr_u16(&w, 1232);
	wr_u32(&w, 0);
	wr_u16(&w, 0);
	n = rewrite(&q, &w, out);
	assert_int_equal(n, 12 + 5 + 4 + 2 * 16); /* owners are pointers */
	assert_int_equal(dns_hdr_read(&h, out, n), 0);
	assert_int_equal(h.id, 77);
	assert_int_equal(h.flags, DNS_QR | DNS_AA | DNS_CD);
	assert_int_equal(h.count[1], 2);
	assert_int_equal(h.count[3], 0);
	assert_name_at(out, n, 12, "Web");
	nth(out, n, 1, &rr);
	assert_memory_equal(rr.name.b, "\3Web", 5);
	assert_memory_equal(out + rr.rdata, "efgh", 4);

	q.edns = true;
	n = rewrite(&q, &w, out);
	nth(out, n, 2, &rr);
	assert_int_equal(rr.type, DNS_OPT);
	assert_int_equal(rr.klass, 1232);
}

static void decompresses_names_in_data(void **state)
{
	uint8_t in[512], out[2048];
	struct dns_query q = client("web", DNS_SRV, false);
	struct wr w = begin(in, sizeof(in), DNS_SRV, 5, 0, 0);
	struct dns_rr rr;
	size_t n;

	(void)state;
	/* 0xc011 is "demo.svc.cluster.local", behind the 4 bytes of "web" */
	put(&w, QNAME, DNS_SRV, "\0\1\0\2\0\120\3a-1\xc0\x10", 12);
	put(&w, QNAME, DNS_MX, "\0\12\4mail\xc0\x10", 9);
	put(&w, QNAME, DNS_CNAME, "\xc0\x0c", 2);
	put(&w, QNAME, DNS_NAPTR, "\0\1\0\2\1u\3sip\0\xc0\x10", 13);
	put(&w, QNAME, 65280, "\xc0\x0c", 2); /* unknown: opaque */
	n = rewrite(&q, &w, out);

	nth(out, n, 0, &rr);
	assert_memory_equal(out + rr.rdata, "\0\1\0\2\0\120", 6);
	assert_name_at(out, n, rr.rdata + 6, "a-1.demo.svc.cluster.local");
	/* RFC 2782: not compressed */
	assert_int_equal(rr.rdlen, 6 + 28);
	nth(out, n, 1, &rr);
	assert_name_at(out, n, rr.rdata + 2, "mail.demo.svc.cluster.local");
	nth(out, n, 2, &rr);
	assert_name_at(out, n, rr.rdata, "web.demo.svc.cluster.local");
	nth(out, n, 3, &rr);
	assert_memory_equal(out + rr.rdata, "\0\1\0\2\1u\3sip\0", 11);
	assert_name_at(out, n, rr.rdata + 11, "demo.svc.cluster.local");
	nth(out, n, 4, &rr);
	assert_int_equal(rr.rdlen, 2);
	assert_memory_equal(out + rr.rdata, "\xc0\x0c", 2);
}

static void keeps_the_soa(void **state)
{
	uint8_t in[512], out[2048];
	struct dns_query q = client("nope", DNS_A, false);
	struct wr w = begin(in, sizeof(in), DNS_A, 0, 1, 0);
	uint8_t soa[4 + 20] = { 0xc0, 0x0c, 0xc0, 0x10 };
	struct dns_rr rr;
	size_t n;

	(void)state;
	in[3] |= DNS_NXDOMAIN;
	soa[23] = 5;
	put(&w, 0xc019, DNS_SOA, soa, sizeof(soa)); /* cluster.local */
	n = rewrite(&q, &w, out);
	assert_int_equal(out[3] & 15, DNS_NXDOMAIN);
	nth(out, n, 0, &rr);
	assert_int_equal(rr.section, DNS_AUTHORITY);
	assert_name_at(out, n, rr.start, "cluster.local");
	assert_name_at(out, n, rr.rdata, "web.demo.svc.cluster.local");
	assert_int_equal(out[rr.rdata + rr.rdlen - 1], 5);
}

static void refuses_bad_data(void **state)
{
	static const struct {
		uint16_t type;
		const char *data;
		size_t len;
	} bad[] = {
		{ DNS_CNAME, "\3ab", 3 },   /* cut off */
		{ DNS_CNAME, "\1a\0x", 4 }, /* a rest */
		{ DNS_MX, "\0", 1 },	      { DNS_NAPTR, "\0\1\0\2\5u", 6 },
		{ DNS_SRV, "\0\1\0\2\0", 5 }, { DNS_PTR, "\xff\xff", 2 },
	};
	struct dns_query q = client("web", DNS_A, false);
	struct dns_name from = name("web");
	uint8_t in[512], out[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct wr w = begin(in, sizeof(in), DNS_A, 1, 0, 0);

		put(&w, QNAME, bad[i].type, bad[i].data, bad[i].len);
		assert_int_equal(dns_rewrite(&q, &from, in, wr_len(&w), out,
					     sizeof(out)),
				 -EBADMSG);
	}
}

static void refuses_what_does_not_fit(void **state)
{
	struct dns_query q = client("web", DNS_A, false);
	struct dns_name from = name("web.demo.svc.cluster.local");
	uint8_t in[512], out[2048];
	struct wr w = begin(in, sizeof(in), DNS_A, 1, 0, 0);
	ssize_t n;

	(void)state;
	put(&w, QNAME, DNS_A, "abcd", 4);
	n = dns_rewrite(&q, &from, in, wr_len(&w), out, sizeof(out));
	assert_true(n > 0);
	for (size_t cap = 0; cap < (size_t)n; cap++)
		assert_int_equal(
			dns_rewrite(&q, &from, in, wr_len(&w), out, cap),
			-EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renames_the_owner),
		cmocka_unit_test(decompresses_names_in_data),
		cmocka_unit_test(keeps_the_soa),
		cmocka_unit_test(refuses_bad_data),
		cmocka_unit_test(refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
