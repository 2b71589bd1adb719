/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of a workload: what is changed in it, and that nothing else is. */
#include "json.h"

#include "env/copy.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define SERVICE                                                                \
	"{'metadata':{'name':'orders'},'spec':{'selector':{'app':'orders'},"   \
	"'ports':[{'name':'http','port':80,'targetPort':'web',"                \
	"'nodePort':30080,'appProtocol':'http'}]}}"
/* as the server has it after `kubectl create deployment`: with defaults */
#define PLAIN                                                                  \
	"{'metadata':{'creationTimestamp':null,'labels':{'app':'orders'}},"    \
	"'spec':{'containers':[{'name':'app','image':'r/orders:1.0',"          \
	"'imagePullPolicy':'IfNotPresent','resources':{},"                     \
	"'terminationMessagePath':'/dev/termination-log',"                     \
	"'terminationMessagePolicy':'File','ports':[{'name':'web',"            \
	"'containerPort':8080,'protocol':'TCP'}]}],'dnsPolicy':"               \
	"'ClusterFirst','restartPolicy':'Always','schedulerName':"             \
	"'default-scheduler','securityContext':{},"                            \
	"'terminationGracePeriodSeconds':30}}"

struct made {
	struct copy_spec spec;
	struct env_copy copy;
	struct kt_error err;
	json_t *service, *template, *services, *owner, *more[3];
	int rc;
};

/* @services: beside the Service itself, or NULL */
static void made_init(struct made *m, const char *service, const char *template,
		      const char *services)
{
	memset(m, 0, sizeof(*m));
	m->service = json_quoted(service);
	m->template = json_quoted(template);
	m->services = services ? json_quoted(services) : json_array();
	json_array_append(m->services, m->service);
	m->owner = json_quoted("{'apiVersion':'batch/v1','kind':'Job','name':"
			       "'kt-env-dev.pr-42','uid':'u1'}");
	m->spec = (struct copy_spec){ .env = "dev.pr-42",
				      .service = m->service,
				      .of = "Deployment orders",
				      .template = m->template,
				      .services = m->services,
				      .image = "r/orders:pr-42",
				      .target = "abc",
				      .user = "ann",
				      .owner = m->owner };
}

static void made_go(struct made *m)
{
	m->rc = copy_make(&m->copy, &m->spec, &m->err);
}

static json_t *made_ok(struct made *m)
{
	made_go(m);
	if (m->rc < 0)
		fail_msg("%s", m->err.msg);
	return m->copy.deployment;
}

static void made_fini(struct made *m)
{
	json_t *all[] = { m->service, m->template, m->services, m->owner,
			  m->more[0], m->more[1],  m->more[2] };

	copy_fini(&m->copy);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		json_decref(all[i]);
}

static json_t *pod_of(const struct made *m)
{
	return json_at(m->copy.deployment, "spec", "template", "spec", NULL);
}

static json_t *labels_of(const struct made *m)
{
	return json_at(m->copy.deployment, "spec", "template", "metadata",
		       "labels", NULL);
}

static json_t *container(const struct made *m, const char *list, size_t i)
{
	return json_array_get(json_object_get(pod_of(m), list), i);
}

static bool warned(const struct made *m, const char *part)
{
	for (size_t i = 0; i < m->copy.warnings.n; i++)
		if (strstr(m->copy.warnings.v[i], part))
			return true;
	return false;
}

static void same_json(const json_t *got, const char *want)
{
	auto_json json_t *w = json_quoted(want);
	auto_free char *text = json_dumps(got, JSON_ENCODE_ANY);

	if (!json_equal(got, w))
		fail_msg("%s, not %s", text ? text : "nothing", want);
}

