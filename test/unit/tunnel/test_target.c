/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "tunnel/target.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

static void authorities(void **state)
{
	char out[TARGET_AUTHORITY_MAX];
	uint16_t port;

	(void)state;
	target_inbound_authority(out, 65535);
	assert_string_equal(out, "kt:65535");
	assert_int_equal(target_inbound_authority_parse(out, &port), 0);
	assert_int_equal(port, 65535);
	assert_int_equal(target_inbound_authority_parse("kt:", &port), -EINVAL);
	assert_int_equal(target_inbound_authority_parse("kt:0", &port),
			 -EINVAL);
	assert_int_equal(target_inbound_authority_parse("kt:65536", &port),
			 -EINVAL);
	assert_int_equal(target_inbound_authority_parse("kt:80x", &port),
			 -EINVAL);
	assert_int_equal(target_inbound_authority_parse("host:80", &port),
			 -EINVAL);
}

static void udp_paths(void **state)
{
	static const char *const bad[] = {
		"",
		"/.well-known/masque/udp/kt/53",
		"/.well-known/masque/udp/kt//",
		"/.well-known/masque/udp/kt/0/",
		"/.well-known/masque/udp/kt/53/x",
		"/.well-known/masque/udp/kt/123456789/",
		"/.well-known/masque/udp/10.0.0.1/53/",
	};
	char out[TARGET_PATH_MAX];
	struct ipport at;
	uint16_t port;

	(void)state;
	target_inbound_udp_path(out, 53);
	assert_string_equal(out, "/.well-known/masque/udp/kt/53/");
	assert_int_equal(target_inbound_udp_parse(out, &port), 0);
	assert_int_equal(port, 53);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(target_inbound_udp_parse(bad[i], &port),
				 -EINVAL);
	/* "kt" is no address: the outbound way does not take it */
	assert_int_equal(target_udp_parse(out, &at), -EINVAL);
	assert_int_equal(target_udp_parse(bad[6], &at), 0);
	assert_int_equal(at.port, 53);
}

static void udp_names(void **state)
{
	static const char *const bad[] = {
		"/.well-known/masque/udp/db.prod/53",
		"/.well-known/masque/udp/db.prod/0/",
		"/.well-known/masque/udp//53/",
		"/.well-known/masque/udp/a%20b/53/",
		"/.well-known/masque/udp/a b/53/",
		"/.well-known/masque/udp/db.prod/53/x",
		"/.well-known/masque/udp/10.0.0.1/53/",
		"/.well-known/ktctl/echo/db.prod/",
	};
	char out[TARGET_PATH_MAX], host[TARGET_HOST_MAX], name[300];
	uint16_t port;

	(void)state;
	assert_int_equal(target_udp_name_path(out, "db.prod", 53), 0);
	assert_string_equal(out, "/.well-known/masque/udp/db.prod/53/");
	assert_int_equal(target_udp_name_parse(out, host, &port), 0);
	assert_string_equal(host, "db.prod");
	assert_int_equal(port, 53);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(target_udp_name_parse(bad[i], host, &port),
				 -EINVAL);
	memset(name, 'a', sizeof(name));
	name[TARGET_HOST_MAX] = '\0';
	assert_int_equal(target_udp_name_path(out, name, 53), -EINVAL);
	name[TARGET_HOST_MAX - 1] = '\0';
	assert_int_equal(target_udp_name_path(out, name, 65535), 0);
	assert_int_equal(target_udp_name_parse(out, host, &port), 0);
	assert_string_equal(host, name);
	assert_int_equal(target_udp_name_path(out, "10.0.0.1", 53), -EINVAL);
	assert_int_equal(target_udp_name_path(out, "", 53), -EINVAL);
}

