/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of `ktctl doctor` that no test cluster can be brought to */
#include "test.h"

#include "fake.h"
#include "netns_test.h"
#include "schema.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "doctor/given.h"
#include "kube/rest.h"
#include "local/home.h"
#include "local/signals.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct home home;
static char dir[] = "/tmp/ktctl-doctor-XXXXXX";

/** struct canned - the answer to requests with @part in their first line */
struct canned {
	const char *part;
	int status;
	const char *body;
	const char *fields;
};

/* of the kubeconfig and the command line; NULL: nothing of it */
static const char *extra;  /* in the cluster, "\"proxy-url\":\"x\"," */
static const char *shadow; /* --shadow */
static const char *mode, *route;
static int exchange_mode, mesh_route; /* what they stand for */
static bool deployment;
static struct ipaddr ingress;
static const char *connect_shadow; /* of the configuration */
static const char *context;
static char *image; /* --image */

/* in place of answer(); or NULL */
static void (*answers)(struct fake_conn *c, const char *request);

/* the first of these that fits, before what a good cluster says */
static const struct canned *canned;
static size_t ncanned;

static const struct canned canned_good[] = {
	{ "/version", 200, "{'gitVersion':'v1.35.0','minor':'35'}", "" },
	{ "/selfsubjectaccessreviews", 201, "{'status':{'allowed':true}}", "" },
	{ "/portforward", 404,
	  "{'kind':'Status','code':404,'reason':'NotFound','message':'pods "
	  "\\'kt-doctor-no-such-pod\\' not found'}",
	  "" },
	{ "/namespaces/ns ", 200, "{'status':{'phase':'Active'}}", "" },
	{ "/namespaces/ns/services/web ", 200,
	  "{'metadata':{'name':'web'},'spec':{'selector':{'app':'web'},"
	  "'ports':[{'port':80}]}}",
	  "" },
	{ "/pods?", 200, "{'kind':'PodList','metadata':{},'items':[]}", "" },
	{ "/pods ", 200, "{'kind':'PodList','metadata':{},'items':[]}", "" },
	{ "/services ", 200, "{'kind':'ServiceList','metadata':{},'items':[]}",
	  "" },
	{ "/services?", 200, "{'kind':'ServiceList','metadata':{},'items':[]}",
	  "" },
};

static bool reply_from(struct fake_conn *c, const char *request,
		       const struct canned *list, size_t n)
{
	size_t line = strcspn(request, "\r");

	for (size_t i = 0; i < n; i++) {
		auto_free char *body = xstrdup(list[i].body);
		auto_free char *fields = xasprintf(
			"Content-Type: application/json\r\n%s", list[i].fields);

		if (!memmem(request, line, list[i].part, strlen(list[i].part)))
			continue;
		for (char *p = body; *p; p++)
			if (*p == '\'')
				*p = '"';
		fake_reply(c, list[i].status, fields, body);
		return true;
	}
	return false;
}

static void answer(struct fake_conn *c, const char *request)
{
	static const char up[] = "HTTP/1.1 101 Switching Protocols\r\n"
				 "Upgrade: websocket\r\n"
				 "Connection: Upgrade\r\n\r\n";

	if (reply_from(c, request, canned, ncanned))
		return;
	if (strstr(request, "watch=1"))
		fake_write(c, up, sizeof(up) - 1);
	else if (!reply_from(c, request, canned_good, ARRAY_SIZE(canned_good)))
		fake_reply(c, 404, "", "");
}

/* The kubeconfig for the fake; returned, caller frees */
static char *config_file(const struct world *w)
{
	char *path = xasprintf("%s/config", dir);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f,
		"{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\","
		"\"context\":{\"cluster\":\"c\",\"user\":\"u\",\"namespace\":"
		"\"ns\"}}],\"clusters\":[{\"name\":\"c\",\"cluster\":{"
		"%s\"server\":\"%s\"}}],\"users\":[{\"name\":\"u\",\"user\":{"
		"\"token\":\"t\"}}]}",
		extra ? extra : "", w->server);
	fclose(f);
	return path;
}

