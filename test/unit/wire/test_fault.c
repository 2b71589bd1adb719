/* SPDX-License-Identifier: Apache-2.0 */
/* What --fault takes, and what it says about the rest. */
#include "test.h"

#include "base/mem.h"
#include "wire/fault.h"

#include <errno.h>
#include <string.h>

#define MS ((int64_t)1000000)

static struct fault good(const char *text)
{
	struct kt_error err = { 0 };
	const char *unknown;
	struct fault f;
	size_t len;

	if (fault_parse(&f, text, &unknown, &len, &err) < 0)
		fail_msg("'%s': %s", text, err.msg);
	assert_null(unknown);
	return f;
}

static void targets(void **state)
{
	char text[IPPREFIX_STRLEN];
	struct fault f = good("db.Prod:5432 refuse");

	(void)state;
	assert_string_equal(f.name, "db.prod");
	assert_int_equal(f.port, 5432);
	assert_int_equal(f.proto, FAULT_ANY);
	assert_int_equal(f.percent, 100);
	f = good("kube-dns.kube-system:53/udp drop");
	assert_int_equal(f.proto, FAULT_UDP);
	f = good("db/tcp refuse");
	assert_string_equal(f.name, "db");
	assert_int_equal(f.proto, FAULT_TCP);
	f = good("10.1.2.3:80 reset");
	assert_string_equal(ipprefix_str(&f.range, text), "10.1.2.3/32");
	f = good("10.0.0.0/8:443/tcp reset");
	assert_string_equal(ipprefix_str(&f.range, text), "10.0.0.0/8");
	assert_int_equal(f.port, 443);
	f = good("fd00::1 reset");
	assert_string_equal(ipprefix_str(&f.range, text), "fd00::1/128");
	assert_int_equal(f.port, 0);
	f = good("[fd00::/64]:80 reset");
	assert_string_equal(ipprefix_str(&f.range, text), "fd00::/64");
	assert_int_equal(f.port, 80);
	f = good("*:53/udp drop");
	assert_true(f.all);
	assert_int_equal(f.port, 53);
	f = good("  db.prod.svc.cluster.local.   refuse  ");
	assert_string_equal(f.text, "db.prod.svc.cluster.local. refuse");
}

static void effects(void **state)
{
	struct fault f =
		good("db latency=200ms jitter=50ms rate=1m percent=10");

	(void)state;
	assert_true(f.latency == 200 * MS && f.jitter == 50 * MS);
	assert_int_equal(f.rate, 1 << 20);
	assert_int_equal(f.percent, 10);
	assert_int_equal(f.act, FAULT_SLOW);
	assert_true(good("db latency=2s").latency == 2000 * MS);
	assert_true(good("db latency=10m").latency == 600000 * MS);
	assert_int_equal(good("db rate=500").rate, 500);
	assert_int_equal(good("db rate=500k").rate, 512000);
	assert_int_equal(good("db rate=8mbit").rate, 1000000);
	assert_int_equal(good("db rate=10g").rate, (int64_t)10 << 30);
	assert_int_equal(good("db reset rate=1k").act, FAULT_RESET);
	f = good("db refuse latency=1s");
	assert_int_equal(f.act, FAULT_REFUSE);
	assert_true(f.latency == 1000 * MS);
	assert_int_equal(good("db drop").act, FAULT_DROP);
}

static void ports_and_protocols(void **state)
{
	struct fault f = good("db:80 refuse");

	(void)state;
	assert_true(fault_is_at(&f, FAULT_TCP, 80));
	assert_true(fault_is_at(&f, FAULT_UDP, 80));
	assert_false(fault_is_at(&f, FAULT_TCP, 81));
	f = good("db/udp refuse");
	assert_false(fault_is_at(&f, FAULT_TCP, 1));
	f = good("* reset");
	assert_true(fault_is_at(&f, FAULT_TCP, 1));
	assert_false(fault_is_at(&f, FAULT_UDP, 1));
}

static void wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "no target is named" },
		{ "   ", "no target is named" },
		{ "db", "no effect is named" },
		{ "db percent=10", "no effect is named" },
		{ "refuse", "no effect is named" },
		{ "latency=200ms", "'latency=200ms' is no target" },
		{ "db:0 refuse", "'0' is no port" },
		{ "db:65536 refuse", "'65536' is no port" },
		{ "db: refuse", "'' is no port" },
		{ "db:http refuse", "'http' is no port" },
		{ "db/sctp refuse", "'db/sctp' is no target" },
		{ "10.0.0.0/33 refuse", "is no target" },
		{ "10.0.0.256 refuse", "is no target" },
		{ "[fd00::1 refuse", "is no target" },
		{ "[fd00::1]x refuse", "is no target" },
		{ "a..b refuse", "is no target" },
		{ "svc/db refuse", "is no target" },
		{ ":80 refuse", "'' is no target" },
		{ "db latency", "latency needs a value" },
		{ "db latency=", "is no time from 1ms to 10m" },
		{ "db latency=200", "is no time from 1ms to 10m" },
		{ "db latency=0ms", "is no time from 1ms to 10m" },
		{ "db latency=-1s", "is no time from 1ms to 10m" },
		{ "db latency=1.5s", "is no time from 1ms to 10m" },
		{ "db latency=601s", "is no time from 1ms to 10m" },
		{ "db latency=9999999999m", "is no time from 1ms to 10m" },
		{ "db latency=10ms jitter=11ms", "must not be more" },
		{ "db jitter=11ms", "must not be more" },
		{ "db rate=0", "is no rate up to 10g" },
		{ "db rate=11g", "is no rate up to 10g" },
		{ "db rate=1M", "is no rate up to 10g" },
		{ "db rate=1kbits", "is no rate up to 10g" },
		{ "db refuse=1", "refuse takes no value" },
		{ "db refuse refuse", "refuse is there twice" },
		{ "db latency=1s latency=2s", "latency is there twice" },
		{ "db refuse drop", "exclude each other" },
		{ "db reset refuse", "exclude each other" },
		{ "db drop latency=1s", "latency does not go with drop" },
		{ "db refuse rate=1k", "rate goes with neither" },
		{ "db/udp reset", "reset is of TCP" },
		{ "db refuse percent=0", "percent=0 is no whole number" },
		{ "db refuse percent=101", "percent=101 is no whole number" },
		{ "db refuse percent=+5", "percent=+5 is no whole number" },
		{ "db refuse percent=5%", "is no whole number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kt_error err = { 0 };
		struct fault f;

		if (fault_parse(&f, bad[i].text, NULL, NULL, &err) != -EINVAL)
			fail_msg("'%s' is taken", bad[i].text);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s': %s", bad[i].text, err.msg);
	}
}

static void unknown_word(void **state)
{
	const char *text = "db  refuse latencie=5s", *unknown;
	struct kt_error err = { 0 };
	struct fault f;
	size_t len;

	(void)state;
	assert_int_equal(fault_parse(&f, text, &unknown, &len, &err), -EINVAL);
	assert_ptr_equal(unknown, strstr(text, "latencie"));
	assert_int_equal(len, strlen("latencie"));
	assert_non_null(strstr(err.msg, "'latencie' is none of: latency="));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets),
		cmocka_unit_test(effects),
		cmocka_unit_test(ports_and_protocols),
		cmocka_unit_test(wrong),
		cmocka_unit_test(unknown_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
