/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of env, each as a whole, against a fake API server */
#include "test.h"

#include "json.h"
#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/job.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#define JOB "/apis/batch/v1/namespaces/n/jobs/kt-env-dev.pr"
#define SOURCE "/api/v1/namespaces/n/services/kt-env-dev--pr"
#define RECORD "/api/v1/namespaces/n/services/web-kt-mesh-dev-pr"
#define COPY "/apis/apps/v1/namespaces/n/deployments/"
#define MAP "/api/v1/namespaces/n/configmaps/kt-env"

struct bed {
	struct store s;
	char config[64];
	struct app app;
	struct options o;
	char *args[2];
	const char *refuse;    /* requests like "POST /path" are, with 403 */
	const char *interrupt; /* while such a one waits for its answer */
	/* somebody has written it before this request comes, once */
	const char *written;
	json_t *record;
};

/* What the Job owns goes with it, as in a cluster */
static void bed_collect(struct store *s)
{
	const char *path;
	json_t *obj;
	void *next;

	json_object_foreach_safe(
		s->objects, next, path,
		obj) if (str_eq(object_label(obj, KT_LABEL_ENV), "dev.pr") &&
			 !strstr(path, "/jobs/"))
		json_object_del(s->objects, path);
}

static bool bed_before(struct store *s, struct fake_conn *c, const char *method,
		       const char *path, const json_t *body)
{
	struct bed *b = s->user;
	auto_free char *line = xasprintf("%s %s", method, path);

	if (b->refuse && str_starts(line, b->refuse) &&
	    /* the dry run has been allowed */
	    store_get(s, JOB)) {
		fake_reply(c, 403, "Content-Type: application/json\r\n",
			   "{\"kind\":\"Status\",\"code\":403,\"reason\":"
			   "\"Forbidden\",\"message\":\"no\"}");
		return true;
	}
	if (b->interrupt && str_starts(line, b->interrupt) &&
	    (strstr(path, "/jobs") || store_get(s, JOB))) {
		/* it is carried out, but nobody hears of it */
		auto_free char *made =
			xasprintf("%s/%s", path, object_name(body));

		store_put(s, made, json_deep_copy(body));
		b->interrupt = NULL;
		loop_interrupt(s->w.loop);
		return true;
	}
	if (b->written && strcmp(line, b->written) == 0) {
		b->written = NULL;
		store_put(s, RECORD, steal_ptr(&b->record));
	}
	if (str_starts(line, "DELETE " JOB))
		bed_collect(s);
	return false;
}

static void bed_init(struct bed *b)
{
	FILE *f;
	int fd;

	*b = (struct bed){ 0 };
	store_init(&b->s);
	b->s.before = bed_before;
	b->s.user = b;
	snprintf(b->config, sizeof(b->config), "/tmp/ktctl-env.XXXXXX");
	fd = mkstemp(b->config);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	fprintf(f,
		"apiVersion: v1\nkind: Config\ncurrent-context: c\n"
		"clusters: [{name: c, cluster: {server: '%s'}}]\n"
		"users: [{name: u, user: {token: t}}]\n"
		"contexts: [{name: c, context: {cluster: c, user: u, "
		"namespace: n}}]\n",
		b->s.w.server);
	fclose(f);
	b->app = (struct app){ .loop = b->s.w.loop };
	b->o = (struct options){ .global.kubeconfig = b->config,
				 .args = b->args,
				 .nargs = 1,
				 .env.ttl = 3600 * NS_SEC };
	b->args[0] = (char *)(uintptr_t) "dev.pr";
}

static void bed_fini(struct bed *b)
{
	unlink(b->config);
	store_fini(&b->s);
}

