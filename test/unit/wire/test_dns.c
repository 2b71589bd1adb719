/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "wire/dns.h"

#include <errno.h>
#include <string.h>

static struct dns_name name(const char *text)
{
	struct dns_name n = { 0 };

	assert_int_equal(dns_name_parse(&n, text), 0);
	return n;
}

static struct dns_query query(const char *text, uint16_t type, bool edns)
{
	return (struct dns_query){ .id = 0x1234,
				   .flags = DNS_RD,
				   .name = name(text),
				   .type = type,
				   .klass = DNS_IN,
				   .edns = edns,
				   .udp_size = 1232 };
}

static void put_rr(struct wr *w, const char *owner, uint16_t type, uint32_t ttl,
		   const void *data, size_t len)
{
	struct dns_name n = name(owner);

	wr_bytes(w, n.b, n.len);
	wr_u16(w, type);
	wr_u16(w, DNS_IN);
	wr_u32(w, ttl);
	wr_u16(w, (uint16_t)len);
	wr_bytes(w, data, len);
}

static void put_head(struct wr *w, uint16_t flags, uint16_t an, uint16_t ns,
		     uint16_t ar)
{
	struct dns_name n = name("web.demo");

	wr_u16(w, 0x1234);
	wr_u16(w, flags);
	wr_u16(w, 1);
	wr_u16(w, an);
	wr_u16(w, ns);
	wr_u16(w, ar);
	wr_bytes(w, n.b, n.len);
	wr_u16(w, DNS_A);
	wr_u16(w, DNS_IN);
}

static const uint8_t soa[] = { 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0,
			       0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 7 };

static void query_round_trip(void **state)
{
	uint8_t msg[512];
	struct dns_query q = query("WeB.demo", DNS_SRV, true), back;
	ssize_t n;

	(void)state;
	q.dnssec_ok = true;
	q.flags |= DNS_CD;
	n = dns_query_build(&q, msg, sizeof(msg));
	assert_true(n > 0);
	assert_int_equal(dns_query_parse(&back, msg, (size_t)n), 0);
	assert_int_equal(back.id, 0x1234);
	assert_int_equal(back.flags, DNS_RD | DNS_CD);
	assert_int_equal(back.type, DNS_SRV);
	assert_true(back.edns && back.dnssec_ok);
	assert_int_equal(back.udp_size, 1232);
	assert_memory_equal(back.name.b, q.name.b, q.name.len);
	assert_int_equal(dns_query_build(&q, msg, 20), -EMSGSIZE);
	/* every cut is noticed */
	for (size_t i = 0; i < (size_t)n; i++)
		assert_int_equal(dns_query_parse(&back, msg, i), -EBADMSG);
}

static void refuses_what_is_no_query(void **state)
{
	struct dns_query q = query("a", DNS_A, true), back;
	uint8_t msg[128], raw[DNS_HDR_LEN];
	size_t n = (size_t)dns_query_build(&q, msg, sizeof(msg));

	(void)state;
	msg[2] |= 0x80;
	assert_int_equal(dns_query_parse(&back, msg, n), -EBADMSG);
	assert_int_equal(dns_reply_raw(msg, n, DNS_FORMERR, raw), 0);
	msg[2] = 0x28; /* UPDATE */
	assert_int_equal(dns_query_parse(&back, msg, n), -EOPNOTSUPP);
	assert_int_equal(dns_reply_raw(msg, n, DNS_NOTIMP, raw), 12);
	assert_int_equal(raw[2], 0xa8);
	assert_int_equal(raw[3] & 15, DNS_NOTIMP);
	assert_int_equal(dns_get_id(raw), 0x1234);
	msg[2] = 0;
	msg[5] = 2; /* two questions announced, one there */
	assert_int_equal(dns_query_parse(&back, msg, n), -EBADMSG);
	msg[5] = 0;
	assert_int_equal(dns_query_parse(&back, msg, n), -EBADMSG);
	assert_int_equal(dns_reply_raw(msg, 11, DNS_FORMERR, raw), 0);
	/* two OPT records */
	msg[5] = 1;
	msg[11] = 2;
	memmove(msg + n, msg + n - 11, 11);
	assert_int_equal(dns_query_parse(&back, msg, n + 11), -EBADMSG);
	msg[11] = 1;
	assert_int_equal(dns_query_parse(&back, msg, n + 11), 0);
}

