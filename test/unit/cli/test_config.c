/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "cli/config.h"

#include <errno.h>
#include <string.h>

static char *print(const struct config *cfg)
{
	struct buf b;
	char *text;

	buf_init(&b, CONFIG_MAX_SIZE);
	assert_int_equal(config_print(cfg, &b), 0);
	text = b.len ? xstrndup((char *)buf_data(&b), b.len) : xstrdup("");
	buf_fini(&b);
	return text;
}

static void parse(struct config *cfg, const char *text)
{
	struct kt_error err = { 0 };

	if (config_parse(cfg, text, strlen(text), &err) < 0)
		fail_msg("%s", err.msg);
}

/* As KT Connect writes it, and as people write it */
static void reads(void **state)
{
	struct config cfg;

	(void)state;
	parse(&cfg, "connect:\n  mode: tun2socks\n  proxy-port: \"2223\"\n"
		    "  dns-cache-ttl: 0\n  share-shadow: true\n"
		    "  include-ips:\nglobal: {namespace: t}\nmesh:\n"
		    "birdseye: {}\n");
	assert_string_equal(config_value(&cfg, "connect", "mode"), "tun2socks");
	assert_string_equal(config_value(&cfg, "connect", "proxy-port"),
			    "2223");
	assert_string_equal(config_value(&cfg, "connect", "dns-cache-ttl"),
			    "0");
	assert_string_equal(config_value(&cfg, "connect", "share-shadow"),
			    "true");
	assert_string_equal(config_value(&cfg, "connect", "include-ips"), "");
	assert_string_equal(config_value(&cfg, "global", "namespace"), "t");
	assert_null(config_value(&cfg, "mesh", "mode"));
	config_fini(&cfg);
	parse(&cfg, "");
	assert_int_equal(cfg.n, 0);
	config_fini(&cfg);
}

static void damaged(void **state)
{
	static const char *const bad[] = {
		"connect",	  "- a\n", "a: b\n", "a:\n  b: {c: d}\n",
		"a:\n  b: [1]\n", "a: {",  "\xff",   "a:\n\tb: c\n"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kt_error err = { 0 };
		struct config cfg;

		assert_int_equal(
			config_parse(&cfg, bad[i], strlen(bad[i]), &err),
			-EINVAL);
		assert_int_equal(cfg.n, 0);
		assert_true(err.msg[0]);
	}
}

static void round_trip(void **state)
{
	static const char *const values[] = {
		"",
		"a b",
		"\"q\" \\ '",
		"yes",
		"0x10",
		"#no comment",
		"a: b",
		"\n\t\x01",
		"päth",
		"{}",
		"\xc2\x85\xe2\x80\xa8\xef\xbb\xbf\xf0\x9f\x98\x80"
	};
	struct config cfg = { 0 }, again;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		auto_free char *item = xasprintf("item-%c", (char)('a' + i));

		config_set(&cfg, i % 2 ? "connect" : "Group_1.x", item,
			   values[i]);
	}
	{
		auto_free char *text = print(&cfg);

		parse(&again, text);
	}
	assert_int_equal(again.n, cfg.n);
	for (size_t i = 0; i < cfg.n; i++)
		assert_string_equal(
			config_value(&again, cfg.v[i].group, cfg.v[i].item),
			cfg.v[i].value);
	config_fini(&again);
	config_fini(&cfg);
}

static void set_and_unset(void **state)
{
	struct config cfg = { 0 };
	auto_free char *text = NULL;

	(void)state;
	config_set(&cfg, "connect", "mode", "a");
	config_set(&cfg, "global", "image", "b");
	config_set(&cfg, "connect", "dns-mode", "c");
	config_set(&cfg, "connect", "mode", "d");
	assert_int_equal(cfg.n, 3);
	text = print(&cfg);
	assert_string_equal(text, "connect:\n  mode: \"d\"\n"
				  "  dns-mode: \"c\"\n"
				  "global:\n  image: \"b\"\n");
	assert_true(config_unset(&cfg, "connect", "mode"));
	assert_false(config_unset(&cfg, "connect", "mode"));
	assert_int_equal(cfg.n, 2);
	assert_string_equal(config_value(&cfg, "global", "image"), "b");
	config_fini(&cfg);
}

static void known(void **state)
{
	(void)state;
	assert_true(config_item_known("connect.exclude-ips"));
	assert_true(config_item_known("clean.threshold-in-minus"));
	assert_false(config_item_known("connect.excludeIps"));
	assert_false(config_item_known("connect"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),      cmocka_unit_test(damaged),
		cmocka_unit_test(round_trip), cmocka_unit_test(set_and_unset),
		cmocka_unit_test(known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
