/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/shadow.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/heartbeat.h"
#include "cluster/objects.h"
#include "cluster/podwait.h"
#include "cluster/sweep.h"
#include "kube/rest.h"
#include "local/owner.h"
#include "tunnel/inbound.h"
#include "uplink/bootstrap.h"
#include "uplink/shadow_given.h"
#include "uplink/shadow_ports.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#define TWIN "-b"
#define USERS_MAX 64L
#define LATE_TRIES 3	    /* a shared one that ended while it was joined */
#define DOUBT (15 * NS_SEC) /* for so long a 404 is not believed */

struct shadow_pod {
	struct shadow_config cfg;
	char name[256]; /* of the Pod or Deployment; "" before it is made */
	char pod[256];	/* the running Pod */
	char pod_ip[64];
	char text[320];	    /* shadow_describe() */
	uint16_t port;	    /* of the tunnel */
	bool joined;	    /* our reference is counted in the shared one */
	bool found;	    /* the shared one was there before us */
	bool inherits;	    /* the Deployment is its predecessor's as well */
	bool maybe_changed; /* the request to make it got no answer */
	/* of the next name, until that was made: a refusal has the same words
	 * each time */
	char tail[6];
	char after[256];    /* the Pod whose place it takes, or "" */
	unsigned int users; /* of that one */
	int64_t since;	    /* of the session; 0: it has made nothing yet */
	/* a 404 that is not believed: since when, and the last one; 0: none */
	int64_t doubted, doubted_last;
	struct heartbeat *beat;
	struct bootstrap bootstrap;
};

const char *shadow_user(void)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw = getpwuid(getuid());

	if (sudo && *sudo)
		return sudo;
	return pw ? pw->pw_name : "unknown";
}

/* A router's state is its users': it is always the one Pod of its name. */
static bool is_router(const struct shadow_pod *s)
{
	return s->cfg.face && s->cfg.share;
}

/* ... unless it serves also those who are not there: then it is a Deployment */
static bool is_standing(const struct shadow_pod *s)
{
	return is_router(s) && s->cfg.face->standing;
}

static bool is_deployment(const struct shadow_pod *s)
{
	if (s->cfg.given)
		return false;
	return is_router(s) ? is_standing(s) : s->cfg.pod->deployment;
}

/* Not Ready before its users have their rules in it; a standing one does not
 * know whether there are any */
static bool is_gated(const struct shadow_pod *s)
{
	return s->cfg.face &&
	       (s->after[0] || (is_deployment(s) && !is_standing(s)));
}

void shadow_twin(const char *name, char dst[256])
{
	size_t n = strlen(name);

	if (str_ends(name, TWIN))
		snprintf(dst, 256, "%.*s", (int)(n - strlen(TWIN)), name);
	else
		snprintf(dst, 256, "%.250s" TWIN, name);
}

static void make_name(const struct shadow_pod *s, char dst[256])
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

static void set_name(struct shadow_pod *s, const char *name)
{
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->text, sizeof(s->text), "shadow %s %s",
		 is_deployment(s) ? "Deployment" : "Pod", name);
}

static char *object_path(const struct shadow_pod *s, const char *name)
{
	return is_deployment(s)
		       ? kube_path("apps/v1", "deployments", s->cfg.ns, name,
				   NULL)
		       : kube_path("v1", "pods", s->cfg.ns, name, NULL);
}

static int64_t shadow_now(const struct shadow_pod *s)
{
	return s->cfg.use_local_time ? time(NULL)
				     : kube_cluster_time(s->cfg.kube);
}

/* The program's arguments: numbers are in @text, borrowed as @v */
struct shadow_args {
	char text[4][12];
	const char *v[11]; /* ends in NULL */
};

