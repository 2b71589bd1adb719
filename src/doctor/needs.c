/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/needs.h"

#include "base/mem.h"
#include "base/str.h"
#include "doctor/rights.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

/* --- which Roles ---------------------------------------------------------- */

static bool needs_deployment(const struct options *o)
{
	return o->global.pod.deployment;
}

static bool needs_ingress(const struct options *o)
{
	return o->connect.ingress_ip.family != 0;
}

static bool needs_selector(const struct options *o)
{
	return o->exchange.mode == EXCHANGE_SELECTOR;
}

static bool needs_scale(const struct options *o)
{
	return o->exchange.mode == EXCHANGE_SCALE;
}

static bool needs_ephemeral(const struct options *o)
{
	return o->exchange.mode == EXCHANGE_EPHEMERAL;
}

static bool needs_in_pod(const struct options *o)
{
	return o->run.in_pod;
}

static bool needs_istio(const struct options *o)
{
	return o->mesh.route == ROUTE_ISTIO;
}

static bool needs_gateway(const struct options *o)
{
	return o->mesh.route == ROUTE_GATEWAY;
}

static bool needs_idle(const struct options *o)
{
	return o->env.idle != 0;
}

/** struct needs_role - one that a command needs with some flag only */
static const struct needs_role {
	const char *command, *role, *with;
	const char *api; /* group, that not every cluster has; or NULL */
	bool whole;	 /* it has all: else it is added to the command's own */
	bool (*on)(const struct options *o);
} needs_roles[] = {
	{ "connect", "connect-deployment", "--useShadowDeployment", NULL,
	  .on = needs_deployment },
	{ "connect", "connect-ingress", "--ingressIp", NULL,
	  .on = needs_ingress },
	{ "exchange", "exchange", "--mode selector", NULL, .whole = true,
	  .on = needs_selector },
	{ "exchange", "exchange-scale", "--mode scale", NULL, .whole = true,
	  .on = needs_scale },
	{ "exchange", "exchange-ephemeral", "--mode ephemeral", NULL,
	  .whole = true, .on = needs_ephemeral },
	{ "mesh", "mesh-istio", "--route istio", "networking.istio.io",
	  .on = needs_istio },
	{ "mesh", "mesh-gateway", "--route gateway",
	  "gateway.networking.k8s.io", .on = needs_gateway },
	{ "env", "env-idle", "env join --idle", NULL, .on = needs_idle },
	{ "run", "run-in-pod", "--inPod", NULL, .on = needs_in_pod },
};

static bool needs_is_of(const struct needs_role *one, const char *command)
{
	return strcmp(one->command, command) == 0;
}

/* The one that has all, as the command is configured */
static const char *needs_main(const struct needs *n, const char *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(needs_roles); i++) {
		const struct needs_role *one = &needs_roles[i];

		if (one->whole && needs_is_of(one, command) && one->on(n->o))
			return one->role;
	}
	return command;
}

/* A flag was named, so its other values are of no interest */
static bool needs_is_settled(const struct needs *n,
			     const struct needs_role *one)
{
	return (n->o->doctor.mode && str_starts(one->with, "--mode ")) ||
	       (n->o->doctor.route && str_starts(one->with, "--route "));
}

/* --- what is said of them ------------------------------------------------- */

/* What another API's objects are for is no question where it is not installed
 */
static bool needs_has_api(const struct needs *n, const char *group)
{
	auto_free char *path = xasprintf("/apis/%s", group);
	auto_json json_t *found = NULL;
	struct kt_error err = { 0 };

	return kube_get(n->kube, path, &found, &err) != -ENOENT;
}

/* "--mode scale": one that is allowed in place of @role; NULL: there is none.
 * Return: 0, or -errno with @err */
static int needs_instead(struct rights *r, const char *command,
			 const char *role, const char **with,
			 struct kt_error *err)
{
	*with = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(needs_roles) && !*with; i++) {
		const struct needs_role *one = &needs_roles[i];
		int rc;

		if (!one->whole || !needs_is_of(one, command) ||
		    strcmp(one->role, role) == 0)
			continue;
		rc = rights_suffice(r, one->role, err);
		if (rc < 0)
			return rc;
		if (rc)
			*with = one->with;
	}
	return 0;
}

static int needs_check_main(const struct needs *n, struct rights *r,
			    struct findings *f, const char *command,
			    const char *role, struct kt_error *err)
{
	struct rights_need need = { .role = role,
				    .missing = n->named ? FINDING_FAIL
							: FINDING_WARN };
	int rc = rights_suffice(r, role, err);

	if (rc == 0)
		rc = needs_instead(r, command, role, &need.instead, err);
	return rc < 0 ? rc : rights_check(r, f, &need, err);
}

/* One of a flag: it is given or configured, or it could be */
static int needs_check_flag(const struct needs *n, struct rights *r,
			    struct findings *f, const struct needs_role *one,
			    struct kt_error *err)
{
	bool on = one->on(n->o);
	const struct rights_need need = {
		.role = one->role,
		.with = on ? NULL : one->with,
		.missing = on && n->named ? FINDING_FAIL : FINDING_WARN,
	};

	if (!one->api || needs_has_api(n, one->api))
		return rights_check(r, f, &need, err);
	if (on)
		finding_add(f, "routes", need.missing,
			    "is the service mesh installed? --mode auto needs "
			    "none",
			    "%s: the cluster has no API %s", one->with,
			    one->api);
	return 0;
}

int needs_check(const struct needs *n, struct rights *r, struct findings *f,
		const char *command, struct kt_error *err)
{
	const char *role = needs_main(n, command);
	int rc = needs_check_main(n, r, f, command, role, err);

	for (size_t i = 0; i < ARRAY_SIZE(needs_roles) && rc == 0; i++) {
		const struct needs_role *one = &needs_roles[i];

		if (needs_is_of(one, command) && strcmp(one->role, role) != 0 &&
		    (one->on(n->o) || !needs_is_settled(n, one)))
			rc = needs_check_flag(n, r, f, one, err);
	}
	return rc;
}