static void assert_schema(const json_t *said)
{
	const char *schemas = getenv("KT_SCHEMA_DIR");
	auto_free char *path =
		xasprintf("%s/doctor.json", schemas ? schemas : "docs/schema");
	auto_json json_t *wrong =
		json_pack("{s:b,s:[{s:s,s:s}]}", "ok", 1, "checks", "check",
			  "a", "state", "ok");
	struct schema s;

	schema_load(&s, path);
	if (!schema_fits(&s, said, s.root))
		fail_msg("%s: %s", path, s.why);
	assert_false(schema_fits(&s, wrong, s.root));
	json_decref(s.root);
}

/* doctor [command] -o json; what it printed (returned, caller decrefs) */
static json_t *run(const char *command, const char *target,
		   const struct canned *more, size_t n)
{
	char *args[] = { (char *)(uintptr_t)command,
			 (char *)(uintptr_t)target };
	struct options o = { .args = args,
			     .nargs = !command ? 0
				      : target ? 2
					       : 1,
			     .doctor.shadow = (char *)(uintptr_t)shadow,
			     .doctor.mode = (char *)(uintptr_t)mode,
			     .doctor.route = (char *)(uintptr_t)route,
			     .exchange.mode = exchange_mode,
			     .mesh.route = mesh_route,
			     .connect.ingress_ip = ingress,
			     .connect.shadow =
				     (char *)(uintptr_t)connect_shadow,
			     .global.pod.deployment = deployment,
			     .global.pod.image = image,
			     .global.context = (char *)(uintptr_t)context };
	struct kt_error err = { 0 };
	auto_free char *config = NULL;
	struct app app = { .home = &home };
	struct world w;
	json_t *said;
	int keep = dup(STDOUT_FILENO);
	FILE *f = tmpfile();

	canned = more;
	ncanned = n;
	world_init(&w, answers ? answers : answer);
	config = config_file(&w);
	o.global.kubeconfig = config;
	o.doctor.output = OUTPUT_JSON;
	app.loop = w.loop;
	app.signals = signals_new(w.loop, &err);
	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	(void)command_doctor(&app, &o);
	fflush(stdout);
	dup2(keep, STDOUT_FILENO);
	close(keep);
	signals_free(app.signals);
	world_fini(&w);
	rewind(f);
	said = json_loadf(f, 0, NULL);
	fclose(f);
	unlink(config);
	assert_non_null(said);
	assert_schema(said);
	return said;
}

static void assert_line(const char *command, const char *target,
			const struct canned *more, size_t n, const char *line)
{
	auto_json json_t *all = run(command, target, more, n);
	auto_free char *dump = json_dumps(all, JSON_INDENT(1));
	const json_t *one;
	bool found = false;
	size_t i;

	json_array_foreach (json_object_get(all, "checks"), i, one) {
		auto_free char *text =
			xasprintf("%s %s: %s", json_str(one, "state", NULL),
				  json_str(one, "check", NULL),
				  json_str(one, "text", NULL));

		found = found || str_starts(text, line);
	}
	if (!found)
		fail_msg("no line '%s' in %s", line, dump);
}

static void good(void **state)
{
	(void)state;
	assert_line("exchange", "web", NULL, 0, "ok kubeconfig: context 'c'");
	assert_line("exchange", "web", NULL, 0, "ok Service: web, ports 80");
	assert_line("exchange", "web", NULL, 0,
		    "ok carrier: requests for a port-forward reach the API "
		    "server as spdy, spdy-websocket, websocket, and WebSocket");
}

