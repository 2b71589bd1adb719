/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/objects.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/program.h"
#include "kube/rest.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

/* What Kubernetes calls the machine that we are built for, and the image */
#if defined(__x86_64__)
#define KT_ARCH "amd64"
#elif defined(__aarch64__)
#define KT_ARCH "arm64"
#elif defined(__arm__)
#define KT_ARCH "arm"
#elif defined(__i386__)
#define KT_ARCH "386"
#elif defined(__riscv) && __riscv_xlen == 64
#define KT_ARCH "riscv64"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define KT_ARCH "ppc64le"
#elif defined(__s390x__)
#define KT_ARCH "s390x"
#else
#define KT_ARCH ""
#endif

#define PROGRAM_VOLUME "program"
#define ENV_VOLUME "env"
#define TLS_VOLUME "tls"
#define GATE_VOLUME "gate"
#define GATE_DIR "/ktctl-gate" /* where its ConfigMap is mounted */
#define GATE_PROGRAM "/gate"   /* in our image */
#define PROGRAM_MODE 0555
#define TLS_MODE 0444 /* the Pod's user is none that a Secret knows */
/* seconds: requests in flight end, another shadow takes over; longer than the
 * program itself takes (SHADOW_ENDING_S) */
#define SERVE_GRACE 60
#define OPEN_GRACE 300 /* likewise: what is open goes on (SHADOW_OPEN_S) */
#define GATE_GRACE 30  /* likewise (gate/) */
#define TARGET_LEN (KT_TARGET_SIZE - 1)

const char *objects_arch(void)
{
	return KT_ARCH;
}

/* Letters of both cases, as KT makes them. */
void target_make(char dst[KT_TARGET_SIZE])
{
	uint32_t upper = 0;

	str_random(dst, TARGET_LEN);
	if (getrandom(&upper, sizeof(upper), 0) != sizeof(upper))
		upper = 0;
	for (size_t i = 0; i < TARGET_LEN; i++)
		if (upper >> i & 1)
			dst[i] = (char)toupper((unsigned char)dst[i]);
}

/* --- metadata ------------------------------------------------------------- */

/* A copy of the user's map to put ours into; never NULL. */
static json_t *copy_map(const json_t *map)
{
	return map ? json_copy((json_t *)(uintptr_t)map) : json_object();
}

static void objects_set_text(json_t *obj, const char *key, const char *value)
{
	if (value)
		json_object_set_new(obj, key, json_string(value));
}

static json_t *labels_of(const struct shadow_spec *s, bool control)
{
	json_t *l = copy_map(s->labels);

	json_object_del(l, KT_LABEL_CONTROL);
	if (control)
		objects_set_text(l, KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE);
	objects_set_text(l, KT_LABEL_ROLE, s->role);
	objects_set_text(l, KT_LABEL_TARGET, s->target);
	return l;
}

static json_t *objects_annotations_of(const struct shadow_spec *s)
{
	json_t *a = copy_map(s->annotations);
	char now[24];

	snprintf(now, sizeof(now), "%" PRId64, s->now);
	objects_set_text(a, KT_ANNOTATION_USER, s->user);
	if (s->now) {
		objects_set_text(a, KT_ANNOTATION_HEARTBEAT, now);
		objects_set_text(a, KT_ANNOTATION_REFS, "1");
	}
	objects_set_text(a, KT_ANNOTATION_CONFIG, s->config);
	return a;
}

/* --- the Pod -------------------------------------------------------------- */

/* Where the platform assigns users (OpenShift), none may be named */
static void objects_set_user(json_t *security, const struct shadow_spec *s)
{
	json_int_t user = s->run_as_user ? s->run_as_user : POD_USER_NOBODY;

	if (user == POD_USER_NONE)
		return;
	json_object_set_new(security, "runAsUser", json_integer(user));
	json_object_set_new(security, "runAsGroup", json_integer(user));
}

static json_t *container_security(const struct shadow_spec *s)
{
	json_t *c = json_pack("{s:b,s:b,s:b,s:{s:[s]},s:{s:s}}",
			      "allowPrivilegeEscalation", 0,
			      "readOnlyRootFilesystem", 1, "runAsNonRoot", 1,
			      "capabilities", "drop", "ALL", "seccompProfile",
			      "type", "RuntimeDefault");

	objects_set_user(c, s);
	return c;
}

