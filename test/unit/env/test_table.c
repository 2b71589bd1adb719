/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "env/table.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define H "orders-kt-mesh-x.ns.svc.cluster.local."

static const char live_text[] =
	"{'dev': {'expires': 100, 'flags': '-', 'uid': 'u1'},"
	" 'dev.pr': {'expires': 0, 'flags': 'strict', 'uid': 'u2'},"
	" 'with': {'expires': 0, 'flags': '-', 'header': 'x-tenant'}}";

static void edit(const char *text, const struct env_table_change *change,
		 const char *want)
{
	auto_json json_t *live = json_quoted(live_text);
	struct kt_error err = { 0 };
	auto_free char *got = env_table_edit(text, live, change, &err);

	assert_non_null(got);
	assert_string_equal(got, want);
}

static void test_put(void **state)
{
	const struct env_table_change cluster = {
		.env = "dev.pr", .service = "orders", .put = true, .host = H
	};
	const struct env_table_change turned = { .env = "dev.pr",
						 .service = "orders",
						 .put = true,
						 .host = H,
						 .join = "new" };
	const struct env_table_change others = { .env = "dev.pr",
						 .service = "orders",
						 .put = true,
						 .host = H,
						 .source = "orders-pods" };
	const struct env_table_change local = { .env = "dev",
						.service = "web",
						.put = true };

	(void)state;
	edit("", &cluster,
	     "env dev.pr kt-env-dev--pr 0 strict\n"
	     "member dev.pr orders " H " 0 strict\n");
	edit("", &local, "env dev kt-env-dev 100 -\nmember dev web - 100 -\n");
	/* in place of the former one, and one line for the environment */
	edit("env dev.pr kt-env-dev--pr 0 strict\n"
	     "member dev.pr orders old. 0 strict\n"
	     "member dev.pr web w. 0 strict\n"
	     "member dev orders o. 100 -\n",
	     &cluster,
	     "member dev.pr web w. 0 strict\n"
	     "member dev orders o. 100 -\n"
	     "env dev.pr kt-env-dev--pr 0 strict\n"
	     "member dev.pr orders " H " 0 strict\n");
	/* which join's it is, and that is kept when others write */
	edit("member dev.pr orders " H " 0 strict join=old\n", &turned,
	     "env dev.pr kt-env-dev--pr 0 strict\n"
	     "member dev.pr orders " H " 0 strict join=new\n");
	edit("member dev.pr orders " H " 0 strict join=new\n", &local,
	     "member dev.pr orders " H " 0 strict join=new\n"
	     "env dev kt-env-dev 100 -\nmember dev web - 100 -\n");
	/* others' Pods: they have a Service of their own, which stays with it
	 */
	edit("member dev.pr web w. 0 strict source=web-pods\n", &others,
	     "member dev.pr web w. 0 strict source=web-pods\n"
	     "env dev.pr kt-env-dev--pr 0 strict\n"
	     "member dev.pr orders " H " 0 strict source=orders-pods\n");
	edit("member dev.pr orders " H " 0 strict source=orders-pods\n",
	     &cluster,
	     "env dev.pr kt-env-dev--pr 0 strict\n"
	     "member dev.pr orders " H " 0 strict\n");
	/* the field that names it, too, is as the Job says */
	edit("env with old 5 - header=x-old\nmember with web w. 0 -\n", &local,
	     "env with kt-env-with 0 - header=x-tenant\nmember with web w. 0 "
	     "-\n"
	     "env dev kt-env-dev 100 -\nmember dev web - 100 -\n");
	/* a member that moves to a machine */
	edit("member dev web w. 100 -\n", &local,
	     "env dev kt-env-dev 100 -\nmember dev web - 100 -\n");
}

static void test_drop(void **state)
{
	const struct env_table_change drop = { .env = "dev",
					       .service = "orders" };
	const struct env_table_change all = { .env = "dev" };

	(void)state;
	edit("env dev kt-env-dev 100 -\n"
	     "member dev orders o. 100 -\n"
	     "member dev.pr orders p. 0 strict\n",
	     &drop, "member dev.pr orders p. 0 strict\n");
	/* one that has another member still, on a machine */
	edit("env dev kt-env-dev 100 -\n"
	     "member dev orders o. 100 -\n"
	     "member dev web - 100 -\n",
	     &drop,
	     "env dev kt-env-dev 100 -\n"
	     "member dev web - 100 -\n");
	edit("", &drop, "");
	edit("env dev kt-env-dev 100 -\n"
	     "member dev orders o. 100 -\n"
	     "member dev.pr orders p. 0 strict\n",
	     &all, "member dev.pr orders p. 0 strict\n");
}

/* One whose Pods call: no member of it is needed where one above has one */
static void test_callers(void **state)
{
	const struct env_table_change own = { .env = "dev.pr", .put = true };
	const struct env_table_change nothing = { 0 };
	static const char both[] = "env dev kt-env-dev 100 -\n"
				   "member dev orders o. 100 -\n"
				   "env dev.pr kt-env-dev--pr 0 strict\n";

	(void)state;
	edit("", &own, "");
	edit("env with kt-env-with 0 - header=x-tenant\n"
	     "member with web - 0 -\n",
	     &own,
	     "env with kt-env-with 0 - header=x-tenant\n"
	     "member with web - 0 -\n");
	edit("env dev kt-env-dev 100 -\nmember dev orders o. 100 -\n", &own,
	     both);
	edit(both, &own, both);
	edit(both, &nothing, both);
	/* its own members stay */
	edit("member dev.pr orders p. 0 strict\n", &own,
	     "member dev.pr orders p. 0 strict\n"
	     "env dev.pr kt-env-dev--pr 0 strict\n");
}