static void the_cluster(void **state)
{
	static const struct {
		struct canned c;
		const char *line;
	} all[] = {
		{ { "/version", 200, "{'hello':'world'}", "" },
		  "fail API server: http://127.0.0.1" },
		{ { "/version", 401, "{'kind':'Status','message':'no'}", "" },
		  "fail login: " },
		{ { "/version", 200, "{'gitVersion':'v1.19.0','minor':'19'}",
		    "" },
		  "warn API server: http://127.0.0.1" },
		{ { "/version", 200, "{'gitVersion':'v1.35.0','minor':'35'}",
		    "Date: Thu, 01 Jan 2099 00:00:00 GMT\r\n" },
		  "warn clock: this machine is" },
		{ { "/namespaces/ns ", 200,
		    "{'status':{'phase':'Terminating'}}", "" },
		  "fail namespace: ns is being deleted" },
		{ { "/namespaces/ns ", 401, "{'kind':'Status','message':'no'}",
		    "" },
		  "fail login: " },
		{ { "/namespaces/ns ", 403, "{'kind':'Status','message':'no'}",
		    "" },
		  "ok namespace: ns (you may not see whether" },
		{ { "/namespaces/ns ", 418, "tea", "" }, "warn namespace: " },
		{ { "/namespaces/ns ", 404,
		    "{'kind':'Status','code':404,'reason':'NotFound'}", "" },
		  "fail namespace: " },
		{ { "/selfsubjectaccessreviews", 403,
		    "{'kind':'Status','message':'not you'}", "" },
		  "skip permissions: " },
		{ { "/selfsubjectaccessreviews", 201,
		    "{'status':{'allowed':false}}", "" },
		  "fail may exchange: not allowed in namespace ns: " },
		{ { "/pods ", 200, "{'kind':'PodList','items':[]}", "" },
		  "fail base image: " },
		{ { "/portforward", 403, "{'kind':'Status','message':'no'}",
		    "" },
		  "skip carrier: a port-forward cannot be tried" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_line("exchange", NULL, &all[i].c, 1, all[i].line);
}

/* Those of its published Role, one by one */
static void rights(void **state)
{
	static const struct canned denied = { "/selfsubjectaccessreviews", 201,
					      "{'status':{'allowed':false}}",
					      "" };

	(void)state;
	assert_line("forward", NULL, NULL, 0,
		    "ok may forward: all 15 permissions in namespace ns");
	assert_line("forward", NULL, &denied, 1,
		    "fail may forward: not allowed in namespace ns: create "
		    "pods, get pods, list pods, watch pods, patch pods, delete "
		    "pods, get pods/portforward, create pods/portforward, get "
		    "configmaps, create configmaps, get services, list "
		    "services, watch services, get deployments.apps, get "
		    "statefulsets.apps");
	assert_line("birdseye", NULL, NULL, 0, "ok may birdseye: all ");
}

/* A permission that many Roles have is asked for once */
static size_t nasked;
static char *asked[200];

static void count_questions(struct fake_conn *c, const char *request)
{
	const char *body = strstr(request, "\r\n\r\n");

	if (strstr(request, "/selfsubjectaccessreviews") && body) {
		assert_true(nasked < ARRAY_SIZE(asked));
		for (size_t i = 0; i < nasked; i++)
			if (strcmp(asked[i], body) == 0)
				fail_msg("asked twice: %s", body);
		asked[nasked++] = xstrdup(body);
	}
	answer(c, request);
}

static void each_once(void **state)
{
	(void)state;
	answers = count_questions;
	assert_line(NULL, NULL, NULL, 0, "ok may exchange: all ");
	answers = NULL;
	assert_true(nasked > 30);
	while (nasked)
		free(asked[--nasked]);
}

/* Those that a command needs with a flag only */
static void rights_with_flags(void **state)
{
	static const struct canned no_patch[] = {
		{ "/apis/networking.istio.io ", 200, "{}", "" },
		{ "/selfsubjectaccessreviews", 201,
		  "{'status':{'allowed':false}}", "" },
	};
	static const struct canned apis[] = {
		{ "/apis/networking.istio.io ", 403, "{'kind':'Status'}", "" },
		{ "/apis/gateway.networking.k8s.io ", 200, "{}", "" },
	};
	auto_json json_t *said = NULL;
	auto_free char *text = NULL;

	(void)state;
	assert_line("exchange", NULL, NULL, 0, "ok may exchange-scale: all ");
	assert_line("exchange", NULL, NULL, 0,
		    "ok may exchange-ephemeral: all ");
	assert_line("exchange", NULL, no_patch, 2,
		    "warn may exchange-scale: not allowed in namespace ns: ");
	assert_line("mesh", NULL, no_patch, 2,
		    "warn may mesh-istio: not allowed in namespace ns: get "
		    "virtualservices.networking.istio.io, ");
	assert_line("mesh", NULL, apis, 2, "ok may mesh-istio: all 6 ");
	assert_line("mesh", NULL, apis, 2, "ok may mesh-gateway: all 6 ");
	assert_line("connect", NULL, NULL, 0, "ok may connect-ingress: all 2");
	said = run("mesh", NULL, no_patch, 2);
	text = json_dumps(said, 0);
	assert_non_null(strstr(text, "only for --route istio: ask an admin"));
	assert_null(strstr(text, "mesh-gateway")); /* no such API */
}

/* Who may do what "verb resource" of @denied are not */
static const char *const *denied;

static void answer_denied(struct fake_conn *c, const char *request)
{
	bool no = false;

	for (size_t i = 0; denied[i]; i++) {
		const char *space = strchr(denied[i], ' ');
		auto_free char *verb =
			xasprintf("\"verb\":\"%.*s\"", (int)(space - denied[i]),
				  denied[i]);
		auto_free char *what =
			xasprintf("\"resource\":\"%s\"", space + 1);
		auto_free char *sub = xasprintf("\"subresource\":");

		no = no || (strstr(request, verb) && strstr(request, what) &&
			    !strstr(request, sub));
	}
	if (no && strstr(request, "/selfsubjectaccessreviews"))
		fake_reply(c, 201, "Content-Type: application/json\r\n",
			   "{\"status\":{\"allowed\":false}}");
	else
		answer(c, request);
}

/* "fail may exchange" of all that is said */
static bool has_check(const json_t *said, const char *state, const char *check)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(said, "checks"), i, one)
		if ((!state || str_eq(json_str(one, "state", NULL), state)) &&
		    str_eq(json_str(one, "check", NULL), check))
			return true;
	return false;
}

