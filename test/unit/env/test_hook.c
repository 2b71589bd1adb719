/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: the Job of one, and what its output may say. */
#include "json.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "env/hook.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define COPY                                                                   \
	"{'metadata':{'name':'orders-dev-abc','labels':{'kt-env':'dev.p',"     \
	"'kt-env-of':'orders'},'annotations':{'kt-user':'ann'}},'spec':{"      \
	"'template':{'metadata':{'labels':{'kt-env':'dev.p','kt-env-of':"      \
	"'orders','kt-target':'tttt','tier':'back'}},'spec':{'containers':["   \
	"{'name':'side','image':'r/side:1'},{'name':'app','image':"            \
	"'r/orders:2','imagePullPolicy':'Always','env':[{'name':'KT_ENV',"     \
	"'value':'dev.p'},{'name':'DB','value':'trunk'},{'name':'URL',"        \
	"'value':'pg://$(DB)'}],'ports':[{'containerPort':80}],"               \
	"'readinessProbe':{'x':1},'livenessProbe':{'x':1},'lifecycle':{},"     \
	"'volumeMounts':[{'name':'v','mountPath':'/v'}],'workingDir':'/w',"    \
	"'securityContext':{'runAsNonRoot':true}}],'initContainers':[{"        \
	"'name':'i','image':'i'}],'volumes':[{'name':'v','emptyDir':{}}],"     \
	"'serviceAccountName':'orders','hostAliases':[1],'restartPolicy':"     \
	"'Always','securityContext':{'runAsUser':7}}}}}"

static json_t *job_of(const char *command, bool waits)
{
	auto_json json_t *copy = json_quoted(COPY);
	auto_json json_t *owner = json_quoted("{'kind':'Job','uid':'u1'}");
	const struct hook_spec s = {
		.what = waits ? "onDelete" : "onJoin",
		.command = command,
		.copy = copy,
		.container = "app",
		.owner = waits ? NULL : owner,
		.uid = "u1",
		.waits = waits,
	};
	struct kt_error err = { 0 };
	json_t *job = hook_job(&s, &err);

	if (!job)
		fail_msg("%s", err.msg);
	return job;
}

static void same_json(const json_t *got, const char *want)
{
	auto_json json_t *w = json_quoted(want);
	auto_free char *text = json_dumps(got, JSON_ENCODE_ANY);

	if (!json_equal(got, w))
		fail_msg("%s, not %s", text ? text : "nothing", want);
}

static const json_t *container(const json_t *job)
{
	return json_array_get(
		json_at(job, "spec", "template", "spec", "containers", NULL),
		0);
}

static int parallelism(const json_t *job)
{
	const json_t *n = json_at(job, "spec", "parallelism", NULL);

	return json_is_integer(n) ? (int)json_integer_value(n) : -1;
}

/* A program of the member's image is there as the member is, but for what
 * serves; it is no member, and nobody is led to it */
static void a_program_of_the_member(void **state)
{
	auto_json json_t *job =
		job_of("/bin/branch --of {{env}}\\ db x", false);
	const json_t *pod = json_at(job, "spec", "template", "spec", NULL);

	(void)state;
	same_json(json_at(job, "spec", "template", "metadata", "labels", NULL),
		  "{'kt-env':'dev.p','kt-role':'env-hook','tier':'back'}");
	same_json(json_at(job, "metadata", "labels", NULL),
		  "{'control-by':'kt','kt-role':'env-hook','kt-env':'dev.p',"
		  "'kt-env-of':'orders','kt-target':'tttt'}");
	same_json(json_at(job, "metadata", "annotations", NULL),
		  "{'kt-user':'ann','kt-env-uid':'u1','kt-env-hook':"
		  "'onJoin /bin/branch --of {{env}}\\\\ db x'}");
	same_json(json_at(job, "metadata", "ownerReferences", NULL),
		  "[{'kind':'Job','uid':'u1'}]");
	same_json(container(job),
		  "{'name':'hook','image':'r/orders:2','imagePullPolicy':"
		  "'Always','command':['/bin/branch','--of','dev.p db','x'],"
		  "'terminationMessagePath':'/dev/termination-log',"
		  "'terminationMessagePolicy':'FallbackToLogsOnError',"
		  "'volumeMounts':[{'name':'v','mountPath':'/v'}],"
		  "'workingDir':'/w','securityContext':{'runAsNonRoot':true},"
		  "'env':[{'name':'KT_HOOK','value':'onJoin'},"
		  "{'name':'KT_SERVICE','value':'orders'},"
		  "{'name':'KT_OUTPUT','value':'/dev/termination-log'},"
		  "{'name':'KT_ENV','value':'dev.p'},"
		  "{'name':'DB','value':'trunk'},"
		  "{'name':'URL','value':'pg://$(DB)'}]}");
	assert_int_equal(json_array_size(json_object_get(pod, "containers")),
			 1);
	assert_null(json_object_get(pod, "initContainers"));
	same_json(json_object_get(pod, "volumes"),
		  "[{'name':'v','emptyDir':{}}]");
	assert_string_equal(json_str(pod, "restartPolicy", NULL), "Never");
	assert_string_equal(json_str(pod, "serviceAccountName", NULL),
			    "orders");
	same_json(json_object_get(pod, "securityContext"), "{'runAsUser':7}");
	assert_int_equal(json_integer_value(json_at(
				 job, "spec", "activeDeadlineSeconds", NULL)),
			 HOOK_SECONDS);
}