/* What has ended goes, the rest is as the Jobs say; who is newer is left */
static void test_refresh(void **state)
{
	const struct env_table_change nothing = { 0 };

	(void)state;
	edit("env gone kt-env-gone 5 -\n"
	     "member gone orders o. 5 -\n"
	     "env dev kt-env-dev 5 strict\n"
	     "member dev orders o. 5 strict\n"
	     "copy dev orders 10\n"
	     "member dev.pr\n",
	     &nothing,
	     "env dev kt-env-dev 100 -\n"
	     "member dev orders o. 100 -\n"
	     "copy dev orders 10\n"
	     "member dev.pr\n");
}

/* recover has taken them away, or clean */
static void test_without_record(void **state)
{
	auto_json json_t *records = json_quoted(
		"[{'metadata': {'name': 'orders-kt-mesh-x', 'labels': "
		"{'kt-env': 'dev'}}},"
		" {'metadata': {'name': 'api-kt-mesh-x', 'labels': {'kt-env': "
		"'dev'}, 'annotations': {'kt-config': 'service=api'}}},"
		" {'metadata': {'name': 'mq-kt-mesh-x', 'labels': {'kt-env': "
		"'dev'}}, 'spec': {'clusterIP': '10.96.0.5'}},"
		" {'metadata': {'name': 'ftp-kt-mesh-x', 'labels': {'kt-env': "
		"'dev'}}, 'spec': {'clusterIP': 'fd00::5'}}]");
	const struct env_table_change seen = { .records = records };

	(void)state;
	edit("env dev kt-env-dev 100 -\n"
	     "member dev orders " H " 100 -\n"
	     "member dev web web-kt-mesh-x.ns.svc. 100 -\n"
	     "member dev.pr orders " H " 0 strict\n"
	     "member dev mq 10.96.0.5 100 -\n"
	     "member dev nn 10.96.0.6 100 -\n"
	     "member dev ftp fd00::5 100 -\n"
	     "member dev api - 100 -\n"
	     "member dev db - 100 -\n",
	     &seen,
	     "env dev kt-env-dev 100 -\n"
	     "member dev orders " H " 100 -\n"
	     "member dev mq 10.96.0.5 100 -\n"
	     "member dev ftp fd00::5 100 -\n"
	     "member dev api - 100 -\n");
}

/* Its Job is gone, and another has its name */
static void test_lives(void **state)
{
	static const struct {
		const char *env, *owners;
		bool lives;
	} all[] = {
		{ "dev", "[]", true },
		{ "gone", "[]", false },
		{ "dev", "[{'kind': 'Job', 'name': 'kt-env-dev', 'uid': 'u1'}]",
		  true },
		{ "dev", "[{'kind': 'Job', 'name': 'kt-env-dev', 'uid': 'u0'}]",
		  false },
		{ "dev", "[{'kind': 'Job', 'name': 'theirs', 'uid': 'u0'}]",
		  true },
	};
	auto_json json_t *live = json_quoted(live_text);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		auto_json json_t *obj =
			json_pack("{s:{s:{s:s},s:o}}", "metadata", "labels",
				  "kt-env", all[i].env, "ownerReferences",
				  json_quoted(all[i].owners));

		assert_int_equal(env_table_lives(live, obj), all[i].lives);
	}
}

static void test_full(void **state)
{
	const struct env_table_change put = {
		.env = "dev", .service = "orders", .put = true, .host = H
	};
	const struct env_table_change drop = { .env = "dev",
					       .service = "orders" };
	static const char last[] = "env dev kt-env-dev 100 -\n"
				   "member dev orders " H " 100 -\n";
	static const size_t n = ENV_TABLE_LINES - 2;
	auto_json json_t *live = json_quoted(live_text);
	auto_free char *text = xcalloc(1, 2 * n + sizeof(last));
	auto_free char *full = NULL, *left = NULL, *again = NULL;
	struct kt_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < n; i++)
		memcpy(text + 2 * i, "x\n", 2);
	full = env_table_edit(text, live, &put, &err);
	assert_non_null(full);
	/* in place of the former one */
	again = env_table_edit(full, live, &put, &err);
	assert_string_equal(again, full);
	assert_null(env_table_edit(full, live,
				   &(struct env_table_change){ .env = "dev",
							       .service = "web",
							       .put = true },
				   &err));
	assert_int_equal(err.code, ENOSPC);
	/* whoever is in it can leave */
	left = env_table_edit(full, live, &drop, &err);
	assert_string_equal(left, text);
}

static void test_owners(void **state)
{
	auto_json json_t *live = json_quoted(live_text);
	auto_json json_t *old = json_quoted(
		"[{'kind': 'Job', 'name': 'kt-env-gone', 'uid': 'u0'},"
		" {'kind': 'Job', 'name': 'kt-env-dev', 'uid': 'u1'},"
		" {'kind': 'Job', 'name': 'theirs', 'uid': 'u9'}]");
	auto_json json_t *owners = env_table_owners(
		old,
		"member dev.pr orders p. 0 strict\n"
		"env dev.pr kt-env-dev--pr 0 strict\nenv dev kt-env-dev 1 -\n",
		live);
	char got[128];
	const json_t *ref;
	size_t i, n = 0;

	(void)state;
	json_array_foreach (owners, i, ref)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s=%s ",
				      json_str(ref, "name", NULL),
				      json_str(ref, "uid", NULL));
	assert_string_equal(got, "theirs=u9 kt-env-dev.pr=u2 kt-env-dev=u1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_callers),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_without_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