/* What a command needs depends on its mode */
static void by_the_mode(void **state)
{
	static const char *const only_ephemeral[] = { "create pods",
						      "patch deployments",
						      NULL };
	auto_json json_t *said = NULL, *scale = NULL, *settled = NULL;
	auto_free char *text = NULL;

	(void)state;
	answers = answer_denied;
	denied = only_ephemeral;
	said = run("exchange", NULL, NULL, 0);
	text = json_dumps(said, 0);
	assert_true(has_check(said, "fail", "may exchange"));
	assert_non_null(strstr(text, "(deploy/rbac/exchange.yaml); allowed is "
				     "--mode ephemeral\""));
	assert_true(has_check(said, "warn", "may exchange-scale"));
	assert_true(has_check(said, "ok", "may exchange-ephemeral"));
	exchange_mode = EXCHANGE_SCALE; /* configured */
	scale = run("exchange", NULL, NULL, 0);
	assert_true(has_check(scale, "fail", "may exchange-scale"));
	assert_true(has_check(scale, "warn", "may exchange"));
	mode = "ephemeral";
	exchange_mode = EXCHANGE_EPHEMERAL;
	settled = run("exchange", NULL, NULL, 0);
	assert_true(has_check(settled, "ok", "may exchange-ephemeral"));
	assert_false(has_check(settled, NULL, "may exchange"));
	assert_false(has_check(settled, NULL, "may exchange-scale"));
	assert_false(has_check(settled, NULL, "shadow Pod"));
	assert_false(has_check(settled, NULL, "base image"));
	mode = NULL;
	exchange_mode = 0;
	answers = NULL;
}

