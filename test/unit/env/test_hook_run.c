/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of hooks, against a fake API server that ends their Pods at once */
#include "test.h"

#include "json.h"
#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/find.h"
#include "env/hook.h"
#include "env/hook_run.h"
#include "env/job.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define JOBS "/apis/batch/v1/namespaces/n/jobs"
#define ENV JOBS "/kt-env-dev"
#define POD "/api/v1/namespaces/n/pods/hook-pod"
#define COPY                                                                   \
	"{'metadata':{'labels':{'kt-env':'dev','kt-env-of':'web'}},'spec':{"   \
	"'template':{'metadata':{'labels':{'kt-target':'t1'}},'spec':{"        \
	"'containers':[{'name':'app','image':'r/web:2'}]}}}}"

struct bed {
	struct store s;
	struct member_place at;
	struct kt_error err;
	const char *status; /* of the Pod of a Job that runs; NULL: none */
	int said;
};

/* The Job controller, and the kubelet */
static bool bed_before(struct store *s, struct fake_conn *c, const char *method,
		       const char *path, const json_t *body)
{
	struct bed *b = s->user;
	json_t *pod;

	(void)c;
	if (strcmp(method, "DELETE") == 0 && str_starts(path, JOBS))
		json_object_del(s->objects, POD);
	if (strcmp(method, "POST") != 0 || strcmp(path, JOBS) != 0 ||
	    !json_integer_value(json_at(body, "spec", "parallelism", NULL)))
		return false;
	if (!b->status)
		return false;
	pod = json_pack("{s:{s:s,s:{s:s}}}", "metadata", "name", "hook-pod",
			"labels", "job-name", object_name(body));
	json_object_set_new(pod, "status", json_quoted(b->status));
	store_put(s, POD, pod);
	return false;
}

static void bed_init(struct bed *b, const char *status)
{
	*b = (struct bed){ .status = status };
	store_init(&b->s);
	b->s.before = bed_before;
	b->s.user = b;
	b->at = (struct member_place){ b->s.w.kube, "n", "dev", "web" };
}

static json_t *job_of(const char *what, const char *target, bool waits)
{
	auto_json json_t *copy = json_quoted(COPY);
	const struct hook_spec s = { .what = what,
				     .command = "r/db go",
				     .copy = copy,
				     .container = "app",
				     .uid = "u1",
				     .waits = waits };
	struct kt_error err = { 0 };
	json_t *job;

	json_object_set_new(
		json_at(copy, "spec", "template", "metadata", "labels", NULL),
		"kt-target", json_string(target));
	job = hook_job(&s, &err);
	assert_non_null(job);
	return job;
}

static int jobs(const struct bed *b)
{
	const char *key;
	json_t *obj;
	int n = 0;

	json_object_foreach (b->s.objects, key, obj)
		n += str_starts(key, JOBS "/") && strcmp(key, ENV) != 0;
	return n;
}

#define ENDED(code, message)                                                   \
	"{'phase':'" code                                                      \
	"','containerStatuses':[{'name':'hook','state':{'terminated':{"        \
	"'exitCode':" message "'}}}]}"

static void its_output_comes_back(void **state)
{
	auto_json json_t *job = job_of("onJoin", "t1", false), *vars = NULL;
	struct bed b;

	(void)state;
	bed_init(&b, ENDED("Succeeded", "0,'message':'A=1\\nB=2\\n"));
	/* one that a killed ktctl has left is in the way */
	assert_int_equal(hook_keep(&b.at, job, &b.err), 0);
	assert_int_equal(hook_run(&b.at, job, &vars, NULL, &b.err), 0);
	assert_int_equal(json_object_size(vars), 2);
	assert_int_equal(store_logged(&b.s, "DELETE " JOBS), 2);
	assert_int_equal(jobs(&b), 0);
	store_fini(&b.s);
}

/* Its name is another's */
static void what_is_not_ours_stays(void **state)
{
	auto_json json_t *job = job_of("onJoin", "t1", false);
	auto_free char *path =
		xasprintf(JOBS "/%s", json_str(job, "metadata", "name", NULL));
	struct bed b;

	(void)state;
	bed_init(&b, NULL);
	store_put(&b.s, path,
		  json_pack("{s:s,s:s,s:{s:s}}", "apiVersion", "batch/v1",
			    "kind", "Job", "metadata", "name",
			    json_str(job, "metadata", "name", NULL)));
	assert_int_equal(hook_run(&b.at, job, NULL, NULL, &b.err), -EEXIST);
	assert_non_null(strstr(b.err.msg, "ktctl has not made it"));
	assert_int_equal(jobs(&b), 1);
	store_fini(&b.s);
}

static void run_fails(const char *status, const char *why)
{
	auto_json json_t *job = job_of("onJoin", "t1", false), *vars = NULL;
	struct bed b;

	bed_init(&b, status);
	assert_true(hook_run(&b.at, job, &vars, NULL, &b.err) < 0);
	if (!strstr(b.err.msg, why))
		fail_msg("%s, not %s", b.err.msg, why);
	assert_null(vars);
	assert_int_equal(jobs(&b), 0); /* also then */
	store_fini(&b.s);
}

