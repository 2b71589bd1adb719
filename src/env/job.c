/* SPDX-License-Identifier: Apache-2.0 */
#include "env/job.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/name.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ENV_API "batch/v1"

/* --- reading -------------------------------------------------------------- */

static int64_t env_job_time(const json_t *job, const char *a, const char *b)
{
	const char *text = json_str(job, a, b, NULL);

	return text ? rfc3339_parse(text) : -1;
}

static char *env_job_note(const json_t *job, const char *key)
{
	const char *text = object_annotation(job, key);

	return text ? xstrdup(text) : NULL;
}

int env_info_read(struct env_info *info, const json_t *job)
{
	const char *name = object_label(job, KT_LABEL_ENV);
	const char *uid = json_str(job, "metadata", "uid", NULL);
	int64_t made = env_job_time(job, "metadata", "creationTimestamp");
	const char *since = object_annotation(job, KT_ANNOTATION_SINCE);
	const char *header = object_annotation(job, KT_ANNOTATION_HEADER);
	long at;

	*info = (struct env_info){ 0 };
	if (!name || !uid ||
	    !str_eq(object_label(job, KT_LABEL_ROLE), KT_ROLE_ENV) ||
	    !envmark_is_name((struct slice){ name, strlen(name) }))
		return -EINVAL;
	snprintf(info->name, sizeof(info->name), "%s", name);
	snprintf(info->parent, sizeof(info->parent), "%s", name);
	if (!envmark_parent(info->parent))
		info->parent[0] = '\0';
	info->user = env_job_note(job, KT_ANNOTATION_USER);
	info->machine = env_job_note(job, KT_ANNOTATION_MACHINE);
	info->uid = xstrdup(uid);
	info->since = since && str_to_long(since, &at) == 0 ? at : made;
	info->started = env_job_time(job, "status", "startTime");
	if (info->started < 0)
		info->started = made;
	info->expires = MAX(envobject_expires(job), (int64_t)0);
	if (header && envmark_is_header(slice_of(header)))
		snprintf(info->header, sizeof(info->header), "%s", header);
	memcpy(info->named_by, info->header, sizeof(info->named_by));
	info->strict =
		str_eq(object_annotation(job, KT_ANNOTATION_STRICT), "true");
	info->ended = object_is_ending(job) || envobject_has_finished(job);
	return 0;
}

void env_info_fini(struct env_info *info)
{
	free(info->user);
	free(info->machine);
	free(info->uid);
	*info = (struct env_info){ 0 };
}

void env_info_mark(const struct env_info *info, struct envmark *mark)
{
	memcpy(mark->name, info->name, sizeof(mark->name));
	memcpy(mark->header, info->named_by, sizeof(mark->header));
}

bool env_info_is_alive(const struct env_info *info, int64_t now)
{
	return !info->ended && (!info->expires || info->expires > now);
}

const char *env_span(int64_t s, char dst[24])
{
	if (s < 60)
		snprintf(dst, 24, "%" PRId64 "s", MAX(s, (int64_t)0));
	else if (s < 3600)
		snprintf(dst, 24, "%" PRId64 "m", s / 60);
	else if (s < 86400)
		snprintf(dst, 24, "%" PRId64 "h%02" PRId64 "m", s / 3600,
			 s % 3600 / 60);
	else
		snprintf(dst, 24, "%" PRId64 "d%" PRId64 "h", s / 86400,
			 s % 86400 / 3600);
	return dst;
}

const char *env_info_left(const struct env_info *info, int64_t now,
			  char dst[24])
{
	if (!env_info_is_alive(info, now))
		snprintf(dst, 24, "ended");
	else if (!info->expires)
		snprintf(dst, 24, "never ends");
	else
		env_span(info->expires - now, dst);
	return dst;
}

/* --- making --------------------------------------------------------------- */

/* It never runs; but what a policy thinks of Pods, it thinks of this one, too
 */