static void set_args(struct shadow_args *a, const struct shadow_pod *s,
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
	if (!is_gated(s) || is_standing(s))
		return;
	snprintf(a->text[2], sizeof(a->text[2]), "%u", MAX(s->users, 1U));
	a->v[6] = "--ready-clients";
	a->v[7] = a->text[2];
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

static json_t *make_object(const struct shadow_pod *s, const char *name)
{
	static const struct shadow_face connect = { .role = KT_ROLE_CONNECT };
	const struct shadow_face *f = s->cfg.face ? s->cfg.face : &connect;
	const struct pod_options *o = s->cfg.pod;
	auto_json json_t *selector = objects_pairs(&o->node_selector);
	auto_json json_t *labels = objects_pairs(&o->labels);
	auto_json json_t *annotations = objects_pairs(&o->annotations);
	struct shadow_args args = { 0 };
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
		.now = is_standing(s) ? 0 : shadow_now(s),
		.always_pull = o->force_update,
		.image_pull_secret = o->image_pull_secret,
		.service_account = o->service_account,
		.run_as_user = o->run_as_user,
		.node_selector = selector,
		.labels = labels,
		.annotations = annotations,
		.cpu = o->quota.cpu,
		.memory = o->quota.memory,
		.args = args.v,
	};

	set_args(&args, s, f->serve, &spec.health_port);
	bootstrap_fill(&s->bootstrap, &spec);
	if (!s->cfg.share)
		shadow_sign(s, annotations);
	shadow_say_kept(s, annotations);
	if (f->labels)
		json_object_update(labels, (json_t *)(uintptr_t)f->labels);
	return is_deployment(s) ? shadow_deployment(&spec) : shadow_pod(&spec);
}

json_t *shadow_object(const struct shadow_pod *s)
{
	return make_object(s, s->cfg.face->name);
}

static void report(struct shadow_pod *s, const char *text)
{
	if (s->cfg.progress)
		s->cfg.progress(s->cfg.user, text);
}

/* --- the shared one ------------------------------------------------------- */