/* A flag that is given or configured is no "only for" */
static void by_other_flags(void **state)
{
	static const char *const most[] = { "create virtualservices",
					    "create deployments",
					    "watch ingresses", NULL };
	static const struct canned istio[] = {
		{ "/apis/networking.istio.io ", 200, "{}", "" },
	};

	(void)state;
	answers = answer_denied;
	denied = most;
	assert_line("mesh", NULL, istio, 1, "warn may mesh-istio: ");
	route = "istio";
	mesh_route = ROUTE_ISTIO;
	assert_line("mesh", NULL, istio, 1, "fail may mesh-istio: ");
	assert_line("mesh", NULL, NULL, 0,
		    "fail routes: --route istio: the cluster has no API "
		    "networking.istio.io");
	mesh_route = ROUTE_NONE;
	route = NULL;
	assert_line("connect", NULL, NULL, 0, "warn may connect-deployment: ");
	assert_line("connect", NULL, NULL, 0, "warn may connect-ingress: ");
	deployment = true;
	ingress.family = AF_INET;
	assert_line("connect", NULL, NULL, 0, "fail may connect-deployment: ");
	assert_line("connect", NULL, NULL, 0, "fail may connect-ingress: ");
	deployment = false;
	ingress.family = 0;
	answers = NULL;
	connect_shadow = "s"; /* the one that connect would use */
	assert_line("connect", NULL, NULL, 0,
		    "ok may connect-shadow: a port-forward into Pod s of");
	assert_line(NULL, NULL, NULL, 0, "ok may connect: ");
	connect_shadow = NULL;
}

/* What is nice to have is no reason to fail */
static void works_without(void **state)
{
	static const char *const nice[] = { "list networkpolicies",
					    "delete configmaps", "list events",
					    NULL };
	static const char *const needed[] = { "list networkpolicies",
					      "create services", NULL };

	(void)state;
	answers = answer_denied;
	denied = nice;
	assert_line("exchange", NULL, NULL, 0,
		    "warn may exchange: works without what is not allowed in "
		    "namespace ns: list networkpolicies.networking.k8s.io: a "
		    "policy that keeps callers out is not seen");
	assert_line("mesh", NULL, NULL, 0, "warn may mesh: works without");
	assert_line("clean", NULL, NULL, 0,
		    "fail may clean: not allowed in namespace ns: delete "
		    "configmaps");
	denied = needed;
	assert_line("exchange", NULL, NULL, 0,
		    "fail may exchange: not allowed in namespace ns: create "
		    "services, list networkpolicies.networking.k8s.io");
	answers = NULL;
}

#define WEB(more)                                                              \
	"{'kind':'PodList','metadata':{},'items':[{'metadata':{'name':'w'},"   \
	"'spec':{'containers':[]" more                                         \
	"},'status':{'phase':'Running','podIP':'10.0.0.1'}}]}"

