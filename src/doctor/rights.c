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

#define RIGHTS_EXEC "the environment is that of the Pod's spec"
#define RIGHTS_INGRESS "env share has no Ingress"

/* What a command does without, and what is lost then */
static const struct rights_spare {
	const char *role; /* NULL: every one */
	const char *what;
	const char *lost;
} rights_spares[] = {
	{ NULL, "list networkpolicies.networking.k8s.io",
	  "a policy that keeps callers out is not seen" },
	{ "birdseye", "list deployments.apps",
	  "whose a shadow is that is a Deployment is not seen" },
	{ "map", "list deployments.apps",
	  "whose a shadow is that is a Deployment is not seen" },
	{ "env", "create ingresses.networking.k8s.io", RIGHTS_INGRESS },
	{ "env", "list ingresses.networking.k8s.io", RIGHTS_INGRESS },
	{ "env", "update ingresses.networking.k8s.io", RIGHTS_INGRESS },
	{ "env", "delete ingresses.networking.k8s.io", RIGHTS_INGRESS },
	{ "env", "list events", "why a member does not start is not seen" },
	{ "env", "get pods/log", "why a member does not start is not seen" },
	{ "mesh", "delete configmaps",
	  "the key of a dead KT Connect's shadow stays" },
	{ "preview", "delete configmaps",
	  "the key of a dead KT Connect's shadow stays" },
	{ "run", "get pods/exec", RIGHTS_EXEC },
	{ "run", "create pods/exec", RIGHTS_EXEC },
	{ "env-file", "get pods/exec", RIGHTS_EXEC },
	{ "env-file", "create pods/exec", RIGHTS_EXEC },
	{ "run", "get secrets",
	  "variables and files of Secrets are not there" },
	{ "run", "create serviceaccounts/token",
	  "the service account's token is not there" },
};

/* What is lost without all of them; NULL: the command does not work */
static const char *rights_lost(const struct strv *missing, const char *role)
{
	const char *lost = NULL;

	for (size_t i = 0; i < missing->n; i++) {
		lost = NULL;
		for (size_t k = 0; k < ARRAY_SIZE(rights_spares); k++)
			if (strcmp(rights_spares[k].what, missing->v[i]) == 0 &&
			    (!rights_spares[k].role ||
			     strcmp(rights_spares[k].role, role) == 0))
				lost = rights_spares[k].lost;
		if (!lost)
			return NULL;
	}
	return lost;
}

static void rights_tell(struct findings *f, const struct rights_asked *a,
			const struct rights_need *need)
{
	auto_free char *check = xasprintf("may %s", need->role);
	auto_free char *list = strv_join(&a->missing, ", ");
	auto_free char *remedy = NULL;
	const char *lost = rights_lost(&a->missing, need->role);

	if (!a->missing.n) {
		finding_add(f, check, FINDING_OK, NULL,
			    "all %zu permissions in namespace %s", a->n,
			    a->of->ns);
		return;
	}
	remedy = xasprintf("%s%s%sask an administrator for the Role ktctl-%s "
			   "(deploy/rbac/%s.yaml)%s%s",
			   need->with ? "only for " : "",
			   need->with ? need->with : "", need->with ? ": " : "",
			   need->role, need->role,
			   need->instead ? "; allowed is " : "",
			   need->instead ? need->instead : "");
	if (lost)
		finding_add(f, check, FINDING_WARN, remedy,
			    "works without what is not allowed in namespace "
			    "%s: %s: %s",
			    a->of->ns, list, lost);
	else
		finding_add(f, check, need->missing, remedy,
			    "not allowed in namespace %s: %s", a->of->ns, list);
	finding_set_role(f, need->role);
}

/* Each permission of @role, one by one */
static int rights_ask_role(struct rights_asked *a, const char *role,
			   struct kt_error *err)
{
	const char *text = offer_role_text(role);
	auto_json json_t *tree =
		text ? yaml_parse(text, strlen(text), role, err) : NULL;
	const json_t *rule;
	int rc = tree ? 0 : -EINVAL;
	size_t i;

	json_array_foreach (json_object_get(tree, "rules"), i, rule)
		if (rc == 0)
			rc = rights_ask_rule(a, rule, err);
	return rc;
}

int rights_check(struct rights *r, struct findings *f,
		 const struct rights_need *need, struct kt_error *err)
{
	struct rights_asked a = { .of = r };
	int rc = rights_ask_role(&a, need->role, err);

	if (rc == 0)
		rights_tell(f, &a, need);
	strv_fini(&a.missing);
	return rc;
}

int rights_suffice(struct rights *r, const char *role, struct kt_error *err)
{
	struct rights_asked a = { .of = r };
	int rc = rights_ask_role(&a, role, err);

	if (rc == 0)
		rc = !a.missing.n || rights_lost(&a.missing, role);
	strv_fini(&a.missing);
	return rc;
}
