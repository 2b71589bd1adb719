/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/given.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "doctor/forms.h"
#include "doctor/rights.h"
#include "kube/authz.h"
#include "kube/rest.h"
#include "uplink/ask_version.h"
#include "uplink/shadow_given.h"
#include "uplink/shadow_ports.h"

#include <errno.h>
#include <string.h>

#define GIVEN_PODS_ROLE "connect-shadow-deployment"
#define GIVEN_POD_ROLE "connect-shadow"
#define GIVEN_ROLE_NAMES "ktctl-shadow-0" /* the Pod of the published one */
#define GIVEN_MADE                                                             \
	"an administrator makes it, see deploy/shared-shadow.yaml; is the "    \
	"namespace right (-n)?"

/** struct given_pod - the Pod, as far as it may be seen */
struct given_pod {
	const char *name;
	uint16_t port;
	json_t *obj; /* or NULL */
};

/* --- the one permission --------------------------------------------------- */

/* The published Role names one Pod: for another one it is a pattern */
static void given_tell_missing(struct findings *f, const struct given_check *g,
			       const char *pod, bool create, bool get)
{
	auto_free char *remedy = xasprintf(
		"ask an administrator for the Role ktctl-" GIVEN_POD_ROLE
		" (deploy/rbac/" GIVEN_POD_ROLE
		".yaml), with %s in its resourceNames",
		pod);

	if (!create)
		finding_add(f, "may " GIVEN_POD_ROLE, FINDING_FAIL, remedy,
			    "not allowed in namespace %s: create%s "
			    "pods/portforward of %s",
			    g->ns, get ? "" : ", get", pod);
	else
		finding_add(f, "may " GIVEN_POD_ROLE, FINDING_WARN, remedy,
			    "not allowed in namespace %s: get pods/portforward "
			    "of %s: it does not pass as WebSocket",
			    g->ns, pod);
	if (strcmp(pod, GIVEN_ROLE_NAMES) == 0)
		finding_set_role(f, GIVEN_POD_ROLE);
}

static void given_rights_pod(struct findings *f, const struct given_check *g,
			     const char *pod)
{
	struct kt_error err = { 0 };
	int create = kube_can_name(g->kube, g->ns, "create", "",
				   "pods/portforward", pod, &err);
	int get = create < 0 ? create
			     : kube_can_name(g->kube, g->ns, "get", "",
					     "pods/portforward", pod, &err);

	if (get < 0)
		finding_error(f, "permissions", FINDING_SKIP, &err);
	else if (create && get)
		finding_add(f, "may " GIVEN_POD_ROLE, FINDING_OK, NULL,
			    "a port-forward into Pod %s of namespace %s", pod,
			    g->ns);
	else
		given_tell_missing(f, g, pod, create, get);
}

static void given_rights(struct findings *f, const struct given_check *g)
{
	static const struct rights_need need = { .role = GIVEN_PODS_ROLE,
						 .missing = FINDING_FAIL };
	const char *pod = shadow_given_pod(g->shadow);
	struct kt_error err = { 0 };
	struct rights r;

	if (pod) {
		given_rights_pod(f, g, pod);
		return;
	}
	rights_init(&r, g->kube, g->ns);
	if (rights_check(&r, f, &need, &err) < 0)
		finding_error(f, "permissions", FINDING_SKIP, &err);
	rights_fini(&r);
}

/* --- the Pod -------------------------------------------------------------- */

/* Of a Pod that is named nothing but the port-forward has to be allowed */
static int given_find(const struct given_check *g, struct given_pod *p,
		      struct kt_error *err)
{
	const char *name = shadow_given_pod(g->shadow);
	auto_free char *path =
		name ? kube_path("v1", "pods", g->ns, name, NULL) : NULL;
	int rc = name ? kube_get(g->kube, path, &p->obj, err)
		      : shadow_given_find(g->kube, g->ns, g->shadow, &p->obj,
					  err);

	p->name = name ? name : object_name(p->obj);
	p->port = SHADOW_TUNNEL_PORT;
	if (!name && rc == 0)
		p->port = shadow_ports_tunnel(p->obj);
	if (rc == -ENOENT && !err->hint[0])
		kt_hint(err, GIVEN_MADE);
	return rc;
}