static void own_replies(void **state)
{
	static const uint8_t ip[4] = { 10, 0, 0, 1 };
	struct dns_query q = query("WeB.demo", DNS_A, true);
	uint8_t msg[512], ask[512];
	struct dns_walk w;
	struct dns_rr rr;
	struct dns_hdr h;
	size_t alen = (size_t)dns_query_build(&q, ask, sizeof(ask));
	ssize_t n = dns_reply_addr(&q, ip, 4, 5, msg, sizeof(msg));

	(void)state;
	assert_true(n > 0);
	assert_true(dns_reply_matches(msg, (size_t)n, ask, alen));
	assert_true(dns_has_answer(msg, (size_t)n));
	assert_memory_equal(msg + 12, q.name.b, q.name.len);
	assert_int_equal(dns_walk_start(&w, msg, (size_t)n), 0);
	assert_int_equal(dns_walk_next(&w, &rr), 1);
	assert_true(dns_name_eq(&rr.name, &q.name));
	assert_int_equal(rr.ttl, 5);
	assert_memory_equal(msg + rr.rdata, ip, 4);
	assert_int_equal(dns_walk_next(&w, &rr), 1);
	assert_int_equal(rr.type, DNS_OPT);
	assert_int_equal(dns_walk_next(&w, &rr), 0);

	n = dns_reply_empty(&q, DNS_BADVERS, msg, sizeof(msg));
	assert_true(n > 0);
	assert_int_equal(dns_hdr_read(&h, msg, (size_t)n), 0);
	assert_int_equal(dns_hdr_rcode(&h), 0); /* 16: the upper bits in OPT */
	assert_int_equal(dns_walk_start(&w, msg, (size_t)n), 0);
	assert_int_equal(dns_walk_next(&w, &rr), 1);
	assert_int_equal(rr.ttl >> 24, 1);
}

static void matches_reply_to_query(void **state)
{
	struct dns_query q = query("web.demo", DNS_A, false);
	uint8_t ask[128], rep[128];
	size_t alen = (size_t)dns_query_build(&q, ask, sizeof(ask)), rlen;

	(void)state;
	q.name = name("WEB.demo"); /* a server that does not keep the case */
	rlen = (size_t)dns_reply_empty(&q, 0, rep, sizeof(rep));
	assert_true(dns_reply_matches(rep, rlen, ask, alen));
	assert_false(dns_reply_matches(ask, alen, ask, alen));
	rep[0] ^= 1;
	assert_false(dns_reply_matches(rep, rlen, ask, alen));
	q.type = DNS_AAAA;
	rlen = (size_t)dns_reply_empty(&q, 0, rep, sizeof(rep));
	assert_false(dns_reply_matches(rep, rlen, ask, alen));
	q.type = DNS_A;
	q.name = name("web.demp");
	rlen = (size_t)dns_reply_empty(&q, 0, rep, sizeof(rep));
	assert_false(dns_reply_matches(rep, rlen, ask, alen));
	/* FORMERR without the question is fine, NOERROR is not */
	rlen = dns_reply_raw(ask, alen, DNS_FORMERR, rep);
	assert_true(dns_reply_matches(rep, rlen, ask, alen));
	rlen = dns_reply_raw(ask, alen, DNS_NOERROR, rep);
	assert_false(dns_reply_matches(rep, rlen, ask, alen));
}

static size_t big_reply(uint8_t *msg, size_t cap, int first, int second)
{
	struct wr w = wr_make(msg, cap);

	put_head(&w, DNS_QR, (uint16_t)(first + second), 0, 2);
	for (int i = 0; i < first; i++)
		put_rr(&w, "web.demo", DNS_A, 30, "abcd", 4);
	for (int i = 0; i < second; i++)
		put_rr(&w, "web.demo", DNS_TXT, 30, "\3abc", 4);
	put_rr(&w, "x.demo", DNS_A, 30, "abcd", 4);
	put_rr(&w, ".", DNS_OPT, 0, NULL, 0);
	assert_false(w.full);
	return wr_len(&w);
}

static void count_types(const uint8_t *msg, size_t len, int count[256])
{
	struct dns_walk w;
	struct dns_rr rr;

	memset(count, 0, 256 * sizeof(*count));
	assert_int_equal(dns_walk_start(&w, msg, len), 0);
	while (dns_walk_next(&w, &rr) > 0)
		count[rr.type]++;
}