static void the_container(void **state)
{
	static const struct canned hidden[] = {
		{ "/pods?", 200, WEB(",'hostNetwork':true"), "" },
	};
	static const struct canned admitted[] = {
		{ "PATCH /base/api/v1/namespaces/ns/pods/w/ephemeralcontainers"
		  "?dryRun=All ",
		  200, "{'kind':'Pod'}", "" },
		{ "/pods?", 200, WEB(""), "" },
	};
	static const struct canned refused[] = {
		{ "/ephemeralcontainers?dryRun=All ", 403,
		  "{'kind':'Status','code':403,'message':'violates "
		  "PodSecurity \\'restricted\\''}",
		  "" },
		{ "/pods?", 200, WEB(""), "" },
	};
	static const struct canned old = {
		"/version", 200, "{'gitVersion':'v1.20.0','minor':'20'}", ""
	};
	auto_json json_t *said = NULL;
	auto_free char *text = NULL;

	(void)state;
	mode = "ephemeral";
	exchange_mode = EXCHANGE_EPHEMERAL;
	assert_line("exchange", "web", NULL, 0,
		    "fail shadow container: a container that is added");
	image = xstrdup("registry.test/shadow:1");
	assert_line("exchange", "web", &old, 1,
		    "fail shadow container: ephemeral containers are there "
		    "from Kubernetes 1.25 on; this one is 1.20");
	assert_line("exchange", NULL, NULL, 0,
		    "skip shadow container: it is tried in one of");
	assert_line("exchange", "web", hidden, 1,
		    "fail shadow container: no Pod runs behind web");
	assert_line("exchange", "web", admitted, 2,
		    "ok shadow container: would be admitted into Pod w, with "
		    "image registry.test/shadow:1");
	said = run("exchange", "web", refused, 2);
	text = json_dumps(said, 0);
	assert_true(has_check(said, "fail", "shadow container"));
	assert_non_null(strstr(text, "needs NET_ADMIN in the Pod"));
	free(image);
	image = NULL;
	mode = NULL;
	exchange_mode = 0;
}

/* Of every published Role there is a line; those of --shadow are elsewhere */
static void every_role(void **state)
{
	static const struct canned apis[] = {
		{ "/apis/networking.istio.io ", 200, "{}", "" },
		{ "/apis/gateway.networking.k8s.io ", 200, "{}", "" },
	};
	auto_json json_t *said = run(NULL, NULL, apis, 2);
	auto_free char *text = json_dumps(said, 0);
	DIR *roles = opendir(RBAC);
	const struct dirent *one;
	size_t n = 0;

	(void)state;
	assert_non_null(roles);
	while ((one = readdir(roles))) {
		auto_free char *line =
			xasprintf("\"may %.*s\"",
				  (int)strcspn(one->d_name, "."), one->d_name);

		if (one->d_name[0] == '.' ||
		    str_starts(one->d_name, "connect-shadow"))
			continue;
		if (!strstr(text, line))
			fail_msg("no line %s in %s", line, text);
		n++;
	}
	closedir(roles);
	assert_true(n > 10);
}

#define DEPLOYMENT                                                             \
	"{'kind':'Deployment','metadata':{'name':'w'},'spec':{'template':{"    \
	"'metadata':{'labels':{'app':'web'}}}}}"
#define SERVICES(app)                                                          \
	"{'kind':'ServiceList','metadata':{},'items':[{'metadata':{'name':"    \
	"'front'},'spec':{'selector':{'app':'" app                             \
	"'},'ports':[{'port':81}]}}]}"

static void workloads(void **state)
{
	static const struct canned behind[] = {
		{ "/deployments/w ", 200, DEPLOYMENT, "" },
		{ "/services", 200, SERVICES("web"), "" },
	};
	static const struct canned alone[] = {
		{ "/deployments/w ", 200, DEPLOYMENT, "" },
		{ "/services", 200, SERVICES("other"), "" },
	};

	(void)state;
	assert_line("exchange", "deployment/w", behind, 2,
		    "ok Service: front, ports 81");
	assert_line("mesh", "deploy/w", behind, 2,
		    "ok Service: front, ports 81");
	assert_line("exchange", "deployment/w", alone, 2,
		    "fail Service: Deployment w: no Service leads to its Pods");
	assert_line("exchange", "sts/w", alone, 2, "fail Service: ");
	assert_line("recover", "deployment/w", behind, 2,
		    "fail Service: recover takes a Service, not a Deployment");
	assert_line("exchange", "job/w", behind, 2,
		    "fail Service: 'job/w' is none of NAME");
}

