/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "wire/dns_name.h"

#include <errno.h>
#include <string.h>

static struct dns_name name(const char *text)
{
	struct dns_name n = { 0 };

	assert_int_equal(dns_name_parse(&n, text), 0);
	return n;
}

static void parses_and_prints(void **state)
{
	static const char *const texts[][2] = {
		{ "web", "web" },
		{ "Web.Demo.", "Web.Demo" },
		{ ".", "." },
		{ "a\\.b.c", "a\\.b.c" },
		{ "a\\032b", "a\\032b" },
		{ "_http._tcp.web", "_http._tcp.web" },
		{ "\\097", "a" },
	};
	char buf[DNS_NAME_STRLEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct dns_name n = name(texts[i][0]);

		assert_string_equal(dns_name_str(&n, buf), texts[i][1]);
	}
}

static void refuses_bad_text(void **state)
{
	static const char *const bad[] = { "",	  "..",	   ".a",   "a..b",
					   "a\\", "a\\25", "\\256" };
	char label[65], longname[300];
	struct dns_name n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(dns_name_parse(&n, bad[i]), -EINVAL);
	memset(label, 'a', 64);
	label[64] = '\0';
	assert_int_equal(dns_name_parse(&n, label), -EINVAL);
	label[63] = '\0';
	assert_int_equal(dns_name_parse(&n, label), 0);
	for (size_t i = 0; i < sizeof(longname); i++)
		longname[i] = i % 2 ? '.' : 'a';
	longname[254] = '\0'; /* 127 labels: 255 bytes on the wire */
	assert_int_equal(dns_name_parse(&n, longname), 0);
	assert_int_equal(n.len, 255);
	longname[254] = 'a';
	longname[256] = '\0';
	assert_int_equal(dns_name_parse(&n, longname), -EINVAL);
}

static void compares(void **state)
{
	struct dns_name a = name("Web.Demo.Svc"), b = name("web.demo.svc");
	struct dns_name zone = name("DEMO.svc"), root = name(".");
	struct dns_name other = name("bdemo.svc");

	(void)state;
	assert_true(dns_name_eq(&a, &b));
	assert_int_equal(dns_name_hash(&a), dns_name_hash(&b));
	assert_true(dns_name_under(&a, &zone));
	assert_true(dns_name_under(&zone, &zone));
	assert_true(dns_name_under(&a, &root));
	assert_false(dns_name_under(&zone, &a));
	assert_false(dns_name_under(&other, &zone));
	assert_int_equal(dns_name_labels(&a), 3);
	assert_int_equal(dns_name_labels(&root), 0);
	assert_true(dns_name_label_is(&a, 1, "demo"));
	assert_false(dns_name_label_is(&a, 3, "demo"));
}

static void takes_apart_and_joins(void **state)
{
	struct dns_name n = name("a.b.c"), head, tail, whole;
	char buf[DNS_NAME_STRLEN];

	(void)state;
	dns_name_head(&head, &n, 1);
	dns_name_tail(&tail, &n, 1);
	assert_string_equal(dns_name_str(&head, buf), "a");
	assert_string_equal(dns_name_str(&tail, buf), "b.c");
	assert_int_equal(dns_name_join(&whole, &head, &tail), 0);
	assert_true(dns_name_eq(&whole, &n));
	dns_name_tail(&tail, &n, 9);
	assert_string_equal(dns_name_str(&tail, buf), ".");
	assert_int_equal(dns_name_join(&n, &n, &tail), 0);
	assert_string_equal(dns_name_str(&n, buf), "a.b.c");
}

static void join_refuses_too_long(void **state)
{
	struct dns_name n = name("0123456789012345678901234567890123456789");
	struct dns_name once = n;
	int rc = 0, times = 0;

	(void)state;
	while ((rc = dns_name_join(&n, &n, &once)) == 0)
		times++;
	assert_int_equal(rc, -ENAMETOOLONG);
	assert_int_equal(times, 5); /* 6 * 41 + 1 = 247 bytes */
}

