/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "cluster/podstate.h"
#include "cluster/program.h"

#include <errno.h>
#include <string.h>

/* Quotes are written ' in these objects. */
static struct pod_report judge(const char *status)
{
	struct pod_report r;
	char text[2048];
	json_t *pod;

	snprintf(text, sizeof(text),
		 "{'metadata':{'namespace':'ns','name':'p'},'status':%s}",
		 status);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	pod = json_loads(text, 0, NULL);
	assert_non_null(pod);
	pod_report_make(&r, pod);
	json_decref(pod);
	return r;
}

#define WAITING(reason, message)                                               \
	"{'phase':'Pending','containerStatuses':[{'name':'standalone','state'" \
	":{'waiting':{"                                                        \
	"'reason':'" reason "','message':'" message "'}}}]}"

static void waits_and_runs(void **state)
{
	struct pod_report r = judge("{'phase':'Pending'}");

	(void)state;
	assert_int_equal(r.state, POD_WAITING);
	r = judge(WAITING("ContainerCreating", ""));
	assert_int_equal(r.state, POD_WAITING);
	assert_string_equal(r.text, "ContainerCreating");
	r = judge("{'phase':'Running','containerStatuses':[{'name':'standalone'"
		  ",'state':"
		  "{'running':{}}}]}");
	assert_int_equal(r.state, POD_RUNNING);
	r = judge("{}");
	assert_int_equal(r.state, POD_WAITING);
}

