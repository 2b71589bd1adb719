/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/offer_role.h"

#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "kube/authz.h"
#include "kube/denied.h"
#include "roles.h" /* deploy/rbac/NAME.yaml as NAME_yaml */

#include <ctype.h>
#include <string.h>

#define ISTIO "networking.istio.io"
#define GATEWAY "gateway.networking.k8s.io"
#define RBAC "rbac.authorization.k8s.io"
#define SA_PREFIX "system:serviceaccount:"

/* The name comes from the server and goes into a command for a shell. */
static bool offer_role_is_plain(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-_.:@", *s))
			return false;
	return true;
}

static const struct offered {
	const char *name, *text;
	const char *groups; /* of APIs, that it grants as well */
} offered[] = {
	{ "connect", connect_yaml, "" },
	{ "connect-deployment", connect_deployment_yaml, "apps" },
	{ "connect-ingress", connect_ingress_yaml, "networking.k8s.io" },
	{ "connect-shadow", connect_shadow_yaml, "" },
	{ "connect-shadow-deployment", connect_shadow_deployment_yaml, "" },
	{ "exchange", exchange_yaml, "" },
	{ "exchange-scale", exchange_scale_yaml, "apps" },
	{ "exchange-ephemeral", exchange_ephemeral_yaml, "apps" },
	{ "mesh", mesh_yaml, "" },
	{ "mesh-gateway", mesh_gateway_yaml, GATEWAY },
	{ "mesh-istio", mesh_istio_yaml, ISTIO },
	{ "preview", preview_yaml, "" },
	{ "forward", forward_yaml, "apps" },
	{ "run", run_yaml, "apps batch" },
	{ "run-in-pod", run_in_pod_yaml, "" },
	{ "env-file", env_file_yaml, "apps batch" },
	{ "recover", recover_yaml, "apps batch" },
	{ "clean", clean_yaml, "apps batch" },
	{ "birdseye", birdseye_yaml, "apps" },
	{ "map", map_yaml, "apps" },
	{ "env", env_yaml, "apps batch " GATEWAY },
	{ "env-idle", env_idle_yaml, "apps " RBAC },
};

static const struct offered *offered_find(const char *role)
{
	for (size_t i = 0; i < ARRAY_SIZE(offered); i++)
		if (strcmp(offered[i].name, role) == 0)
			return &offered[i];
	return NULL;
}

const char *offer_role_text(const char *role)
{
	const struct offered *o = offered_find(role);

	return o ? o->text : NULL;
}

static bool offered_grants(const struct offered *o, const char *group)
{
	auto_strv struct strv groups = strv_split(o->groups, ' ');

	return !*group || strv_has(&groups, group);
}

/* Its text, when it grants @resource of @group */
static const char *published(const char *role, const struct denied *d)
{
	const struct offered *o = offered_find(role);

	return o && offered_grants(o, d->group) ? o->text : NULL;
}

static void print_published(const struct denied *d, const char *role,
			    const char *text)
{
	bool account = str_starts(d->user, SA_PREFIX);
	const char *name = d->user + (account ? strlen(SA_PREFIX) : 0);

	fprintf(stderr,
		"An administrator can allow all that %s needs:\n"
		"\n"
		"kubectl -n %s apply -f - <<'END'\n%sEND\n"
		"kubectl -n %s create rolebinding 'ktctl-%s-%s' "
		"--role ktctl-%s --%s '%s'\n",
		role, d->ns, text, d->ns, role, name, role,
		account ? "serviceaccount" : "user", name);
}

/* Only env join --idle makes these */
static bool offer_role_is_idle(const struct denied *d)
{
	return strcmp(d->group, RBAC) == 0 ||
	       strcmp(d->resource, "serviceaccounts") == 0;
}

void offer_role(const struct kt_error *err, const char *role)
{
	auto_free char *one = NULL;
	const char *text;
	struct denied d;

	if (err->http_status != 403 || !denied_parse(&d, err->msg))
		return;
	/* Roles of their own, for whoever mends what such a mesh has left, too
	 */
	role = strcmp(d.group, ISTIO) == 0     ? "mesh-istio"
	       : strcmp(d.group, GATEWAY) == 0 ? "mesh-gateway"
	       : offer_role_is_idle(&d)	       ? "env-idle"
					       : role;
	text = published(role, &d);
	if (d.ns[0] && text && offer_role_is_plain(d.user) &&
	    offer_role_is_plain(d.ns)) {
		print_published(&d, role, text);
		return;
	}
	one = authz_role_for(err);
	if (one) {
		fputs("An administrator can allow it with kubectl apply -f "
		      "- and:\n\n",
		      stderr);
		print_text(stderr, one, strlen(one));
	}
}