static void what_fails_says_why(void **state)
{
	(void)state;
	run_fails(ENDED("Failed", "3,'message':'a\\nno database\\n"),
		  "onJoin r/db go has ended with status 3; it said last: no "
		  "database");
	run_fails(ENDED("Failed", "1,'x':'"), "has ended with status 1");
	run_fails(ENDED("Succeeded", "0,'message':'PATH=/x"),
		  "onJoin r/db go: line 1 of its output: PATH is not for");
	run_fails("{'phase':'Failed','message':'evicted'}",
		  "its Pod was ended: evicted");
	run_fails("{'phase':'Pending','containerStatuses':[{'name':'hook',"
		  "'state':{'waiting':{'reason':'InvalidImageName','message':"
		  "'bad'}}}]}",
		  "InvalidImageName");
}

static void one_that_waits(void **state)
{
	auto_json json_t *one = job_of("onDelete", "t1", true);
	auto_json json_t *two = job_of("onDelete", "t2", true);
	auto_json json_t *waiting = NULL, *left = NULL;
	struct bed b;

	(void)state;
	bed_init(&b, ENDED("Failed", "1,'x':'"));
	assert_int_equal(hook_keep(&b.at, one, &b.err), 0);
	assert_int_equal(hook_keep(&b.at, two, &b.err), 0);
	assert_int_equal(hook_waiting(&b.at, &waiting, &b.err), 0);
	assert_int_equal(json_array_size(waiting), 2);
	/* it stays, and what was run of it goes */
	assert_true(hook_end(&b.at, waiting, "t2", HOOK_RUN, NULL, &b.err) < 0);
	assert_int_equal(jobs(&b), 2);
	/* another has taken over */
	assert_int_equal(
		hook_end(&b.at, waiting, "t1", HOOK_FORGET, NULL, &b.err), 0);
	assert_int_equal(jobs(&b), 1);
	b.status = ENDED("Succeeded", "0,'x':'");
	assert_int_equal(hook_waiting(&b.at, &left, &b.err), 0);
	assert_int_equal(json_array_size(left), 1);
	assert_int_equal(hook_end(&b.at, left, NULL, HOOK_RUN, NULL, &b.err),
			 0);
	assert_int_equal(jobs(&b), 0);
	store_fini(&b.s);
}

static void bed_say(void *user, const char *text)
{
	struct bed *b = user;

	assert_non_null(strstr(text, "runs onDelete r/db go of the member web "
				     "of environment dev, which is over"));
	b->said++;
}

static void sweep(struct bed *b)
{
	auto_json json_t *all = NULL;
	struct hook_sweep s = { .kube = b->s.w.kube,
				.ns = "n",
				.now = 1000,
				.say = bed_say,
				.user = b };

	assert_int_equal(env_jobs_all(b->s.w.kube, "n", &all, &b->err), 0);
	s.jobs = all;
	assert_true(hook_sweep(&s, &b->err) >= 0);
}

/* The environment is over, and nobody was there */
static void what_is_left_is_run(void **state)
{
	auto_json json_t *one = job_of("onDelete", "t1", true);
	const struct env_spec spec = { .name = "dev", .now = 10, .ttl = 5000 };
	struct bed b;
	json_t *job;
	const char *key;
	void *next;

	(void)state;
	bed_init(&b, NULL);
	assert_int_equal(hook_keep(&b.at, one, &b.err), 0);
	store_put(&b.s, ENV, env_job_make(&spec));
	json_object_set_new(json_object_get(store_get(&b.s, ENV), "metadata"),
			    "uid", json_string("u1"));
	sweep(&b);
	assert_int_equal(b.said, 0); /* it lives */
	/* another one of its name */
	json_object_set_new(json_object_get(store_get(&b.s, ENV), "metadata"),
			    "uid", json_string("u2"));
	sweep(&b);
	assert_int_equal(b.said, 1);
	sweep(&b); /* it runs */
	assert_int_equal(b.said, 1);
	assert_int_equal(store_logged(&b.s, "PATCH " JOBS), 1);
	json_object_foreach_safe(b.s.objects, next, key,
				 job) if (strcmp(key, ENV) != 0)
		json_object_set_new(
			job, "status",
			json_quoted("{'conditions':[{'type':'Failed',"
				    "'status':'True'}]}"));
	sweep(&b); /* that is told, and it stays */
	assert_int_equal(jobs(&b), 1);
	json_object_foreach_safe(b.s.objects, next, key,
				 job) if (strcmp(key, ENV) != 0)
		json_object_set_new(
			job, "status",
			json_quoted("{'conditions':[{'type':"
				    "'Complete','status':'True'}]}"));
	sweep(&b);
	assert_int_equal(jobs(&b), 0);
	store_fini(&b.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_output_comes_back),
		cmocka_unit_test(what_is_not_ours_stays),
		cmocka_unit_test(what_fails_says_why),
		cmocka_unit_test(one_that_waits),
		cmocka_unit_test(what_is_left_is_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
