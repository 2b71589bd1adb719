/* SPDX-License-Identifier: Apache-2.0 */
#include "env/hook.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/words.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/copy_pod.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define HOOK_CONTAINER "hook"
#define HOOK_FILE "/dev/termination-log"
#define HOOK_NAME_MAX 128
#define HOOK_KEPT 3600 /* seconds; of one that nobody has waited for */

/* --- its Pod -------------------------------------------------------------- */

static json_t *hook_words(const struct strv *words, size_t from,
			  const char *env)
{
	json_t *list = json_array();

	for (size_t i = from; i < words->n; i++) {
		auto_free char *word = copy_pod_expand(words->v[i], env);

		json_array_append_new(list, json_string(word));
	}
	return list;
}

static json_t *hook_container_of(const json_t *pod, const char *name)
{
	json_t *c;
	size_t i;

	json_array_foreach (json_object_get(pod, "containers"), i, c)
		if (str_eq(json_str(c, "name", NULL), name))
			return c;
	return NULL;
}

/* What is the service's, not the hook's */
static json_t *hook_container(const json_t *its, const struct strv *words,
			      const struct hook_spec *s)
{
	static const char *const kept[] = { "image",	 "imagePullPolicy",
					    "env",	 "envFrom",
					    "resources", "securityContext" };
	static const char *const own[] = { "volumeMounts", "volumeDevices",
					   "workingDir" };
	const char *env = object_label(s->copy, KT_LABEL_ENV);
	bool program = words->v[0][0] == '/';
	json_t *c =
		json_pack("{s:s,s:s,s:s}", "name", HOOK_CONTAINER,
			  "terminationMessagePath", HOOK_FILE,
			  "terminationMessagePolicy", "FallbackToLogsOnError");

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (json_object_get(its, kept[i]))
			json_object_set_new(
				c, kept[i],
				json_deep_copy(json_object_get(its, kept[i])));
	for (size_t i = 0; program && i < ARRAY_SIZE(own); i++)
		if (json_object_get(its, own[i]))
			json_object_set(c, own[i],
					json_object_get(its, own[i]));
	if (program) {
		json_object_set_new(c, "command", hook_words(words, 0, env));
	} else {
		auto_free char *image = copy_pod_expand(words->v[0], env);

		json_object_set_new(c, "image", json_string(image));
		json_object_del(c, "imagePullPolicy");
		if (words->n > 1)
			json_object_set_new(c, "args",
					    hook_words(words, 1, env));
	}
	copy_pod_set_variable(c, "KT_OUTPUT", HOOK_FILE, true);
	copy_pod_set_variable(c, "KT_SERVICE",
			      object_label(s->copy, KT_LABEL_ENV_OF), true);
	copy_pod_set_variable(c, "KT_HOOK", s->what, true);
	copy_pod_set_variable(c, KT_ENV_VARIABLE, env, true);
	return c;
}

/* Who it is, and where it may run */
static json_t *hook_pod(const json_t *its, json_t *container, bool program)
{
	static const char *const kept[] = {
		"affinity",	    "automountServiceAccountToken",
		"dnsConfig",	    "dnsPolicy",
		"hostAliases",	    "imagePullSecrets",
		"nodeSelector",	    "priorityClassName",
		"runtimeClassName", "schedulerName",
		"securityContext",  "serviceAccountName",
		"tolerations",
	};
	json_t *pod = json_pack("{s:s,s:[o]}", "restartPolicy", "Never",
				"containers", container);

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (json_object_get(its, kept[i]))
			json_object_set(pod, kept[i],
					json_object_get(its, kept[i]));
	if (program && json_object_get(its, "volumes"))
		json_object_set(pod, "volumes",
				json_object_get(its, "volumes"));
	return pod;
}

/* Those of the copy but for what its own Service goes by: it is one of the
 * environment's Pods, and no member */
static json_t *hook_labels(const json_t *copy)
{
	json_t *labels =
		json_copy((json_t *)(uintptr_t)object_pod_labels(copy));

	json_object_del(labels, KT_LABEL_ENV_OF);
	json_object_del(labels, KT_LABEL_TARGET);
	json_object_set_new(labels, KT_LABEL_ROLE,
			    json_string(KT_ROLE_ENV_HOOK));
	return labels;
}

/* --- the Job -------------------------------------------------------------- */