/* All of it, once: whatever is new in the object has to be meant */
static void whole_of_a_plain_one(void **state)
{
	struct made m;

	(void)state;
	made_init(&m, SERVICE, PLAIN, NULL);
	made_ok(&m);
	assert_int_equal(m.copy.warnings.n, 0);
	assert_string_equal(m.copy.container, "app");
	same_json(m.copy.deployment,
		  "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{"
		  "'name':'orders-dev-pr-42-0d7d2d','labels':{'control-by':"
		  "'kt','kt-role':'env-member','kt-env':'dev.pr-42',"
		  "'kt-env-of':'orders'},'annotations':{'kt-user':'ann','kt-"
		  "env-spec':'{\\\"image\\\":\\\"r/orders:pr-42\\\"}'},"
		  "'ownerReferences':[{'apiVersion':'batch/v1','kind':'Job',"
		  "'name':'kt-env-dev.pr-42','uid':'u1'}]},'spec':{'replicas':"
		  "1,'revisionHistoryLimit':0,'selector':{'matchLabels':{"
		  "'kt-env':'dev.pr-42','kt-env-of':'orders','kt-target':"
		  "'abc'}},'template':{'metadata':{'labels':{'kt-env':"
		  "'dev.pr-42','kt-env-of':'orders','kt-target':'abc'},"
		  "'annotations':{}},'spec':{'containers':[{'name':'app',"
		  "'image':'r/orders:pr-42','resources':{},"
		  "'terminationMessagePath':'/dev/termination-log',"
		  "'terminationMessagePolicy':'File','ports':[{'name':'web',"
		  "'containerPort':8080,'protocol':'TCP'}],'env':[{'name':"
		  "'KT_ENV','value':'dev.pr-42'}]}],'dnsPolicy':"
		  "'ClusterFirst','restartPolicy':'Always','schedulerName':"
		  "'default-scheduler','securityContext':{},"
		  "'terminationGracePeriodSeconds':30}}}}");
	same_json(m.copy.selector, "{'kt-env':'dev.pr-42','kt-env-of':"
				   "'orders','kt-target':'abc'}");
	same_json(m.copy.ports, "[{'name':'http','port':80,'targetPort':'web',"
				"'appProtocol':'http'}]");
	made_fini(&m);
}

#define KEPT                                                                   \
	"'serviceAccountName':'shop','imagePullSecrets':[{'name':'reg'}],"     \
	"'nodeSelector':{'disk':'ssd'},'securityContext':{'runAsUser':1000,"   \
	"'fsGroup':2000},'tolerations':[{'key':'x','operator':'Exists'}],"     \
	"'priorityClassName':'high','runtimeClassName':'gvisor',"              \
	"'terminationGracePeriodSeconds':7,'volumes':[{'name':'c',"            \
	"'configMap':{'name':'conf'}}],'affinity':{'nodeAffinity':{}},"        \
	"'topologySpreadConstraints':[{'maxSkew':1}],'enableServiceLinks':"    \
	"false,'automountServiceAccountToken':false"
#define KEPT_CONTAINER                                                         \
	"'command':['/bin/orders'],'args':['-v'],'workingDir':'/srv',"         \
	"'livenessProbe':{'httpGet':{'path':'/l','port':'web'}},"              \
	"'readinessProbe':{'httpGet':{'path':'/r','port':8080}},"              \
	"'startupProbe':{'exec':{'command':['true']}},'lifecycle':{'preStop':" \
	"{'sleep':{'seconds':3}}},'resources':{'limits':{'memory':'1Gi'}},"    \
	"'volumeMounts':[{'name':'c','mountPath':'/c'}],'securityContext':{"   \
	"'readOnlyRootFilesystem':true},'imagePullPolicy':'Always'"