static void an_image(void **state)
{
	auto_json json_t *job = job_of("r/db:{{env}} drop", true);
	const json_t *c = container(job);

	(void)state;
	assert_string_equal(json_str(c, "image", NULL), "r/db:dev.p");
	same_json(json_object_get(c, "args"), "['drop']");
	assert_null(json_object_get(c, "command"));
	assert_null(json_object_get(c, "imagePullPolicy"));
	assert_null(json_object_get(c, "volumeMounts"));
	assert_null(json_object_get(c, "workingDir"));
	assert_null(json_at(job, "spec", "template", "spec", "volumes", NULL));
	/* it waits, and outlives the environment */
	assert_null(json_at(job, "metadata", "ownerReferences", NULL));
	assert_int_equal(parallelism(job), 0);
	assert_null(json_at(job, "spec", "activeDeadlineSeconds", NULL));
}

/* What the server has written into the one that waits is not in the other */
static void one_that_waits_is_run(void **state)
{
	auto_json json_t *job = job_of("r/db drop", true), *fresh = NULL;
	auto_json json_t *labels =
		json_quoted("{'controller-uid':'x','job-name':'y',"
			    "'batch.kubernetes.io/controller-uid':'x',"
			    "'batch.kubernetes.io/job-name':'y'}");
	auto_json json_t *patch = NULL, *status = NULL;

	(void)state;
	json_object_update(
		json_at(job, "spec", "template", "metadata", "labels", NULL),
		labels);
	json_object_set_new(json_object_get(job, "metadata"), "uid",
			    json_string("u2"));
	fresh = hook_fresh(job);
	same_json(
		json_at(fresh, "spec", "template", "metadata", "labels", NULL),
		"{'kt-env':'dev.p','kt-role':'env-hook','tier':'back'}");
	assert_null(json_at(fresh, "metadata", "uid", NULL));
	assert_string_not_equal(object_name(fresh), object_name(job));
	assert_int_equal(parallelism(fresh), 1);
	/* or by itself: its deadline counts from when it was made */
	status = json_quoted("{'startTime':'2026-11-30T05:00:00Z'}");
	json_object_set(job, "status", status);
	patch = hook_run_patch(job, 1796014800 + 100);
	same_json(patch, "{'spec':{'parallelism':1,'activeDeadlineSeconds':700,"
			 "'ttlSecondsAfterFinished':3600}}");
}

static void expect_refused(const char *text, const char *why)
{
	struct kt_error err = { 0 };

	assert_null(hook_output(text, &err));
	assert_int_equal(err.code, EPROTO);
	if (!strstr(err.msg, why))
		fail_msg("%s: %s, not %s", text, err.msg, why);
}

static void output_is_variables(void **state)
{
	struct kt_error err = { 0 };
	auto_json json_t *vars = hook_output(
		"DB=shop_p\n\nURL=pg://u:p@h/d?a=b\n_x1=\nDB=again", &err);
	auto_json json_t *none = hook_output("", &err);

	(void)state;
	same_json(vars, "{'DB':'again','URL':'pg://u:p@h/d?a=b','_x1':''}");
	same_json(none, "{}");
}