static bool is_ending(const json_t *obj)
{
	const char *phase = json_str(obj, "status", "phase", NULL);

	return json_at(obj, "metadata", "deletionTimestamp", NULL) ||
	       str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

/* Write the count, or delete what has no user left: in either case as @obj was
 * read, so that nobody has joined or left since (-EBUSY) */
static int write_refs(struct shadow_pod *s, const char *path, const json_t *obj,
		      long refs, struct kt_error *err)
{
	auto_json json_t *patch = NULL;
	char text[24];

	if (refs <= 0)
		return kube_delete_as(s->cfg.kube, path, obj,
				      s->cfg.face ? -1 : 0, err);
	snprintf(text, sizeof(text), "%ld", refs);
	patch = json_pack("{s:{s:s*, s:{s:s}}}", "metadata", "resourceVersion",
			  json_str(obj, "metadata", "resourceVersion", NULL),
			  "annotations", KT_ANNOTATION_REFS, text);
	return kube_patch(s->cfg.kube, path, patch, NULL, err);
}

/* Read, change the count, write; somebody else's write in between is a 409 and
 * makes us read again. Without a user it is deleted, or left as it is (@stay).
 * *@left: the new count. */
static int change_refs(struct shadow_pod *s, int by, bool stay, long *left,
		       struct kt_error *err)
{
	auto_free char *path = object_path(s, s->name);

	for (int tries = 0;; tries++) {
		auto_json json_t *obj = NULL;
		const char *old;
		int rc = kube_get(s->cfg.kube, path, &obj, err);

		if (rc < 0)
			return rc;
		old = object_annotation(obj, KT_ANNOTATION_REFS);
		if (!old || str_to_long(old, left) < 0)
			*left = 1;
		*left += by;
		if (*left <= 0 && stay)
			return 0;
		rc = write_refs(s, path, obj, *left, err);
		if (rc != -EBUSY || tries == 20)
			return rc;
		*err = (struct kt_error){ 0 };
		rc = loop_sleep(kube_loop(s->cfg.kube),
				(10 + 10 * tries) * NS_MS);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

/* KT Connect's, with the name that ours would have: another program is in it.
 * -EAGAIN: its users are gone, it is removed. A router that a Service leads to
 * is not removed like that (see lease.c). */
static int shadow_meet_kt(struct shadow_pod *s, const char *path,
			  const json_t *obj, struct kt_error *err)
{
	const char *kind = is_deployment(s) ? "Deployment" : "Pod";
	const char *user = object_annotation(obj, KT_ANNOTATION_USER);
	int64_t age = object_age(obj, KT_ANNOTATION_HEARTBEAT, shadow_now(s));
	int rc;

	if (!is_router(s) && age > SWEEP_AGE) {
		log_info("%s %s/%s was left by KT Connect (user %s, no "
			 "heartbeat for %" PRId64 " min): it is removed",
			 kind, s->cfg.ns, object_name(obj), user ? user : "?",
			 age / 60);
		rc = kube_delete_as(s->cfg.kube, path, obj, 0, err);
		return rc < 0 && rc != -EBUSY ? rc : -EAGAIN;
	}
	if (is_router(s))
		kt_hint(err, "--mode manual needs no router");
	else
		kt_hint(err,
			"without --shareShadow you have a Pod of your own; "
			"when its users have left, 'kubectl -n %s delete %s "
			"%s' makes room",
			s->cfg.ns, is_deployment(s) ? "deployment" : "pod",
			object_name(obj));
	return kt_fail(err, EBUSY,
		       "%s %s/%s is KT Connect's, which cannot be shared: it "
		       "was made by %s and is alive",
		       kind, s->cfg.ns, object_name(obj),
		       user ? user : "somebody");
}

/* One that has ended, or is ending, makes room. Another user may have been
 * quicker, and made the next one under the same name: that stays. -EAGAIN: look
 * again. */
static int shadow_make_room(struct shadow_pod *s, const char *name,
			    struct kt_error *err)
{
	auto_free char *path = object_path(s, name);
	auto_json json_t *obj = NULL;
	int rc = kube_get(s->cfg.kube, path, &obj, err);

	if (rc == 0 && is_ending(obj))
		rc = kube_delete_as(s->cfg.kube, path, obj, 0, err);
	return rc == 0 || rc == -ENOENT || rc == -EBUSY ? -EAGAIN : rc;
}

enum shared_state { SHARED_ABSENT, SHARED_ENDING, SHARED_LIVE };

static int look_at_shared(struct shadow_pod *s, const char *name,
			  enum shared_state *state, struct kt_error *err)
{
	auto_free char *path = object_path(s, name);
	auto_json json_t *obj = NULL;
	int rc = kube_get(s->cfg.kube, path, &obj, err);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && s->cfg.share && !is_ending(obj) &&
	    !object_is_of_ktctl(obj))
		return shadow_meet_kt(s, path, obj, err);
	if (rc == -ENOENT)
		*err = (struct kt_error){ 0 };
	*state = rc == -ENOENT					 ? SHARED_ABSENT
		 : is_ending(obj) || strcmp(name, s->after) == 0 ? SHARED_ENDING
								 : SHARED_LIVE;
	return 0;
}

/* What is shared has one name; a router has two, so that another can take over
 * while it ends. A live one is in @name, or else a name that is free; -EAGAIN:
 * all are ending, look again. */
static int find_shared(struct shadow_pod *s, char name[256],
		       enum shared_state *state, struct kt_error *err)
{
	size_t n = is_router(s) && !is_standing(s) ? 2 : 1;
	enum shared_state seen[2] = { SHARED_ABSENT, SHARED_ABSENT };
	char names[2][256] = { KT_SHARED_SHADOW, "" };
	int rc = 0;

	if (is_router(s)) {
		snprintf(names[0], sizeof(names[0]), "%s", s->cfg.face->name);
		shadow_twin(names[0], names[1]);
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = look_at_shared(s, names[i], &seen[i], err);
	if (rc < 0)
		return rc;
	for (int want = SHARED_LIVE; want >= SHARED_ABSENT; want -= 2)
		for (size_t i = 0; i < n; i++)
			if ((int)seen[i] == want) {
				memcpy(name, names[i], sizeof(names[i]));
				*state = seen[i];
				return 0;
			}
	report(s, "the former one ends");
	return shadow_make_room(
		s, names[strcmp(names[0], s->after) == 0 ? n - 1 : 0], err);
}

/* -EAGAIN: it went in this moment */
static int join(struct shadow_pod *s, const char *name, struct kt_error *err)
{
	long refs = 0;
	int rc;

	set_name(s, name);
	s->joined = is_standing(s);
	if (s->joined)
		return 0;
	rc = change_refs(s, 1, true, &refs, err);
	if (rc == -ENOENT)
		return -EAGAIN;
	if (rc < 0)
		return rc;
	s->joined = true;
	s->found = true;
	log_debug("joined %s, %ld users", s->name, refs);
	return 0;
}

/* The server's words about the user of the processes: what to do is known */
static void shadow_hint_user(struct kt_error *err)
{
	if (!err->hint[0] && (strstr(err->msg, "runAsUser") ||
			      strstr(err->msg, "security context constraint")))
		kt_hint(err, "where the platform assigns users: "
			     "--runAsUser none");
}

static int shadow_dry_run(struct shadow_pod *s, const char *name,
			  struct kt_error *err)
{
	auto_free char *path = object_path(s, NULL);
	auto_json json_t *obj = make_object(s, name);
	struct kube_request req = { .method = "POST",
				    .path = path,
				    .query = "dryRun=All",
				    .body = obj };
	int rc = kube_call(s->cfg.kube, &req, NULL, err);

	if (rc < 0)
		shadow_hint_user(err);
	return rc;
}

/* What is refused the Pod should not leave its ConfigMap behind. Only a refusal
 * counts: a webhook may know no dry runs. */
static int shadow_before_program(void *user, struct kt_error *err)
{
	struct shadow_pod *s = user;
	struct kt_error why = { 0 };
	char name[256];

	make_name(s, name);
	if (shadow_dry_run(s, name, &why) == 0 ||
	    (why.http_status != 403 && why.http_status != 422))
		return 0;
	*err = why;
	return -why.code;
}

static int create(struct shadow_pod *s, const char *name, struct kt_error *err)
{
	auto_json json_t *obj = NULL;
	auto_free char *path = object_path(s, NULL);
	int rc = bootstrap_prepare(&s->bootstrap, s->cfg.base, err);

	if (rc < 0)
		return rc;
	obj = make_object(s, name);
	rc = kube_create(s->cfg.kube, path, obj, NULL, err);
	if (rc < 0)
		shadow_hint_user(err);
	/* broken off without an answer: it may have been made all the same. The
	 * shared one then is left to its idle end, it could be another's. */
	s->maybe_changed = rc < 0 && !err->http_status && !s->cfg.share;
	s->joined = rc == 0 || s->maybe_changed;
	s->found = false;
	if (s->joined)
		set_name(s, name);
	if (s->joined || rc == -EEXIST)
		str_random(s->tail, 5);
	return rc;
}

int shadow_try(struct shadow_pod *s, char **image, struct kt_error *err)
{
	char name[256];
	int rc = bootstrap_find(&s->bootstrap, s->cfg.base, err);

	if (rc < 0)
		return rc;
	make_name(s, name);
	*image = xstrdup(s->cfg.pod->image ? s->cfg.pod->image
					   : s->bootstrap.base.image);
	return shadow_dry_run(s, name, err);
}

static int join_or_create_shared(struct shadow_pod *s, struct kt_error *err)
{
	for (int tries = 0; tries < 100; tries++) {
		enum shared_state state = SHARED_ABSENT;
		char name[256];
		int rc = find_shared(s, name, &state, err);

		if (rc == 0 && state == SHARED_LIVE) {
			rc = join(s, name, err);
		} else if (rc == 0) {
			rc = create(s, name, err);
			if (rc == -EEXIST) { /* another user was quicker */
				*err = (struct kt_error){ 0 };
				continue;
			}
		}
		if (rc != -EAGAIN)
			return rc;
		*err = (struct kt_error){ 0 };
		rc = loop_sleep(kube_loop(s->cfg.kube), 200 * NS_MS);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
	return kt_fail(err, EBUSY, "the former one does not end");
}

/* One with a fixed name may live under the other one */
static int check_twin(struct shadow_pod *s, struct kt_error *err)
{
	const struct shadow_face *f = s->cfg.face;
	enum shared_state state = SHARED_ABSENT;
	char twin[256];
	int rc;

	if (!f || !f->name || is_deployment(s) || s->after[0])
		return 0;
	shadow_twin(f->name, twin);
	rc = look_at_shared(s, twin, &state, err);
	if (rc == 0 && state == SHARED_LIVE)
		rc = kt_fail(err, EEXIST, "Pod %s/%s exists already", s->cfg.ns,
			     twin);
	return rc;
}

static int create_own(struct shadow_pod *s, struct kt_error *err)
{
	bool fixed = s->cfg.face && s->cfg.face->name;
	char name[256];
	int rc = check_twin(s, err);

	for (int tries = 0; tries < 2; tries++) {
		if (rc < 0)
			return rc;
		make_name(s, name);
		rc = create(s, name, err);
		if (rc != -EEXIST || fixed)
			return rc;
		*err = (struct kt_error){ 0 };
		rc = 0; /* under another one */
	}
	return kt_fail(err, EEXIST, "Pod %s/%s exists already", s->cfg.ns,
		       name);
}

/* --- the Pod -------------------------------------------------------------- */

static void forward_progress(void *user, const char *text)
{
	report(user, text);
}

static void shadow_on_slow(void *user, const json_t *pod)
{
	struct shadow_pod *s = user;

	bootstrap_look(&s->bootstrap, pod);
}

static int wait_pod(struct shadow_pod *s, struct kt_error *err)
{
	auto_free char *path = object_path(s, s->name);
	auto_free char *selector = NULL;
	auto_json json_t *deployment = NULL;
	auto_json json_t *pod = NULL;
	struct pod_wait w = {
		.ns = s->cfg.ns,
		.pod = s->name,
		.but = s->after,
		.ready = s->cfg.face && !is_gated(s),
		.timeout_ns = s->cfg.pod->creation_timeout * NS_SEC,
		.progress = forward_progress,
		.slow = shadow_on_slow,
		.user = s,
	};
	const char *text;
	int rc;

	if (is_deployment(s)) {
		rc = kube_get(s->cfg.kube, path, &deployment, err);
		if (rc < 0)
			return rc;
		selector = pod_selector(deployment);
		w.pod = NULL;
		w.deployment = s->name;
		w.selector = selector;
	}
	rc = pod_wait_running(s->cfg.kube, &w, &pod, err);
	if (rc < 0) {
		if (!err->hint[0] && strstr(err->msg, "runAsNonRoot"))
			kt_hint(err, "nobody assigned a user to its processes, "
				     "and the image's is root: --runAsUser "
				     "UID");
		return rc;
	}
	s->port = shadow_ports_tunnel(pod);
	text = json_str(pod, "metadata", "name", NULL);
	snprintf(s->pod, sizeof(s->pod), "%s", text ? text : s->name);
	text = json_str(pod, "status", "podIP", NULL);
	snprintf(s->pod_ip, sizeof(s->pod_ip), "%s", text ? text : "");
	return 0;
}

/* Somebody else's */
static int shadow_ensure_given(struct shadow_pod *s, struct kt_error *err)
{
	const char *name = shadow_given_pod(s->cfg.given);
	auto_json json_t *pod = NULL;
	int rc = 0;

	if (!name) {
		rc = shadow_given_find(s->cfg.kube, s->cfg.ns, s->cfg.given,
				       &pod, err);
		name = object_name(pod);
	}
	if (rc < 0)
		return rc;
	s->port = pod ? shadow_ports_tunnel(pod) : SHADOW_TUNNEL_PORT;
	snprintf(s->pod, sizeof(s->pod), "%s", name);
	set_name(s, name);
	return 0;
}

/* Nobody makes another Pod then */
static int shadow_look_for_deployment(struct shadow_pod *s,
				      struct kt_error *err)
{
	auto_free char *path = object_path(s, s->name);
	auto_json json_t *obj = NULL;
	int rc = kube_get(s->cfg.kube, path, &obj, err);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == -ENOENT)
		*err = (struct kt_error){ 0 };
	s->joined = rc == 0 && !object_is_ending(obj);
	return 0;
}

/* Join or make the object, and wait until its Pod runs */
static int shadow_make(struct shadow_pod *s, struct kt_error *err)
{
	auto_free char *path = NULL;
	int rc = 0;

	if (is_deployment(s) && s->joined)
		rc = shadow_look_for_deployment(s, err);
	if (rc < 0)
		return rc;

	/* a Deployment that still exists makes the new Pod itself */
	if (!(is_deployment(s) && s->joined)) {
		heartbeat_stop(s->beat);
		s->beat = NULL;
		s->joined = s->inherits = false;
		rc = s->cfg.share ? join_or_create_shared(s, err)
				  : create_own(s, err);
	} else {
		rc = bootstrap_again(&s->bootstrap, err);
	}
	if (rc < 0)
		return kt_wrap(err, rc, "make the %s in namespace %s",
			       is_router(s) ? "router" : "shadow", s->cfg.ns);
	if (!s->since)
		s->since = shadow_now(s);
	path = object_path(s, s->name);
	if (!s->beat && !is_standing(s))
		s->beat = heartbeat_start(s->cfg.kube, path, HEARTBEAT_INTERVAL,
					  s->cfg.use_local_time);
	return wait_pod(s, err);
}

/* The shared one had nobody any more, and ended just as we came */
static bool shadow_came_late(struct shadow_pod *s)
{
	auto_free char *path = object_path(s, s->name);
	auto_json json_t *pod = NULL;
	struct kt_error err = { 0 };
	int rc;

	if (!s->cfg.share || is_deployment(s) || !s->joined || !s->found)
		return false;
	rc = kube_get(s->cfg.kube, path, &pod, &err);
	return rc == -ENOENT || (rc == 0 && is_ending(pod));
}

int shadow_ensure(struct shadow_pod *s, struct kt_error *err)
{
	int rc;

	if (shadow_is_given(s))
		return shadow_ensure_given(s, err);
	for (int tries = 0;; tries++) {
		rc = shadow_make(s, err);
		if (rc >= 0 || rc == -EINTR || tries == LATE_TRIES ||
		    !shadow_came_late(s))
			return rc;
		log_debug("%s: another is made", err->msg);
		*err = (struct kt_error){ 0 };
	}
}

/* The API server names what it does not find ('pods "x" not found'). Another
 * 404 is likely that of a proxy or balancer, which passes, as streams do not
 * when the Pod is given up for it; so it is believed only when it lasts. */
static bool shadow_is_gone(struct shadow_pod *s, const struct kt_error *why)
{
	auto_free char *name = xasprintf("\"%s\"", s->pod);
	int64_t now = clock_ns();

	if (!s->doubted || now - s->doubted_last >= DOUBT)
		s->doubted = now; /* the last one has passed long ago */
	s->doubted_last = now;
	return (str_eq(why->reason, "NotFound") && strstr(why->msg, name)) ||
	       now - s->doubted >= DOUBT;
}

int shadow_check(struct shadow_pod *s, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", s->cfg.ns, s->pod, NULL);
	auto_json json_t *pod = NULL;
	int rc;

	/* the next port-forward will say so */
	if (shadow_is_given(s) && shadow_given_pod(s->cfg.given))
		return 1;
	rc = kube_get(s->cfg.kube, path, &pod, err);
	if (rc == -ENOENT) {
		if (!shadow_is_gone(s, err))
			return rc;
		*err = (struct kt_error){ 0 };
		rc = 0;
	}
	s->doubted = 0;
	return rc < 0 ? rc : pod && !is_ending(pod);
}

/* Our part of it ends; false: there is none */
static bool shadow_unjoin(struct shadow_pod *s)
{
	bool joined = s->joined;

	heartbeat_stop(s->beat);
	s->beat = NULL;
	s->joined = false;
	return joined;
}

int shadow_remove(struct shadow_pod *s, struct kt_error *err)
{
	auto_free char *path = NULL;
	long left = 0;
	int rc = 0;

	if (!shadow_unjoin(s))
		return 0;
	if (s->maybe_changed) /* the request may be on its way still */
		rc = loop_sleep(kube_loop(s->cfg.kube), MAYBE_PAUSE);
	path = object_path(s, s->name);
	if (rc == 0 && s->cfg.share && !is_standing(s))
		rc = change_refs(s, -1, false, &left, err);
	else if (rc == 0 && !is_standing(s))
		rc = kube_delete(s->cfg.kube, path, s->cfg.face ? -1 : 0, err);
	return rc == -ENOENT ? 0 : rc;
}

int shadow_leave(struct shadow_pod *s, bool last, struct kt_error *err)
{
	auto_free char *path = NULL;
	long left = 0;
	int rc;

	if (!shadow_unjoin(s))
		return 0;
	path = object_path(s, s->name);
	rc = last	      ? kube_delete(s->cfg.kube, path, -1, err)
	     : is_standing(s) ? 0
			      : change_refs(s, -1, true, &left, err);
	return rc == -ENOENT ? 0 : rc;
}

/* --- the one that takes its place ----------------------------------------- */

bool shadow_can_succeed(const struct shadow_pod *s)
{
	return !s->cfg.given &&
	       (!s->cfg.share || is_router(s) || is_deployment(s));
}

int shadow_successor(struct shadow_pod *old, struct shadow_pod **next,
		     long *left_s, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "pods", old->cfg.ns, old->pod, NULL);
	auto_json json_t *pod = NULL;
	const char *refs;
	json_int_t grace;
	struct shadow_pod *s;
	long users = 1, most;
	int rc = kube_get(old->cfg.kube, path, &pod, err);

	/* deleted by force: it has a second or two, and nobody is led to it any
	 * more. A router's users have to find the same one. */
	if (rc == -ENOENT && !is_router(old)) {
		*err = (struct kt_error){ 0 };
		rc = 0;
	}
	if (rc < 0)
		return rc;
	grace = json_integer_value(
		json_at(pod, "metadata", "deletionGracePeriodSeconds", NULL));
	most = old->cfg.face ? SHADOW_ENDING_S - 1 : SHADOW_OPEN_S - 1;
	*left_s = grace > 0 ? (long)MIN(grace, most) : most;
	s = shadow_new(&old->cfg);
	snprintf(s->after, sizeof(s->after), "%s", old->pod);
	memcpy(s->tail, old->tail, sizeof(s->tail));
	bootstrap_inherit(&s->bootstrap, &old->bootstrap);
	s->since = old->since;
	refs = object_annotation(pod, KT_ANNOTATION_REFS);
	if (old->cfg.share && refs && str_to_long(refs, &users) == 0)
		s->users = (unsigned int)MIN(MAX(users, 1L), USERS_MAX);
	if (is_deployment(s)) {
		set_name(s, old->name);
		s->joined = s->inherits = true;
	}
	*next = s;
	return 0;
}

int shadow_await_ready(struct shadow_pod *s, struct kt_error *err)
{
	auto_json json_t *pod = NULL;
	const struct pod_wait w = {
		.ns = s->cfg.ns,
		.pod = s->pod,
		.ready = true,
		.timeout_ns = s->cfg.pod->creation_timeout * NS_SEC,
		.progress = forward_progress,
		.user = s,
	};
	int rc;

	if (!is_gated(s))
		return 0;
	rc = pod_wait_running(s->cfg.kube, &w, &pod, err);
	s->after[0] = '\0'; /* as any other from now on */
	return rc;
}

int shadow_let_go(struct shadow_pod *s, struct kt_error *err)
{
	if (!s->cfg.share && !is_deployment(s))
		return shadow_remove(s, err);
	shadow_unjoin(s);
	return 0;
}

int shadow_give_up(struct shadow_pod *s, struct kt_error *err)
{
	if (!s->inherits)
		return shadow_remove(s, err);
	shadow_unjoin(s);
	return 0;
}

/* --- small things * ------------------------------------------------------- */

struct shadow_pod *shadow_new(const struct shadow_config *cfg)
{
	struct shadow_pod *s = xcalloc(1, sizeof(*s));

	s->cfg = *cfg;
	str_random(s->tail, 5);
	bootstrap_init(&s->bootstrap, cfg->kube, cfg->ns, cfg->pod);
	s->bootstrap.home = cfg->home;
	s->bootstrap.before = shadow_before_program;
	s->bootstrap.user = s;
	return s;
}

void shadow_free(struct shadow_pod *s)
{
	if (!s)
		return;
	heartbeat_stop(s->beat);
	bootstrap_fini(&s->bootstrap);
	free(s);
}

void shadow_adopt(struct shadow_pod *s, const char *pod, const char *name,
		  uint16_t port)
{
	snprintf(s->pod, sizeof(s->pod), "%s", pod);
	snprintf(s->text, sizeof(s->text), "container %.32s of Pod %s", name,
		 s->pod);
	s->port = port;
}

bool shadow_is_given(const struct shadow_pod *s)
{
	return s->cfg.given;
}

uint16_t shadow_port(const struct shadow_pod *s)
{
	return s->port;
}

const char *shadow_pod_name(const struct shadow_pod *s)
{
	return s->pod;
}

const char *shadow_pod_ip(const struct shadow_pod *s)
{
	return s->pod_ip;
}

const char *shadow_describe(const struct shadow_pod *s)
{
	return s->text;
}