static void tells_image_failures(void **state)
{
	static const char *const reasons[] = {
		WAITING("ErrImagePull", "no such image"),
		WAITING("ImagePullBackOff", "no such image"),
		WAITING("ErrImageNeverPull", "no such image"),
		WAITING("InvalidImageName", "no such image"),
		WAITING("CreateContainerConfigError", "no such image"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct pod_report r = judge(reasons[i]);

		assert_int_equal(r.state, POD_FAILED);
		assert_non_null(strstr(r.why.msg, "pod ns/p: "));
		assert_non_null(strstr(r.why.msg, "no such image"));
		assert_non_null(strstr(reasons[i], r.why.reason));
	}
}

static void tells_crashes_with_last_words(void **state)
{
	struct pod_report r = judge(
		"{'phase':'Running','containerStatuses':[{'name':'standalone','"
		"restartCount':2,"
		"'state':{'waiting':{'reason':'CrashLoopBackOff','message':"
		"'back-off 10s'}},'lastState':{'terminated':{'exitCode':3,"
		"'reason':'Error','message':'cannot listen\\n'}}}]}");

	(void)state;
	assert_int_equal(r.state, POD_FAILED);
	assert_non_null(strstr(r.why.msg, "CrashLoopBackOff: exit status 3: "
					  "cannot listen"));
	/* the first ends may be followed by a good start */
	r = judge("{'phase':'Running','containerStatuses':[{'name':'standalone'"
		  ",'restartCount':0,"
		  "'state':{'terminated':{'exitCode':1}}}]}");
	assert_int_equal(r.state, POD_WAITING);
	r = judge("{'phase':'Running','containerStatuses':[{'name':'standalone'"
		  ",'restartCount':3,"
		  "'state':{'terminated':{'exitCode':1,'reason':'Error'}}}]}");
	assert_int_equal(r.state, POD_FAILED);
}

static void tells_ends(void **state)
{
	struct pod_report r =
		judge("{'phase':'Failed','reason':'SysctlForbidden',"
		      "'message':'forbidden sysctl'}");

	(void)state;
	assert_int_equal(r.state, POD_FAILED);
	assert_string_equal(r.why.reason, "SysctlForbidden");
	assert_non_null(strstr(r.why.msg, "forbidden sysctl"));
	r = judge("{'phase':'Succeeded','containerStatuses':[{'name':'"
		  "standalone','state':"
		  "{'terminated':{'exitCode':0,'reason':'Completed'}}}]}");
	assert_int_equal(r.state, POD_FAILED);
	assert_non_null(strstr(r.why.msg, "Completed: exit status 0"));
}

static void tells_unscheduled(void **state)
{
	struct pod_report r =
		judge("{'phase':'Pending','conditions':[{'type':'PodScheduled',"
		      "'status':'False','reason':'Unschedulable','message':"
		      "'0/1 nodes are available'}]}");

	(void)state;
	assert_int_equal(r.state, POD_UNSCHEDULABLE);
	assert_non_null(strstr(r.why.msg, "Unschedulable: 0/1 nodes"));
	assert_non_null(strstr(r.why.hint, "check --nodeSelector and "));
	/* a client of one architecture, nodes of the other */
	r = judge("{'conditions':[{'type':'PodScheduled','status':'False',"
		  "'reason':'Unschedulable'}]},"
		  "'spec':{'nodeSelector':{'kubernetes.io/arch':'arm64'}}");
	assert_int_equal(r.state, POD_UNSCHEDULABLE);
	assert_non_null(strstr(r.why.hint, "(it asks for "
					   "kubernetes.io/arch=arm64)"));
	assert_null(strstr(r.why.hint, "another architecture"));
}

/* The scheduler's words for it, of old and of new; the shadow for other nodes
 * is named when there is one (not in a sanitized build), as they may be what
 * the cluster has */
static void names_the_other_architecture(void **state)
{
	static const char *const said[] = {
		"0/3 nodes are available: 3 node(s) did not match Pod node "
		"affinity/selector. preemption: 0/3 nodes are available",
		"0/1 nodes are available: 1 node(s) did not match node "
		"selector.",
	};
	static const char *const archs[] = { "amd64", "arm64" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(said) * 2; i++) {
		auto_free char *status = xasprintf(
			"{'conditions':[{'type':'PodScheduled','status':'False'"
			",'reason':'Unschedulable','message':'%s'}]},'spec':{"
			"'nodeSelector':{'kubernetes.io/arch':'%s'}}",
			said[i / 2], archs[i % 2]);
		auto_free char *way =
			xasprintf(": --nodeSelector kubernetes.io/arch=%s",
				  archs[!(i % 2)]);
		struct pod_report r = judge(status);

		assert_int_equal(strstr(r.why.hint, way) != NULL,
				 program_for(archs[!(i % 2)]) != NULL);
	}
}

/* On a node of another kind it never comes: told at once, with the node */
#define ENDED                                                                  \
	"{'containerStatuses':[{'name':'standalone','restartCount':0,'state':" \
	"{'terminated':{'exitCode':255,'reason':'Error','message':'exec "      \
	"/shadow: exec format error\\n'}}}]}"
#define NOT_PULLED                                                             \
	"{'containerStatuses':[{'name':'standalone','state':{'waiting':{"      \
	"'reason':'ErrImagePull','message':'failed to pull: no match for "     \
	"platform in manifest: not found'}}}]}"
#define REFUSED                                                                \
	"{'phase':'Failed','reason':'NodeAffinity','message':'Predicate "      \
	"NodeAffinity failed'}"

static void names_a_node_of_another_kind(void **state)
{
	static const char *const all[] = { ENDED, NOT_PULLED, REFUSED };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		auto_free char *status =
			xasprintf("%s,'spec':{'nodeName':'pi','nodeSelector':{"
				  "'kubernetes.io/arch':'amd64'}}",
				  all[i]);
		struct pod_report r = judge(status);

		assert_int_equal(r.state, POD_FAILED);
		assert_non_null(strstr(r.why.hint, "node pi cannot run it: it "
						   "is made for linux/amd64"));
	}
}

/* istio-proxy sorts before standalone */
#define BESIDE(state, ours)                                                    \
	"{'phase':'Running','containerStatuses':[{'name':'istio-proxy',"       \
	"'restartCount':7,'state':" state "},{'name':'standalone',"            \
	"'restartCount':0,'state':" ours "}]}"

static void knows_its_own_container(void **state)
{
	struct pod_report r = judge(
		BESIDE("{'running':{}}",
		       "{'waiting':{'reason':'ErrImagePull','message':'no'}}"));

	(void)state;
	assert_int_equal(r.state, POD_FAILED);
	assert_string_equal(r.why.reason, "ErrImagePull");
	r = judge(BESIDE("{'terminated':{'exitCode':1,'reason':'Error'}}",
			 "{'running':{}}"));
	assert_int_equal(r.state, POD_RUNNING);
	r = judge(BESIDE("{'waiting':{'reason':'CrashLoopBackOff'}}",
			 "{'waiting':{'reason':'ContainerCreating'}}"));
	assert_int_equal(r.state, POD_WAITING);
	assert_string_equal(r.text, "ContainerCreating");
	r = judge("{'phase':'Failed','containerStatuses':["
		  "{'name':'istio-proxy','state':{'terminated':{'exitCode':0,"
		  "'reason':'Completed'}}},{'name':'standalone','state':"
		  "{'terminated':{'exitCode':9,'reason':'Error'}}}]}");
	assert_non_null(strstr(r.why.msg, "Error: exit status 9"));
	/* ours is not there yet, whatever the other does */
	r = judge("{'phase':'Running','containerStatuses':["
		  "{'name':'istio-proxy','state':{'running':{}}}]}");
	assert_int_equal(r.state, POD_WAITING);
}

