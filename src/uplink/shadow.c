/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/shadow_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/ephemeral.h"
#include "cluster/objects.h"
#include "cluster/podwait.h"
#include "uplink/shadow_given.h"
#include "uplink/shadow_ports.h"

#include <errno.h>
#include <string.h>

#define LATE_TRIES 3	    /* a shared one that ended while it was joined */
#define DOUBT (15 * NS_SEC) /* for so long a 404 is not believed */

/* What is refused the Pod should not leave its ConfigMap behind. Only a refusal
 * counts: a webhook may know no dry runs. */
static int shadow_before_program(void *user, struct kt_error *err)
{
	struct shadow_pod *s = user;
	struct kt_error why = { 0 };
	char name[256];

	shadow_make_name(s, name);
	if (shadow_dry_run(s, name, &why) == 0 ||
	    (why.http_status != 403 && why.http_status != 422))
		return 0;
	*err = why;
	return -why.code;
}

int shadow_create(struct shadow_pod *s, const char *name, struct kt_error *err)
{
	auto_json json_t *obj = NULL;
	auto_free char *path = shadow_path(s, NULL);
	int rc = bootstrap_prepare(&s->bootstrap, s->cfg.base, err);

	if (rc < 0)
		return rc;
	obj = shadow_make_object(s, name);
	rc = kube_create(s->cfg.kube, path, obj, NULL, err);
	if (rc < 0)
		shadow_hint_user(err);
	/* broken off without an answer: it may have been made all the same. The
	 * shared one then is left to its idle end, it could be another's. */
	s->maybe_changed = rc < 0 && !err->http_status && !s->cfg.share;
	s->joined = rc == 0 || s->maybe_changed;
	s->found = false;
	if (s->joined)
		shadow_set_name(s, name);
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
	shadow_make_name(s, name);
	*image = xstrdup(s->cfg.pod->image ? s->cfg.pod->image
					   : s->bootstrap.base.image);
	return shadow_dry_run(s, name, err);
}

/* One with a fixed name may live under the other one */
static int shadow_check_twin(struct shadow_pod *s, struct kt_error *err)
{
	const struct shadow_face *f = s->cfg.face;
	enum shadow_seen state = SHARED_ABSENT;
	char twin[256];
	int rc;

	if (!f || !f->name || shadow_is_deployment(s) || s->after[0])
		return 0;
	shadow_twin(f->name, twin);
	rc = shadow_look(s, twin, &state, err);
	if (rc == 0 && state == SHARED_LIVE)
		rc = kt_fail(err, EEXIST, "Pod %s/%s exists already", s->cfg.ns,
			     twin);
	return rc;
}

static int shadow_create_own(struct shadow_pod *s, struct kt_error *err)
{
	bool fixed = s->cfg.face && s->cfg.face->name;
	char name[256];
	int rc = shadow_check_twin(s, err);

	for (int tries = 0; tries < 2; tries++) {
		if (rc < 0)
			return rc;
		shadow_make_name(s, name);
		rc = shadow_create(s, name, err);
		if (rc != -EEXIST || fixed)
			return rc;
		*err = (struct kt_error){ 0 };
		rc = 0; /* under another one */
	}
	return kt_fail(err, EEXIST, "Pod %s/%s exists already", s->cfg.ns,
		       name);
}

/* --- the Pod -------------------------------------------------------------- */

static void shadow_on_slow(void *user, const json_t *pod)
{
	struct shadow_pod *s = user;

	bootstrap_look(&s->bootstrap, pod);
}

static bool shadow_on_stop(void *user)
{
	struct shadow_pod *s = user;

	return s->stop(s->stop_user);
}

