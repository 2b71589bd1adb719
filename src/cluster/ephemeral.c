/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/ephemeral.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/podstate.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define NOBODY_CAME "60" /* seconds: ends by itself */
#define NOBODY_CAME_S 60
#define NOBODY 65534		     /* who may nothing */
#define EPHEMERAL_VOLUMES "/volumes" /* in the container */
#define EPHEMERAL_ENV_VOLUMES "SHADOW_VOLUMES"
#define LISTEN_FIRST 20000 /* below the ports that programs get at random */
#define LISTEN_PORTS 10000

bool ephemeral_eligible(const json_t *pod)
{
	return str_eq(json_str(pod, "status", "phase", NULL), "Running") &&
	       json_str(pod, "status", "podIP", NULL) &&
	       !json_at(pod, "metadata", "deletionTimestamp", NULL) &&
	       !json_is_true(json_at(pod, "spec", "hostNetwork", NULL)) &&
	       !object_label(pod, KT_LABEL_ROLE);
}

char *ephemeral_serve(const struct service_ports *ports, const json_t *pod)
{
	const char *ip = json_str(pod, "status", "podIP", NULL);

	return service_ports_serve_beside(ports, ip ? ip : "");
}

/* --- the container -------------------------------------------------------- */

static bool has_probe(const json_t *containers)
{
	static const char *const kinds[] = { "livenessProbe", "readinessProbe",
					     "startupProbe" };
	const json_t *c;
	size_t i;

	json_array_foreach (containers, i, c)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			const json_t *p = json_object_get(c, kinds[k]);

			if (p && !json_object_get(p, "exec"))
				return true;
		}
	return false;
}

bool ephemeral_has_probe(const json_t *pod)
{
	return has_probe(json_at(pod, "spec", "containers", NULL)) ||
	       has_probe(json_at(pod, "spec", "initContainers", NULL));
}

/* The node's probes must find the Pod's own program: whose ends at the laptop
 * would have the Pod restarted. Where there is none, no caller is spared. */
static char *exempt(const json_t *pod)
{
	const json_t *all = json_at(pod, "status", "hostIPs", NULL), *ip;
	const char *one = json_str(pod, "status", "hostIP", NULL);
	char *text;
	size_t i;

	if (!ephemeral_has_probe(pod))
		return NULL;
	text = xstrdup(one ? one : "");
	json_array_foreach (all, i, ip) {
		const char *more = json_str(ip, "ip", NULL);
		char *longer;

		if (!more || str_eq(more, one))
			continue;
		longer = xasprintf("%s%s%s", text, *text ? "," : "", more);
		free(text);
		text = longer;
	}
	return text;
}

static json_t *security(void)
{
	return json_pack("{s:b,s:b,s:b,s:i,s:i,s:{s:[s],s:[s]},s:{s:s}}",
			 "allowPrivilegeEscalation", 0,
			 "readOnlyRootFilesystem", 1, "runAsNonRoot", 0,
			 "runAsUser", 0, "runAsGroup", 0, "capabilities",
			 "drop", "ALL", "add", "NET_ADMIN", "seccompProfile",
			 "type", "RuntimeDefault");
}

json_t *ephemeral_patch(const json_t *pod, const char *name, const char *image,
			bool always_pull, const char *serve, uint16_t listen)
{
	auto_free char *spare = exempt(pod);
	char port[8];
	json_t *args, *c;

	snprintf(port, sizeof(port), "%u", listen);
	args = json_pack("[s,s,s,s,s]", "--listen", port, "--once",
			 "--idle-exit", NOBODY_CAME);
	if (spare && *spare) {
		json_array_append_new(args, json_string("--exempt"));
		json_array_append_new(args, json_string(spare));
	}
	c = json_pack("{s:s,s:s,s:s,s:o,s:[{s:s,s:s}],s:o,s:s}", "name", name,
		      "image", image, "imagePullPolicy",
		      always_pull ? "Always" : "IfNotPresent", "args", args,
		      "env", "name", KT_ENV_SERVE, "value", serve,
		      "securityContext", security(), "terminationMessagePolicy",
		      "FallbackToLogsOnError");
	return json_pack("{s:{s:[o]}}", "spec", "ephemeralContainers", c);
}