static json_t *sysctl(const char *name, const char *value)
{
	return json_pack("{s:s,s:s}", "name", name, "value", value);
}

/* Both are safe sysctls, allowed everywhere: ICMP echo without a capability
 * (since 1.18), ports below 1024 likewise (since 1.22). */
static json_t *sysctls(const struct shadow_spec *s)
{
	json_t *list = json_array();

	json_array_append_new(
		list, sysctl("net.ipv4.ping_group_range", "0 2147483647"));
	if (s->low_ports)
		json_array_append_new(
			list,
			sysctl("net.ipv4.ip_unprivileged_port_start", "0"));
	return list;
}

static json_t *pod_security(const struct shadow_spec *s)
{
	json_t *p = json_pack("{s:b,s:{s:s},s:o}", "runAsNonRoot", 1,
			      "seccompProfile", "type", "RuntimeDefault",
			      "sysctls", sysctls(s));

	objects_set_user(p, s);
	return p;
}

/* Before it is ready no Service is switched to one that serves: ask often */
static json_t *probe(const struct shadow_spec *s, uint16_t port)
{
	return json_pack("{s:{s:s,s:i},s:i,s:i,s:i}", "httpGet", "path",
			 "/healthz", "port", port, "periodSeconds",
			 s->serve || s->is_gate ? 1 : 2, "timeoutSeconds", 2,
			 "failureThreshold", 3);
}

static json_t *resources(const struct shadow_spec *s)
{
	json_t *q = json_object();

	objects_set_text(q, "cpu", s->cpu);
	objects_set_text(q, "memory", s->memory);
	return json_pack("{s:O,s:o}", "limits", q, "requests", q);
}

/* The gate refuses who comes when it is full (gate/way.h), so it needs to know
 * how much it may have; CPU as the others */
static json_t *objects_gate_resources(const struct shadow_spec *s)
{
	json_t *shared = resources(s), *own = json_deep_copy(shared);

	json_decref(shared);
	objects_set_text(json_object_get(own, "limits"), "memory", "512Mi");
	objects_set_text(json_object_get(own, "requests"), "memory", "32Mi");
	return own;
}

static json_t *objects_texts(const char *const *texts)
{
	json_t *list = json_array();

	for (size_t i = 0; texts[i]; i++)
		json_array_append_new(list, json_string(texts[i]));
	return list;
}

static void objects_mount(json_t *c, const char *volume, const char *dir)
{
	json_t *list = json_object_get(c, "volumeMounts");

	if (!list) {
		list = json_array();
		json_object_set_new(c, "volumeMounts", list);
	}
	json_array_append_new(list, json_pack("{s:s,s:s,s:b}", "name", volume,
					      "mountPath", dir, "readOnly", 1));
}

/* What the image starts, and where, is not used: its working directory may be
 * closed to our user */
static void objects_bring_program(json_t *c, const struct shadow_spec *s)
{
	json_object_set_new(
		c, "command",
		json_pack("[s,s,s]", PROGRAM_DIR "/" PROGRAM_START,
			  s->is_gate ? PROGRAM_DIR "/" PROGRAM_GATE_PACKED
				     : PROGRAM_DIR "/" PROGRAM_PACKED,
			  s->digest));
	objects_set_text(c, "workingDir", "/");
	objects_mount(c, PROGRAM_VOLUME, PROGRAM_DIR);
}

static void objects_bring_gate(json_t *c, const struct shadow_spec *s)
{
	json_t *command =
		s->gate ? json_pack("[s,s,s]", GATE_DIR "/" PROGRAM_START,
				    GATE_DIR "/" PROGRAM_GATE_PACKED,
				    s->gate_digest)
			: json_pack("[s]", GATE_PROGRAM);

	json_object_set_new(c, "command", command);
	json_object_del(c, "volumeMounts"); /* the shadow's program */
	if (s->gate)
		objects_mount(c, GATE_VOLUME, GATE_DIR);
	objects_mount(c, TLS_VOLUME, KT_TLS_FOLDER);
}