static int shadow_wait_pod(struct shadow_pod *s, struct kt_error *err)
{
	auto_free char *path = shadow_path(s, s->name);
	auto_free char *selector = NULL;
	auto_json json_t *deployment = NULL;
	auto_json json_t *pod = NULL;
	struct pod_wait w = {
		.ns = s->cfg.ns,
		.pod = s->name,
		.but = s->after,
		.ready = s->cfg.face && !shadow_is_gated(s),
		.timeout_ns = s->cfg.pod->creation_timeout * NS_SEC,
		.progress = shadow_on_progress,
		.slow = shadow_on_slow,
		.stop = s->stop ? shadow_on_stop : NULL,
		.user = s,
	};
	const char *text;
	int rc;

	if (shadow_is_deployment(s)) {
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
	text = json_str(pod, "spec", "nodeName", NULL);
	snprintf(s->node, sizeof(s->node), "%s", text ? text : "");
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
	shadow_set_name(s, name);
	return 0;
}

/* Nobody makes another Pod then */
static int shadow_look_for_deployment(struct shadow_pod *s,
				      struct kt_error *err)
{
	auto_free char *path = shadow_path(s, s->name);
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

	if (shadow_is_deployment(s) && s->joined)
		rc = shadow_look_for_deployment(s, err);
	if (rc < 0)
		return rc;

	/* a Deployment that still exists makes the new Pod itself */
	if (!(shadow_is_deployment(s) && s->joined)) {
		heartbeat_stop(s->beat);
		s->beat = NULL;
		s->joined = s->inherits = false;
		rc = s->cfg.share ? shadow_join_or_create(s, err)
				  : shadow_create_own(s, err);
	} else {
		rc = bootstrap_again(&s->bootstrap, err);
	}
	if (rc < 0)
		return kt_wrap(err, rc, "make the %s in namespace %s",
			       shadow_is_router(s) ? "router" : "shadow",
			       s->cfg.ns);
	if (!s->since)
		s->since = shadow_now(s);
	path = shadow_path(s, s->name);
	if (!s->beat && !shadow_is_standing(s))
		s->beat = heartbeat_start(s->cfg.kube, path, HEARTBEAT_INTERVAL,
					  s->cfg.use_local_time);
	return shadow_wait_pod(s, err);
}

/* The shared one had nobody any more, and ended just as we came */
static bool shadow_came_late(struct shadow_pod *s)
{
	auto_free char *path = shadow_path(s, s->name);
	auto_json json_t *pod = NULL;
	struct kt_error err = { 0 };
	int rc;

	if (!s->cfg.share || shadow_is_deployment(s) || !s->joined || !s->found)
		return false;
	rc = kube_get(s->cfg.kube, path, &pod, &err);
	return rc == -ENOENT || (rc == 0 && shadow_is_ending(pod));
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

/* Its program runs no more, or was never given the time to end */
static bool shadow_is_over(const json_t *pod)
{
	const char *phase = json_str(pod, "status", "phase", NULL);
	json_int_t grace = json_integer_value(
		json_at(pod, "metadata", "deletionGracePeriodSeconds", NULL));

	return str_eq(phase, "Succeeded") || str_eq(phase, "Failed") ||
	       (object_is_ending(pod) && grace < 2);
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
	if (rc < 0 || !pod || shadow_is_over(pod))
		return rc < 0 ? rc : 0;
	if (s->guest[0] &&
	    ephemeral_look(pod, s->guest, NULL) == EPHEMERAL_ABSENT)
		return 0;
	return object_is_ending(pod) ? 2 : 1;
}

/* Our part of it ends; false: there is none */
bool shadow_unjoin(struct shadow_pod *s)
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
	path = shadow_path(s, s->name);
	if (rc == 0 && s->cfg.share && !shadow_is_standing(s))
		rc = shadow_change_refs(s, -1, false, &left, err);
	else if (rc == 0 && !shadow_is_standing(s))
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
	path = shadow_path(s, s->name);
	rc = last ? kube_delete(s->cfg.kube, path, -1, err)
	     : shadow_is_standing(s)
		     ? 0
		     : shadow_change_refs(s, -1, true, &left, err);
	return rc == -ENOENT ? 0 : rc;
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
	s->bootstrap.with_gate = cfg->face && cfg->face->tls_secret;
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

void shadow_set_env(struct shadow_pod *s, const char *name)
{
	s->cfg.env = name;
}

void shadow_set_stop(struct shadow_pod *s, bool (*stop)(void *user), void *user)
{
	s->stop = stop;
	s->stop_user = user;
}

void shadow_adopt(struct shadow_pod *s, const char *pod, const char *name,
		  uint16_t port)
{
	snprintf(s->pod, sizeof(s->pod), "%s", pod);
	snprintf(s->text, sizeof(s->text), "container %.32s of Pod %s", name,
		 s->pod);
	s->port = port;
}

void shadow_adopt_guest(struct shadow_pod *s, const char *pod, const char *name,
			uint16_t port)
{
	shadow_adopt(s, pod, name, port);
	snprintf(s->guest, sizeof(s->guest), "%s", name);
}

bool shadow_ends_alone(const struct shadow_pod *s)
{
	return !shadow_is_deployment(s) && !s->cfg.share;
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