/* Return: false: there is no use in trying it */
static bool given_look(struct findings *f, const struct given_pod *p)
{
	const char *phase = json_str(p->obj, "status", "phase", NULL);

	if (!p->obj)
		finding_add(f, "shadow Pod", FINDING_OK, NULL,
			    "%s (you may not look at it, and need not)",
			    p->name);
	else if (!str_eq(phase, "Running"))
		finding_add(f, "shadow Pod", FINDING_FAIL,
			    "'kubectl describe pod' says why",
			    "%s does not run: it is %s", p->name,
			    phase ? phase : "in no phase");
	else if (!shadow_given_is_ready(p->obj))
		finding_add(f, "shadow Pod", FINDING_WARN,
			    "'kubectl describe pod' says why",
			    object_is_ending(p->obj) ? "%s is being deleted"
						     : "%s is not Ready",
			    p->name);
	else
		finding_add(f, "shadow Pod", FINDING_OK, NULL,
			    "%s is there and Ready", p->name);
	return !p->obj || str_eq(phase, "Running");
}

/* --- the way to it, and what it is ---------------------------------------- */

static bool given_is_missing(const struct forms *tried)
{
	for (size_t i = 0; i < PF_NFORMS_; i++)
		if (tried->form[i].opened ||
		    tried->form[i].why.http_status != 404)
			return false;
	return true;
}

/* Return: a tunnel can be tried */
static bool given_way(struct findings *f, const struct given_check *g,
		      const struct given_pod *p)
{
	struct forms tried;
	bool opened = false;

	if (forms_try_pod(g->kube, g->ns, p->name, p->port, g->home,
			  g->timeout_ns, &tried) < 0)
		return false;
	for (size_t i = 0; i < PF_NFORMS_; i++)
		opened = opened || tried.form[i].opened;
	if (given_is_missing(&tried))
		finding_add(f, "shadow Pod", FINDING_FAIL, GIVEN_MADE,
			    "there is no Pod %s/%s", g->ns, p->name);
	else
		forms_check(f, &tried);
	return opened;
}

void given_tell_version(struct findings *f, const char *version)
{
	if (strcmp(version, KT_VERSION) == 0)
		finding_add(f, "version", FINDING_OK, NULL,
			    "the shadow has version %s, as ktctl", version);
	else
		finding_add(f, "version", FINDING_WARN,
			    "they understand each other; its image can be "
			    "changed in its manifest",
			    "the shadow has version %s, ktctl %s", version,
			    KT_VERSION);
}

static void given_version(struct findings *f, const struct given_check *g)
{
	const struct shadow_config cfg = { .kube = g->kube,
					   .ns = g->ns,
					   .pod = &g->global->pod,
					   .given = g->shadow };
	struct shadow_pod *shadow = shadow_new(&cfg);
	const struct uplink_config up = {
		.loop = kube_loop(g->kube),
		.kube = g->kube,
		.ns = g->ns,
		.shadow = shadow,
		.open_timeout_ns = g->timeout_ns,
		.home = g->home,
		.carrier = g->global->carrier,
	};
	char version[ASK_VERSION_SIZE];
	struct kt_error err = { 0 };
	int rc;

	rc = shadow_ensure(shadow, &err); /* it is there: nothing is made */
	if (rc == 0)
		rc = ask_version(uplink_new(&up), up.loop, g->timeout_ns,
				 version, &err);
	shadow_free(shadow);
	if (rc < 0) {
		kt_hint(&err, "is it a shadow of ktctl? See "
			      "deploy/shared-shadow.yaml");
		finding_error(f, "tunnel", FINDING_FAIL, &err);
	} else {
		given_tell_version(f, version);
	}
}

void given_check(struct findings *f, const struct given_check *g)
{
	struct given_pod p = { 0 };
	struct kt_error err = { 0 };
	int rc;

	given_rights(f, g);
	rc = given_find(g, &p, &err);
	if (rc < 0 && (rc != -EPERM || !*p.name))
		finding_error(f, "shadow Pod", FINDING_FAIL, &err);
	else if (given_look(f, &p) && given_way(f, g, &p))
		given_version(f, g);
	json_decref(p.obj);
}