static json_t *env_job_template(const char *name)
{
	json_t *container = json_pack(
		"{s:s,s:s,s:{s:b,s:{s:[s]},s:b,s:b}}", "name", "none", "image",
		"none.invalid/none", "securityContext",
		"allowPrivilegeEscalation", 0, "capabilities", "drop", "ALL",
		"readOnlyRootFilesystem", 1, "runAsNonRoot", 1);

	return json_pack("{s:{s:{s:s}},s:{s:s,s:b,s:{s:b,s:i,s:{s:s}},s:[o]}}",
			 "metadata", "labels", KT_LABEL_ENV, name, "spec",
			 "restartPolicy", "Never",
			 "automountServiceAccountToken", 0, "securityContext",
			 "runAsNonRoot", 1, "runAsUser", 65534,
			 "seccompProfile", "type", "RuntimeDefault",
			 "containers", container);
}

static json_t *env_job_labels(const char *role, const char *name)
{
	return json_pack("{s:s,s:s,s:s}", KT_LABEL_CONTROL,
			 KT_LABEL_CONTROL_VALUE, KT_LABEL_ROLE, role,
			 KT_LABEL_ENV, name);
}

json_t *env_job_timer(const char *name, const char *role, const char *env,
		      int64_t ttl, json_t *annotations)
{
	json_t *job = json_pack(
		"{s:s,s:s,s:{s:s,s:o,s:o},s:{s:i,s:i,s:i,s:i,s:o}}",
		"apiVersion", ENV_API, "kind", "Job", "metadata", "name", name,
		"labels", env_job_labels(role, env), "annotations", annotations,
		"spec", "parallelism", 0, "completions", 1, "backoffLimit", 0,
		"ttlSecondsAfterFinished", 0, "template",
		env_job_template(env));

	if (ttl)
		json_object_set_new(json_object_get(job, "spec"),
				    "activeDeadlineSeconds", json_integer(ttl));
	return job;
}

json_t *env_job_make(const struct env_spec *s)
{
	auto_free char *name = env_name_job(s->name);
	char now[24], expires[24];

	snprintf(now, sizeof(now), "%" PRId64, s->now);
	snprintf(expires, sizeof(expires), "%" PRId64,
		 s->ttl ? s->now + s->ttl : 0);
	return env_job_timer(
		name, KT_ROLE_ENV, s->name, s->ttl,
		json_pack("{s:s*,s:s*,s:s,s:s,s:s*,s:s*}", KT_ANNOTATION_USER,
			  s->user, KT_ANNOTATION_MACHINE, s->machine,
			  KT_ANNOTATION_SINCE, now, KT_ANNOTATION_EXPIRES,
			  expires, KT_ANNOTATION_STRICT,
			  s->strict ? "true" : NULL, KT_ANNOTATION_HEADER,
			  s->header));
}

json_t *env_job_extend(const struct env_info *info, int64_t now, int64_t ttl)
{
	json_t *deadline =
		ttl ? json_integer(now - info->started + ttl) : json_null();
	char expires[24];

	snprintf(expires, sizeof(expires), "%" PRId64, ttl ? now + ttl : 0);
	return json_pack("{s:{s:{s:s}},s:{s:o}}", "metadata", "annotations",
			 KT_ANNOTATION_EXPIRES, expires, "spec",
			 "activeDeadlineSeconds", deadline);
}

json_t *env_job_ref(const char *name, const char *uid)
{
	return json_pack("{s:s,s:s,s:s,s:s}", "apiVersion", ENV_API, "kind",
			 "Job", "name", name, "uid", uid);
}

json_t *env_owner_ref(const struct env_info *info)
{
	auto_free char *name = env_name_job(info->name);

	return env_job_ref(name, info->uid);
}

json_t *env_source_make(const struct env_info *info)
{
	char name[ENV_SERVICE_MAX];

	return json_pack("{s:s,s:s,s:{s:s,s:o,s:{s:s*},s:[o]},"
			 "s:{s:s,s:b,s:{s:s}}}",
			 "apiVersion", "v1", "kind", "Service", "metadata",
			 "name", env_name_service(info->name, name), "labels",
			 env_job_labels(KT_ROLE_ENV_SOURCE, info->name),
			 "annotations", KT_ANNOTATION_USER, info->user,
			 "ownerReferences", env_owner_ref(info), "spec",
			 "clusterIP", "None", "publishNotReadyAddresses", 1,
			 "selector", KT_LABEL_ENV, info->name);
}