static void the_way(void **state)
{
	(void)state;
	context = "none-such";
	assert_line("exchange", NULL, NULL, 0, "fail kubeconfig: ");
	context = NULL;
	extra = "\"proxy-url\":\"http://127.0.0.1:1\",";
	assert_line("exchange", NULL, NULL, 0,
		    "ok proxy: requests go through 127.0.0.1:1");
	assert_line("exchange", NULL, NULL, 0, "fail API server: ");
	extra = "\"proxy-url\":\"http://[::1\",";
	assert_line("exchange", NULL, NULL, 0,
		    "fail kubeconfig: proxy URL cannot be understood");
	extra = NULL;
}

static void the_pod(void **state)
{
	static const struct canned admitted = { "/pods?dryRun=All", 201,
						"{'kind':'Pod'}", "" };
	static const struct canned refused = {
		"/pods?dryRun=All", 403,
		"{'kind':'Status','code':403,'message':'exceeded quota'}", ""
	};

	(void)state;
	image = xstrdup("registry.test/shadow:1");
	assert_line("exchange", NULL, &admitted, 1,
		    "ok shadow Pod: would be admitted, with image "
		    "registry.test/shadow:1");
	assert_line("exchange", NULL, &refused, 1, "fail shadow Pod: ");
	free(image);
	image = NULL;
}

static void the_ranges(void **state)
{
	static const struct canned guessed[] = {
		{ "/v1/services", 403, "{'kind':'Status'}", "" },
		{ "/v1/pods", 403, "{'kind':'Status'}", "" },
	};
	static const struct canned broken = { "/servicecidrs", 200, "tea", "" };

	(void)state;
	assert_line("connect", NULL, guessed, 2,
		    "warn ranges: address ranges were guessed from what");
	assert_line("connect", NULL, guessed, 2, "ok ranges: no network");
	assert_line("connect", NULL, &broken, 1,
		    "warn ranges: find the cluster's address ranges: ");
}

/* --- connect --shadow ----------------------------------------------------- */

#define GIVEN(phase, ready, more)                                              \
	"{'kind':'Pod','metadata':{'name':'s'" more                            \
	"},'status':{'phase':'" phase                                          \
	"','conditions':[{'type':'Ready','status':'" ready "'}]}}"
#define NO_SUCH_POD                                                            \
	"{'kind':'Status','code':404,'reason':'NotFound','message':'pods "     \
	"\\'s\\' not found'}"

