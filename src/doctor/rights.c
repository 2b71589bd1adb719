/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/rights.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/offer_role.h"
#include "kube/authz.h"
#include "kube/rest.h"
#include "kube/yamltree.h"

#include <errno.h>
#include <string.h>

struct rights {
	struct kube *kube;
	const char *ns;
	struct strv missing; /* "create pods/portforward" */
	size_t asked;
};

static int rights_ask(struct rights *r, const char *group, const char *resource,
		      const char *verb, struct kt_error *err)
{
	int rc = kube_can(r->kube, r->ns, verb, group, resource, err);

	if (rc < 0)
		return rc;
	r->asked++;
	if (rc == 0)
		strv_take(&r->missing, xasprintf("%s %s%s%s", verb, resource,
						 *group ? "." : "", group));
	return 0;
}

static int rights_ask_rule(struct rights *r, const json_t *rule,
			   struct kt_error *err)
{
	const json_t *group, *resource, *verb;
	size_t i, j, k;

	json_array_foreach (json_object_get(rule, "apiGroups"), i, group)
		json_array_foreach (json_object_get(rule, "resources"), j,
				    resource)
			json_array_foreach (json_object_get(rule, "verbs"), k,
					    verb) {
				int rc = rights_ask(r, json_string_value(group),
						    json_string_value(resource),
						    json_string_value(verb),
						    err);

				if (rc < 0)
					return rc;
			}
	return 0;
}

static void rights_tell(struct findings *f, const struct rights *r,
			const char *role, enum finding_state state)
{
	auto_free char *check = xasprintf("may %s", role);
	auto_free char *list = strv_join(&r->missing, ", ");
	auto_free char *remedy = NULL;

	if (!r->missing.n) {
		finding_add(f, check, FINDING_OK, NULL,
			    "all %zu permissions in namespace %s", r->asked,
			    r->ns);
		return;
	}
	remedy = xasprintf("ask an administrator for the Role ktctl-%s "
			   "(deploy/rbac/%s.yaml)",
			   role, role);
	finding_add(f, check, state, remedy, "not allowed in namespace %s: %s",
		    r->ns, list);
	finding_set_role(f, role);
}

int rights_check(struct findings *f, struct kube *k, const char *ns,
		 const char *role, enum finding_state missing,
		 struct kt_error *err)
{
	struct rights r = { .kube = k, .ns = ns };
	const char *text = offer_role_text(role);
	auto_json json_t *tree =
		text ? yaml_parse(text, strlen(text), role, err) : NULL;
	const json_t *rule;
	int rc = tree ? 0 : -EINVAL;
	size_t i;

	json_array_foreach (json_object_get(tree, "rules"), i, rule)
		if (rc == 0)
			rc = rights_ask_rule(&r, rule, err);
	if (rc == 0)
		rights_tell(f, &r, role, missing);
	strv_fini(&r.missing);
	return rc;
}
