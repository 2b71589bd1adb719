/* SPDX-License-Identifier: Apache-2.0 */
#include "env/view.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "env/find.h"
#include "env/giveback.h"
#include "env/hook_run.h"
#include "env/idle.h"
#include "env/table.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <string.h>

static json_t *view_text(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *view_time(int64_t at)
{
	char text[RFC3339_STRLEN];

	return at > 0 ? json_string(rfc3339_format(at, text)) : json_null();
}

/* --- members -------------------------------------------------------------- */

static size_t view_ready_pods(const json_t *pods, const json_t *selector)
{
	const json_t *pod;
	size_t i, n = 0;

	json_array_foreach (pods, i, pod)
		n += selector_matches(selector, object_pod_labels(pod)) &&
		     !object_is_ending(pod) && object_pod_is_ready(pod);
	return n;
}

/* The Deployment behind the sleeper that @selector (of a record) finds */
static const json_t *view_sleeper_copy(const json_t *copies,
				       const json_t *selector)
{
	const char *target = json_str(selector, KT_LABEL_TARGET, NULL);
	const json_t *d;
	size_t i;

	json_array_foreach (copies, i, d)
		if (str_eq(json_str(object_pod_labels(d), KT_LABEL_TARGET,
				    NULL),
			   target) &&
		    !str_eq(json_str(object_pod_labels(d), KT_LABEL_ROLE, NULL),
			    KT_ROLE_ENV_SLEEP))
			return d;
	return NULL;
}

static json_int_t view_number(const json_t *d, const char *of, const char *key)
{
	return json_integer_value(json_at(d, of, key, NULL));
}

/* One with a sleeper before it, which is ready */
static const char *view_sleeps(const struct env_look *look,
			       const json_t *selector)
{
	const json_t *d = view_sleeper_copy(look->copies, selector);

	if (!d)
		return look->copies ? "no ready Pod" : "unknown";
	if (!view_number(d, "spec", "replicas"))
		return "asleep";
	return view_number(d, "status", "readyReplicas") ? "answers" : "waking";
}

static bool view_has_sleeper(const json_t *record)
{
	return str_eq(json_str(record, "spec", "selector", KT_LABEL_ROLE, NULL),
		      KT_ROLE_ENV_SLEEP);
}

static const char *view_state(const struct env_look *look, const json_t *live,
			      const json_t *record, bool local)
{
	const json_t *selector = json_at(record, "spec", "selector", NULL);

	if (!env_record_is_alive(record, live, look->now, look->home))
		return "lost";
	if (local)
		return "answers";
	if (!look->pods)
		return "unknown";
	if (!view_ready_pods(look->pods, selector))
		return "no ready Pod";
	return view_has_sleeper(record) ? view_sleeps(look, selector)
					: "answers";
}

/* "image registry/orders:1": the kind, and which one */
static json_t *view_member(const struct env_look *look, const json_t *live,
			   const json_t *record)
{
	const char *text = object_annotation(record, KT_ANNOTATION_MEMBER);
	const char *what = text ? strchr(text, ' ') : NULL;
	const char *made =
		json_str(record, "metadata", "creationTimestamp", NULL);
	auto_free char *kind =
		!text ? xstrdup("local")
		      : xstrndup(text,
				 what ? (size_t)(what - text) : strlen(text));
	auto_free char *service = env_record_service(record);

	return json_pack(
		"{s:o,s:s,s:o,s:o,s:o,s:o,s:s,s:s}", "service",
		view_text(service), "kind", kind, "what",
		view_text(what ? what + 1 : NULL), "user",
		view_text(object_annotation(record, KT_ANNOTATION_USER)),
		"machine",
		view_text(object_annotation(record, KT_ANNOTATION_MACHINE)),
		"since", view_time(made ? rfc3339_parse(made) : 0), "state",
		view_state(look, live, record, strcmp(kind, "local") == 0),
		"record", object_name(record));
}

static json_t *view_members(const struct env_look *look, const char *name)
{
	auto_json json_t *live = env_table_live(look->jobs, look->now);
	json_t *members = json_array();
	const json_t *record;
	size_t i;

	json_array_foreach (look->records, i, record)
		if (str_eq(object_label(record, KT_LABEL_ENV), name))
			json_array_append_new(members,
					      view_member(look, live, record));
	return members;
}

/* --- host names ----------------------------------------------------------- */

static json_t *view_hosts(const struct env_look *look, const char *name)
{
	json_t *hosts = json_array();
	const json_t *share;
	size_t i;

	if (!look->shares) {
		json_decref(hosts);
		return json_null();
	}
	json_array_foreach (look->shares, i, share)
		if (str_eq(json_str(share, "environment", NULL), name))
			json_array_append_new(
				hosts,
				json_pack("{s:O,s:O,s:O}", "host",
					  json_object_get(share, "host"),
					  "service",
					  json_object_get(share, "service"),
					  "user",
					  json_object_get(share, "user")));
	return hosts;
}

/* --- what environments have left ------------------------------------------ */

static json_t *view_hook(const json_t *job, enum hook_left state)
{
	static const char *const states[] = {
		[HOOK_LEFT_WAITS] = "waits",
		[HOOK_LEFT_RUNS] = "runs",
		[HOOK_LEFT_DONE] = "done",
		[HOOK_LEFT_FAILED] = "failed",
	};

	return json_pack("{s:o,s:o,s:o,s:s,s:s}", "environment",
			 view_text(object_label(job, KT_LABEL_ENV)), "service",
			 view_text(object_label(job, KT_LABEL_ENV_OF)), "hook",
			 view_text(object_annotation(job, KT_ANNOTATION_HOOK)),
			 "job", object_name(job), "state", states[state]);
}

static json_t *view_hooks(const struct env_look *look)
{
	json_t *hooks = json_array();
	const json_t *job;
	size_t i;

	json_array_foreach (look->jobs, i, job) {
		enum hook_left state = hook_left(job, look->jobs, look->now);

		if (state != HOOK_LEFT_NOT)
			json_array_append_new(hooks, view_hook(job, state));
	}
	return hooks;
}

/* --- environments --------------------------------------------------------- */

static json_t *view_env(const struct env_look *look,
			const struct env_info *info)
{
	const char *parent = info->parent[0] ? info->parent : NULL;

	return json_pack(
		"{s:s,s:o,s:o,s:o,s:o,s:o,s:b,s:o,s:s}", "name", info->name,
		"parent", view_text(parent), "user", view_text(info->user),
		"machine", view_text(info->machine), "since",
		view_time(info->since), "expires", view_time(info->expires),
		"strict", (int)info->strict, "header",
		view_text(info->header[0] ? info->header : NULL), "state",
		env_info_is_alive(info, look->now) ? "alive" : "ended");
}

static json_t *view_document(const struct env_look *look, const char *key,
			     json_t *value)
{
	return json_pack("{s:i,s:o,s:s,s:o}", "version", 1, "time",
			 view_time(look->now), "namespace", look->ns, key,
			 value);
}

bool env_view_has_sleepers(const json_t *records)
{
	const json_t *record;
	size_t i;

	json_array_foreach (records, i, record)
		if (view_has_sleeper(record))
			return true;
	return false;
}

/* How many of its members are asleep; null: that may not be seen */
static json_t *view_asleep(const struct env_look *look, const char *name)
{
	const json_t *record;
	json_int_t n = 0;
	size_t i;

	json_array_foreach (look->records, i, record) {
		if (!str_eq(object_label(record, KT_LABEL_ENV), name) ||
		    !view_has_sleeper(record))
			continue;
		if (!look->copies)
			return json_null();
		n += str_eq(view_sleeps(look, json_at(record, "spec",
						      "selector", NULL)),
			    "asleep");
	}
	return json_integer(n);
}

json_t *env_view_list(const struct env_look *look)
{
	json_t *all = json_array();
	json_t *list;
	const json_t *job;
	size_t i;

	json_array_foreach (look->jobs, i, job) {
		struct env_info info;

		if (env_info_read(&info, job) == 0) {
			auto_json json_t *members =
				view_members(look, info.name);
			json_t *env = view_env(look, &info);

			json_object_set_new(
				env, "members",
				json_integer(
					(json_int_t)json_array_size(members)));
			json_object_set_new(env, "asleep",
					    view_asleep(look, info.name));
			json_array_append_new(all, env);
		}
		env_info_fini(&info);
	}
	list = view_document(look, "environments", all);
	json_object_set_new(list, "hooks", view_hooks(look));
	return list;
}

json_t *env_view_show(const struct env_look *look, const struct env_info *info)
{
	json_t *env = view_env(look, info);

	json_object_set_new(env, "members", view_members(look, info->name));
	json_object_set_new(env, "hosts", view_hosts(look, info->name));
	return view_document(look, "environment", env);
}