static void a_shadow_that_is_given(void **state)
{
	static const struct {
		const char *given;
		struct canned c;
		const char *line;
	} all[] = {
		{ "s",
		  { "/none", 200, "", "" },
		  "ok may connect-shadow: a port-forward into Pod s of" },
		{ "pod/s",
		  { "/selfsubjectaccessreviews", 201,
		    "{'status':{'allowed':false}}", "" },
		  "fail may connect-shadow: not allowed in namespace ns: "
		  "create, get pods/portforward of s" },
		{ "s",
		  { "/selfsubjectaccessreviews", 403,
		    "{'kind':'Status','message':'not you'}", "" },
		  "skip permissions: " },
		{ "deployment/s",
		  { "/selfsubjectaccessreviews", 403,
		    "{'kind':'Status','message':'no'}", "" },
		  "skip permissions: " },
		{ "deployment/s",
		  { "/none", 200, "", "" },
		  "ok may connect-shadow-deployment: all 4" },
		{ "deployment/s",
		  { "/selfsubjectaccessreviews", 201,
		    "{'status':{'allowed':false}}", "" },
		  "fail may connect-shadow-deployment: not allowed" },
		{ "deployment/s",
		  { "/none", 200, "", "" },
		  "fail shadow Pod: Deployment ns/s has no Pods" },
		{ "s",
		  { "/pods/s ", 404, NO_SUCH_POD, "" },
		  "fail shadow Pod: " },
		{ "s",
		  { "/pods/s ", 403, "{'kind':'Status'}", "" },
		  "ok shadow Pod: s (you may not look at it, and need not)" },
		{ "s",
		  { "/pods/s ", 200, GIVEN("Pending", "False", ""), "" },
		  "fail shadow Pod: s does not run: it is Pending" },
		{ "s",
		  { "/pods/s ", 200, GIVEN("Running", "False", ""), "" },
		  "warn shadow Pod: s is not Ready" },
		{ "s",
		  { "/pods/s ", 200,
		    GIVEN("Running", "True", ",'deletionTimestamp':'x'"), "" },
		  "warn shadow Pod: s is being deleted" },
		{ "s",
		  { "/pods/s ", 200, GIVEN("Running", "True", ""), "" },
		  "ok shadow Pod: s is there and Ready" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		shadow = all[i].given;
		assert_line("connect", NULL, &all[i].c, 1, all[i].line);
	}
	shadow = NULL;
}

/* One verb of two */
static void half_of_it_allowed(struct fake_conn *c, const char *request)
{
	bool get = strstr(request, "\"get\"");

	if (strstr(request, "selfsubjectaccessreviews"))
		fake_reply(c, 201, "Content-Type: application/json\r\n",
			   get ? "{\"status\":{\"allowed\":false}}"
			       : "{\"status\":{\"allowed\":true}}");
	else
		answer(c, request);
}

static void what_the_way_says(void **state)
{
	static const struct canned unseen[] = {
		{ "/pods/s ", 403, "{'kind':'Status'}", "" },
		{ "/portforward", 404, NO_SUCH_POD, "" },
	};
	static const struct canned closed[] = {
		{ "/pods/s ", 403, "{'kind':'Status'}", "" },
		{ "/portforward", 502, "bad gateway", "" },
	};

	(void)state;
	shadow = "s";
	assert_line("connect", NULL, unseen, 2,
		    "fail shadow Pod: there is no Pod ns/s");
	assert_line("connect", NULL, closed, 2,
		    "fail carrier: no port-forward to Pod s passes");
	answers = half_of_it_allowed;
	assert_line("connect", NULL, closed, 2,
		    "warn may connect-shadow: not allowed in namespace ns: get "
		    "pods/portforward of s");
	answers = NULL;
	shadow = NULL;
}

static void versions(void **state)
{
	struct findings f;

	(void)state;
	findings_init(&f, false);
	given_tell_version(&f, "0.0.1");
	given_tell_version(&f, KT_VERSION);
	assert_string_equal(json_str(json_array_get(f.list, 0), "text", NULL),
			    "the shadow has version 0.0.1, ktctl " KT_VERSION);
	assert_string_equal(json_str(json_array_get(f.list, 0), "state", NULL),
			    "warn");
	assert_string_equal(json_str(json_array_get(f.list, 1), "state", NULL),
			    "ok");
	findings_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_way),
		cmocka_unit_test(the_pod),
		cmocka_unit_test(the_ranges),
		cmocka_unit_test(a_shadow_that_is_given),
		cmocka_unit_test(what_the_way_says),
		cmocka_unit_test(versions),
		cmocka_unit_test(good),
		cmocka_unit_test(the_cluster),
		cmocka_unit_test(rights),
		cmocka_unit_test(each_once),
		cmocka_unit_test(rights_with_flags),
		cmocka_unit_test(by_the_mode),
		cmocka_unit_test(by_other_flags),
		cmocka_unit_test(works_without),
		cmocka_unit_test(the_container),
		cmocka_unit_test(every_role),
		cmocka_unit_test(workloads),
	};
	int rc;

	netns_test_enter(); /* doctor tries a table of nftables */
	if (!mkdtemp(dir))
		return 1;
	setenv("HOME", dir, 1);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	home_init(&home);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	home_fini(&home);
	return rc;
}