/* A member for Service web, of @user's */
static void bed_member(struct bed *b, const char *user)
{
	store_put(&b->s, RECORD,
		  json_pack("{s:{s:s,s:{s:s,s:s,s:s},s:{s:s,s:s,s:s}}}",
			    "metadata", "name", "web-kt-mesh-dev-pr", "labels",
			    "control-by", "kt", "kt-role", "shadow-mesh",
			    "kt-env", "dev.pr", "annotations", "kt-config",
			    "service=web", "kt-user", user,
			    KT_ANNOTATION_EXPIRES, "1"));
	store_put(&b->s, MAP,
		  json_quoted(
			  "{'metadata': {'name': 'kt-env', 'labels': "
			  "{'kt-role': 'env-table'}}, 'data': {'members': "
			  "'member dev.pr web web-kt-mesh-dev-pr. 1 -\\n'}}"));
}

static void bed_owner(struct bed *b, const char *user)
{
	json_object_set_new(
		json_at(store_get(&b->s, JOB), "metadata", "annotations", NULL),
		"kt-user", json_string(user));
}

/* What it says for people is no line of the test's own output */
static int run(struct bed *b,
	       int (*command)(struct app *app, const struct options *o))
{
	int rc, keep, null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	keep = dup(STDOUT_FILENO);
	assert_true(dup2(null, STDOUT_FILENO) >= 0);
	rc = command(&b->app, &b->o);
	fflush(stdout);
	assert_true(dup2(keep, STDOUT_FILENO) >= 0);
	close(keep);
	close(null);
	return rc;
}

static int64_t bed_expires(const struct bed *b, const char *path)
{
	return envobject_expires(store_get(&b->s, path));
}

static void test_create(void **state)
{
	struct bed b;
	auto_json json_t *before = NULL;

	(void)state;
	bed_init(&b);
	assert_int_equal(run(&b, command_env_create), EXIT_OK);
	assert_string_equal(json_str(store_get(&b.s, SOURCE), "spec",
				     "selector", "kt-env", NULL),
			    "dev.pr");
	assert_string_equal(
		json_str(json_array_get(json_at(store_get(&b.s, SOURCE),
						"metadata", "ownerReferences",
						NULL),
					0),
			 "uid", NULL),
		json_str(store_get(&b.s, JOB), "metadata", "uid", NULL));
	assert_true(bed_expires(&b, JOB) > time(NULL) + 3500);
	/* it is there: nothing is changed */
	before = json_deep_copy(b.s.objects);
	assert_int_equal(run(&b, command_env_create), EXIT_FAILED);
	assert_true(json_equal(before, b.s.objects));
	bed_fini(&b);
}

/* The second object is refused, although its dry run was not */
static void test_create_half(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.refuse = "POST /api/v1/namespaces/n/services";
	assert_int_equal(run(&b, command_env_create), EXIT_FAILED);
	assert_int_equal(store_logged(&b.s, "POST /apis/batch"), 1);
	assert_int_equal(json_object_size(b.s.objects), 0);
	bed_fini(&b);
}

/* Ctrl-C while the server makes the first one, and the second one */
static void test_create_interrupted(void **state)
{
	static const char *const at[] = {
		"POST /apis/batch/v1/namespaces/n/jobs",
		"POST /api/v1/namespaces/n/services",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		struct bed b;

		bed_init(&b);
		b.interrupt = at[i];
		assert_int_not_equal(run(&b, command_env_create), EXIT_OK);
		assert_null(b.interrupt);
		assert_int_equal(json_object_size(b.s.objects), 0);
		bed_fini(&b);
	}
}

/* The former one has ended, and the cluster has not removed it */
static void test_create_again(void **state)
{
	auto_free char *uid = NULL;
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(run(&b, command_env_create), EXIT_OK);
	uid = xstrdup(json_str(store_get(&b.s, JOB), "metadata", "uid", NULL));
	json_object_set_new(store_get(&b.s, JOB), "status",
			    json_quoted("{'conditions': [{'type': 'Failed', "
					"'status': 'True'}]}"));
	assert_int_equal(run(&b, command_env_create), EXIT_OK);
	assert_string_not_equal(
		json_str(store_get(&b.s, JOB), "metadata", "uid", NULL), uid);
	assert_non_null(store_get(&b.s, SOURCE));
	bed_fini(&b);
}

