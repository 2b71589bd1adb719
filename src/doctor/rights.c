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

/** struct rights_asked - those of one Role */
struct rights_asked {
	struct rights *of;
	struct strv missing; /* "create pods/portforward" */
	size_t n;
};

void rights_init(struct rights *r, struct kube *k, const char *ns)
{
	*r = (struct rights){ .kube = k, .ns = ns, .known = json_object() };
}

void rights_fini(struct rights *r)
{
	json_decref(r->known);
	r->known = NULL;
}

/* Roles have much in common, and each question is a request. Return: 1, 0, or
 * -errno with @err */
static int rights_may(struct rights *r, const char *what, const char *group,
		      const char *resource, const char *verb,
		      struct kt_error *err)
{
	const json_t *known = json_object_get(r->known, what);
	int rc = known ? json_is_true(known)
		       : kube_can(r->kube, r->ns, verb, group, resource, err);

	if (rc >= 0 && !known)
		json_object_set_new(r->known, what, json_boolean(rc));
	return rc;
}

static int rights_ask(struct rights_asked *a, const char *group,
		      const char *resource, const char *verb,
		      struct kt_error *err)
{
	auto_free char *what = xasprintf("%s %s%s%s", verb, resource,
					 *group ? "." : "", group);
	int rc = rights_may(a->of, what, group, resource, verb, err);

	if (rc < 0)
		return rc;
	a->n++;
	if (rc == 0)
		strv_add(&a->missing, what);
	return 0;
}

static int rights_ask_rule(struct rights_asked *a, const json_t *rule,
			   struct kt_error *err)
{
	const json_t *group, *resource, *verb;
	size_t i, j, k;

	json_array_foreach (json_object_get(rule, "apiGroups"), i, group)
		json_array_foreach (json_object_get(rule, "resources"), j,
				    resource)
			json_array_foreach (json_object_get(rule, "verbs"), k,
					    verb) {
				int rc = rights_ask(a, json_string_value(group),
						    json_string_value(resource),
						    json_string_value(verb),
						    err);

				if (rc < 0)
					return rc;
			}
	return 0;
}

static void rights_tell(struct findings *f, const struct rights_asked *a,
			const char *role, const char *with,
			enum finding_state state)
{
	auto_free char *check = xasprintf("may %s", role);
	auto_free char *list = strv_join(&a->missing, ", ");
	auto_free char *remedy = NULL;

	if (!a->missing.n) {
		finding_add(f, check, FINDING_OK, NULL,
			    "all %zu permissions in namespace %s", a->n,
			    a->of->ns);
		return;
	}
	remedy = xasprintf("%s%s%sask an administrator for the Role ktctl-%s "
			   "(deploy/rbac/%s.yaml)",
			   with ? "only for " : "", with ? with : "",
			   with ? ": " : "", role, role);
	finding_add(f, check, state, remedy, "not allowed in namespace %s: %s",
		    a->of->ns, list);
	finding_set_role(f, role);
}

int rights_check(struct rights *r, struct findings *f, const char *role,
		 const char *with, enum finding_state missing,
		 struct kt_error *err)
{
	struct rights_asked a = { .of = r };
	const char *text = offer_role_text(role);
	auto_json json_t *tree =
		text ? yaml_parse(text, strlen(text), role, err) : NULL;
	const json_t *rule;
	int rc = tree ? 0 : -EINVAL;
	size_t i;

	json_array_foreach (json_object_get(tree, "rules"), i, rule)
		if (rc == 0)
			rc = rights_ask_rule(&a, rule, err);
	if (rc == 0)
		rights_tell(f, &a, role, with, missing);
	strv_fini(&a.missing);
	return rc;
}