/* A number of the container's securityContext, else of the Pod's; or -1 */
static json_int_t ephemeral_guest_id(const struct ephemeral_guest *g,
				     const char *key)
{
	const json_t *own = json_at(g->container, "securityContext", key, NULL);
	const json_t *all =
		json_at(g->pod, "spec", "securityContext", key, NULL);
	const json_t *id = own ? own : all;

	return json_is_integer(id) ? json_integer_value(id) : -1;
}

/* As PodSecurity "restricted" wants it. Who reads volumes is their container's
 * user, if that is known and not root. */
static json_t *ephemeral_guest_security(const struct ephemeral_guest *g)
{
	json_int_t user = g->volumes && g->volumes->n
				  ? ephemeral_guest_id(g, "runAsUser")
				  : -1;
	json_int_t group =
		user > 0 ? MAX(ephemeral_guest_id(g, "runAsGroup"), 0) : NOBODY;

	return json_pack("{s:b,s:b,s:b,s:I,s:I,s:{s:[s]},s:{s:s}}",
			 "allowPrivilegeEscalation", 0,
			 "readOnlyRootFilesystem", 1, "runAsNonRoot", 1,
			 "runAsUser", user > 0 ? user : NOBODY, "runAsGroup",
			 group, "capabilities", "drop", "ALL", "seccompProfile",
			 "type", "RuntimeDefault");
}

static void ephemeral_guest_mount(json_t *container,
				  const struct ephemeral_guest *g)
{
	json_t *mounts = json_array();
	auto_free char *env = xasprintf("%s=%s", EPHEMERAL_VOLUMES, g->digest);

	for (size_t i = 0; i < g->volumes->n; i++) {
		const char *name = g->volumes->v[i];
		auto_free char *path =
			xasprintf("%s/%s", EPHEMERAL_VOLUMES, name);

		json_array_append_new(mounts, json_pack("{s:s,s:s,s:b}", "name",
							name, "mountPath", path,
							"readOnly", 1));
	}
	json_object_set_new(container, "volumeMounts", mounts);
	json_array_append_new(json_object_get(container, "env"),
			      json_pack("{s:s,s:s}", "name",
					EPHEMERAL_ENV_VOLUMES, "value", env));
}

json_t *ephemeral_guest_patch(const struct ephemeral_guest *g)
{
	char port[8], keep[24], idle[24];
	json_t *c;

	snprintf(port, sizeof(port), "%u", g->listen);
	snprintf(keep, sizeof(keep), "%ld", g->keep_s);
	snprintf(idle, sizeof(idle), "%ld",
		 MAX(g->keep_s, (long)NOBODY_CAME_S));
	c = json_pack("{s:s,s:s,s:s,s:[s,s,s,s,s,s,s],s:[],s:o,s:s}", "name",
		      g->name, "image", g->image, "imagePullPolicy",
		      g->always_pull ? "Always" : "IfNotPresent", "args",
		      "--listen", port, "--once", "--idle-exit", idle, "--keep",
		      keep, "env", "securityContext",
		      ephemeral_guest_security(g), "terminationMessagePolicy",
		      "FallbackToLogsOnError");
	if (g->volumes && g->volumes->n)
		ephemeral_guest_mount(c, g);
	return json_pack("{s:{s:[o]}}", "spec", "ephemeralContainers", c);
}

void ephemeral_sign(json_t *patch, const char *user, const char *machine)
{
	json_t *env = json_object_get(
		json_array_get(
			json_at(patch, "spec", "ephemeralContainers", NULL), 0),
		"env");

	json_array_append_new(env,
			      json_pack("{s:s,s:s}", "name", EPHEMERAL_ENV_USER,
					"value", user));
	json_array_append_new(env, json_pack("{s:s,s:s}", "name",
					     EPHEMERAL_ENV_MACHINE, "value",
					     machine));
}

uint16_t ephemeral_port(const json_t *pod)
{
	uint16_t r = 0, port;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = 0;
	do
		port = (uint16_t)(LISTEN_FIRST + r++ % LISTEN_PORTS);
	while (ephemeral_declares(pod, port));
	return port;
}

void ephemeral_hint(struct kt_error *err)
{
	if (err->http_status != 403 || !strstr(err->msg, "PodSecurity"))
		return;
	err->hint[0] = '\0'; /* a better one than the general */
	kt_hint(err, "leading callers away needs NET_ADMIN in the Pod, which "
		     "this namespace does not allow: --mode selector needs "
		     "nothing of the kind");
}

