/* SPDX-License-Identifier: Apache-2.0 */
/* A copy that gets ready, and the reasons of those that do not. */
#include "json.h"
#include "store.h"

#include "env/copy_state.h"
#include "env/copy_wait.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define NS "/api/v1/namespaces/ns"
#define PODS NS "/pods"
#define DEPLOYMENT "/apis/apps/v1/namespaces/ns/deployments/d"
#define READY "'conditions':[{'type':'Ready','status':'True'}]"

/* --- what Pods say -------------------------------------------------------- */

static void what_pods_say(void **state)
{
	static const struct {
		const char *pods;
		int replicas;
		const char *want; /* r: ready, f: failed, u, n, "": wait */
		const char *text; /* part of the reason, or of the progress */
		const char *crashed;
	} rows[] = {
		{ "[]", 1, "n", "", NULL },
		{ "[{'status':{" READY "}}]", 1, "r", "", NULL },
		{ "[{'status':{" READY "}},{'status':{}}]", 2, "",
		  "1 of 2 Pods", NULL },
		/* one that goes is not counted */
		{ "[{'metadata':{'deletionTimestamp':'x'},'status':{" READY
		  "}}]",
		  1, "n", "", NULL },
		/* neither is one that was evicted */
		{ "[{'status':{'phase':'Failed','reason':'Evicted'}}]", 1, "n",
		  "", NULL },
		{ "[{'status':{'containerStatuses':[{'name':'app','state':{"
		  "'running':{}},'ready':false}]}}]",
		  1, "", "container app: runs, but is not ready yet", NULL },
		{ "[{'metadata':{'name':'p','namespace':'ns'},'status':{"
		  "'containerStatuses':[{'name':'app','state':{'waiting':{"
		  "'reason':'ErrImagePull','message':'r/o:x not found'}}}]}}]",
		  1, "f",
		  "pod ns/p: its image cannot be pulled: ErrImagePull: r/o:x "
		  "not found",
		  NULL },
		{ "[{'metadata':{'name':'p','namespace':'ns'},'status':{"
		  "'containerStatuses':[{'name':'log','ready':true,'state':{"
		  "'running':{}}},{'name':'app','state':{'waiting':{'reason':"
		  "'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':"
		  "3}}}]}}]",
		  1, "f", "container app: pod ns/p: its container ends",
		  "app" },
		{ "[{'status':{'initContainerStatuses':[{'name':'migrate',"
		  "'state':{'waiting':{'reason':'CrashLoopBackOff'}}}],"
		  "'containerStatuses':[{'name':'app','state':{'waiting':{"
		  "'reason':'PodInitializing'}}}]}}]",
		  1, "f", "container migrate", "migrate" },
		/* it took four times, and was good then */
		{ "[{'status':{'initContainerStatuses':[{'name':'migrate',"
		  "'restartCount':4,'state':{'terminated':{'exitCode':0,"
		  "'reason':'Completed'}}}],'containerStatuses':[{'name':'app',"
		  "'state':{'waiting':{'reason':'PodInitializing'}}}]}}]",
		  1, "", "container app: PodInitializing", NULL },
		{ "[{'status':{'containerStatuses':[{'name':'app','state':{"
		  "'waiting':{'reason':'CreateContainerConfigError','message':"
		  "'configmap \\\"x\\\" not found'}}}]}}]",
		  1, "f", "configmap \"x\" not found", NULL },
		{ "[{'status':{'conditions':[{'type':'PodScheduled','status':"
		  "'False','reason':'Unschedulable','message':'0/3 nodes'}]}}]",
		  1, "u", "no node takes it: Unschedulable: 0/3 nodes", NULL },
		/* the worst of several */
		{ "[{'status':{}},{'status':{'containerStatuses':[{'name':"
		  "'app','state':{'waiting':{'reason':'ImagePullBackOff'}}}]}},"
		  "{'status':{'conditions':[{'type':'PodScheduled','status':"
		  "'False'}]}}]",
		  3, "f", "ImagePullBackOff", NULL },
		{ "[3,{},'x',{'status':{'containerStatuses':[1,{}]}}]", 1, "",
		  "container ?: ", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_json json_t *pods = json_quoted(rows[i].pods);
		struct copy_report r;
		const char *got;

		copy_report_make(&r, pods, rows[i].replicas);
		got = r.ready		? "r"
		      : r.failed	? "f"
		      : r.unschedulable ? "u"
		      : r.none		? "n"
					: "";
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("row %zu: '%s'", i, got);
		if (!strstr(r.failed || r.unschedulable ? r.why.msg : r.text,
			    rows[i].text))
			fail_msg("row %zu: %s, %s", i, r.text, r.why.msg);
		if (!str_eq(r.crashed, rows[i].crashed))
			fail_msg("row %zu: crashed", i);
	}
}

static void what_events_say(void **state)
{
	auto_json json_t *events = json_quoted(
		"[{'involvedObject':{'name':'p'},'type':'Warning','message':"
		"'new','lastTimestamp':'2026-01-01T00:00:09Z','reason':'x'},{"
		"'involvedObject':{'name':'p'},'type':'Warning','message':"
		"'old','eventTime':'2026-01-01T00:00:01Z'},{'involvedObject':{"
		"'name':'q'},'type':'Warning','message':'q'},{"
		"'involvedObject':{'name':'p'},'type':'Normal','message':"
		"'fine','lastTimestamp':'2027'},{'involvedObject':{'name':"
		"'q'},'reason':'TriggeredScaleUp'}]");
	bool grows;

	(void)state;
	assert_string_equal(copy_report_event(events, "p", &grows), "new");
	assert_false(grows);
	assert_string_equal(copy_report_event(events, "q", &grows), "q");
	assert_true(grows);
	assert_null(copy_report_event(events, "r", &grows));
}

/* --- in a cluster --------------------------------------------------------- */

struct cluster {
	struct store s;
	int lists; /* of Pods */
	int when;  /* at which list @then comes */
	const char *then;
	const char *log;   /* of the container before */
	const char *event; /* message of a warning about p */
	bool grows;
	bool forbidden; /* events and logs */
	int64_t nowhere;
	char told[400];
};

static void cluster_text(struct fake_conn *c, const char *text)
{
	fake_reply(c, 200, "Content-Type: text/plain\r\n", text);
}

static bool cluster_before(struct store *s, struct fake_conn *c,
			   const char *method, const char *path,
			   const json_t *body)
{
	struct cluster *k = s->user;
	auto_free char *text = NULL;

	(void)method;
	(void)body;
	if (strcmp(path, PODS) == 0 && ++k->lists == k->when)
		store_put(s, PODS "/p", json_quoted(k->then));
	if (k->forbidden &&
	    (str_ends(path, "/log") || str_ends(path, "/events"))) {
		fake_reply(c, 403, "Content-Type: application/json\r\n",
			   "{\"kind\":\"Status\",\"message\":\"no\"}");
		return true;
	}
	if (str_ends(path, "/log")) {
		cluster_text(c, k->log ? k->log : "");
		return true;
	}
	if (!str_ends(path, "/events"))
		return false;
	text = xasprintf("{\"items\":[{\"involvedObject\":{\"name\":\"p\"},"
			 "\"type\":\"%s\",\"reason\":\"%s\",\"message\":"
			 "\"%s\"}]}",
			 k->event ? "Warning" : "Normal",
			 k->grows ? "TriggeredScaleUp" : "x",
			 k->event ? k->event : "m");
	fake_reply(c, 200, "Content-Type: application/json\r\n", text);
	return true;
}

static void cluster_told(void *user, const char *text)
{
	struct cluster *k = user;
	size_t n = strlen(k->told);

	snprintf(k->told + n, sizeof(k->told) - n, "%s|", text);
}

static int cluster_wait(struct cluster *k, const char *pod, int64_t seconds,
			struct kt_error *err)
{
	auto_json json_t *selector = json_quoted("{'kt-env':'e'}");
	const struct copy_wait what = { .ns = "ns",
					.deployment = "d",
					.selector = selector,
					.replicas = 1,
					.timeout_ns = seconds * NS_SEC,
					.nowhere_ns = k->nowhere * NS_SEC,
					.progress = cluster_told,
					.user = k };

	store_init(&k->s);
	k->s.user = k;
	k->s.before = cluster_before;
	if (pod)
		store_put(&k->s, PODS "/p", json_quoted(pod));
	if (!store_get(&k->s, DEPLOYMENT))
		store_put(&k->s, DEPLOYMENT, json_quoted("{'metadata':{}}"));
	return copy_wait_ready(k->s.w.kube, &what, err);
}

#define POD(status)                                                            \
	"{'metadata':{'name':'p','namespace':'ns','labels':{'kt-env':'e'}},"   \
	"'status':{" status "}}"
#define RUNS                                                                   \
	"'containerStatuses':[{'name':'app','ready':false,'state':{"           \
	"'running':{}}}]"
#define CRASHED                                                                \
	"'containerStatuses':[{'name':'app','state':{'waiting':{'reason':"     \
	"'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':1}}}]"
#define NOWHERE                                                                \
	"'conditions':[{'type':'PodScheduled','status':'False','reason':"      \
	"'Unschedulable','message':'0/1 nodes'}]"

static void it_gets_ready(void **state)
{
	struct cluster k = { .when = 3, .then = POD(READY) };
	struct kt_error err = { 0 };

	(void)state;
	if (cluster_wait(&k, POD(RUNS), 60, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(k.lists, 3);
	assert_string_equal(k.told,
			    "container app: runs, but is not ready yet|");
	store_fini(&k.s);
}

static void its_last_words(void **state)
{
	struct cluster k = { .log = "starting\npanic: no database\n\n" };
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(cluster_wait(&k, POD(CRASHED), 60, &err), -EIO);
	assert_non_null(strstr(err.msg, "exit status 1"));
	assert_non_null(strstr(err.msg, "it said last: panic: no database"));
	assert_int_equal(k.lists, 1);
	store_fini(&k.s);
}

static void logs_that_may_not_be_read(void **state)
{
	struct cluster k = { .log = "secret", .forbidden = true };
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(cluster_wait(&k, POD(CRASHED), 60, &err), -EIO);
	assert_non_null(strstr(err.msg, "exit status 1"));
	assert_null(strstr(err.msg, "secret"));
	store_fini(&k.s);
}

static void quota(void **state)
{
	struct cluster k = { 0 };
	struct kt_error err = { 0 };
	auto_json json_t *d = json_quoted(
		"{'metadata':{'name':'d','namespace':'ns'},'status':{"
		"'conditions':[{'type':'ReplicaFailure','status':'True',"
		"'reason':'FailedCreate','message':'exceeded quota: small'}"
		"]}}");

	(void)state;
	assert_int_equal(copy_report_deployment(d, &err), -EPERM);
	assert_non_null(strstr(err.msg, "deployment ns/d: no pod is made: "
					"FailedCreate: exceeded quota: small"));
	json_object_del(d, "status");
	assert_int_equal(copy_report_deployment(d, &err), 0);
	/* asked for only while there is no Pod */
	assert_int_equal(cluster_wait(&k, NULL, 3, &err), -ETIMEDOUT);
	store_fini(&k.s);
}

static bool full(struct store *s, struct fake_conn *c, const char *method,
		 const char *path, const json_t *body)
{
	(void)s;
	(void)method;
	(void)body;
	if (strcmp(path, DEPLOYMENT) != 0)
		return false;
	fake_reply(c, 200, "Content-Type: application/json\r\n",
		   "{\"status\":{\"conditions\":[{\"type\":\"ReplicaFailure\","
		   "\"status\":\"True\",\"message\":\"exceeded quota\"}]}}");
	return true;
}

static void quota_in_a_cluster(void **state)
{
	auto_json json_t *selector = json_quoted("{'kt-env':'e'}");
	const struct copy_wait what = { .ns = "ns",
					.deployment = "d",
					.selector = selector,
					.replicas = 1,
					.timeout_ns = 60 * NS_SEC };
	struct kt_error err = { 0 };
	struct store s;

	(void)state;
	store_init(&s);
	s.before = full;
	assert_int_equal(copy_wait_ready(s.w.kube, &what, &err), -EPERM);
	assert_non_null(strstr(err.msg, "exceeded quota"));
	store_fini(&s);
}

static void time_is_over(void **state)
{
	struct cluster k = { .event = "Readiness probe failed: 503" };
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(cluster_wait(&k, POD(RUNS), 4, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.msg,
			       "deployment ns/d is not ready after 4 s: "
			       "container app: runs, but is not ready yet: "
			       "Readiness probe failed: 503"));
	assert_non_null(strstr(err.hint, "--podCreationTimeout"));
	store_fini(&k.s);
}

/* Well before the time is over, but not at once */
static void no_node(void **state)
{
	struct cluster k = { .forbidden = true, .nowhere = 2 };
	struct kt_error err = { 0 };
	int64_t start = clock_ns();

	(void)state;
	assert_int_equal(cluster_wait(&k, POD(NOWHERE), 300, &err), -EAGAIN);
	assert_non_null(strstr(err.msg, "0/1 nodes"));
	assert_true(clock_ns() - start >= 2 * NS_SEC);
	store_fini(&k.s);
}

static void a_node_is_on_its_way(void **state)
{
	struct cluster k = { .grows = true,
			     .when = 13, /* some 6 s */
			     .nowhere = 4,
			     .then = POD(READY) };
	struct kt_error err = { 0 };

	(void)state;
	if (cluster_wait(&k, POD(NOWHERE), 300, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(k.lists, 13);
	store_fini(&k.s);
}

static void interrupted(void **state)
{
	struct cluster k = { 0 };
	struct kt_error err = { 0 };
	auto_json json_t *selector = json_quoted("{'kt-env':'e'}");
	const struct copy_wait what = { .ns = "ns",
					.deployment = "d",
					.selector = selector,
					.replicas = 1,
					.timeout_ns = 60 * NS_SEC };

	(void)state;
	store_init(&k.s);
	loop_interrupt(k.s.w.loop);
	assert_int_equal(copy_wait_ready(k.s.w.kube, &what, &err), -EINTR);
	store_fini(&k.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_pods_say),
		cmocka_unit_test(what_events_say),
		cmocka_unit_test(it_gets_ready),
		cmocka_unit_test(its_last_words),
		cmocka_unit_test(logs_that_may_not_be_read),
		cmocka_unit_test(quota),
		cmocka_unit_test(quota_in_a_cluster),
		cmocka_unit_test(time_is_over),
		cmocka_unit_test(no_node),
		cmocka_unit_test(a_node_is_on_its_way),
		cmocka_unit_test(interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
