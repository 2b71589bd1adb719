/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "shadow/info.h"
#include "shadow/servespec.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

static struct servespec s;

static void items(void **state)
{
	(void)state;
	assert_int_equal(
		servespec_parse(&s,
				"8080=web-kt-stuntman.t.svc.cluster.local.:80"
				"~http, 53/udp=10.96.0.10:53,8080/udp,"
				"9=[fd00::1]:90,10~tcp",
				NULL),
		0);
	assert_int_equal(s.n, 5);
	assert_int_equal(s.item[0].port, 8080);
	assert_false(s.item[0].udp);
	assert_string_equal(s.item[0].host,
			    "web-kt-stuntman.t.svc.cluster.local.");
	assert_int_equal(s.item[0].origin_port, 80);
	assert_int_equal(s.item[0].proto, SERVE_HTTP);
	assert_true(s.item[1].udp);
	assert_string_equal(s.item[1].host, "10.96.0.10");
	assert_int_equal(s.item[1].proto, SERVE_AUTO);
	assert_true(s.item[2].udp);
	assert_string_equal(s.item[2].host, "");
	assert_string_equal(s.item[3].host, "fd00::1");
	assert_int_equal(s.item[3].origin_port, 90);
	assert_int_equal(s.item[4].proto, SERVE_TCP);
	assert_true(servespec_has_origin(&s));
	assert_int_equal(servespec_parse(&s, "80,81/udp~auto", NULL), 0);
	assert_false(servespec_has_origin(&s));
	assert_int_equal(
		servespec_parse(&s, "80!=10.0.0.1:80~tcp,81/udp!", NULL), 0);
	assert_true(s.item[0].redirect && !s.item[0].udp);
	assert_string_equal(s.item[0].host, "10.0.0.1");
	assert_true(s.item[1].redirect && s.item[1].udp);
	assert_false(servespec_has_origin(&s)); /* reached without it */
	assert_int_equal(
		servespec_parse(&s, "8443^=10.0.0.1:443~http,80~http", NULL),
		0);
	assert_true(s.item[0].gated && !s.item[1].gated);
	assert_int_equal(s.item[0].port, 8443);
	assert_int_equal(s.item[0].proto, SERVE_HTTP);
	assert_int_equal(servespec_parse(&s, "", NULL), 0);
	assert_int_equal(s.n, 0);
}

static void malformed(void **state)
{
	static const char *const bad[] = {
		"x",
		"0",
		"65536",
		"80/tcp",
		"80=",
		"80=web",
		"80=web:",
		"80=web:0",
		"80=:80",
		"80=[]:80",
		"80=a b:80",
		"80~",
		"80~ftp",
		"80,80",
		"80=a.:1,80~tcp",
		"80/udp,80/udp",
		"80=a.:1=b:2",
		"80~tcp=a.:1",
		"80=a.b:1",
		"80=.:1",
		"80=a.:1~http2",
		"80=1.2.3:1",
		"80=[fd00::1:1",
		"80=.a.:1",
		"80!!",
		"80!^",
		"80/udp^",
		"80!/udp",
		"!",
	};
	struct kt_error err = { 0 };
	char text[2000] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct kt_error){ 0 };
		if (servespec_parse(&s, bad[i], &err) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(err.msg[0]);
	}
	for (int i = 1; i <= SERVESPEC_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s%d", i > 1 ? "," : "", i);
	assert_int_equal(servespec_parse(&s, text, NULL), 0);
	assert_int_equal(s.n, 256);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), ",9999");
	assert_int_equal(servespec_parse(&s, text, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "more than 256"));
}

static void ranges_are_checked(void **state)
{
	(void)state;
	assert_true(info_ranges_good(""));
	assert_true(info_ranges_good("10.96.0.0/12, fd00::/112"));
	assert_false(info_ranges_good("10.96.0.0"));
	assert_false(info_ranges_good("10.96.0.0/12;fd00::/112"));
	assert_false(info_ranges_good("10.96.0.0/12,x"));
	assert_false(info_ranges_good("0.0.0.0/0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_checked),
		cmocka_unit_test(items),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
