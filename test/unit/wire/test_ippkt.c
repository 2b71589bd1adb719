/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "wire/ippkt.h"

#include <errno.h>
#include <string.h>

static struct ipport at(const char *s)
{
	struct ipport p;

	assert_int_equal(ipport_parse(&p, s), 0);
	return p;
}

/* A SYN like those of Linux: 10.0.0.1:45678 > 10.96.0.1:80 */
static const uint8_t syn4[] = {
	0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0x0a, 0x15,
	0x0a, 0x00, 0x00, 0x01, 0x0a, 0x60, 0x00, 0x01, 0xb2, 0x6e, 0x00, 0x50,
	0x12, 0x34, 0x56, 0x78, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x02, 0xfa, 0xf0,
	0x00, 0x00, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a,
	0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x03, 0x07,
};

/* RFC 1071's own example, a well-known header, and the one above */
static void test_checksum(void **state)
{
	static const uint8_t rfc[] = { 0x00, 0x01, 0xf2, 0x03,
				       0xf4, 0xf5, 0xf6, 0xf7 };
	static const uint8_t known[20] = {
		0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
		0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
	};
	uint8_t head[20];

	(void)state;
	assert_int_equal(ippkt_checksum(known, 20), 0);
	memcpy(head, known, 20);
	head[10] = head[11] = 0;
	assert_int_equal(ippkt_checksum(head, 20), 0xb861);
	assert_int_equal(ippkt_checksum(rfc, sizeof(rfc)), 0x220d);
	memcpy(head, syn4, sizeof(head));
	assert_int_equal(ippkt_checksum(head, 20), 0);
	/* odd length: the last byte counts as the upper half of a word */
	assert_int_equal(ippkt_checksum("\x12\x34\x56", 3),
			 (uint16_t) ~(0x1234 + 0x5600));
	assert_int_equal(ippkt_checksum("", 0), 0xffff);
}

static void test_parse_tcp(void **state)
{
	char text[IPADDR_STRLEN];
	uint8_t longer[sizeof(syn4) + 9];
	struct ippkt_tcp t;
	struct ippkt p;

	(void)state;
	memcpy(longer, syn4, sizeof(syn4)); /* padding behind the packet */
	assert_int_equal(ippkt_parse(&p, longer, sizeof(longer)), 0);
	assert_string_equal(ipaddr_str(&p.src, text), "10.0.0.1");
	assert_string_equal(ipaddr_str(&p.dst, text), "10.96.0.1");
	assert_int_equal(p.proto, IPPKT_PROTO_TCP);
	assert_int_equal(p.ttl, 64);
	assert_false(p.fragment);
	assert_int_equal(p.whole_len, sizeof(syn4));
	assert_int_equal(ippkt_tcp(&p, &t), 0);
	assert_int_equal(t.sport, 45678);
	assert_int_equal(t.dport, 80);
	assert_int_equal(t.seq, 0x12345678);
	assert_int_equal(t.flags, IPPKT_SYN);
	assert_int_equal(t.seq_len, 1);
}

/* No prefix of a packet is a packet, and none is read past its end. */
static void test_truncated(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(syn4); n++) {
		auto_free uint8_t *copy = malloc(n ? n : 1);
		struct ippkt p;

		memcpy(copy, syn4, n);
		assert_int_equal(ippkt_parse(&p, copy, n), -EINVAL);
	}
}

static void test_malformed(void **state)
{
	uint8_t b[sizeof(syn4)];
	struct ippkt_tcp t;
	struct ippkt p;

	(void)state;
	memcpy(b, syn4, sizeof(b));
	b[0] = 0x44; /* a header of 16 bytes */
	assert_int_equal(ippkt_parse(&p, b, sizeof(b)), -EINVAL);
	b[0] = 0x75;
	assert_int_equal(ippkt_parse(&p, b, sizeof(b)), -EINVAL);
	memcpy(b, syn4, sizeof(b));
	b[32] = 0xf0; /* a TCP header of 60 bytes, of which 40 are there */
	assert_int_equal(ippkt_parse(&p, b, sizeof(b)), 0);
	assert_int_equal(ippkt_tcp(&p, &t), -EINVAL);
	memcpy(b, syn4, sizeof(b));
	b[6] = 0x20; /* more fragments */
	assert_int_equal(ippkt_parse(&p, b, sizeof(b)), 0);
	assert_true(p.fragment);
	assert_int_equal(ippkt_tcp(&p, &t), -EINVAL);
}

