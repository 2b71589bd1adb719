/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cli/expose.h"
#include "cli/mark.h"
#include "cli/subject.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- --expose ------------------------------------------------------------- */

static void item(const struct expose *e, size_t i, unsigned local,
		 unsigned number, const char *name, enum expose_proto proto)
{
	assert_true(i < e->n);
	assert_int_equal(e->v[i].local, local);
	assert_int_equal(e->v[i].number, number);
	assert_string_equal(e->v[i].name, name);
	assert_int_equal(e->v[i].proto, proto);
}

static void test_expose(void **state)
{
	struct kt_error err = { 0 };
	struct expose e;

	(void)state;
	assert_int_equal(expose_parse(&e, "8080", &err), 0);
	assert_int_equal(e.n, 1);
	item(&e, 0, 8080, 8080, "", EXPOSE_ANY);
	expose_fini(&e);

	assert_int_equal(expose_parse(&e,
				      "18080:80, 9000:grpc-web,53/udp,"
				      "53/TCP",
				      &err),
			 0);
	assert_int_equal(e.n, 4);
	item(&e, 0, 18080, 80, "", EXPOSE_ANY);
	item(&e, 1, 9000, 0, "grpc-web", EXPOSE_ANY);
	item(&e, 2, 53, 53, "", EXPOSE_UDP);
	item(&e, 3, 53, 53, "", EXPOSE_TCP);
	expose_fini(&e);

	assert_int_equal(expose_parse(&e, "", &err), 0);
	assert_int_equal(e.n, 0);
	expose_fini(&e);
}

static void test_expose_refuses(void **state)
{
	static const char *const bad[] = {
		"abc",	  "0",	      "65536",	 "80:",	  ":80",
		"80:0",	  "80:70000", "80/sctp", "80:a/", "80:a:b",
		"80:-a*", "80:Http",  "8 0",	 "80,80", "80:x,81:x",
		"-1",	  "+80",
	};
	struct expose e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kt_error err = { 0 };

		if (expose_parse(&e, bad[i], &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_true(err.msg[0]);
	}
}

/* --- targets -------------------------------------------------------------- */

static void subject(const char *text, enum subject_kind kind, const char *name,
		    const char *ns)
{
	struct kt_error err = { 0 };
	struct subject s;

	if (subject_parse(&s, text, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	assert_int_equal(s.kind, kind);
	assert_string_equal(s.name, name);
	assert_string_equal(s.ns, ns);
}

static void test_subject(void **state)
{
	(void)state;
	subject("web", SUBJECT_SERVICE, "web", "");
	subject("web.shop", SUBJECT_SERVICE, "web", "shop");
	subject("svc/web", SUBJECT_SERVICE, "web", "");
	subject("service/web.shop", SUBJECT_SERVICE, "web", "shop");
	subject("web.shop.svc.cluster.local", SUBJECT_SERVICE, "web", "shop");
	subject("deployment/web", SUBJECT_DEPLOYMENT, "web", "");
	subject("deploy/web.v2", SUBJECT_DEPLOYMENT, "web.v2", "");
	subject("statefulset/db", SUBJECT_STATEFULSET, "db", "");
	subject("sts/db", SUBJECT_STATEFULSET, "db", "");
	subject("pod/db-0", SUBJECT_POD, "db-0", "");
}

static void test_subject_refuses(void **state)
{
	static const char *const bad[] = {
		"",	    "a/b/c",  "ingress/web", "svc/",	  "/web",
		"-web",	    "Web",    "web.",	     "web..x",	  "a.b.c",
		"a.b.svcx", "svc//w", "service",     "deploy/-x",
	};
	struct subject s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kt_error err = { 0 };

		if (strcmp(bad[i], "service") == 0)
			continue; /* a Service may have this name */
		if (subject_parse(&s, bad[i], &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	}
}

/* --- marks ---------------------------------------------------------------- */

static void test_mark(void **state)
{
	struct kt_error err = { 0 };
	char text[256];
	struct mark m;

	(void)state;
	assert_int_equal(mark_parse(&m, "blue", &err), 0);
	assert_string_equal(m.key, "version");
	assert_string_equal(m.value, "blue");
	assert_string_equal(mark_header(&m, text, sizeof(text)),
			    "VERSION: blue");

	assert_int_equal(mark_parse(&m, "x-dev_1:a:b", &err), 0);
	assert_string_equal(m.key, "x-dev_1");
	assert_string_equal(m.value, "a:b");
	assert_string_equal(mark_header(&m, text, sizeof(text)),
			    "X-DEV_1: a:b");

	assert_int_equal(mark_parse(&m, "me:", &err), 0);
	assert_string_equal(m.key, "me");
	assert_int_equal(strlen(m.value), 5);
	assert_false(m.key_replaced);

	assert_int_equal(mark_parse(&m, NULL, &err), 0);
	assert_string_equal(m.key, "version");
	assert_int_equal(strlen(m.value), 5);

	assert_int_equal(mark_parse(&m, "Key:v", &err), 0);
	assert_string_equal(m.key, "version");
	assert_string_equal(m.value, "v");
	assert_true(m.key_replaced);

	assert_int_equal(mark_parse(&m, "a\r\nb", &err), -EINVAL);
	assert_int_equal(mark_parse(&m, "a ", &err), -EINVAL);
}

static void named(const char *text, const char *want)
{
	struct kt_error err = { 0 };
	char name[OBJECT_NAME_LEN];
	struct mark m;

	assert_int_equal(mark_parse(&m, text, &err), 0);
	mark_object_name(&m, "web", name);
	if (strncmp(name, want, strlen(want)) != 0)
		fail_msg("%s: %s, not %s", text, name, want);
	assert_true(strlen(name) < 64);
	assert_true(name[strlen(name) - 1] != '-');
	for (const char *p = name; *p; p++)
		assert_non_null(
			strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *p));
}

static void test_mark_names(void **state)
{
	char a[OBJECT_NAME_LEN], b[OBJECT_NAME_LEN];
	struct mark m = { .key = "version", .value = "feature-x" };

	(void)state;
	mark_object_name(&m, "web", a);
	assert_string_equal(a, "web-kt-mesh-feature-x");
	named("0.0.1", "web-kt-mesh-0-0-1-77aa2");
	named("A b", "web-kt-mesh-a-b-");
	named("x-", "web-kt-mesh-x--");
	named("0123456789012345678901234567890123456789012345678901234567890",
	      "web-kt-mesh-0123456789");
	/* not the same name for two marks */
	snprintf(m.value, sizeof(m.value), "0.0.1");
	mark_object_name(&m, "web", a);
	snprintf(m.value, sizeof(m.value), "0-0.1");
	mark_object_name(&m, "web", b);
	assert_string_not_equal(a, b);
	snprintf(m.value, sizeof(m.value), "x");
	mark_object_name(&m, "web", a);
	snprintf(m.key, sizeof(m.key), "user");
	mark_object_name(&m, "web", b);
	assert_string_not_equal(a, b);
}

static void test_mark_labels(void **state)
{
	struct mark m = { .key = "version", .value = "1.0_a" };

	(void)state;
	assert_true(mark_is_label(&m));
	snprintf(m.value, sizeof(m.value), "a b");
	assert_false(mark_is_label(&m));
	snprintf(m.value, sizeof(m.value), "-a");
	assert_false(mark_is_label(&m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expose),
		cmocka_unit_test(test_expose_refuses),
		cmocka_unit_test(test_subject),
		cmocka_unit_test(test_subject_refuses),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_mark_names),
		cmocka_unit_test(test_mark_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
