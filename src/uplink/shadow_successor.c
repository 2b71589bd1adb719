/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/shadow_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/podwait.h"
#include "tunnel/inbound.h"

#include <errno.h>
#include <string.h>

#define USERS_MAX 64L

bool shadow_can_succeed(const struct shadow_pod *s)
{
	return !s->cfg.given && !s->cfg.guest &&
	       (!s->cfg.share || shadow_is_router(s) ||
		shadow_is_deployment(s));
}

struct shadow_pod *shadow_beside(const struct shadow_pod *one)
{
	struct shadow_pod *s = shadow_new(&one->cfg);

	bootstrap_inherit(&s->bootstrap, &one->bootstrap);
	s->since = one->since;
	snprintf(s->avoid, sizeof(s->avoid), "%s", one->node);
	return s;
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
	if (rc == -ENOENT && !shadow_is_router(old)) {
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
	snprintf(s->avoid, sizeof(s->avoid), "%s", old->node);
	refs = object_annotation(pod, KT_ANNOTATION_REFS);
	if (old->cfg.share && refs && str_to_long(refs, &users) == 0)
		s->users = (unsigned int)MIN(MAX(users, 1L), USERS_MAX);
	if (shadow_is_deployment(s)) {
		shadow_set_name(s, old->name);
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
		.progress = shadow_on_progress,
		.user = s,
	};
	int rc;

	if (!shadow_is_gated(s))
		return 0;
	rc = pod_wait_running(s->cfg.kube, &w, &pod, err);
	s->after[0] = '\0'; /* as any other from now on */
	return rc;
}

int shadow_let_go(struct shadow_pod *s, struct kt_error *err)
{
	if (!s->cfg.share && !shadow_is_deployment(s))
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
