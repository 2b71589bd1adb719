/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "wire/envtable.h"

#include <stdio.h>
#include <string.h>

static size_t dropped, last;

static void on_drop(void *user, size_t n, const char *why)
{
	(void)user;
	assert_true(strlen(why) > 5);
	dropped++;
	last = n;
}

static struct envtable *table(const char *text)
{
	struct envtable *t;

	dropped = last = 0;
	t = envtable_new(slice_of(text), "web", on_drop, NULL);
	assert_non_null(t);
	return t;
}

static void finds_members_of_its_service(void **state)
{
	struct envtable *t = table(
		"member dev.p web web-dev-p.ns.svc.cluster.local. 1000 -\n"
		"member dev.p orders orders-dev-p.ns.svc.cluster.local. 0 -\n"
		"member dev web 10.1.2.3 0 strict\n"
		"member dev.l web - 0 -\n"
		"env dev.p kt-env-dev--p 1000 -\n"
		"env dev kt-env-dev 0 strict\n");
	const struct envtable_member *m = envtable_find(t, "dev.p", 999);

	(void)state;
	assert_int_equal(dropped, 0);
	assert_int_equal(envtable_count(t), 3);
	assert_string_equal(m->host, "web-dev-p.ns.svc.cluster.local.");
	assert_false(m->strict || m->local);
	assert_null(envtable_find(t, "dev.p", 1000)); /* by the wall clock */
	m = envtable_find(t, "dev", 1000);
	assert_string_equal(m->host, "10.1.2.3");
	assert_true(m->strict);
	assert_true(envtable_find(t, "dev.l", 5)->local);
	assert_null(envtable_find(t, "de", 5));
	assert_null(envtable_find(t, "dev.p.x", 5)); /* itself alone */
	assert_true(envtable_is_strict(t, "dev", 5));
	assert_false(envtable_is_strict(t, "dev.p", 5));
	assert_int_equal(envtable_next_expiry(t, 5), 1000);
	assert_int_equal(envtable_next_expiry(t, 1000), 0);
	envtable_free(t);
}

static void one_field_names_environments(void **state)
{
	struct envtable *t =
		table("env a kt-env-a 500 - header=x-early\n"
		      "env b kt-env-b 0 - header=Host\n"
		      "env c kt-env-c 0 strict later=1 header=x-tenant more\n"
		      "env d kt-env-d 0 - header=x-late\n");

	(void)state;
	assert_int_equal(dropped, 0);
	assert_string_equal(envtable_header(t, 499), "x-early");
	assert_string_equal(envtable_header(t, 500), "x-tenant");
	assert_true(envtable_is_strict(t, "c", 500));
	envtable_free(t);
	t = table("env b kt-env-b 0 - \nmember b web - 0 - header=x-tenant\n");
	assert_null(envtable_header(t, 500));
	envtable_free(t);
}

