/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/scale_back.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>

#define SCALE_BACK_POLL (500 * NS_MS)

static const char *scale_back_resource(const json_t *want)
{
	return str_eq(json_str(want, "kind", NULL), "StatefulSet")
		       ? "statefulsets"
		       : "deployments";
}

static void KT_PRINTF(3, 4)
	scale_back_tell(const struct scale_back *s,
			void (*fn)(void *user, const char *text),
			const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!fn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fn(s->user, text);
}

static int scale_back_one(const struct scale_back *s, const json_t *want,
			  struct kt_error *err)
{
	const char *kind = json_str(want, "kind", NULL);
	const char *name = object_name(want);
	int told = (int)json_integer_value(json_object_get(want, "replicas"));
	int n, rc;

	rc = update_scale_back(s->kube, s->ns, scale_back_resource(want), name,
			       told, shadow_user(), &n, err);
	if (rc < 0)
		return kt_wrap(err, rc, "scale %s %s/%s back", kind, s->ns,
			       name);
	if (n)
		scale_back_tell(s, s->say, "scaled %s %s back to %d", kind,
				name, n);
	return 0;
}

int scale_back_is_ready(struct kube *k, const char *ns, const char *resource,
			const char *name, struct kt_error *err)
{
	auto_free char *path = kube_path("apps/v1", resource, ns, name, NULL);
	auto_json json_t *now = NULL;
	int rc = kube_get(k, path, &now, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 1;
	}
	return rc < 0 ? rc : workload_is_ready(now);
}

/* 1: they are ready; 0: not until @end */
static int scale_back_wait(const struct scale_back *s, const json_t *want,
			   int64_t end, struct kt_error *err)
{
	const char *kind = json_str(want, "kind", NULL);
	const char *name = object_name(want);

	for (bool told = false;; told = true) {
		int rc = scale_back_is_ready(
			s->kube, s->ns, scale_back_resource(want), name, err);

		if (rc != 0 || clock_ns() >= end)
			return rc;
		if (!told)
			scale_back_tell(s, s->wait,
					"Waiting for the Pods of %s %s/%s",
					kind, s->ns, name);
		rc = loop_sleep(kube_loop(s->kube), SCALE_BACK_POLL);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
}

/* 1: its Pods are not ready, the record stays */
static int scale_back_finish(const struct scale_back *s, const json_t *want,
			     int64_t end, struct kt_error *err)
{
	const char *kind = json_str(want, "kind", NULL);
	const char *name = object_name(want);
	int rc = scale_back_wait(s, want, end, err);

	if (rc == 0) {
		scale_back_tell(s, s->say,
				"the Pods of %s %s are not ready after %d s: "
				"its annotation " KT_ANNOTATION_REPLICAS
				" stays",
				kind, name, (int)(s->limit / NS_SEC));
		return 1;
	}
	if (rc > 0)
		rc = update_scale_done(s->kube, s->ns,
				       scale_back_resource(want), name, err);
	return rc < 0 ? kt_wrap(err, rc, "%s %s/%s", kind, s->ns, name) : 0;
}

int scale_back(const struct scale_back *s, const json_t *list,
	       struct kt_error *err)
{
	int64_t end = clock_ns() + s->limit;
	const json_t *want;
	int rc = 0, late = 0;
	size_t i;

	/* all of them first: their Pods come at the same time */
	json_array_foreach (list, i, want)
		if (rc == 0)
			rc = scale_back_one(s, want, err);
	json_array_foreach (list, i, want) {
		if (rc < 0)
			return rc;
		rc = scale_back_finish(s, want, end, err);
		late |= rc > 0;
	}
	return rc < 0 ? rc : late;
}