static bool ephemeral_any_declares(const json_t *containers, uint16_t port)
{
	const json_t *c, *p;
	size_t i, k;

	json_array_foreach (containers, i, c)
		json_array_foreach (json_object_get(c, "ports"), k, p)
			if (json_integer_value(json_object_get(
				    p, "containerPort")) == port)
				return true;
	return false;
}

bool ephemeral_declares(const json_t *pod, uint16_t port)
{
	return ephemeral_any_declares(json_at(pod, "spec", "containers", NULL),
				      port) ||
	       ephemeral_any_declares(
		       json_at(pod, "spec", "initContainers", NULL), port);
}

/* --- how it is with it ---------------------------------------------------- */

static const json_t *ephemeral_by_name(const json_t *list, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach (list, i, o)
		if (str_eq(json_str(o, "name", NULL), name))
			return o;
	return NULL;
}

enum ephemeral_state ephemeral_look(const json_t *pod, const char *name,
				    struct kt_error *why)
{
	const json_t *spec = ephemeral_by_name(
		json_at(pod, "spec", "ephemeralContainers", NULL), name);
	const json_t *status = ephemeral_by_name(
		json_at(pod, "status", "ephemeralContainerStatuses", NULL),
		name);
	const json_t *end = json_at(status, "state", "terminated", NULL);
	const char *said = json_str(end, "message", NULL);
	struct pod_report r;

	if (!spec)
		return EPHEMERAL_ABSENT;
	if (end) {
		kt_fail(why, EIO, "container %s of Pod %s has ended: %.700s",
			name, object_name(pod),
			said ? said : "it does not say why");
		return EPHEMERAL_ABSENT;
	}
	pod_report_container(&r, pod, status);
	if (r.state == POD_RUNNING)
		return EPHEMERAL_RUNNING;
	if (r.state != POD_FAILED)
		return EPHEMERAL_WAITING;
	if (why)
		*why = r.why;
	return EPHEMERAL_FAILED;
}

/* --- one that is there ---------------------------------------------------- */

static const char *serve_of(const json_t *container)
{
	return json_str(ephemeral_by_name(json_object_get(container, "env"),
					  KT_ENV_SERVE),
			"value", NULL);
}

/* 0: none */
static uint16_t listen_of(const json_t *container)
{
	const char *text = json_string_value(
		json_array_get(json_object_get(container, "args"), 1));
	uint16_t port;

	return text && str_to_port(text, &port) == 0 ? port : 0;
}

/* "8080!" of "8080!=10.0.0.1:8080~tcp": the same in both? */
static bool overlap(const char *a, const char *b)
{
	auto_strv struct strv v = strv_split(a, ',');
	auto_strv struct strv w = strv_split(b, ',');
	bool found = false;

	for (size_t i = 0; i < v.n; i++)
		for (size_t k = 0; k < w.n; k++) {
			size_t n = strcspn(v.v[i], "!");

			found |= n == strcspn(w.v[k], "!") &&
				 strncmp(v.v[i], w.v[k], n) == 0;
		}
	return found;
}

int ephemeral_find(const json_t *pod, const char *serve, const char *but,
		   char name[EPHEMERAL_NAME_SIZE], uint16_t *listen,
		   struct kt_error *err)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_at(pod, "spec", "ephemeralContainers", NULL),
			    i, c) {
		const char *it = json_str(c, "name", NULL);
		const char *its = serve_of(c);

		if (!it || !its || !str_starts(it, EPHEMERAL_PREFIX) ||
		    strlen(it) >= EPHEMERAL_NAME_SIZE || strcmp(it, but) == 0 ||
		    ephemeral_look(pod, it, NULL) != EPHEMERAL_RUNNING)
			continue;
		if (strcmp(its, serve) == 0 && listen_of(c)) {
			snprintf(name, EPHEMERAL_NAME_SIZE, "%s", it);
			*listen = (uint16_t)listen_of(c);
			return 1;
		}
		if (overlap(its, serve))
			return kt_fail(err, EBUSY,
				       "Pod %s: another exchange has some of "
				       "these ports already (container %s)",
				       object_name(pod), it);
	}
	return 0;
}