static void truncates_after_what_fits(void **state)
{
	uint8_t msg[4096];
	int count[256];
	size_t len = big_reply(msg, sizeof(msg), 10, 10);
	ssize_t n = dns_truncate(msg, len, len);

	(void)state;
	assert_int_equal(n, len);
	/* 10 A of 24 bytes fit into 320 bytes, 10 TXT more do not */
	n = dns_truncate(msg, len, 320);
	assert_in_range(n, 320 - 23, 320);
	count_types(msg, (size_t)n, count);
	assert_int_equal(count[DNS_A], 10);
	assert_in_range(count[DNS_TXT], 1, 3);
	assert_int_equal(count[DNS_OPT], 1);
	assert_true(msg[2] & 2);

	/* only the additional record is lost: not truncated */
	len = big_reply(msg, sizeof(msg), 10, 0);
	n = dns_truncate(msg, len, len - 5);
	count_types(msg, (size_t)n, count);
	assert_int_equal(count[DNS_A], 10);
	assert_int_equal(count[DNS_OPT], 1);
	assert_false(msg[2] & 2);

	/* not even the one RRset fits */
	len = big_reply(msg, sizeof(msg), 60, 0);
	n = dns_truncate(msg, len, 512);
	count_types(msg, (size_t)n, count);
	assert_in_range(n, 512 - 23, 512);
	assert_in_range(count[DNS_A], 15, 22);
	assert_int_equal(count[DNS_OPT], 1);
	assert_true(msg[2] & 2);
}

static void ages_and_caps(void **state)
{
	uint8_t msg[512];
	struct wr w = wr_make(msg, sizeof(msg));
	struct dns_walk walk;
	struct dns_rr rr;

	(void)state;
	put_head(&w, DNS_QR, 2, 0, 1);
	put_rr(&w, "web.demo", DNS_A, 30, "abcd", 4);
	put_rr(&w, "web.demo", DNS_A, 3, "abce", 4);
	put_rr(&w, ".", DNS_OPT, 0x8000, NULL, 0);
	dns_age(msg, wr_len(&w), 5, 20);
	assert_int_equal(dns_walk_start(&walk, msg, wr_len(&w)), 0);
	assert_int_equal(dns_walk_next(&walk, &rr), 1);
	assert_int_equal(rr.ttl, 20);
	assert_int_equal(dns_walk_next(&walk, &rr), 1);
	assert_int_equal(rr.ttl, 0);
	assert_int_equal(dns_walk_next(&walk, &rr), 1);
	assert_int_equal(rr.ttl, 0x8000);
}

static void knows_lifetimes(void **state)
{
	uint8_t msg[512];
	struct wr w = wr_make(msg, sizeof(msg));
	uint32_t ttl;
	bool neg;

	(void)state;
	put_head(&w, DNS_QR, 2, 0, 0);
	put_rr(&w, "web.demo", DNS_A, 30, "abcd", 4);
	put_rr(&w, "web.demo", DNS_A, 9, "abcd", 4);
	assert_int_equal(dns_lifetime(msg, wr_len(&w), &ttl, &neg), 0);
	assert_int_equal(ttl, 9);
	assert_false(neg);

	w = wr_make(msg, sizeof(msg));
	put_head(&w, DNS_QR | DNS_NXDOMAIN, 0, 1, 0);
	put_rr(&w, "demo", DNS_SOA, 30, soa, sizeof(soa));
	assert_int_equal(dns_lifetime(msg, wr_len(&w), &ttl, &neg), 0);
	assert_int_equal(ttl, 7);
	assert_true(neg);

	w = wr_make(msg, sizeof(msg));
	put_head(&w, DNS_QR, 0, 0, 0);
	assert_int_equal(dns_lifetime(msg, wr_len(&w), &ttl, &neg), -ENODATA);
	w = wr_make(msg, sizeof(msg));
	put_head(&w, DNS_QR | DNS_SERVFAIL, 0, 0, 0);
	assert_int_equal(dns_lifetime(msg, wr_len(&w), &ttl, &neg), -ENODATA);
	w = wr_make(msg, sizeof(msg));
	put_head(&w, DNS_QR | DNS_TC, 0, 0, 0);
	assert_int_equal(dns_lifetime(msg, wr_len(&w), &ttl, &neg), -ENODATA);
}

static void walk_notices_every_cut(void **state)
{
	uint8_t msg[4096];
	size_t len = big_reply(msg, sizeof(msg), 2, 2);

	(void)state;
	for (size_t i = 0; i < len; i++) {
		uint8_t *copy = malloc(i ? i : 1); /* exact: ASan watches */
		struct dns_walk w;
		struct dns_rr rr;
		int rc;

		assert_non_null(copy);
		memcpy(copy, msg, i);
		rc = dns_walk_start(&w, copy, i);
		while (rc >= 0 && (rc = dns_walk_next(&w, &rr)) > 0)
			;
		assert_int_equal(rc, -EBADMSG);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_round_trip),
		cmocka_unit_test(refuses_what_is_no_query),
		cmocka_unit_test(own_replies),
		cmocka_unit_test(matches_reply_to_query),
		cmocka_unit_test(truncates_after_what_fits),
		cmocka_unit_test(ages_and_caps),
		cmocka_unit_test(knows_lifetimes),
		cmocka_unit_test(walk_notices_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
