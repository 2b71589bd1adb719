/* SPDX-License-Identifier: Apache-2.0 */
#include "env/asleep.h"

#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/idle.h"
#include "kube/rest.h"
#include "wire/envmark.h"

/* The sleeper's Deployment is its copy's */
static bool asleep_has_sleeper(const json_t *deployments, const char *uid)
{
	const json_t *d, *ref;
	size_t i, k;

	json_array_foreach (deployments, i, d) {
		if (!str_eq(object_label(d, KT_LABEL_ROLE), KT_ROLE_ENV_SLEEP))
			continue;
		json_array_foreach (
			json_at(d, "metadata", "ownerReferences", NULL), k, ref)
			if (str_eq(json_str(ref, "uid", NULL), uid))
				return true;
	}
	return false;
}

static bool asleep_is_meant(const json_t *d, const char *env)
{
	const char *of = object_label(d, KT_LABEL_ENV);

	return of && envmark_within(of, env) &&
	       str_eq(object_label(d, KT_LABEL_ROLE), KT_ROLE_ENV_MEMBER);
}

static const char *asleep_state(const json_t *d)
{
	if (!json_integer_value(json_at(d, "spec", "replicas", NULL)))
		return "asleep";
	return json_integer_value(json_at(d, "status", "readyReplicas", NULL))
		       ? "awake"
		       : "waking";
}

void asleep_look(json_t *states, const json_t *deployments, const char *env,
		 asleep_fn *fn, void *user)
{
	json_t *now = json_object();
	const json_t *d;
	size_t i;

	json_array_foreach (deployments, i, d) {
		const char *uid = json_str(d, "metadata", "uid", NULL);
		const char *state = asleep_state(d);

		if (!uid || !asleep_is_meant(d, env) ||
		    !asleep_has_sleeper(deployments, uid))
			continue;
		json_object_set_new(now, uid, json_string(state));
		if (!str_eq(json_str(states, uid, NULL), state))
			fn(user, d, state);
	}
	json_object_clear(states); /* those that are gone are forgotten */
	json_object_update(states, now);
	json_decref(now);
}