static json_t *hook_metadata(const struct hook_spec *s)
{
	const char *env = object_label(s->copy, KT_LABEL_ENV);
	const char *of = object_label(s->copy, KT_LABEL_ENV_OF);
	const char *target =
		json_str(object_pod_labels(s->copy), KT_LABEL_TARGET, NULL);
	auto_free char *salt =
		xasprintf("%s/%s%s", s->what, target, s->again ? "/2" : "");
	auto_free char *name = copy_name_salted(of, env, salt);
	auto_free char *what = xasprintf("%s %s", s->what, s->command);
	json_t *meta = json_pack(
		"{s:s, s:{s:s, s:s, s:s, s:s, s:s*}, s:{s:s*, s:s*, s:s}}",
		"name", name, "labels", KT_LABEL_CONTROL,
		KT_LABEL_CONTROL_VALUE, KT_LABEL_ROLE, KT_ROLE_ENV_HOOK,
		KT_LABEL_ENV, env, KT_LABEL_ENV_OF, of, KT_LABEL_TARGET, target,
		"annotations", KT_ANNOTATION_USER,
		object_annotation(s->copy, KT_ANNOTATION_USER),
		KT_ANNOTATION_ENV_UID, s->uid, KT_ANNOTATION_HOOK, what);

	if (s->owner)
		json_object_set_new(
			meta, "ownerReferences",
			json_pack("[O]", (json_t *)(uintptr_t)s->owner));
	return meta;
}

/* One try: whether it may run twice is not known here */
static json_t *hook_spec_of(json_t *labels, json_t *pod, bool waits)
{
	json_t *spec = json_pack("{s:i, s:i, s:i, s:{s:{s:o}, s:o}}",
				 "parallelism", waits ? 0 : 1, "completions", 1,
				 "backoffLimit", 0, "template", "metadata",
				 "labels", labels, "spec", pod);

	if (!waits)
		json_object_set_new(spec, "activeDeadlineSeconds",
				    json_integer(HOOK_SECONDS));
	return spec;
}

json_t *hook_job(const struct hook_spec *s, struct kt_error *err)
{
	const json_t *its = json_at(s->copy, "spec", "template", "spec", NULL);
	const json_t *container = hook_container_of(its, s->container);
	auto_strv struct strv words = { 0 };
	json_t *pod, *job;

	if (words_split(s->command, &words) < 0 || !words.n) {
		kt_fail(err, EINVAL, "--%s '%.80s': a quote is not closed",
			s->what, s->command);
		return NULL;
	}
	pod = hook_pod(its, hook_container(container, &words, s),
		       words.v[0][0] == '/');
	job = json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "batch/v1",
			"kind", "Job", "metadata", hook_metadata(s), "spec",
			hook_spec_of(hook_labels(s->copy), pod, s->waits));
	if (!job)
		kt_fail(err, EINVAL, "--%s: what it runs is not UTF-8",
			s->what);
	return job;
}

/* Without what the server has put into it */
json_t *hook_fresh(const json_t *waiting)
{
	static const char *const kept[] = { "labels", "annotations" };
	static const char *const gone[] = {
		"controller-uid", "job-name", "batch.kubernetes.io/job-name",
		"batch.kubernetes.io/controller-uid"
	};
	const json_t *template = json_at(waiting, "spec", "template", NULL);
	auto_free char *name = copy_name_salted(
		object_label(waiting, KT_LABEL_ENV_OF),
		object_label(waiting, KT_LABEL_ENV), object_name(waiting));
	json_t *meta = json_pack("{s:s}", "name", name);
	json_t *labels =
		json_deep_copy(json_at(template, "metadata", "labels", NULL));

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		json_t *v = json_at(waiting, "metadata", kept[i], NULL);

		if (v)
			json_object_set(meta, kept[i], v);
	}
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		json_object_del(labels, gone[i]);
	return json_pack(
		"{s:s, s:s, s:o, s:o}", "apiVersion", "batch/v1", "kind", "Job",
		"metadata", meta, "spec",
		hook_spec_of(labels,
			     json_deep_copy(json_object_get(template, "spec")),
			     false));
}

/* Its deadline is counted from its start, which is when it was made */
json_t *hook_run_patch(const json_t *waiting, int64_t now)
{
	const char *text = json_str(waiting, "status", "startTime", NULL);
	int64_t since = text ? rfc3339_parse(text) : -1;

	return json_pack("{s:{s:i, s:I, s:i}}", "spec", "parallelism", 1,
			 "activeDeadlineSeconds",
			 (json_int_t)((since > 0 ? MAX(now - since, 0) : 0) +
				      HOOK_SECONDS),
			 "ttlSecondsAfterFinished", HOOK_KEPT);
}