static void reads_compressed(void **state)
{
	/* clang-format off */
	static const uint8_t msg[] = {
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* header */
		3, 'c', 'o', 'm', 0,		    /* 12 */
		3, 'w', 'e', 'b', 0xc0, 12,	    /* 17 */
		0xc0, 17,			    /* 23 */
		0xc0, 25,			    /* 25: itself */
		0xc0, 40,			    /* 27: forward */
		0x40,				    /* 29: reserved */
		0xc0, 4,			    /* 30: the header */
		5, 'a', 0xc0, 32,		    /* 32: runs past itself */
		5, 'a',				    /* 36: cut off */
	};
	/* clang-format on */
	static const size_t bad[] = { 25, 27, 29, 30, 34, 36, sizeof(msg) };
	struct dns_name n;
	size_t pos = 23;
	char buf[DNS_NAME_STRLEN];

	(void)state;
	assert_int_equal(dns_name_read(msg, sizeof(msg), &pos, &n), 0);
	assert_int_equal(pos, 25);
	assert_string_equal(dns_name_str(&n, buf), "web.com");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		pos = bad[i];
		assert_int_equal(dns_name_read(msg, sizeof(msg), &pos, &n),
				 -EBADMSG);
	}
}

static void refuses_two_pointers_in_a_ring(void **state)
{
	uint8_t msg[20] = { [12] = 1, 'a', 0xc0, 16, 1, 'b', 0xc0, 12 };
	struct dns_name n;
	size_t pos = 16;

	(void)state;
	assert_int_equal(dns_name_read(msg, sizeof(msg), &pos, &n), -EBADMSG);
	pos = 12;
	assert_int_equal(dns_name_read(msg, sizeof(msg), &pos, &n), -EBADMSG);
}

static void hosts(void **state)
{
	static const char *const good[] = { "db",    "db.prod", "db.prod.",
					    "a_b-c", "1a",	"1.2.3.4x" };
	static const char *const bad[] = { "",	   ".",	       "a..b", ".a",
					   "10",   "1.2.3.4",  "a b",  "a/b",
					   "a.10", "a\xc3\xa4" };
	char longest[256] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!dns_name_is_host(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (dns_name_is_host(bad[i]))
			fail_msg("%s", bad[i]);
	/* 253 bytes, and a dot behind them */
	for (int i = 0; i < 253; i++)
		longest[i] = i % 64 == 63 ? '.' : 'a';
	assert_true(dns_name_is_host(longest));
	longest[253] = '.';
	assert_true(dns_name_is_host(longest));
	longest[253] = 'a';
	assert_false(dns_name_is_host(longest));
	longest[63] = 'a'; /* a label of 64 and more */
	longest[253] = 0;
	assert_false(dns_name_is_host(longest));
}

static void reverse(void **state)
{
	static const struct {
		const char *addr, *name;
	} rows[] = {
		{ "10.244.3.255", "255.3.244.10.in-addr.arpa" },
		{ "0.0.0.0", "0.0.0.0.in-addr.arpa" },
		{ "2001:db8::f1",
		  "1.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1."
		  "0.0.2.ip6.arpa" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[DNS_NAME_STRLEN];
		struct dns_name n, same;
		struct ipaddr a;

		assert_int_equal(ipaddr_parse(&a, rows[i].addr), 0);
		dns_name_reverse(&n, &a);
		assert_string_equal(dns_name_str(&n, text), rows[i].name);
		assert_int_equal(dns_name_parse(&same, rows[i].name), 0);
		assert_true(dns_name_eq(&n, &same));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reverse),
		cmocka_unit_test(parses_and_prints),
		cmocka_unit_test(refuses_bad_text),
		cmocka_unit_test(compares),
		cmocka_unit_test(takes_apart_and_joins),
		cmocka_unit_test(join_refuses_too_long),
		cmocka_unit_test(reads_compressed),
		cmocka_unit_test(refuses_two_pointers_in_a_ring),
		cmocka_unit_test(hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