static void hostile_output_is_refused(void **state)
{
	auto_free char *many = xstrdup("");
	char large[HOOK_OUTPUT_MAX + 1];
	char name[200];

	(void)state;
	expect_refused("DB", "no NAME=VALUE");
	expect_refused("=x", "no name");
	expect_refused("1A=x", "no name");
	expect_refused("A B=x", "no name");
	expect_refused("A\x1b[31m=x", "no name");
	expect_refused("export A=x", "no name");
	expect_refused("OK=1\nA=\x07", "line 2 of its output: the value of A");
	expect_refused("A=b\r\n", "control character");
	expect_refused("A=\xff\xfe", "not UTF-8");
	expect_refused("KT_ENV=other", "not for a hook");
	expect_refused("LD_PRELOAD=/tmp/x.so", "not for a hook");
	expect_refused("PATH=/tmp", "not for a hook");
	memset(large, 'a', sizeof(large));
	memcpy(large, "A=", 2);
	large[HOOK_OUTPUT_MAX] = '\0';
	expect_refused(large, "cut off");
	memset(name, 'A', sizeof(name));
	name[150] = '=';
	name[151] = '\0';
	expect_refused(name, "no name");
	for (int i = 0; i <= HOOK_VARIABLES; i++) {
		char *more = xasprintf("%sA%d=1\n", many, i);

		free(many);
		many = more;
	}
	expect_refused(many, "more than 64");
}

/* Nothing in a value is another variable's: the copy has what was written */
static void output_is_the_copys(void **state)
{
	auto_json json_t *copy = json_quoted(COPY);
	auto_json json_t *vars =
		json_quoted("{'DB':'$(SECRET)','NEW':'a$$b$'}");

	(void)state;
	hook_set_output(copy, "app", vars);
	same_json(json_object_get(
			  json_array_get(json_at(copy, "spec", "template",
						 "spec", "containers", NULL),
					 1),
			  "env"),
		  "[{'name':'KT_ENV','value':'dev.p'},{'name':'DB','value':"
		  "'$$(SECRET)'},{'name':'URL','value':'pg://$(DB)'},"
		  "{'name':'NEW','value':'a$$$$b$$'}]");
}

static void expect_report(const char *pods, bool ended, bool good, int status,
			  const char *message)
{
	auto_json json_t *list = json_quoted(pods);
	struct hook_report r;

	hook_report_make(&r, list);
	assert_int_equal(r.ended, ended);
	assert_int_equal(r.good, good);
	assert_int_equal(r.status, status);
	assert_string_equal(r.message, message);
}

static void its_pod_tells(void **state)
{
	(void)state;
	expect_report("[]", false, false, 0, "");
	expect_report("[{'status':{'phase':'Running','containerStatuses':[{"
		      "'name':'hook','state':{'running':{}}}]}}]",
		      false, false, 0, "");
	expect_report(
		"[{'status':{'phase':'Succeeded','containerStatuses':[{"
		"'name':'hook','state':{'terminated':{'exitCode':0,'message':"
		"'A=1'}}}]}}]",
		true, true, 0, "A=1");
	expect_report(
		"[{'status':{'phase':'Failed','containerStatuses':[{"
		"'name':'hook','state':{'terminated':{'exitCode':3}}}]}}]",
		true, false, 3, "");
	/* somebody's container beside it */
	expect_report("[{'status':{'phase':'Running','containerStatuses':[{"
		      "'name':'a','state':{'terminated':{'exitCode':1}}},{"
		      "'name':'hook','state':{'running':{}}}]}}]",
		      false, false, 0, "");
	expect_report("[{'status':{'phase':'Failed','message':'Pod was "
		      "evicted'}}]",
		      true, false, -1, "Pod was evicted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_of_the_member),
		cmocka_unit_test(an_image),
		cmocka_unit_test(one_that_waits_is_run),
		cmocka_unit_test(output_is_variables),
		cmocka_unit_test(hostile_output_is_refused),
		cmocka_unit_test(output_is_the_copys),
		cmocka_unit_test(its_pod_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