static void what_a_pod_has_is_kept(void **state)
{
	auto_json json_t *pod = json_quoted("{" KEPT "}");
	auto_json json_t *ctr = json_quoted("{" KEPT_CONTAINER "}");
	const char *key;
	struct made m;
	json_t *v;

	(void)state;
	made_init(&m, SERVICE,
		  "{'metadata':{'labels':{'app':'orders'},'annotations':{"
		  "'prometheus.io/scrape':'true','kubectl.kubernetes.io/"
		  "restartedAt':'now','kubectl.kubernetes.io/last-applied-"
		  "configuration':'{}'}},'spec':{" KEPT ",'containers':[{"
		  "'name':'app','image':'r/orders:1.0'," KEPT_CONTAINER "}]}}",
		  NULL);
	made_ok(&m);
	json_object_foreach (pod, key, v)
		if (!json_equal(v, json_object_get(pod_of(&m), key)))
			fail_msg("%s of the Pod has changed", key);
	json_object_foreach (ctr, key, v)
		if (!json_equal(v,
				json_object_get(container(&m, "containers", 0),
						key)))
			fail_msg("%s of the container has changed", key);
	same_json(json_at(m.copy.deployment, "spec", "template", "metadata",
			  "annotations", NULL),
		  "{'prometheus.io/scrape':'true'}");
	made_fini(&m);
}

/* --- which container ------------------------------------------------------ */

#define TWO(a, aimage, aports, b, bimage, bports)                              \
	"{'metadata':{'labels':{'app':'orders'}%s},'spec':{'containers':[{"    \
	"'name':'" a "','image':'" aimage "','ports':[" aports "]},{"          \
	"'name':'" b "','image':'" bimage "','ports':[" bports "]}]}}"
#define WEB "{'name':'web','containerPort':8080}"