static void test_create_wrong(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	b.o.env.ttl = 0;
	assert_int_equal(run(&b, command_env_create), EXIT_USAGE);
	b.o.env.ttl = NS_SEC;
	b.args[0] = (char *)(uintptr_t) "Dev";
	assert_int_equal(run(&b, command_env_create), EXIT_USAGE);
	assert_int_equal(b.s.w.fake.requests, 0);
	b.args[0] = (char *)(uintptr_t) "dev.pr";
	b.o.env.ttl = 0;
	b.o.env.in.force = true;
	assert_int_equal(run(&b, command_env_create), EXIT_OK);
	assert_int_equal(bed_expires(&b, JOB), 0);
	bed_fini(&b);
}

/* The Job, the member's record and the table say the same */
static void test_extend(void **state)
{
	auto_free char *want = NULL;
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(run(&b, command_env_create), EXIT_OK);
	json_object_set_new(json_object_get(store_get(&b.s, JOB), "metadata"),
			    "creationTimestamp",
			    json_string("2026-01-01T00:00:00Z"));
	bed_member(&b, "bob");
	b.args[0] = (char *)(uintptr_t) "pr";
	b.o.env.ttl = 7200 * NS_SEC;
	assert_int_equal(run(&b, command_env_extend), EXIT_OK);
	assert_true(bed_expires(&b, JOB) > time(NULL) + 7100);
	assert_int_equal(bed_expires(&b, RECORD), bed_expires(&b, JOB));
	want = xasprintf("member dev.pr web web-kt-mesh-dev-pr. %lld -\n",
			 (long long)bed_expires(&b, JOB));
	assert_string_equal(
		json_str(store_get(&b.s, MAP), "data", "members", NULL), want);
	bed_fini(&b);
}

static void test_whose(void **state)
{
	auto_json json_t *before = NULL;
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(run(&b, command_env_create), EXIT_OK);
	json_object_set_new(json_object_get(store_get(&b.s, JOB), "metadata"),
			    "creationTimestamp",
			    json_string("2026-01-01T00:00:00Z"));
	bed_owner(&b, "nobody-else");
	before = json_deep_copy(b.s.objects);
	assert_int_equal(run(&b, command_env_extend), EXIT_FAILED);
	assert_int_equal(run(&b, command_env_delete), EXIT_FAILED);
	assert_true(json_equal(before, b.s.objects));
	b.o.env.in.force = true;
	assert_int_equal(run(&b, command_env_extend), EXIT_OK);
	assert_string_equal(
		object_annotation(store_get(&b.s, JOB), KT_ANNOTATION_FORCED),
		shadow_user());
	assert_int_equal(run(&b, command_env_delete), EXIT_OK);
	assert_null(store_get(&b.s, JOB));
	bed_fini(&b);
}

static void bed_env(struct bed *b, const char *name, int64_t ttl)
{
	const struct env_spec spec = { .name = name,
				       .now = time(NULL),
				       .ttl = ttl,
				       .user = shadow_user() };
	auto_free char *path =
		xasprintf("/apis/batch/v1/namespaces/n/jobs/kt-env-%s", name);

	store_put(&b->s, path, env_job_make(&spec));
}