/* --- what it says --------------------------------------------------------- */

/* A variable that decides what runs, or that is ours, is no data */
static bool hook_is_reserved(const char *name)
{
	static const char *const starts[] = { "KT_", "LD_" };

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (str_starts(name, starts[i]))
			return true;
	return strcmp(name, "PATH") == 0;
}

static int hook_check_name(const char *name, size_t line, struct kt_error *err)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	size_t n = strlen(name);

	if (!n || n > HOOK_NAME_MAX || strspn(name, good) != n ||
	    (*name >= '0' && *name <= '9'))
		return kt_fail(err, EPROTO,
			       "line %zu of its output: '%.40s' is no name of "
			       "a variable",
			       line, name);
	if (hook_is_reserved(name))
		return kt_fail(err, EPROTO,
			       "line %zu of its output: %.40s is not for a "
			       "hook to set",
			       line, name);
	return 0;
}

static int hook_line(json_t *vars, char *text, size_t line,
		     struct kt_error *err)
{
	char *eq = strchr(text, '=');
	json_t *value;

	if (!*text)
		return 0;
	if (!eq)
		return kt_fail(err, EPROTO,
			       "line %zu of its output is no NAME=VALUE: "
			       "'%.40s'",
			       line, text);
	*eq = '\0';
	if (hook_check_name(text, line, err) < 0)
		return -EPROTO;
	for (const char *p = eq + 1; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return kt_fail(err, EPROTO,
				       "line %zu of its output: the value of "
				       "%.40s has a control character",
				       line, text);
	value = json_string(eq + 1);
	if (!value)
		return kt_fail(err, EPROTO,
			       "line %zu of its output: the value of %.40s is "
			       "not UTF-8",
			       line, text);
	json_object_set_new(vars, text, value);
	if (json_object_size(vars) > HOOK_VARIABLES)
		return kt_fail(err, EPROTO,
			       "its output has more than %d variables",
			       HOOK_VARIABLES);
	return 0;
}

json_t *hook_output(const char *text, struct kt_error *err)
{
	auto_json json_t *vars = json_object();
	auto_strv struct strv lines = { 0 };

	if (strlen(text) >= HOOK_OUTPUT_MAX) {
		kt_fail(err, EPROTO,
			"its output has %d bytes or more, the rest is cut off",
			HOOK_OUTPUT_MAX);
		return NULL;
	}
	lines = words_cut(text, '\n');
	for (size_t i = 0; i < lines.n; i++)
		if (hook_line(vars, lines.v[i], i + 1, err) < 0)
			return NULL;
	return json_incref(vars);
}

/* $(NAME) in a value is another variable's, and $$ is a '$' */
static char *hook_literal(const char *value)
{
	char *out = xcalloc(2, strlen(value) + 1), *to = out;

	for (; *value; value++) {
		if (*value == '$')
			*to++ = '$';
		*to++ = *value;
	}
	*to = '\0';
	return out;
}

void hook_set_output(json_t *copy, const char *container, const json_t *vars)
{
	json_t *c = hook_container_of(
		json_at(copy, "spec", "template", "spec", NULL), container);
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)vars, key, v) {
		auto_free char *value = hook_literal(json_string_value(v));

		copy_pod_set_variable(c, key, value, false);
	}
}

/* Admission may have put others beside it */
static const json_t *hook_status(const json_t *pod)
{
	const json_t *all = json_at(pod, "status", "containerStatuses", NULL);
	const json_t *c;
	size_t i;

	json_array_foreach (all, i, c)
		if (str_eq(json_str(c, "name", NULL), HOOK_CONTAINER))
			return c;
	return NULL;
}

void hook_report_make(struct hook_report *r, const json_t *pods)
{
	const json_t *pod;
	size_t i;

	*r = (struct hook_report){ .message = "" };
	json_array_foreach (pods, i, pod) {
		const json_t *end =
			json_at(hook_status(pod), "state", "terminated", NULL);
		const char *phase = json_str(pod, "status", "phase", NULL);
		const char *said = json_str(end, "message", NULL);

		if (!end && !str_eq(phase, "Failed"))
			continue;
		r->ended = true;
		/* one that was evicted has no container any more */
		r->status = end ? (int)json_integer_value(
					  json_object_get(end, "exitCode"))
				: -1;
		r->good = !r->status && !str_eq(phase, "Failed");
		if (!said)
			said = json_str(pod, "status", "message", NULL);
		r->message = said ? said : "";
		return;
	}
}
