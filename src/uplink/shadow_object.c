/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/shadow_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "local/owner.h"
#include "tunnel/inbound.h"
#include "uplink/shadow_ports.h"

#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#define TWIN "-b"

const char *shadow_user(void)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw = getpwuid(getuid());

	if (sudo && *sudo)
		return sudo;
	return pw ? pw->pw_name : "unknown";
}

/* A router's state is its users': it is always the one Pod of its name. */
bool shadow_is_router(const struct shadow_pod *s)
{
	return s->cfg.face && s->cfg.share;
}

/* ... unless it serves also those who are not there: then it is a Deployment */
bool shadow_is_standing(const struct shadow_pod *s)
{
	return shadow_is_router(s) && s->cfg.face->standing;
}

bool shadow_is_deployment(const struct shadow_pod *s)
{
	if (s->cfg.given)
		return false;
	return shadow_is_router(s) ? shadow_is_standing(s)
				   : s->cfg.pod->deployment;
}

/* Not Ready before its users have their rules in it; a standing one does not
 * know whether there are any */
bool shadow_is_gated(const struct shadow_pod *s)
{
	return s->cfg.face && (s->after[0] || (shadow_is_deployment(s) &&
					       !shadow_is_standing(s)));
}

void shadow_twin(const char *name, char dst[256])
{
	size_t n = strlen(name);

	if (str_ends(name, TWIN))
		snprintf(dst, 256, "%.*s", (int)(n - strlen(TWIN)), name);
	else
		snprintf(dst, 256, "%.250s" TWIN, name);
}

void shadow_make_name(const struct shadow_pod *s, char dst[256])
{
	const struct shadow_face *f = s->cfg.face;

	if (f && f->name && s->after[0])
		shadow_twin(s->after, dst);
	else if (f && f->name)
		snprintf(dst, 256, "%s", f->name);
	else
		snprintf(dst, 256, "%s%s", f ? f->prefix : KT_CONNECT_PREFIX,
			 s->tail);
}

void shadow_set_name(struct shadow_pod *s, const char *name)
{
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->text, sizeof(s->text), "shadow %s %s",
		 shadow_is_deployment(s) ? "Deployment" : "Pod", name);
}

char *shadow_path(const struct shadow_pod *s, const char *name)
{
	return shadow_is_deployment(s)
		       ? kube_path("apps/v1", "deployments", s->cfg.ns, name,
				   NULL)
		       : kube_path("v1", "pods", s->cfg.ns, name, NULL);
}

int64_t shadow_now(const struct shadow_pod *s)
{
	return s->cfg.use_local_time ? time(NULL)
				     : kube_cluster_time(s->cfg.kube);
}

/* The program's arguments: numbers are in @text, borrowed as @v */
struct shadow_args {
	char text[4][12];
	const char *v[11]; /* ends in NULL */
};

static void shadow_set_args(struct shadow_args *a, const struct shadow_pod *s,
			    const char *serve, uint16_t *health)
{
	uint16_t tunnel = shadow_ports_free(serve, SHADOW_TUNNEL_PORT);

	*health = shadow_ports_free(serve, (uint16_t)(tunnel + 1));
	snprintf(a->text[0], sizeof(a->text[0]), "%u", tunnel);
	snprintf(a->text[1], sizeof(a->text[1]), "%u", *health);
	a->v[0] = "--listen";
	a->v[1] = a->text[0];
	a->v[2] = "--health";
	a->v[3] = a->text[1];
	if (!serve) {
		snprintf(a->text[3], sizeof(a->text[3]), "%u", SHADOW_OPEN_S);
		a->v[4] = "--wait";
		a->v[5] = a->text[3];
		return;
	}
	/* a Service leads to it, so it never leaves by itself */
	a->v[4] = "--idle-exit";
	a->v[5] = "0";
	if (s->cfg.face->env_service) {
		a->v[6] = "--env-table";
		a->v[7] = KT_ENV_TABLE_FOLDER "/" KT_ENV_TABLE_KEY;
		a->v[8] = "--env-service";
		a->v[9] = s->cfg.face->env_service;
	}
	if (s->cfg.face->env_share) {
		a->v[6] = "--share";
		a->v[7] = s->cfg.face->env_share;
	}
	if (!shadow_is_gated(s) || shadow_is_standing(s))
		return;
	snprintf(a->text[2], sizeof(a->text[2]), "%u", MAX(s->users, 1U));
	a->v[6] = "--ready-clients";
	a->v[7] = a->text[2];
}

/* Of the gate beside it, likewise */
static void shadow_set_tls(struct shadow_args *a, const struct shadow_face *f,
			   struct shadow_spec *spec)
{
	spec->tls_secret = f->tls_secret;
	if (!f->tls_secret)
		return;
	spec->tls_health =
		shadow_ports_free(f->serve, (uint16_t)(spec->health_port + 1));
	snprintf(a->text[0], sizeof(a->text[0]), "%u", spec->tls_health);
	a->v[0] = "tls";
	a->v[1] = "--port";
	a->v[2] = f->tls_ports;
	a->v[3] = "--secret";
	a->v[4] = KT_TLS_FOLDER;
	a->v[5] = "--name";
	a->v[6] = f->tls_name;
	a->v[7] = "--health";
	a->v[8] = a->text[0];
	spec->tls_args = a->v;
}

