/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/authz.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/denied.h"
#include "kube/rest.h"

#include <string.h>

#define RBAC "rbac.authorization.k8s.io"
#define SA_PREFIX "system:serviceaccount:"

/* The refused identity as the subject of a binding, two spaces deep. */
static char *subject_of(const char *user)
{
	const char *rest = user + strlen(SA_PREFIX);
	const char *colon;

	if (str_starts(user, SA_PREFIX) && (colon = strchr(rest, ':')))
		return xasprintf("- kind: ServiceAccount\n"
				 "  name: %s\n"
				 "  namespace: %.*s\n",
				 colon + 1, (int)(colon - rest), rest);
	return xasprintf("- kind: User\n"
			 "  name: \"%s\"\n"
			 "  apiGroup: " RBAC "\n",
			 user);
}

/* Everything in it came from the server: no line of its own may be smuggled
 * into the YAML that a person is asked to apply. */
static bool harmless(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == '"' || *s == '\\')
			return false;
	return true;
}

char *authz_role_for(const struct kt_error *err)
{
	auto_free char *subject = NULL, *where = NULL;
	struct denied d;
	const char *kind;

	if (err->http_status != 403 || !denied_parse(&d, err->msg) ||
	    !harmless(d.user) || !harmless(d.verb) || !harmless(d.resource) ||
	    !harmless(d.group) || !harmless(d.ns))
		return NULL;
	kind = d.ns[0] ? "Role" : "ClusterRole";
	subject = subject_of(d.user);
	where = d.ns[0] ? xasprintf("  namespace: %s\n", d.ns) : xstrdup("");
	return xasprintf("apiVersion: " RBAC "/v1\n"
			 "kind: %s\n"
			 "metadata:\n"
			 "  name: ktctl-more\n"
			 "%s"
			 "rules:\n"
			 "- apiGroups: [\"%s\"]\n"
			 "  resources: [\"%s\"]\n"
			 "  verbs: [\"%s\"]\n"
			 "---\n"
			 "apiVersion: " RBAC "/v1\n"
			 "kind: %sBinding\n"
			 "metadata:\n"
			 "  name: ktctl-more\n"
			 "%s"
			 "roleRef:\n"
			 "  apiGroup: " RBAC "\n"
			 "  kind: %s\n"
			 "  name: ktctl-more\n"
			 "subjects:\n"
			 "%s",
			 kind, where, d.group, d.resource, d.verb, kind, where,
			 kind, subject);
}

int kube_can(struct kube *k, const char *ns, const char *verb,
	     const char *group, const char *resource, struct kt_error *err)
{
	return kube_can_name(k, ns, verb, group, resource, NULL, err);
}

int kube_can_name(struct kube *k, const char *ns, const char *verb,
		  const char *group, const char *resource, const char *name,
		  struct kt_error *err)
{
	auto_free char *path =
		kube_path("authorization.k8s.io/v1", "selfsubjectaccessreviews",
			  NULL, NULL, NULL);
	const char *sub = strchr(resource, '/');
	auto_free char *plain = xstrndup(
		resource, sub ? (size_t)(sub - resource) : strlen(resource));
	auto_json json_t *ask = NULL, *reply = NULL;
	json_t *attr = json_pack("{s:s,s:s,s:s}", "verb", verb, "group", group,
				 "resource", plain);
	int rc;

	if (ns)
		json_object_set_new(attr, "namespace", json_string(ns));
	if (sub)
		json_object_set_new(attr, "subresource", json_string(sub + 1));
	if (name)
		json_object_set_new(attr, "name", json_string(name));
	ask = json_pack("{s:s,s:s,s:{s:o}}", "apiVersion",
			"authorization.k8s.io/v1", "kind",
			"SelfSubjectAccessReview", "spec", "resourceAttributes",
			attr);
	rc = kube_create(k, path, ask, &reply, err);
	if (rc < 0)
		return rc;
	return json_is_true(json_at(reply, "status", "allowed", NULL));
}