/* A gate beside the router: without it nobody gets in */
static void tells_why_its_gate_ends(void **state)
{
#define GATED(gate)                                                            \
	"{'phase':'Running','containerStatuses':[{'name':'standalone',"        \
	"'state':{'running':{}}},{'name':'tls'," gate "}]}"
#define GATE_ENDED                                                             \
	"{'terminated':{'exitCode':1,'reason':'Error','message':'no key'}}"
	struct pod_report r = judge(GATED("'state':{'running':{}}"));

	(void)state;
	assert_int_equal(r.state, POD_RUNNING);
	r = judge(GATED("'state':{'waiting':{'reason':'ContainerCreating'}}"));
	assert_int_equal(r.state, POD_WAITING);
	r = judge(GATED("'restartCount':0,'state':" GATE_ENDED));
	assert_int_equal(r.state, POD_WAITING);
	r = judge(GATED("'restartCount':1,'lastState':" GATE_ENDED
			",'state':{'running':{}}"));
	assert_int_equal(r.state, POD_RUNNING);
	r = judge(GATED("'restartCount':1,'lastState':" GATE_ENDED
			",'state':{'waiting':{'reason':'CrashLoopBackOff'}}"));
	assert_int_equal(r.state, POD_FAILED);
	assert_non_null(strstr(r.why.msg, "its gate for TLS ends: Error: exit "
					  "status 1: no key"));
	assert_non_null(strstr(r.why.hint, "--tlsSecret"));
}

/* What runc, crun and an older shadow say */
static void names_an_image_without_a_gate(void **state)
{
#define NO_GATE                                                                \
	"failed to create containerd task: failed to create shim task: OCI "   \
	"runtime create failed: runc create failed: unable to start "          \
	"container process: exec: \\\"/gate\\\": stat /gate: no such file or " \
	"directory: unknown"
#define NO_CARET                                                               \
	"shadow: SHADOW_SERVE: \\u00278443^=10.0.0.1:8443\\u0027 is not "      \
	"PORT[/udp][!][=HOST:PORT][~PROTO], or the port is there twice"
	static const char *const said[] = {
		GATED("'state':{'waiting':{'reason':'RunContainerError',"
		      "'message':'" NO_GATE "'}}"),
		WAITING("RunContainerError", NO_GATE),
		WAITING("CreateContainerError",
			"executable file `/gate` not found: No such file or "
			"directory"),
		"{'phase':'Running','containerStatuses':[{'name':'standalone',"
		"'restartCount':2,'state':{'waiting':{'reason':"
		"'CrashLoopBackOff'}},'lastState':{'terminated':{'exitCode':1,"
		"'message':'" NO_CARET "'}}}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		struct pod_report r = judge(said[i]);

		assert_int_equal(r.state, POD_FAILED);
		assert_non_null(strstr(r.why.hint, "had no gate yet"));
	}
}

static void tells_init_containers(void **state)
{
	struct pod_report r =
		judge("{'phase':'Pending','initContainerStatuses':["
		      "{'name':'done','state':{'terminated':{'exitCode':0,"
		      "'reason':'Completed'}}},{'name':'istio-init','state':"
		      "{'waiting':{'reason':'ImagePullBackOff'}}}],"
		      "'containerStatuses':[{'name':'standalone','state':"
		      "{'waiting':{'reason':'PodInitializing'}}}]}");

	(void)state;
	assert_int_equal(r.state, POD_WAITING);
	assert_string_equal(r.text,
			    "init container istio-init: ImagePullBackOff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_and_runs),
		cmocka_unit_test(tells_image_failures),
		cmocka_unit_test(tells_crashes_with_last_words),
		cmocka_unit_test(tells_ends),
		cmocka_unit_test(tells_unscheduled),
		cmocka_unit_test(names_the_other_architecture),
		cmocka_unit_test(names_a_node_of_another_kind),
		cmocka_unit_test(knows_its_own_container),
		cmocka_unit_test(tells_why_its_gate_ends),
		cmocka_unit_test(names_an_image_without_a_gate),
		cmocka_unit_test(tells_init_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