/* What all of the Pod's containers have */
static json_t *objects_container(const struct shadow_spec *s, const char *name,
				 const char *const *args, const json_t *ports)
{
	json_t *c = json_pack(
		"{s:s,s:s,s:s,s:o,s:s}", "name", name, "image", s->image,
		"imagePullPolicy", s->always_pull ? "Always" : "IfNotPresent",
		"securityContext", container_security(s),
		"terminationMessagePolicy", "FallbackToLogsOnError");

	if (s->program)
		objects_bring_program(c, s);
	else if (s->is_gate)
		json_object_set_new(c, "command",
				    json_pack("[s]", GATE_PROGRAM));
	if (args)
		json_object_set_new(c, "args", objects_texts(args));
	if (ports)
		json_object_set(c, "ports", (json_t *)(uintptr_t)ports);
	if (s->cpu || s->memory)
		json_object_set_new(c, "resources", resources(s));
	return c;
}

static json_t *objects_serving(const struct shadow_spec *s)
{
	json_t *c = objects_container(s, KT_CONTAINER, s->args,
				      json_array_get(s->ports, 0));

	if (s->serve)
		json_object_set_new(c, "env",
				    json_pack("[{s:s,s:s}]", "name",
					      KT_ENV_SERVE, "value", s->serve));
	if (s->health_port)
		json_object_set_new(c, "readinessProbe",
				    probe(s, s->health_port));
	if (s->env_table)
		objects_mount(c, ENV_VOLUME, KT_ENV_TABLE_FOLDER);
	return c;
}

/* It does nothing: two ports of one name need two containers */
static json_t *objects_containers(const struct shadow_spec *s)
{
	static const char *const idle[] = { "--listen", "0", "--idle-exit", "0",
					    NULL };
	json_t *list = json_pack("[o]", objects_serving(s));
	json_t *gate;

	for (size_t i = 1; i < json_array_size(s->ports); i++)
		json_array_append_new(
			list, objects_container(s, KT_CONTAINER_PORTS, idle,
						json_array_get(s->ports, i)));
	if (s->tls_secret) {
		gate = objects_container(s, KT_CONTAINER_TLS, s->tls_args,
					 NULL);
		objects_bring_gate(gate, s);
		if (!s->memory)
			json_object_set_new(gate, "resources",
					    objects_gate_resources(s));
		json_object_set_new(gate, "readinessProbe",
				    probe(s, s->tls_health));
		json_array_append_new(list, gate);
	}
	return list;
}

/* A cluster may have nodes that cannot run our program; the user knows better
 */
static json_t *objects_nodes(const struct shadow_spec *s)
{
	json_t *nodes = json_pack("{s:s}", "kubernetes.io/os", "linux");

	if (*KT_ARCH)
		objects_set_text(nodes, "kubernetes.io/arch", KT_ARCH);
	if (s->node_selector)
		json_object_update(nodes,
				   (json_t *)(uintptr_t)s->node_selector);
	return nodes;
}

static json_t *objects_secrets(const struct shadow_spec *s)
{
	json_t *list = json_array();

	if (s->image_pull_secrets)
		json_array_extend(list,
				  (json_t *)(uintptr_t)s->image_pull_secrets);
	if (s->image_pull_secret)
		json_array_append_new(
			list, json_pack("{s:s}", "name", s->image_pull_secret));
	return list;
}

/* @list is taken; an empty one is left out */
static void objects_set_list(json_t *obj, const char *key, json_t *list)
{
	if (json_array_size(list))
		json_object_set(obj, key, list);
	json_decref(list);
}

static json_t *objects_program_volume(const char *volume, const char *name)
{
	return json_pack("{s:s,s:{s:s,s:i}}", "name", volume, "configMap",
			 "name", name, "defaultMode", PROGRAM_MODE);
}

static json_t *objects_volumes(const struct shadow_spec *s)
{
	json_t *list = json_array();

	if (s->program)
		json_array_append_new(
			list,
			objects_program_volume(PROGRAM_VOLUME, s->program));
	if (s->tls_secret && s->gate)
		json_array_append_new(
			list, objects_program_volume(GATE_VOLUME, s->gate));
	/* without the Secret the gate starts, too, and says so */
	if (s->tls_secret)
		json_array_append_new(
			list,
			json_pack("{s:s,s:{s:s,s:i,s:b}}", "name", TLS_VOLUME,
				  "secret", "secretName", s->tls_secret,
				  "defaultMode", TLS_MODE, "optional", 1));
	if (s->env_table)
		json_array_append_new(list,
				      json_pack("{s:s,s:{s:s,s:b}}", "name",
						ENV_VOLUME, "configMap", "name",
						s->env_table, "optional", 1));
	return list;
}