static void test_rst(void **state)
{
	struct ippkt_tcp t, r;
	uint8_t out[60];
	struct ippkt p, q;
	size_t n;

	(void)state;
	assert_int_equal(ippkt_parse(&p, syn4, sizeof(syn4)), 0);
	assert_int_equal(ippkt_tcp(&p, &t), 0);
	n = ippkt_build_rst(&p, &t, out);
	assert_int_equal(n, 40);
	assert_int_equal(ippkt_checksum(out, 20), 0);
	assert_int_equal(ippkt_parse(&q, out, n), 0);
	assert_true(ipaddr_eq(&q.src, &p.dst) && ipaddr_eq(&q.dst, &p.src));
	assert_int_equal(ippkt_tcp(&q, &r), 0);
	assert_int_equal(r.flags, IPPKT_RST | IPPKT_ACK);
	assert_int_equal(r.seq, 0);
	assert_int_equal(r.ack, 0x12345679);
	assert_int_equal(r.sport, 80);
	assert_int_equal(r.dport, 45678);
	/* a stray segment with an acknowledgement: its number, no ACK */
	t.flags = IPPKT_ACK;
	t.ack = 99;
	n = ippkt_build_rst(&p, &t, out);
	assert_int_equal(ippkt_parse(&q, out, n), 0);
	assert_int_equal(ippkt_tcp(&q, &r), 0);
	assert_int_equal(r.flags, IPPKT_RST);
	assert_int_equal(r.seq, 99);
}

/* The checksum over pseudo header and datagram must come out as zero. */
static uint16_t verify(const uint8_t *packet, size_t len)
{
	uint8_t pseudo[40 + 65536] = { 0 };
	struct ippkt p;
	size_t a;

	assert_int_equal(ippkt_parse(&p, packet, len), 0);
	a = ipaddr_size(&p.src);
	memcpy(pseudo, p.src.b, a);
	memcpy(pseudo + a, p.dst.b, a);
	pseudo[2 * a + 2] = (uint8_t)(p.l4_len >> 8);
	pseudo[2 * a + 3] = (uint8_t)p.l4_len;
	pseudo[2 * a + 7] = p.proto;
	memcpy(pseudo + 2 * a + 8, p.l4, p.l4_len);
	return ippkt_checksum(pseudo, 2 * a + 8 + p.l4_len);
}

static void test_udp(void **state)
{
	static const char *const ends[2][2] = {
		{ "10.96.0.10:53", "192.0.2.1:40000" },
		{ "[fd96::a]:53", "[fd00::1]:40000" },
	};
	static const size_t sizes[] = { 0, 1, 2, 3, 1472, 60000, 65507 };

	(void)state;
	for (int f = 0; f < 2; f++) {
		struct ipport src = at(ends[f][0]), dst = at(ends[f][1]);
		uint8_t packet[IPPKT_HEAD_MAX + 65536];
		uint8_t data[65536];
		struct ippkt_udp u;
		struct ippkt p;

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(i * 31 + i / 256);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			size_t n = sizes[i];
			int h = ippkt_udp_head(&src, &dst, data, n, packet);

			assert_int_equal(h, f ? 48 : 28);
			memcpy(packet + h, data, n);
			assert_int_equal(ippkt_parse(&p, packet, (size_t)h + n),
					 0);
			assert_int_equal(ippkt_udp(&p, &u), 0);
			assert_int_equal(u.sport, 53);
			assert_int_equal(u.dport, 40000);
			assert_int_equal(u.len, n);
			assert_memory_equal(u.data, data, n);
			assert_int_equal(verify(packet, (size_t)h + n), 0);
		}
		assert_int_equal(ippkt_udp_head(&src, &dst, data,
						f ? 65528 : 65508, packet),
				 -EMSGSIZE);
	}
}

static void test_families_differ(void **state)
{
	struct ipport src = at("10.96.0.10:53"), dst = at("[fd00::1]:40000");
	uint8_t head[IPPKT_HEAD_MAX];

	(void)state;
	assert_int_equal(ippkt_udp_head(&src, &dst, "x", 1, head), -EMSGSIZE);
}

static void test_echo(void **state)
{
	static const char *const ends[2][2] = {
		{ "10.96.0.10:0", "192.0.2.1:0" },
		{ "[fd96::a]:0", "[fd00::1]:0" },
	};

	(void)state;
	for (int f = 0; f < 2; f++) {
		struct ipport src = at(ends[f][0]), dst = at(ends[f][1]);
		struct ippkt_echo in = { .reply = f,
					 .id = 7,
					 .seq = 0x0102,
					 .data = (const uint8_t *)"abcde",
					 .len = 5 };
		uint8_t b[IPPKT_HEAD_MAX + 5];
		struct ippkt_echo e;
		struct ippkt p;
		int h = ippkt_echo_head(&src.addr, &dst.addr, &in, b);

		assert_int_equal(h, f ? 48 : 28);
		memcpy(b + h, "abcde", 5);
		assert_int_equal(ippkt_parse(&p, b, (size_t)h + 5), 0);
		assert_int_equal(ippkt_echo(&p, &e), 0);
		assert_int_equal(e.reply, f);
		assert_int_equal(e.id, 7);
		assert_int_equal(e.seq, 0x0102);
		assert_int_equal(e.len, 5);
		if (f)
			assert_int_equal(verify(b, (size_t)h + 5), 0);
		else
			assert_int_equal(ippkt_checksum(p.l4, p.l4_len), 0);
	}
}