static void what_may_be_a_field(void **state)
{
	static const char *const good[] = { "x-tenant",	 "x",
					    "tenant_id", "x-request-tag",
					    "iffy",	 "secret",
					    "x-kt-env" };
	static const char *const bad[] = {
		"",
		"X-Tenant",
		"1x",
		"-x",
		"x y",
		"x:y",
		"host",
		"cookie",
		"content-length",
		"accept-language",
		"if-match",
		"kt-env",
		"sec-fetch-mode",
		"x-forwarded-proto",
		"te",
		"baggage",
		("x234567890123456789012345678901234567890123456789012345678901"
		 "234")
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(envmark_is_header(slice_of(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(envmark_is_header(slice_of(bad[i])));
}

static const char *source(const struct envtable *t, const char *label)
{
	return envtable_source(t, slice_of(label), 500);
}

static void knows_whose_pods_they_are(void **state)
{
	struct envtable *t =
		table("member a orders orders-a.ns.svc.cluster.local. 0 -\n"
		      "member b web shared.ns.svc.cluster.local. 0 -\n"
		      "member c web shared.ns.svc.cluster.local. 0 -\n"
		      "member d web kt-env-e.ns.svc.cluster.local. 0 -\n"
		      "member f web gone.ns.svc.cluster.local. 500 -\n"
		      "member g web 10.0.0.1 0 -\n"
		      "member h web 10.0.0.2 0 - source=pods-h\n"
		      "member h orders orders-h.ns.svc. 0 - join=j "
		      "source=pods-o later\n"
		      "member i web i.ns.svc. 0 - source=NoLabel\n"
		      "env a kt-env-a 0 -\nenv e kt-env-e 0 -\n"
		      "env f kt-env-f 500 -\n");

	(void)state;
	assert_true(envtable_has_sources(t));
	assert_string_equal(source(t, "kt-env-a"), "a");
	assert_string_equal(source(t, "pods-h"), "h");
	assert_string_equal(source(t, "pods-o"), "h");
	assert_string_equal(source(t, "i"), "i");	 /* passed over */
	assert_string_equal(source(t, "orders-a"), "a"); /* another Service's */
	assert_null(source(t, "shared"));		 /* of two */
	assert_string_equal(source(t, "kt-env-e"), "e"); /* its own one */
	assert_null(source(t, "kt-env-f"));		 /* expired */
	assert_null(source(t, "gone"));
	assert_null(source(t, "kt-env"));
	assert_null(source(t, "kt-env-aa"));
	assert_null(source(t, ""));
	assert_null(envtable_source(t, slice_make("kt-env-a\0x", 10), 500));
	assert_null(envtable_source(t, slice_make("", 1), 500));
	envtable_free(t);
	t = table("");
	assert_false(envtable_has_sources(t));
	assert_null(source(t, "x"));
	envtable_free(t);
}

static void malformed_lines_go_alone(void **state)
{
	static const char *const bad[] = {
		"member",
		"member ",
		"member a",
		"member a web",
		"member a web h.",
		"member a web h. 0",
		"member a web h. 0 ",
		"member A web h. 0 -",
		"member a. web h. 0 -",
		"member a..b web h. 0 -",
		"member a we.b h. 0 -",
		"member a -web h. 0 -",
		"member a web h 0 -",
		"member a web h.. 0 -",
		"member a web .h. 0 -",
		"member a web h_.x. 0 -",
		"member a web 1.2.3 0 -",
		"member a web h. -1 -",
		"member a web h. 0x5 -",
		"member a web h. 9223372036854775808 -",
		"member a web h. 0 strict,,x",
		"member a web h. 0 Strict",
		"member a web h.  0 -",
		"member  a web h. 0 -",
		"env a src 0",
		"env a sr.c 0 -",
		"env a src now -",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[512];
		struct envtable *t;

		snprintf(text, sizeof(text),
			 "member b web h. 0 -\n%s\nmember c web h. 0 -\n",
			 bad[i]);
		t = table(text);
		if (dropped != 1 || last != 2)
			fail_msg("'%s' is taken", bad[i]);
		assert_int_equal(envtable_count(t), 2);
		envtable_free(t);
	}
}

static void nul_ends_nothing(void **state)
{
	static const char text[] = "member a web ::1\0 0 -\n"
				   "member b web h.\0 0 -\n"
				   "member c\0 web h. 0 -\nenv d s\0 0 -";
	struct envtable *t = envtable_new(slice_make(text, sizeof(text) - 1),
					  "web", on_drop, NULL);

	(void)state;
	assert_non_null(t);
	assert_int_equal(envtable_count(t), 0);
	assert_false(envtable_has_sources(t));
	envtable_free(t);
}

static void newer_versions_are_read(void **state)
{
	struct envtable *t = table("member a web h. 0 new,strict more words\n\n"
				   "wake a web 30\nmember b web i. 0 other\n"
				   "member a web j. 0 -\nmember c web ::1 0 -");

	(void)state;
	assert_int_equal(dropped, 0);
	assert_int_equal(envtable_count(t), 3);
	assert_string_equal(envtable_find(t, "a", 1)->host, "j."); /* later */
	assert_false(envtable_find(t, "a", 1)->strict);
	assert_false(envtable_find(t, "b", 1)->strict);
	assert_string_equal(envtable_find(t, "c", 1)->host, "::1");
	assert_string_equal(envtable_find(t, "c", 1)->join, "");
	envtable_free(t);
	t = table("member a web h. 0 - source=s join=abc x\nmember b web h. 0 "
		  "- join=A!");
	assert_int_equal(dropped, 0);
	assert_string_equal(envtable_find(t, "a", 1)->join, "abc");
	assert_string_equal(envtable_find(t, "b", 1)->join, "");
	envtable_free(t);
}

static void large_tables_end(void **state)
{
	size_t size = (size_t)ENVTABLE_LINES * 64, n = 0;
	char *text = malloc(size);
	struct envtable *t;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i <= ENVTABLE_LINES; i++)
		n += (size_t)snprintf(text + n, size - n,
				      "member e-%d web h-%d.x. 0 -\n", i, i);
	t = table(text);
	assert_int_equal(dropped, 1);
	assert_int_equal(envtable_count(t), ENVTABLE_LINES);
	assert_string_equal(envtable_find(t, "e-8191", 1)->host, "h-8191.x.");
	assert_null(envtable_find(t, "e-8192", 1));
	envtable_free(t);
	free(text);
}

static void lines_are_written_as_they_are_read(void **state)
{
	static const char *const lines[] = {
		"member dev.p web h.x. 12 strict\n",
		"member dev web - 0 -\n",
		"member dev web h.x. 0 - join=abcdef\n",
		"member dev web h.x. 0 - join=j source=s\n",
		"env dev kt-env-dev 0 - header=x-tenant\n",
		"env dev.p kt-env-dev--p 1764454000 -\n",
	};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct kt_error err = { 0 };
		struct envtable_line l;

		buf_reset(&out);
		assert_int_equal(
			envtable_parse_line(
				&l, slice_make(lines[i], strlen(lines[i]) - 1),
				&err),
			0);
		assert_int_equal(envtable_put_line(&out, &l), 0);
		assert_int_equal(out.len, strlen(lines[i]));
		assert_memory_equal(buf_data(&out), lines[i], out.len);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_members_of_its_service),
		cmocka_unit_test(knows_whose_pods_they_are),
		cmocka_unit_test(one_field_names_environments),
		cmocka_unit_test(what_may_be_a_field),
		cmocka_unit_test(malformed_lines_go_alone),
		cmocka_unit_test(nul_ends_nothing),
		cmocka_unit_test(newer_versions_are_read),
		cmocka_unit_test(large_tables_end),
		cmocka_unit_test(lines_are_written_as_they_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