/* ... and what says so of a host name goes, if it is the user's */
static void test_delete_what_is_said(void **state)
{
#define SAYS "/apis/batch/v1/namespaces/n/jobs/kt-entry-"
	static const char *const said[][3] = {
		{ SAYS "a", "pr", NULL },
		{ SAYS "b", "pr", NULL },
		{ SAYS "c", "qa", NULL },
		{ SAYS "d", "pr.x", "nobody-else" },
	};
	struct bed b;

	(void)state;
	bed_init(&b);
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		const char *user = said[i][2] ? said[i][2] : shadow_user();
		json_t *notes = json_pack(
			"{s:s,s:s,s:o}", KT_ANNOTATION_USER, user,
			KT_ANNOTATION_ENDED_FOR, "2000", KT_ANNOTATION_EXPIRES,
			json_sprintf("%ld", (long)time(NULL) + 1000));

		store_put(&b.s, said[i][0],
			  json_pack("{s:{s:s,s:s,s:{s:s,s:s},s:o}}", "metadata",
				    "name", strrchr(said[i][0], '/') + 1, "uid",
				    "u", "labels", KT_LABEL_ROLE,
				    KT_ROLE_ENV_ENDED, KT_LABEL_ENV, said[i][1],
				    "annotations", notes));
	}
	b.args[0] = (char *)(uintptr_t) "pr";
	assert_int_equal(run(&b, command_env_delete), EXIT_OK);
	assert_null(store_get(&b.s, SAYS "a"));
	assert_null(store_get(&b.s, SAYS "b"));
	assert_non_null(store_get(&b.s, SAYS "c"));
	assert_int_equal(run(&b, command_env_delete), EXIT_FAILED);
	b.args[0] = (char *)(uintptr_t) "pr.x";
	assert_int_equal(run(&b, command_env_delete), EXIT_FAILED);
	assert_non_null(store_get(&b.s, SAYS "d"));
	b.o.env.in.force = true;
	assert_int_equal(run(&b, command_env_delete), EXIT_OK);
	assert_null(store_get(&b.s, SAYS "d"));
	bed_fini(&b);
}

/* `pr` has ended: `dev.pr` was not meant */
static void test_delete_ended(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	bed_env(&b, "dev.pr", 100);
	bed_env(&b, "pr", -5);
	b.args[0] = (char *)(uintptr_t) "pr";
	assert_int_equal(run(&b, command_env_delete), EXIT_FAILED);
	assert_non_null(store_get(&b.s, JOB));
	assert_int_equal(json_object_size(b.s.objects), 1);
	bed_fini(&b);
}

/* What is above it has its own whole name, not another's last labels */
static void test_create_below(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	bed_env(&b, "a.dev", 100);
	bed_env(&b, "b.dev", 100);
	assert_int_equal(run(&b, command_env_create), EXIT_OK);
	assert_non_null(store_get(&b.s, JOB));
	/* which --parent may be */
	b.args[0] = (char *)(uintptr_t) "x";
	b.o.env.parent = (char *)(uintptr_t) "dev";
	assert_int_equal(run(&b, command_env_create), EXIT_FAILED);
	b.o.env.parent = (char *)(uintptr_t) "a.dev";
	assert_int_equal(run(&b, command_env_create), EXIT_OK);
	assert_non_null(store_get(
		&b.s, "/apis/batch/v1/namespaces/n/jobs/kt-env-a.dev.x"));
	bed_fini(&b);
}

/* The record goes, and its line in the table with it */
static void test_recover(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	bed_env(&b, "dev.pr", 100);
	bed_member(&b, "bob");
	store_put(&b.s, "/api/v1/namespaces/n/services/web",
		  json_quoted("{'metadata': {'name': 'web'}, 'spec': "
			      "{'selector': {'app': 'x'}}}"));
	b.args[0] = (char *)(uintptr_t) "web";
	assert_int_equal(run(&b, command_recover), EXIT_OK);
	assert_null(store_get(&b.s, RECORD));
	assert_null(store_get(&b.s, MAP));
	assert_non_null(store_get(&b.s, JOB));
	bed_fini(&b);
}

/* It only reads */
static void test_export(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	bed_env(&b, "dev.pr", 100);
	bed_env(&b, "old", -5);
	assert_int_equal(run(&b, command_env_export), EXIT_OK);
	assert_string_equal(b.s.log, "");
	b.args[0] = (char *)(uintptr_t) "web";
	b.o.global.pod.image = (char *)(uintptr_t) "image";
	assert_int_equal(run(&b, command_env_init), EXIT_FAILED); /* no web */
	assert_string_equal(b.s.log, "");
	bed_fini(&b);
}