static void the_right_container(void **state)
{
	static const struct {
		const char *template, *notes, *image, *want, *why;
	} rows[] = {
		{ TWO("log", "r/log:1", "", "app", "r/x:1", WEB), "", "r/o:2",
		  "app", "it has the Service's port" },
		{ TWO("app", "r/x:1", WEB, "log", "r/log:1", ""), "", "r/o:2",
		  "app", "the same, in the other order" },
		{ TWO("proxy", "r/envoy:1", WEB, "app", "r/orders:1", ""), "",
		  "r/orders:2", "app", "a proxy listens, the image is here" },
		{ TWO("proxy", "r/envoy:1", WEB, "app", "r:5/orders@sha256:00",
		      ""),
		  "", "r:5/orders:2", "app", "registry with a port, digest" },
		{ TWO("a", "r/orders:1", "", "b", "r/orders:1", WEB), "",
		  "r/orders:2", "b", "both have the image, one has the port" },
		{ TWO("a", "r/x:1", "", "b", "r/y:1", ""),
		  ",'annotations':{'kubectl.kubernetes.io/default-container':"
		  "'b'}",
		  "r/orders:2", "b", "kubectl's default" },
		{ TWO("a", "r/x:1", "", "b", "r/y:1", ""), "", "r/orders:2",
		  NULL, "nothing tells" },
		{ TWO("a", "r/x:1", WEB, "b", "r/y:1", ""), "", "b=r/orders:2",
		  "b", "by its name" },
		{ TWO("a", "r/x:1", WEB, "b", "r/y:1", ""), "", "c=r/orders:2",
		  NULL, "there is none of that name" },
		{ TWO("a", "r/x:1",
		      "{'name':'web','containerPort':1,'protocol':'UDP'}", "b",
		      "r/y:1", WEB),
		  "", "r/o:2", "b", "UDP is another port" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *at = strstr(rows[i].template, "%s")
					     ? xstrdup(rows[i].template)
					     : NULL;
		auto_free char *text = NULL;
		struct made m;

		*strstr(at, "%s") = '\0';
		text = xasprintf("%s%s%s", at, rows[i].notes,
				 strstr(rows[i].template, "%s") + 2);
		made_init(&m, SERVICE, text, NULL);
		m.spec.image = rows[i].image;
		made_go(&m);
		if (!rows[i].want) {
			assert_int_equal(m.rc, -ENOENT);
			assert_non_null(strstr(m.err.msg, "(a, b)") ? m.err.hint
					: strstr(m.err.msg, "it has a, b")
						? m.err.msg
						: NULL);
		} else if (m.rc < 0 ||
			   strcmp(m.copy.container, rows[i].want) != 0) {
			fail_msg("%s: %s", rows[i].why,
				 m.rc < 0 ? m.err.msg : m.copy.container);
		}
		made_fini(&m);
	}
}

static void a_migration_has_the_same_version(void **state)
{
	static const char template[] =
		"{'metadata':{},'spec':{'initContainers':[{'name':'migrate',"
		"'image':'r/orders:1.0'},{'name':'wait','image':'r/wait:1'}],"
		"'containers':[{'name':'app','image':'r/orders:1.0'}]}}";
	struct made m;

	(void)state;
	made_init(&m, SERVICE, template, NULL);
	made_ok(&m);
	assert_string_equal(
		json_str(container(&m, "initContainers", 0), "image", NULL),
		"r/orders:pr-42");
	assert_string_equal(
		json_str(container(&m, "initContainers", 1), "image", NULL),
		"r/wait:1");
	assert_true(warned(&m, "migrate"));
	made_fini(&m);
	made_init(&m, SERVICE, template, NULL);
	m.spec.image = "app=r/orders:pr-42"; /* that one and no other */
	made_ok(&m);
	assert_string_equal(
		json_str(container(&m, "initContainers", 0), "image", NULL),
		"r/orders:1.0");
	assert_string_equal(
		json_str(container(&m, "containers", 0), "image", NULL),
		"r/orders:pr-42");
	made_fini(&m);
}

static void pull_policy(void **state)
{
	static const struct {
		const char *old, *policy;
		bool always;
		const char *want;
	} rows[] = {
		{ "r/o:1", "IfNotPresent", false, NULL }, /* filled in */
		{ "r/o:1", "Always", false, "Always" },	  /* chosen */
		{ "r/o", "Always", false, NULL },
		{ "r:5000/o", "Always", false, NULL },
		{ "r/o:latest", "Always", false, NULL },
		{ "r/o:latest", "Never", false, "Never" },
		{ "r/o@sha256:00", "IfNotPresent", false, NULL },
		{ "r/o:1", "IfNotPresent", true, "Always" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *text = xasprintf(
			"{'spec':{'containers':[{'name':'a','image':'%s',"
			"'imagePullPolicy':'%s'}]}}",
			rows[i].old, rows[i].policy);
		const char *got;
		struct made m;

		made_init(&m, SERVICE, text, NULL);
		m.spec.always_pull = rows[i].always;
		made_ok(&m);
		got = json_str(container(&m, "containers", 0),
			       "imagePullPolicy", NULL);
		if (!str_eq(got, rows[i].want))
			fail_msg("%s %s: %s", rows[i].old, rows[i].policy,
				 got ? got : "none");
		made_fini(&m);
	}
}

/* --- variables ------------------------------------------------------------ */

static void variables(void **state)
{
	struct pair set[] = { { (char[]){ "TOPIC" }, (char[]){ "o-{{env}}" } },
			      { (char[]){ "NEW" },
				(char[]){ "{{env}}{{env}}{{" } } };
	const struct pairs pairs = { set, 2 };
	struct strv from = { 0 };
	struct made m;

	(void)state;
	strv_add(&from, "configmap/pr");
	strv_add(&from, "secret/s.1");
	made_init(&m, SERVICE,
		  "{'spec':{'containers':[{'name':'app','image':'r/orders:1',"
		  "'env':[{'name':'A','value':'1'},{'name':'TOPIC','value':"
		  "'o'},{'name':'B','value':'$(TOPIC)'},{'name':'TOPIC',"
		  "'valueFrom':{'x':{}}}],'envFrom':[{'secretRef':{'name':"
		  "'t'}}]},{'name':'log','image':'l'}]}}",
		  NULL);
	m.spec.set = &pairs;
	m.spec.env_from = &from;
	made_ok(&m);
	same_json(json_object_get(container(&m, "containers", 0), "env"),
		  "[{'name':'KT_ENV','value':'dev.pr-42'},{'name':'A','value':"
		  "'1'},{'name':'TOPIC','value':'o-dev.pr-42'},{'name':'B',"
		  "'value':'$(TOPIC)'},{'name':'NEW','value':"
		  "'dev.pr-42dev.pr-42{{'}]");
	same_json(json_object_get(container(&m, "containers", 0), "envFrom"),
		  "[{'secretRef':{'name':'t'}},{'configMapRef':{'name':'pr'}},"
		  "{'secretRef':{'name':'s.1'}}]");
	same_json(json_object_get(container(&m, "containers", 1), "env"),
		  "[{'name':'KT_ENV','value':'dev.pr-42'}]");
	made_fini(&m);
	strv_fini(&from);
}

static void wrong_variables(void **state)
{
	static const char *const from[] = { "pr",	    "configmap/",
					    "configMap/pr", "secret/A",
					    "secret/a/b",   "pod/x" };
	struct pair bad = { (char[]){ "A" }, (char[]){ "\xff" } };
	const struct pairs pairs = { &bad, 1 };
	struct kt_error err;
	struct made m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(from); i++)
		assert_int_equal(copy_check_env_from(from[i], &err), -EINVAL);
	assert_int_equal(copy_check_env_from("secret/a.b-c", &err), 0);
	made_init(&m, SERVICE, PLAIN, NULL);
	m.spec.set = &pairs;
	made_go(&m);
	assert_int_equal(m.rc, -EINVAL);
	made_fini(&m);
}

/* --- what is the original's ----------------------------------------------- */

static void the_nodes_ports(void **state)
{
	static const char template[] =
		"{'spec':{%s'containers':[{'name':'app','image':'r/orders:1',"
		"'ports':[{'name':'web','containerPort':8080,'hostPort':8080,"
		"'hostIP':'10.0.0.1'}]}]}}";
	static const struct {
		const char *more, *warning;
	} rows[] = {
		{ "", "container app: port 8080 of the node" },
		{ "'hostNetwork':true,'dnsPolicy':'ClusterFirstWithHostNet',",
		  "hostNetwork" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *start = xstrdup(template);
		auto_free char *text = NULL;
		struct made m;

		*strstr(start, "%s") = '\0';
		text = xasprintf("%s%s%s", start, rows[i].more,
				 strstr(template, "%s") + 2);
		made_init(&m, SERVICE, text, NULL);
		made_ok(&m);
		assert_int_equal(m.copy.warnings.n, 1);
		assert_true(warned(&m, rows[i].warning));
		same_json(json_object_get(container(&m, "containers", 0),
					  "ports"),
			  "[{'name':'web','containerPort':8080}]");
		assert_null(json_object_get(pod_of(&m), "hostNetwork"));
		assert_null(json_object_get(pod_of(&m), "dnsPolicy"));
		made_fini(&m);
	}
}

static void a_statefulset_has_empty_volumes(void **state)
{
	struct made m;

	(void)state;
	made_init(&m, SERVICE,
		  "{'spec':{'containers':[{'name':'app','image':'r/orders:1',"
		  "'ports':[" WEB
		  "],'volumeMounts':[{'name':'data','mountPath':'/d'},{'name':"
		  "'s','mountPath':'/s'}]}],'volumes':[{'name':'s',"
		  "'persistentVolumeClaim':{'claimName':'shared'}}]}}",
		  NULL);
	m.more[0] = json_quoted("[{'metadata':{'name':'data'},'spec':{"
				"'accessModes':['ReadWriteOnce']}}]");
	m.spec.claims = m.more[0];
	made_ok(&m);
	same_json(json_object_get(pod_of(&m), "volumes"),
		  "[{'name':'s','persistentVolumeClaim':{'claimName':'shared'}"
		  "},{'name':'data','emptyDir':{}}]");
	assert_true(warned(&m, "volume data is empty"));
	assert_true(warned(&m, "PersistentVolumeClaim shared"));
	assert_int_equal(m.copy.warnings.n, 2);
	made_fini(&m);
}

/* One node, and the original is on it */
static void it_may_run_beside_the_original(void **state)
{
	struct made m;

	(void)state;
	made_init(&m, SERVICE,
		  "{'metadata':{'labels':{'app':'orders'}},'spec':{"
		  "'containers':[{'name':'app','image':'r/orders:1'}],"
		  "'affinity':{'podAntiAffinity':{'requiredDuringScheduling"
		  "IgnoredDuringExecution':[{'labelSelector':{"
		  "'matchExpressions':[{'key':'app','operator':'In','values':["
		  "'orders']}]},'topologyKey':'h'},{'labelSelector':{"
		  "'matchLabels':{'app':'noisy'}},'topologyKey':'h'}]}}}}",
		  NULL);
	made_ok(&m);
	same_json(json_object_get(pod_of(&m), "affinity"),
		  "{'podAntiAffinity':{'requiredDuringSchedulingIgnored"
		  "DuringExecution':[{'labelSelector':{'matchLabels':{'app':"
		  "'noisy'}},'topologyKey':'h'}]}}");
	assert_true(warned(&m, "podAntiAffinity"));
	made_fini(&m);
}

static void a_copy_of_a_copy(void **state)
{
	static const char *const templates[] = { "kt-env", "kt-role" };
	struct made m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
		auto_free char *text = xasprintf(
			"{'metadata':{'labels':{'app':'orders','%s':'x'}},"
			"'spec':{'containers':[{'name':'a','image':'r/o'}]}}",
			templates[i]);

		made_init(&m, SERVICE, text, NULL);
		made_go(&m);
		assert_int_equal(m.rc, -EEXIST);
		made_fini(&m);
	}
	/* whatever was made is refused itself */
	made_init(&m, SERVICE, PLAIN, NULL);
	made_ok(&m);
	m.spec.template = m.more[0] = json_incref(
		json_at(m.copy.deployment, "spec", "template", NULL));
	copy_fini(&m.copy);
	made_go(&m);
	assert_int_equal(m.rc, -EEXIST);
	made_fini(&m);
}

static void no_container(void **state)
{
	static const char *const templates[] = { "{}", "{'spec':{}}",
						 "{'spec':{'containers':[]}}",
						 "{'spec':{'containers':{}}}",
						 "{'spec':3}" };
	struct made m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
		made_init(&m, SERVICE, templates[i], NULL);
		made_go(&m);
		assert_int_equal(m.rc, -EINVAL);
		made_fini(&m);
	}
}