/* Not on that node, unless it is the only one */
static json_t *objects_affinity(const struct shadow_spec *s)
{
	return json_pack(
		"{s:{s:[{s:i,s:{s:[{s:s,s:s,s:[s]}]}}]}}", "nodeAffinity",
		"preferredDuringSchedulingIgnoredDuringExecution", "weight",
		100, "preference", "matchFields", "key", "metadata.name",
		"operator", "NotIn", "values", s->avoid_node);
}

static json_t *pod_spec(const struct shadow_spec *s, const char *restart)
{
	json_t *p = json_pack("{s:o,s:o,s:s,s:i,s:b,s:b}", "containers",
			      objects_containers(s), "securityContext",
			      pod_security(s), "restartPolicy",
			      s->serve ? "Always" : restart,
			      "terminationGracePeriodSeconds",
			      s->is_gate ? GATE_GRACE
			      : s->serve ? SERVE_GRACE
					 : OPEN_GRACE,
			      "automountServiceAccountToken", (int)s->token,
			      "enableServiceLinks", 0);

	objects_set_text(p, "serviceAccountName", s->service_account);
	json_object_set_new(p, "nodeSelector", objects_nodes(s));
	if (s->avoid_node)
		json_object_set_new(p, "affinity", objects_affinity(s));
	objects_set_list(p, "imagePullSecrets", objects_secrets(s));
	objects_set_list(p, "volumes", objects_volumes(s));
	return p;
}

json_t *shadow_pod(const struct shadow_spec *s)
{
	return json_pack("{s:s,s:s,s:{s:s,s:o,s:o},s:o}", "apiVersion", "v1",
			 "kind", "Pod", "metadata", "name", s->name, "labels",
			 labels_of(s, true), "annotations",
			 objects_annotations_of(s), "spec",
			 pod_spec(s, "OnFailure"));
}

json_t *shadow_deployment(const struct shadow_spec *s)
{
	json_t *pod_labels = labels_of(s, false), *labels;
	char target[KT_TARGET_SIZE];

	target_make(target);
	if (!s->target)
		objects_set_text(pod_labels, KT_LABEL_TARGET, target);
	labels = json_copy(pod_labels);
	objects_set_text(labels, KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE);
	return json_pack(
		"{s:s,s:s,s:{s:s,s:o,s:o,s:O*},"
		"s:{s:i,s:{s:O},s:{s:{s:o,s:o},s:o}}}",
		"apiVersion", "apps/v1", "kind", "Deployment", "metadata",
		"name", s->name, "labels", labels, "annotations",
		objects_annotations_of(s), "ownerReferences", s->owners, "spec",
		"replicas", 1, "selector", "matchLabels", pod_labels,
		"template", "metadata", "labels", pod_labels, "annotations",
		copy_map(s->annotations), "spec", pod_spec(s, "Always"));
}

/* --- what the user wants on all of them ----------------------------------- */

const char *object_tls_secret(const json_t *deployment)
{
	const json_t *pod =
		json_at(deployment, "spec", "template", "spec", NULL);
	const json_t *v;
	size_t i;

	json_array_foreach (json_object_get(pod, "volumes"), i, v)
		if (str_eq(json_str(v, "name", NULL), TLS_VOLUME))
			return json_str(v, "secret", "secretName", NULL);
	return NULL;
}

json_t *objects_pairs(const struct pairs *p)
{
	json_t *o = json_object();

	for (size_t i = 0; i < p->n; i++)
		json_object_set_new(o, p->v[i].key, json_string(p->v[i].value));
	return o;
}

/* Ours win, also those that an object has none of */
static void objects_add(json_t *meta, const char *key, const struct pairs *p)
{
	static const char *const ours[] = { KT_LABEL_CONTROL, KT_LABEL_ROLE,
					    KT_LABEL_TARGET };
	json_t *to = json_object_get(meta, key);

	if (!to && p->n) {
		to = json_object();
		json_object_set_new(meta, key, to);
	}
	for (size_t i = 0; i < p->n; i++) {
		bool reserved = json_object_get(to, p->v[i].key);

		for (size_t k = 0; k < ARRAY_SIZE(ours); k++)
			reserved |= strcmp(p->v[i].key, ours[k]) == 0;
		if (!reserved)
			json_object_set_new(to, p->v[i].key,
					    json_string(p->v[i].value));
	}
}

void object_add_options(json_t *obj, const struct pod_options *o)
{
	json_t *meta = json_object_get(obj, "metadata");

	if (!o)
		return;
	objects_add(meta, "labels", &o->labels);
	objects_add(meta, "annotations", &o->annotations);
}

