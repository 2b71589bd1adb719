/* SPDX-License-Identifier: Apache-2.0 */
/* Which workload is behind a Service, and what its Pods are made of. */
#include "json.h"
#include "store.h"

#include "env/workload.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define NS "/api/v1/namespaces/ns"
#define APPS "/apis/apps/v1/namespaces/ns"

static void same_json(const json_t *got, const char *want)
{
	auto_json json_t *w = json_quoted(want);
	auto_free char *text = json_dumps(got, JSON_ENCODE_ANY);

	if (!json_equal(got, w))
		fail_msg("%s, not %s", text ? text : "nothing", want);
}

/* --- who makes a Pod ------------------------------------------------------ */

#define OWNED(labels, kind, name)                                              \
	"{'metadata':{'name':'web-7d-x','labels':{" labels                     \
	"},'ownerReferences':[{'kind':'Other','name':'o'},{'kind':'" kind      \
	"','name':'" name "','controller':true}]}}"

static void who_makes_a_pod(void **state)
{
	static const struct {
		const char *pod, *kind, *name;
	} rows[] = {
		{ "{'metadata':{'name':'p'}}", "Pod", "p" },
		{ OWNED("'pod-template-hash':'7d'", "ReplicaSet", "web-7d"),
		  "Deployment", "web" },
		{ OWNED("'rollouts-pod-template-hash':'7d'", "ReplicaSet",
			"web-7d"),
		  "Rollout", "web" },
		{ OWNED("", "ReplicaSet", "web"), "ReplicaSet", "web" },
		{ OWNED("'pod-template-hash':'8'", "ReplicaSet", "web-7d"),
		  "ReplicaSet", "web-7d" },
		{ OWNED("'pod-template-hash':'7d'", "ReplicaSet", "-7d"),
		  "ReplicaSet", "-7d" },
		{ OWNED("", "StatefulSet", "db"), "StatefulSet", "db" },
		{ OWNED("", "DaemonSet", "d"), "DaemonSet", "d" },
		{ OWNED("'deployment':'w-3'", "ReplicationController", "w-3"),
		  "ReplicationController", "w-3" },
		{ "{'metadata':{'name':'p','ownerReferences':[{'kind':'Node',"
		  "'name':'n'},3,{'controller':true}]}}",
		  "Pod", "p" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_json json_t *pod = json_quoted(rows[i].pod);
		struct workload_ref r;

		workload_ref_of(&r, pod);
		if (strcmp(r.kind, rows[i].kind) != 0 ||
		    strcmp(r.name, rows[i].name) != 0)
			fail_msg("row %zu: %s %s", i, r.kind, r.name);
		workload_ref_fini(&r);
	}
}

/* --- which one ------------------------------------------------------------ */

#define PODOF(name, set, made, ready)                                          \
	"{'metadata':{'name':'" name "','creationTimestamp':'" made            \
	"','ownerReferences':[{'kind':'StatefulSet','name':'" set              \
	"','controller':true}]},'status':{'conditions':[{'type':'Ready',"      \
	"'status':'" ready "'}]}}"

static void which_one(void **state)
{
	static const struct {
		const char *pods, *want, *others;
	} rows[] = {
		{ "[]", NULL, NULL },
		{ "[" PODOF("a-0", "a", "1", "True") "]", "a-0", NULL },
		/* most ready ones, however new the others are */
		{ "[" PODOF("b-0", "b", "9", "True") "," PODOF(
			  "a-0", "a", "1", "True") "," PODOF("a-1", "a", "2",
							     "True") "]",
		  "a-1", "StatefulSet b" },
		{ "[" PODOF("b-0", "b", "9", "False") "," PODOF("a-0", "a", "1",
								"True") "]",
		  "a-0", "StatefulSet b" },
		/* the newest that is ready, of one */
		{ "[" PODOF("a-2", "a", "3", "False") "," PODOF(
			  "a-0", "a", "1", "True") "," PODOF("a-1", "a", "2",
							     "True") "]",
		  "a-1", NULL },
		/* as many: the newest */
		{ "[" PODOF("a-0", "a", "1", "True") "," PODOF(
			  "b-0", "b", "2", "True") "," PODOF("c-0", "c", "0",
							     "True") "]",
		  "b-0", "StatefulSet a, StatefulSet c" },
		/* names decide at last, whatever the order */
		{ "[" PODOF("b-0", "b", "1", "True") "," PODOF("a-0", "a", "1",
							       "True") "]",
		  "a-0", "StatefulSet b" },
		/* ours are none */
		{ "[{'metadata':{'name':'r','labels':{'kt-role':'router'}}},{"
		  "'metadata':{'name':'m','labels':{'kt-env':'e'}}}]",
		  NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_json json_t *pods = json_quoted(rows[i].pods);
		auto_free char *others = NULL;
		const json_t *pod = workload_pick(pods, &others);
		const char *name = json_str(pod, "metadata", "name", NULL);

		if (!str_eq(name, rows[i].want) ||
		    !str_eq(others, rows[i].others))
			fail_msg("row %zu: %s; %s", i, name ? name : "none",
				 others ? others : "none");
	}
}

/* --- what a Pod was made of ----------------------------------------------- */

/* As a cluster with Istio has it */
static void a_pods_template(void **state)
{
	auto_json json_t *pod = json_quoted(
		"{'metadata':{'name':'web-7d-x','generateName':'web-7d-',"
		"'uid':'u','labels':{'app':'web','pod-template-hash':'7d',"
		"'deployment':'web','security.istio.io/tlsMode':'istio'},"
		"'annotations':{'note':'x','cni.projectcalico.org/podIP':'1',"
		"'sidecar.istio.io/status':'{\\\"containers\\\":[\\\"istio-"
		"proxy\\\"],\\\"initContainers\\\":[\\\"istio-init\\\","
		"\\\"custom-init\\\"],\\\"volumes\\\":[\\\"workload-certs\\\","
		"\\\"istio-token\\\"]}'}},'spec':{'nodeName':'n1',"
		"'serviceAccount':'shop','serviceAccountName':'shop',"
		"'priority':0,'preemptionPolicy':'PreemptLowerPriority',"
		"'priorityClassName':'high','enableServiceLinks':true,"
		"'tolerations':[{'key':'node.kubernetes.io/not-ready',"
		"'operator':'Exists','effect':'NoExecute',"
		"'tolerationSeconds':300},{'key':'node.kubernetes.io/"
		"unreachable','operator':'Exists','effect':'NoExecute',"
		"'tolerationSeconds':30},{'key':'gpu','operator':'Exists'}],"
		"'volumes':[{'name':'c','configMap':{'name':'c'}},{'name':"
		"'kube-api-access-2x7lm','projected':{}},{'name':"
		"'workload-certs','emptyDir':{}},{'name':'istio-envoy',"
		"'emptyDir':{}}],'initContainers':[{'name':'istio-init'},{"
		"'name':'custom-init'},{'name':'migrate','volumeMounts':[{"
		"'name':'kube-api-access-2x7lm','mountPath':'/t'}]}],"
		"'containers':[{'name':'app','volumeMounts':[{'name':'c',"
		"'mountPath':'/c'},{'name':'workload-certs','mountPath':"
		"'/w'},{'name':'kube-api-access-2x7lm','mountPath':'/t'}]},{"
		"'name':'istio-proxy'}],'ephemeralContainers':[{}]},"
		"'status':{'phase':'Running'}}");
	auto_json json_t *before = json_deep_copy(pod);
	auto_json json_t *got = workload_pod_template(pod);

	(void)state;
	same_json(got,
		  "{'metadata':{'labels':{'app':'web','deployment':'web'},"
		  "'annotations':{'note':'x'}},'spec':{'serviceAccountName':"
		  "'shop','priorityClassName':'high','enableServiceLinks':"
		  "true,'tolerations':[{'key':'node.kubernetes.io/"
		  "unreachable','operator':'Exists','effect':'NoExecute',"
		  "'tolerationSeconds':30},{'key':'gpu','operator':'Exists'}],"
		  "'volumes':[{'name':'c','configMap':{'name':'c'}}],"
		  "'initContainers':[{'name':'migrate','volumeMounts':[]}],"
		  "'containers':[{'name':'app','volumeMounts':[{'name':'c',"
		  "'mountPath':'/c'}]}]}}");
	assert_true(json_equal(pod, before));
}

static void other_things_put_in(void **state)
{
	static const struct {
		const char *pod, *want;
	} rows[] = {
		/* Linkerd says so on labels and annotations */
		{ "{'metadata':{'labels':{'app':'w','linkerd.io/control-plane-"
		  "ns':'l'},'annotations':{'linkerd.io/proxy-version':'2',"
		  "'linkerd.io/inject':'enabled'}},'spec':{'containers':[{"
		  "'name':'linkerd-proxy'},{'name':'app'}],'volumes':[{"
		  "'name':'linkerd-identity-token'}]}}",
		  "{'metadata':{'labels':{'app':'w'},'annotations':{"
		  "'linkerd.io/inject':'enabled'}},'spec':{'containers':[{"
		  "'name':'app'}],'volumes':[]}}" },
		/* with no sign of an injector it is the user's own */
		{ "{'metadata':{},'spec':{'containers':[{'name':'istio-proxy'}"
		  ",{'name':'app'}]}}",
		  "{'metadata':{},'spec':{'containers':[{'name':"
		  "'istio-proxy'},{'name':'app'}]}}" },
		/* the status may be anything */
		{ "{'metadata':{'annotations':{'sidecar.istio.io/status':"
		  "'[1'}},'spec':{'containers':[{'name':'istio-proxy'},{"
		  "'name':'app'},7]}}",
		  "{'metadata':{'annotations':{}},'spec':{'containers':[{"
		  "'name':'app'},7]}}" },
		/* Kubernetes before 1.21 */
		{ "{'metadata':{},'spec':{'serviceAccountName':'shop',"
		  "'volumes':[{'name':'shop-token-4kx2p','secret':{}},{"
		  "'name':'shop-data'}]}}",
		  "{'metadata':{},'spec':{'serviceAccountName':'shop',"
		  "'volumes':[{'name':'shop-data'}]}}" },
		/* a StatefulSet's name of its own */
		{ "{'metadata':{'name':'db-0'},'spec':{'hostname':'db-0',"
		  "'subdomain':'db'}}",
		  "{'metadata':{},'spec':{}}" },
		{ "{'metadata':{'name':'db-0'},'spec':{'hostname':'h',"
		  "'subdomain':'db'}}",
		  "{'metadata':{},'spec':{'hostname':'h','subdomain':'db'}}" },
		/* a DaemonSet's node */
		{ "{'metadata':{},'spec':{'affinity':{'nodeAffinity':{"
		  "'requiredDuringSchedulingIgnoredDuringExecution':{"
		  "'nodeSelectorTerms':[{'matchFields':[{'key':"
		  "'metadata.name'}]}]}}}}}",
		  "{'metadata':{},'spec':{'affinity':{'nodeAffinity':{}}}}" },
		{ "{'metadata':{},'spec':{'affinity':{'nodeAffinity':{"
		  "'requiredDuringSchedulingIgnoredDuringExecution':{"
		  "'nodeSelectorTerms':[{'matchFields':[{}],"
		  "'matchExpressions':[{'key':'disk'}]}]}}}}}",
		  "{'metadata':{},'spec':{'affinity':{'nodeAffinity':{"
		  "'requiredDuringSchedulingIgnoredDuringExecution':{"
		  "'nodeSelectorTerms':[{'matchExpressions':[{'key':'disk'}"
		  "]}]}}}}}" },
		{ "{}", "{'metadata':{},'spec':{}}" },
		{ "{'metadata':3,'spec':[]}", "{'metadata':{},'spec':{}}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_json json_t *pod = json_quoted(rows[i].pod);
		auto_json json_t *got = workload_pod_template(pod);

		same_json(got, rows[i].want);
	}
}

/* --- in a cluster --------------------------------------------------------- */

struct cluster {
	struct store s;
	const char *forbidden; /* part of a path, or NULL */
	struct workload w;
	struct kt_error err;
};

static bool cluster_before(struct store *s, struct fake_conn *c,
			   const char *method, const char *path,
			   const json_t *body)
{
	const struct cluster *k = s->user;

	(void)method;
	(void)body;
	if (!k->forbidden || !strstr(path, k->forbidden))
		return false;
	fake_reply(c, 403, "Content-Type: application/json\r\n",
		   "{\"kind\":\"Status\",\"message\":\"not allowed\"}");
	return true;
}

static void cluster_init(struct cluster *k)
{
	memset(k, 0, sizeof(*k));
	store_init(&k->s);
	k->s.user = k;
	k->s.before = cluster_before;
}

static int cluster_find(struct cluster *k)
{
	auto_json json_t *selector = json_quoted("{'app':'web'}");

	return workload_find(k->s.w.kube, "ns", "web", selector, &k->w,
			     &k->err);
}

static void cluster_fini(struct cluster *k)
{
	workload_fini(&k->w);
	store_fini(&k->s);
}

#define POD                                                                    \
	"{'metadata':{'name':'web-7d-x','labels':{'app':'web',"                \
	"'pod-template-hash':'7d'},'ownerReferences':[{'kind':'ReplicaSet',"   \
	"'name':'web-7d','controller':true}]},'spec':{'nodeName':'n',"         \
	"'containers':[{'name':'app'}]}}"
#define DEPLOYMENT                                                             \
	"{'metadata':{'name':'web'},'spec':{'selector':{'matchLabels':{"       \
	"'app':'web'}},'template':{'metadata':{'labels':{'app':'web'}},"       \
	"'spec':{'containers':[{'name':'meant'}]}}}}"

static void a_deployment(void **state)
{
	auto_free char *text = NULL;
	struct cluster k;

	(void)state;
	cluster_init(&k);
	store_put(&k.s, NS "/pods/web-7d-x", json_quoted(POD));
	store_put(&k.s, NS "/pods/m",
		  json_quoted("{'metadata':{'name':'m','labels':{'app':'web',"
			      "'kt-env':'e'}}}"));
	store_put(&k.s, APPS "/deployments/web", json_quoted(DEPLOYMENT));
	if (cluster_find(&k) < 0)
		fail_msg("%s", k.err.msg);
	text = workload_text(&k.w);
	assert_string_equal(text, "Deployment web");
	assert_false(k.w.from_pod);
	assert_null(k.w.others);
	assert_int_equal(json_array_size(k.w.pods), 1);
	same_json(k.w.selector, "{'app':'web'}");
	same_json(json_at(k.w.template, "spec", NULL),
		  "{'containers':[{'name':'meant'}]}");
	cluster_fini(&k);
}

static void a_deployment_that_may_not_be_read(void **state)
{
	struct cluster k;

	(void)state;
	cluster_init(&k);
	k.forbidden = "/deployments";
	store_put(&k.s, NS "/pods/web-7d-x", json_quoted(POD));
	if (cluster_find(&k) < 0)
		fail_msg("%s", k.err.msg);
	assert_true(k.w.from_pod);
	assert_string_equal(k.w.kind, "Deployment");
	assert_string_equal(k.w.name, "web");
	same_json(k.w.template, "{'metadata':{'labels':{'app':'web'}},'spec':{"
				"'containers':[{'name':'app'}]}}");
	cluster_fini(&k);
}

static void a_statefulset(void **state)
{
	static const char pod[] =
		"{'metadata':{'name':'db-0','labels':{'app':'web'},"
		"'ownerReferences':[{'kind':'StatefulSet','name':'db',"
		"'controller':true}]},'spec':{'volumes':[{'name':'data',"
		"'persistentVolumeClaim':{'claimName':'data-db-0'}},{'name':"
		"'s','persistentVolumeClaim':{'claimName':'s'}}]}}";
	struct cluster k;

	(void)state;
	cluster_init(&k);
	store_put(&k.s, NS "/pods/db-0", json_quoted(pod));
	store_put(&k.s, APPS "/statefulsets/db",
		  json_quoted("{'metadata':{'name':'db'},'spec':{"
			      "'volumeClaimTemplates':[{'metadata':{'name':"
			      "'data'}}],'template':{'spec':{}}}}"));
	if (cluster_find(&k) < 0)
		fail_msg("%s", k.err.msg);
	assert_string_equal(k.w.kind, "StatefulSet");
	same_json(k.w.claims, "[{'metadata':{'name':'data'}}]");
	assert_false(k.w.from_pod);
	workload_fini(&k.w);
	k.forbidden = "/statefulsets"; /* the Pod tells as much */
	if (cluster_find(&k) < 0)
		fail_msg("%s", k.err.msg);
	assert_true(k.w.from_pod);
	same_json(k.w.claims, "[{'metadata':{'name':'data'}}]");
	cluster_fini(&k);
}

static void one_that_nobody_knows(void **state)
{
	struct cluster k;

	(void)state;
	cluster_init(&k);
	store_put(&k.s, NS "/pods/x",
		  json_quoted("{'metadata':{'name':'x','labels':{'app':'web'},"
			      "'ownerReferences':[{'kind':'CloneSet','name':"
			      "'c','controller':true}]},'spec':{}}"));
	if (cluster_find(&k) < 0)
		fail_msg("%s", k.err.msg);
	assert_true(k.w.from_pod);
	assert_string_equal(k.w.kind, "CloneSet");
	cluster_fini(&k);
}

/* Scaled to 0: whose Pods they would be */
static void without_pods(void **state)
{
	struct cluster k;

	(void)state;
	cluster_init(&k);
	store_put(&k.s, APPS "/deployments/ours",
		  json_quoted("{'metadata':{'name':'ours','labels':{"
			      "'control-by':'kt'}},'spec':{'template':{"
			      "'metadata':{'labels':{'app':'web'}}}}}"));
	store_put(&k.s, APPS "/deployments/other",
		  json_quoted("{'metadata':{'name':'other'},'spec':{"
			      "'template':{'metadata':{'labels':{'app':"
			      "'api'}}}}}"));
	assert_int_equal(cluster_find(&k), -ENOENT);
	assert_non_null(strstr(k.err.msg, "Service ns/web: there is no Pod"));
	k.err = (struct kt_error){ 0 };
	store_put(&k.s, APPS "/deployments/web", json_quoted(DEPLOYMENT));
	if (cluster_find(&k) < 0)
		fail_msg("%s", k.err.msg);
	assert_string_equal(k.w.name, "web");
	workload_fini(&k.w);
	k.forbidden = "/apis/apps"; /* then there is nothing, not an error */
	assert_int_equal(cluster_find(&k), -ENOENT);
	assert_non_null(strstr(k.err.msg, "nothing to copy"));
	cluster_fini(&k);
}

static void pods_that_may_not_be_read(void **state)
{
	struct cluster k;

	(void)state;
	cluster_init(&k);
	k.forbidden = "/pods";
	assert_int_equal(cluster_find(&k), -EPERM);
	assert_non_null(strstr(k.err.msg, "not allowed"));
	cluster_fini(&k);
}

static void no_selector(void **state)
{
	struct kt_error err = { 0 };
	struct workload w;

	(void)state;
	assert_int_equal(workload_find(NULL, "ns", "web", NULL, &w, &err),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_makes_a_pod),
		cmocka_unit_test(which_one),
		cmocka_unit_test(a_pods_template),
		cmocka_unit_test(other_things_put_in),
		cmocka_unit_test(a_deployment),
		cmocka_unit_test(a_deployment_that_may_not_be_read),
		cmocka_unit_test(a_statefulset),
		cmocka_unit_test(one_that_nobody_knows),
		cmocka_unit_test(without_pods),
		cmocka_unit_test(pods_that_may_not_be_read),
		cmocka_unit_test(no_selector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