/* Whose it is; what is shared is nobody's */
static void shadow_sign(const struct shadow_pod *s, json_t *annotations)
{
	char machine[SHADOW_MACHINE_SIZE], since[24];

	if (s->cfg.owner)
		json_object_set_new(annotations, KT_ANNOTATION_OWNER,
				    json_string(s->cfg.owner));
	json_object_set_new(annotations, KT_ANNOTATION_MACHINE,
			    json_string(shadow_machine(machine)));
	if (s->cfg.command)
		json_object_set_new(annotations, KT_ANNOTATION_COMMAND,
				    json_string(s->cfg.command));
	snprintf(since, sizeof(since), "%" PRId64,
		 s->since ? s->since : shadow_now(s));
	json_object_set_new(annotations, KT_ANNOTATION_SINCE,
			    json_string(since));
}

/* One whose laptop sleeps is not swept away */
static void shadow_say_kept(const struct shadow_pod *s, json_t *annotations)
{
	char seconds[24];

	if (!s->cfg.keep_ns)
		return;
	snprintf(seconds, sizeof(seconds), "%" PRId64, s->cfg.keep_ns / NS_SEC);
	json_object_set_new(annotations, KT_ANNOTATION_KEEP,
			    json_string(seconds));
}

const char *shadow_command(const struct shadow_pod *s)
{
	return s ? s->cfg.command : NULL;
}

json_t *shadow_make_object(const struct shadow_pod *s, const char *name)
{
	static const struct shadow_face connect = { .role = KT_ROLE_CONNECT };
	const struct shadow_face *f = s->cfg.face ? s->cfg.face : &connect;
	const struct pod_options *o = s->cfg.pod;
	auto_json json_t *selector = objects_pairs(&o->node_selector);
	auto_json json_t *labels = objects_pairs(&o->labels);
	auto_json json_t *annotations = objects_pairs(&o->annotations);
	struct shadow_args args = { 0 }, tls = { 0 };
	struct shadow_spec spec = {
		.name = name,
		.role = f->role,
		.target = f->target,
		.config = f->config,
		.serve = f->serve,
		.ports = f->ports,
		.low_ports = f->low_ports,
		.env_table = f->env_service ? KT_ENV_TABLE : NULL,
		.owners = f->owners,
		.user = shadow_user(),
		.now = shadow_is_standing(s) ? 0 : shadow_now(s),
		.always_pull = o->force_update,
		.image_pull_secret = o->image_pull_secret,
		.service_account = o->service_account,
		.run_as_user = o->run_as_user,
		.node_selector = selector,
		.avoid_node = s->avoid[0] ? s->avoid : NULL,
		.labels = labels,
		.annotations = annotations,
		.cpu = o->quota.cpu,
		.memory = o->quota.memory,
		.args = args.v,
	};

	shadow_set_args(&args, s, f->serve, &spec.health_port);
	shadow_set_tls(&tls, f, &spec);
	bootstrap_fill(&s->bootstrap, &spec);
	if (!s->cfg.share)
		shadow_sign(s, annotations);
	shadow_say_kept(s, annotations);
	if (s->cfg.env)
		json_object_set_new(labels, KT_LABEL_ENV,
				    json_string(s->cfg.env));
	if (f->labels)
		json_object_update(labels, (json_t *)(uintptr_t)f->labels);
	return shadow_is_deployment(s) ? shadow_deployment(&spec)
				       : shadow_pod(&spec);
}

json_t *shadow_object(const struct shadow_pod *s)
{
	return shadow_make_object(s, s->cfg.face->name);
}

void shadow_report(struct shadow_pod *s, const char *text)
{
	if (s->cfg.progress)
		s->cfg.progress(s->cfg.user, text);
}

void shadow_on_progress(void *user, const char *text)
{
	shadow_report(user, text);
}

bool shadow_is_ending(const json_t *obj)
{
	const char *phase = json_str(obj, "status", "phase", NULL);

	return json_at(obj, "metadata", "deletionTimestamp", NULL) ||
	       str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

/* The server's words about the user of the processes: what to do is known */
void shadow_hint_user(struct kt_error *err)
{
	if (!err->hint[0] && (strstr(err->msg, "runAsUser") ||
			      strstr(err->msg, "security context constraint")))
		kt_hint(err, "where the platform assigns users: "
			     "--runAsUser none");
}

int shadow_dry_run(struct shadow_pod *s, const char *name, struct kt_error *err)
{
	auto_free char *path = shadow_path(s, NULL);
	auto_json json_t *obj = shadow_make_object(s, name);
	struct kube_request req = { .method = "POST",
				    .path = path,
				    .query = "dryRun=All",
				    .body = obj };
	int rc = kube_call(s->cfg.kube, &req, NULL, err);

	if (rc < 0)
		shadow_hint_user(err);
	return rc;
}