/* --- reading them --------------------------------------------------------- */

const char *object_label(const json_t *obj, const char *key)
{
	return json_str(obj, "metadata", "labels", key, NULL);
}

const char *object_annotation(const json_t *obj, const char *key)
{
	return json_str(obj, "metadata", "annotations", key, NULL);
}

const char *object_name(const json_t *obj)
{
	const char *name = json_str(obj, "metadata", "name", NULL);

	return name ? name : "";
}

char *object_key(const json_t *obj)
{
	const char *ns = json_str(obj, "metadata", "namespace", NULL);

	return xasprintf("%s/%s", ns ? ns : "", object_name(obj));
}

bool object_is_owned(const json_t *obj, const char *uid)
{
	const json_t *ref;
	size_t i;

	json_array_foreach (json_at(obj, "metadata", "ownerReferences", NULL),
			    i, ref)
		if (uid && str_eq(json_str(ref, "uid", NULL), uid))
			return true;
	return false;
}

char *objects_users(const json_t *objects)
{
	struct strv seen = { 0 };
	char *text = xstrdup("");
	const json_t *obj;
	size_t i;

	json_array_foreach (objects, i, obj) {
		const char *user = object_annotation(obj, KT_ANNOTATION_USER);
		char *more;

		if (!user || strv_has(&seen, user))
			continue;
		strv_add(&seen, user);
		more = xasprintf("%s%s%s", text, *text ? ", " : "", user);
		free(text);
		text = more;
	}
	strv_fini(&seen);
	if (!*text) {
		free(text);
		text = xstrdup("somebody");
	}
	return text;
}

char *object_config(const json_t *obj, const char *key)
{
	const char *text = object_annotation(obj, KT_ANNOTATION_CONFIG);
	auto_strv struct strv parts = strv_split(text ? text : "", ',');
	size_t n = strlen(key);

	for (size_t i = 0; i < parts.n; i++)
		if (str_starts(parts.v[i], key) && parts.v[i][n] == '=')
			return xstrdup(parts.v[i] + n + 1);
	return NULL;
}

const json_t *object_pod_labels(const json_t *obj)
{
	const json_t *of_template =
		json_at(obj, "spec", "template", "metadata", "labels", NULL);

	return of_template ? of_template
			   : json_at(obj, "metadata", "labels", NULL);
}

static bool objects_runs_shadow(const json_t *container)
{
	const json_t *v;
	size_t i;

	json_array_foreach (json_object_get(container, "args"), i, v)
		if (str_eq(json_string_value(v), "--listen"))
			return true;
	json_array_foreach (json_object_get(container, "env"), i, v)
		if (str_eq(json_str(v, "name", NULL), KT_ENV_SERVE))
			return true;
	return false;
}

bool object_is_of_ktctl(const json_t *obj)
{
	const json_t *of_template =
		json_at(obj, "spec", "template", "spec", "containers", NULL);
	const json_t *containers =
		of_template ? of_template
			    : json_at(obj, "spec", "containers", NULL);
	const json_t *c;
	size_t i;

	if (!containers) /* a Service: KT Connect does not say whose it is */
		return object_annotation(obj, KT_ANNOTATION_USER);
	/* a service mesh may have put its own before it */
	json_array_foreach (containers, i, c)
		if (str_eq(json_str(c, "name", NULL), KT_CONTAINER))
			return objects_runs_shadow(c);
	return false;
}

bool object_pod_is_ready(const json_t *pod)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_at(pod, "status", "conditions", NULL), i, c)
		if (str_eq(json_str(c, "type", NULL), "Ready"))
			return str_eq(json_str(c, "status", NULL), "True");
	return false;
}

bool object_is_ending(const json_t *obj)
{
	return json_at(obj, "metadata", "deletionTimestamp", NULL);
}

int64_t object_age(const json_t *obj, const char *key, int64_t now)
{
	const char *text = object_annotation(obj, key);
	long at;

	if (!text || str_to_long(text, &at) < 0)
		return -1;
	return now > at ? now - at : 0;
}

int64_t object_kept(const json_t *obj)
{
	const char *text = object_annotation(obj, KT_ANNOTATION_KEEP);
	long kept;

	if (!text || str_to_long(text, &kept) < 0 || kept < 0)
		return 0;
	return MIN(kept, OBJECT_KEPT_MAX);
}