static void test_errors(void **state)
{
	static const uint8_t want[IPPKT_NERRORS_][4] = {
		{ 3, 0, 1, 0 },	 { 3, 1, 1, 3 }, { 3, 3, 1, 4 },
		{ 3, 13, 1, 1 }, { 3, 4, 2, 0 }, { 11, 0, 3, 0 },
	};
	uint8_t out[IPPKT_ERROR_MAX], quoted[2000] = { 0 };
	struct ipport src = at("[fd00::1]:1"), dst = at("[fd96::a]:2");
	struct ipaddr from = at("10.96.0.1:0").addr;
	struct ippkt p;
	int n;

	(void)state;
	for (enum ippkt_error k = 0; k < IPPKT_NERRORS_; k++) {
		n = ippkt_build_error(&from, syn4, sizeof(syn4), k, 1400, out);
		assert_int_equal(n, 28 + sizeof(syn4));
		assert_int_equal(ippkt_parse(&p, out, (size_t)n), 0);
		assert_int_equal(p.l4[0], want[k][0]);
		assert_int_equal(p.l4[1], want[k][1]);
		assert_int_equal(p.l4[7], k == IPPKT_TOO_BIG ? 1400 & 255 : 0);
		assert_int_equal(ippkt_checksum(p.l4, p.l4_len), 0);
		assert_memory_equal(p.l4 + 8, syn4, sizeof(syn4));
		assert_memory_equal(p.dst.b, syn4 + 12, 4);
	}
	assert_int_equal(ippkt_udp_head(&src, &dst, NULL, 0, quoted), 48);
	for (enum ippkt_error k = 0; k < IPPKT_NERRORS_; k++) {
		n = ippkt_build_error(&dst.addr, quoted, sizeof(quoted), k,
				      1400, out);
		assert_int_equal(n, 1280); /* cut */
		assert_int_equal(ippkt_parse(&p, out, (size_t)n), 0);
		assert_int_equal(p.l4[0], want[k][2]);
		assert_int_equal(p.l4[1], want[k][3]);
		assert_int_equal(verify(out, (size_t)n), 0);
		assert_true(ipaddr_eq(&p.dst, &src.addr));
	}
	n = ippkt_build_error(&from, quoted, sizeof(quoted), 0, 0, out);
	assert_int_equal(n, -EINVAL); /* the wrong family */
	n = ippkt_build_error(&from, syn4, 19, 0, 0, out);
	assert_int_equal(n, -EINVAL);
}

/* hop-by-hop, routing, destination options, then UDP */
static void test_extensions(void **state)
{
	struct ipport src = at("[fd00::1]:1"), dst = at("[fd96::a]:2");
	uint8_t b[40 + 8 + 24 + 8 + 8 + 3] = { 0 };
	struct ippkt_udp u;
	struct ippkt p;

	(void)state;
	assert_int_equal(ippkt_udp_head(&src, &dst, "abc", 3, b), 48);
	memmove(b + 80, b + 40, 8);
	memcpy(b + 88, "abc", 3);
	memset(b + 40, 0, 40);
	b[5] = sizeof(b) - 40;
	b[6] = 0; /* hop-by-hop, 8 bytes */
	b[40] = 43;
	b[48] = 60; /* routing, 24 bytes */
	b[49] = 2;
	b[72] = IPPKT_PROTO_UDP; /* destination options, 8 bytes */
	assert_int_equal(ippkt_parse(&p, b, sizeof(b)), 0);
	assert_int_equal(p.proto, IPPKT_PROTO_UDP);
	assert_int_equal(ippkt_udp(&p, &u), 0);
	assert_int_equal(u.len, 3);
	assert_memory_equal(u.data, "abc", 3);
	/* a length that leads outside */
	b[49] = 200;
	assert_int_equal(ippkt_parse(&p, b, sizeof(b)), -EINVAL);
	/* a fragment header instead */
	b[6] = 44;
	b[40] = IPPKT_PROTO_UDP;
	b[43] = 1; /* more */
	assert_int_equal(ippkt_parse(&p, b, sizeof(b)), 0);
	assert_true(p.fragment);
	assert_int_equal(ippkt_udp(&p, &u), -EINVAL);
	b[43] = 0; /* the only fragment: RFC 6946 */
	assert_int_equal(ippkt_parse(&p, b, sizeof(b)), 0);
	assert_false(p.fragment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_parse_tcp),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_rst),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_families_differ),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