static void continue_paths(void **state)
{
	static const char *const bad[] = {
		"/.well-known/ktctl/continue/",
		"/.well-known/ktctl/continue//1/",
		"/.well-known/ktctl/continue/00ff10/1/",
		"/.well-known/ktctl/continue/000102030405060708090a0b0c0d0eff",
		"/.well-known/ktctl/continue/000102030405060708090a0b0c0d0eff/",
		"/.well-known/ktctl/continue/000102030405060708090a0b0c0d0eff/"
		"/",
		"/.well-known/ktctl/continue/000102030405060708090a0b0c0d0eff/"
		"0/",
		"/.well-known/ktctl/continue/000102030405060708090a0b0c0d0eff/"
		"1",
		"/.well-known/ktctl/continue/000102030405060708090a0b0c0d0eff/"
		"1x",
		"/.well-known/ktctl/continue/000102030405060708090a0b0c0d0eff/"
		"2147483648/",
		"/.well-known/ktctl/continue/000102030405060708090a0b0c0d0eff/"
		"18446744073709551617/",
		"/.well-known/ktctl/continue/000102030405060708090A0B0C0D0EFF/"
		"1/",
		"/.well-known/ktctl/continue/00010203040506070809 "
		"a0b0c0d0eff/1/",
	};
	uint8_t id[TARGET_SESSION_LEN], got[TARGET_SESSION_LEN];
	char out[TARGET_PATH_MAX];
	uint32_t stream = 0;

	(void)state;
	for (int i = 0; i < TARGET_SESSION_LEN; i++)
		id[i] = (uint8_t)(i * 17);
	target_continue_path(out, id, INT32_MAX);
	assert_string_equal(out,
			    "/.well-known/ktctl/continue/"
			    "00112233445566778899aabbccddeeff/2147483647/");
	assert_true(target_is_continue(out));
	assert_int_equal(target_continue_parse(out, got, &stream), 0);
	assert_memory_equal(got, id, sizeof(id));
	assert_int_equal(stream, INT32_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(target_continue_parse(bad[i], got, &stream),
				 -EINVAL);
}

static void forwarded(void **state)
{
	static const char *const all[] = { "10.1.2.3:4567", "[fd00::1]:80" };
	static const char *const bad[] = {
		"",
		"for=10.1.2.3",
		"for=\"\"",
		"for=\"10.1.2.3\"",
		"for=\"10.1.2.3:80",
		"for=\"10.1.2.3:80\";proto=http",
		"for=\"unknown\"",
		"for=\"[fd00:0:0:0:0:0:0:1%eth000000000000000000000000]:1\"",
	};
	char out[TARGET_FORWARDED_MAX];
	struct ipport from, got;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_int_equal(ipport_parse(&from, all[i]), 0);
		target_forwarded(out, &from);
		assert_int_equal(target_forwarded_parse(out, &got), 0);
		assert_true(ipport_eq(&from, &got));
	}
	assert_string_equal(out, "for=\"[fd00::1]:80\"");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (target_forwarded_parse(bad[i], &got) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
}

static void files_paths(void **state)
{
	static const char *const bad[] = {
		"",
		"/.well-known/ktctl/files/",
		"/.well-known/ktctl/files//",
		"/.well-known/ktctl/files/abc",
		"/.well-known/ktctl/files/abc/d",
		"/.well-known/ktctl/files/a.c/",
		"/.well-known/ktctl/files/ABC/",
		"/.well-known/ktctl/echo/abc/",
	};
	char out[TARGET_PATH_MAX], secret[TARGET_SECRET_MAX];
	char many[TARGET_SECRET_MAX + 1];

	(void)state;
	assert_int_equal(target_files_path(out, "abc123"), 0);
	assert_string_equal(out, "/.well-known/ktctl/files/abc123/");
	assert_int_equal(target_files_parse(out, secret), 0);
	assert_string_equal(secret, "abc123");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (target_files_parse(bad[i], secret) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(target_files_path(out, "a/b"), -EINVAL);
	assert_int_equal(target_files_path(out, ""), -EINVAL);
	memset(many, 'x', sizeof(many));
	many[TARGET_SECRET_MAX] = '\0';
	assert_int_equal(target_files_path(out, many), -EINVAL);
	many[TARGET_SECRET_MAX - 1] = '\0';
	assert_int_equal(target_files_path(out, many), 0);
	assert_int_equal(target_files_parse(out, secret), 0);
	assert_string_equal(secret, many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorities), cmocka_unit_test(udp_paths),
		cmocka_unit_test(udp_names),   cmocka_unit_test(continue_paths),
		cmocka_unit_test(files_paths), cmocka_unit_test(forwarded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