static void ports_that_fit(void **state)
{
	struct made m;

	(void)state;
	made_init(&m,
		  "{'metadata':{'name':'orders'},'spec':{'selector':{'app':"
		  "'orders'},'ports':[{'name':'a','port':80,'targetPort':"
		  "'web'},{'name':'b','port':81,'targetPort':9,'nodePort':3},"
		  "{'name':'c','port':82,'targetPort':'other'}]}}",
		  PLAIN, NULL);
	made_ok(&m);
	same_json(m.copy.ports,
		  "[{'name':'a','port':80,'targetPort':'web'},{'name':'b',"
		  "'port':81,'targetPort':9},{'name':'c','port':82,"
		  "'targetPort':'other'}]");
	assert_int_equal(m.copy.warnings.n, 1);
	assert_true(warned(&m, "port named other"));
	made_fini(&m);
}

/* --- names ---------------------------------------------------------------- */

static bool is_label(const char *s)
{
	size_t n = strlen(s);

	return n && n <= 63 && s[0] != '-' && s[n - 1] != '-' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static void names(void **state)
{
	static const char *const same[][4] = {
		{ "web", "api-x", "web-api", "x" },
		{ "web", "a.b", "web", "a-b" },
		{ "a-service-with-the-longest-name-that-a-dns-label-can-have-1"
		  "23",
		  "pr-1",
		  "a-service-with-the-longest-name-that-a-dns-label-can-have-1"
		  "23",
		  "pr-2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		auto_free char *a = copy_name(same[i][0], same[i][1]);
		auto_free char *b = copy_name(same[i][2], same[i][3]);
		auto_free char *again = copy_name(same[i][0], same[i][1]);

		assert_true(is_label(a) && is_label(b));
		assert_string_not_equal(a, b);
		assert_string_equal(a, again);
	}
}

/* --- labels --------------------------------------------------------------- */

#define SVC(name, selector)                                                    \
	"{'metadata':{'name':'" name "'},'spec':{'selector':" selector "}}"

static void labels_that_stay(void **state)
{
	static const struct {
		const char *labels, *services, *policies, *selector, *want;
	} rows[] = {
		{ "{'app':'orders','tier':'b'}", "[]", NULL, NULL,
		  "{'tier':'b'}" },
		/* one label ends both */
		{ "{'app':'orders','tier':'b','team':'x'}",
		  "[" SVC("all", "{'tier':'b','app':'orders'}") "]", NULL, NULL,
		  "{'tier':'b','team':'x'}" },
		{ "{'app':'orders','tier':'b'}",
		  "[" SVC("b", "{'tier':'b'}") "]", NULL, NULL, "{}" },
		{ "{'app':'orders','tier':'b'}",
		  "[" SVC("b", "{'tier':'c'}") "," SVC("n", "{}") "]", NULL,
		  NULL, "{'tier':'b'}" },
		/* a policy goes by one of two that would do */
		{ "{'app':'orders','a':'1','b':'2'}",
		  "[" SVC("x", "{'a':'1','b':'2'}") "]", NULL, NULL,
		  "{'b':'2'}" },
		{ "{'app':'orders','a':'1','b':'2'}",
		  "[" SVC("x", "{'a':'1','b':'2'}") "]",
		  "[{'spec':{'podSelector':{},'ingress':[{'from':[{"
		  "'podSelector':{'matchLabels':{'a':'1'}}}]}]}}]",
		  NULL, "{'a':'1'}" },
		{ "{'app':'orders','a':'1','b':'2'}",
		  "[" SVC("x", "{'a':'1','b':'2'}") "]",
		  "[{'spec':{'podSelector':{'matchExpressions':[{'key':'a',"
		  "'operator':'Exists'}]}}}]",
		  NULL, "{'a':'1'}" },
		/* budgets and autoscalers find Pods by the workload's */
		{ "{'app':'orders','w':'1','z':'2'}", "[]", NULL, "{'w':'1'}",
		  "{'z':'2'}" },
		/* one that is taken over: what it was before */
		{ "{'app':'orders','o':'1','z':'2'}",
		  "[{'metadata':{'name':'t','annotations':{'kt-selector':"
		  "'{\\'o\\':\\'1\\'}'}},'spec':{'selector':{'kt-role':"
		  "'router','kt-target':'T'}}}]",
		  NULL, NULL, "{'z':'2'}" },
		/* these mean the copy */
		{ "{'app':'orders','z':'2'}",
		  "[" SVC("e", "{'kt-env':'dev.pr-42'}") "]", NULL, NULL,
		  "{'z':'2'}" },
		{ "{'app':'orders','z':'2','y':'1'}",
		  "[" SVC("e", "{'kt-env':'dev.pr-42','z':'2'}") "]", NULL,
		  NULL, "{'y':'1'}" },
		/* the greedy choice is not the last word: a, b and c each end
		 * two of the three, and the first one was not needed */
		{ "{'app':'orders','a':'1','b':'1','c':'1','d':'1'}",
		  "[" SVC("1", "{'a':'1','b':'1'}") "," SVC(
			  "2",
			  "{'a':'1','c':"
			  "'1'}") "," SVC("3",
					  "{'b':'1'}") "," SVC("4",
							       "{'c':'1'}") "]",
		  NULL, NULL, "{'a':'1','d':'1'}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *text = xasprintf(
			"{'metadata':{'labels':%s},'spec':{'containers':[{"
			"'name':'app','image':'r/o'}]}}",
			rows[i].labels);
		auto_json json_t *want = json_quoted(rows[i].want);
		auto_json json_t *got = NULL;
		struct made m;

		made_init(&m, SERVICE, text, rows[i].services);
		if (rows[i].policies)
			m.spec.policies = m.more[0] =
				json_quoted(rows[i].policies);
		if (rows[i].selector)
			m.spec.selector = m.more[1] =
				json_quoted(rows[i].selector);
		made_ok(&m);
		got = json_copy(labels_of(&m));
		assert_int_equal(json_object_del(got, "kt-env"), 0);
		assert_int_equal(json_object_del(got, "kt-env-of"), 0);
		assert_int_equal(json_object_del(got, "kt-target"), 0);
		if (!json_equal(got, want)) {
			auto_free char *t = json_dumps(got, 0);

			fail_msg("row %zu: %s, not %s", i, t, rows[i].want);
		}
		made_fini(&m);
	}
}

static void a_policy_that_is_lost(void **state)
{
	struct made m;

	(void)state;
	made_init(&m, SERVICE, PLAIN, NULL);
	m.spec.policies = m.more[0] = json_quoted(
		"[{'metadata':{'name':'all'},'spec':{'podSelector':{}}},{"
		"'metadata':{'name':'shop'},'spec':{'podSelector':{"
		"'matchLabels':{'app':'orders'}}}}]");
	made_ok(&m);
	assert_int_equal(m.copy.warnings.n, 1);
	assert_true(warned(&m, "NetworkPolicy shop"));
	made_fini(&m);
}

/* Kubernetes' own rule, written once more */
static bool selects(const json_t *selector, const json_t *labels)
{
	const char *key;
	json_t *v;

	if (!json_object_size(selector))
		return false;
	json_object_foreach ((json_t *)(uintptr_t)selector, key, v)
		if (!str_eq(json_str(labels, key, NULL), json_string_value(v)))
			return false;
	return true;
}

static bool found(const json_t *services, const json_t *labels)
{
	const json_t *s;
	size_t i;

	json_array_foreach (services, i, s)
		if (selects(json_at(s, "spec", "selector", NULL), labels))
			return true;
	return false;
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16 & 0x7fff;
}

static json_t *random_map(unsigned *seed, int odds)
{
	json_t *map = json_object();

	for (int i = 0; i < 8; i++) {
		char key[2] = { (char)('a' + i), '\0' };

		if (next_random(seed) % 10 < odds)
			json_object_set_new(
				map, key,
				json_string(next_random(seed) % 3 ? "1" : "2"));
	}
	return map;
}

/* No Service finds the copy, and each label that went had to go */
static void no_service_finds_it(void **state)
{
	unsigned seed = 42;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		json_t *labels = random_map(&seed, 7), *v, *got;
		const char *key;
		struct made m;

		made_init(&m, SERVICE, PLAIN, NULL);
		json_object_set_new(json_object_get(m.template, "metadata"),
				    "labels", labels);
		for (unsigned n = next_random(&seed) % 6; n-- > 0;)
			json_array_append_new(m.services,
					      json_pack("{s:{s:o}}", "spec",
							"selector",
							random_map(&seed, 3)));
		made_ok(&m);
		got = labels_of(&m);
		assert_false(found(m.services, got));
		json_object_foreach (labels, key, v) {
			auto_json json_t *more = json_copy(got);

			if (json_object_get(got, key))
				continue;
			json_object_set(more, key, v);
			assert_true(found(m.services, more));
		}
		made_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_of_a_plain_one),
		cmocka_unit_test(what_a_pod_has_is_kept),
		cmocka_unit_test(the_right_container),
		cmocka_unit_test(a_migration_has_the_same_version),
		cmocka_unit_test(pull_policy),
		cmocka_unit_test(variables),
		cmocka_unit_test(wrong_variables),
		cmocka_unit_test(the_nodes_ports),
		cmocka_unit_test(a_statefulset_has_empty_volumes),
		cmocka_unit_test(it_may_run_beside_the_original),
		cmocka_unit_test(a_copy_of_a_copy),
		cmocka_unit_test(no_container),
		cmocka_unit_test(ports_that_fit),
		cmocka_unit_test(names),
		cmocka_unit_test(labels_that_stay),
		cmocka_unit_test(a_policy_that_is_lost),
		cmocka_unit_test(no_service_finds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