/* Routers forget it before its members go */
static void test_delete(void **state)
{
	const char *table, *job;
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(run(&b, command_env_create), EXIT_OK);
	bed_member(&b, "bob");
	assert_int_equal(run(&b, command_env_delete), EXIT_OK);
	assert_int_equal(json_object_size(b.s.objects), 0);
	table = strstr(b.s.log, "DELETE " MAP);
	job = strstr(b.s.log, "DELETE " JOB);
	assert_non_null(table);
	assert_non_null(job);
	assert_true(table < job);
	/* there is none any more */
	assert_int_equal(run(&b, command_env_delete), EXIT_FAILED);
	bed_fini(&b);
}

/* --- leave ---------------------------------------------------------------- */

static void bed_copy(struct bed *b, const char *name, const char *target)
{
	auto_free char *path = xasprintf(COPY "%s", name);

	store_put(&b->s, path,
		  json_pack("{s:{s:s,s:{s:s,s:s}},s:{s:{s:{s:{s:s}}}}}",
			    "metadata", "name", name, "labels", KT_LABEL_ENV,
			    "dev.pr", KT_LABEL_ENV_OF, "web", "spec",
			    "template", "metadata", "labels", "kt-target",
			    target));
}

/* A member with an image, of ours, and another one's copy, which is to take its
 * place */
static void bed_image(struct bed *b)
{
	assert_int_equal(run(b, command_env_create), EXIT_OK);
	bed_member(b, shadow_user());
	json_object_set_new(json_at(store_get(&b->s, RECORD), "metadata",
				    "annotations", NULL),
			    KT_ANNOTATION_MEMBER, json_string("image web:2"));
	json_object_set_new(store_get(&b->s, RECORD), "spec",
			    json_quoted("{'selector': {'kt-target': 'a'}}"));
	bed_copy(b, "web-a", "a");
	bed_copy(b, "web-b", "b");
	store_put(&b->s, "/api/v1/namespaces/n/services/web",
		  json_quoted("{'metadata': {'name': 'web'}, 'spec': {"
			      "'selector': {'app': 'web'}}}"));
	b->args[1] = (char *)(uintptr_t) "web";
	b->o.nargs = 2;
}

static void test_leave(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	bed_image(&b);
	/* extend writes into it: it is the same member all the same */
	b.record = json_deep_copy(store_get(&b.s, RECORD));
	b.written = "DELETE " RECORD;
	assert_int_equal(run(&b, command_env_leave), EXIT_OK);
	assert_null(b.record);
	assert_null(store_get(&b.s, RECORD));
	assert_null(store_get(&b.s, COPY "web-a"));
	assert_non_null(store_get(&b.s, COPY "web-b"));
	bed_fini(&b);
}

/* Somebody else's takes its place while it leaves */
static void test_leave_others(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	bed_image(&b);
	b.record = json_deep_copy(store_get(&b.s, RECORD));
	json_object_set_new(json_at(b.record, "metadata", "annotations", NULL),
			    "kt-user", json_string("nobody-else"));
	b.written = "DELETE " RECORD;
	assert_int_equal(run(&b, command_env_leave), EXIT_FAILED);
	assert_string_equal(
		object_annotation(store_get(&b.s, RECORD), "kt-user"),
		"nobody-else");
	assert_non_null(store_get(&b.s, COPY "web-b"));
	bed_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_create_half),
		cmocka_unit_test(test_create_interrupted),
		cmocka_unit_test(test_create_again),
		cmocka_unit_test(test_create_wrong),
		cmocka_unit_test(test_extend),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_leave_others),
		cmocka_unit_test(test_delete_ended),
		cmocka_unit_test(test_delete_what_is_said),
		cmocka_unit_test(test_create_below),
		cmocka_unit_test(test_recover),
		cmocka_unit_test(test_export),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
