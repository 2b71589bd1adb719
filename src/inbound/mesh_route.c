/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/mesh_route.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

/* The ports of the Service that lead to exposed ones of the Pods */
static int find_ports(struct mesh_route *r, struct kt_error *err)
{
	const struct job *job = r->job;
	size_t n = 0, all = 0;

	r->ports = xcalloc(job->ports.n ? job->ports.n : 1, sizeof(*r->ports));
	for (size_t i = 0; i < job->nlocal; i++)
		if (job->local[i].udp)
			return kt_fail(err, EINVAL,
				       "port %u/udp: only requests of HTTP can "
				       "be told apart by a mark",
				       job->local[i].remote);
	for (size_t i = 0; i < job->ports.n; i++) {
		const struct service_port *p = &job->ports.v[i];

		all += !p->udp;
		for (size_t j = 0; j < job->nlocal && !p->udp; j++)
			if (job->local[j].remote == p->target)
				r->ports[n++] =
					(struct route_port){ p->port, p->name };
	}
	r->spec.ports = r->ports;
	r->spec.nports = n;
	r->spec.all_ports = n == all;
	return 0;
}

int mesh_route_check(struct mesh_route *r, struct kt_error *err)
{
	struct job *job = r->job;
	auto_free char *text = xasprintf("%s-kt-origin", job->name);
	int rc = find_ports(r, err);

	if (rc < 0)
		return rc;
	mark_object_name(r->mark, text, r->origin);
	r->spec.ns = job->ns;
	r->spec.service = job->name;
	r->spec.record = r->record;
	r->spec.header = r->mark->key;
	r->spec.value = r->mark->value;
	r->spec.user = shadow_user();
	r->spec.options = &job->global->pod;
	target_make(job->target);
	return routing_open(&r->routing, job->kube, r->api, &r->spec, err);
}

json_t *mesh_route_selector(const struct mesh_route *r)
{
	return json_pack("{s:s, s:s, s:s}", KT_LABEL_ROLE, KT_ROLE_MESH,
			 KT_LABEL_TARGET, r->job->target, r->mark->key,
			 r->mark->value);
}

/* --- the origin ----------------------------------------------------------- */

static char *origin_path(const struct mesh_route *r)
{
	return kube_path("v1", "services", r->job->ns, r->origin, NULL);
}

/* It belongs to the record: Kubernetes removes it when that is gone */
static json_t *make_origin(void *user)
{
	const struct mesh_route *r = user;
	const struct stuntman_spec spec = { r->job->service, r->job->original,
					    shadow_user(), job_now(r->job),
					    &r->job->global->pod };
	json_t *origin = stuntman_service(&spec);
	json_t *meta = json_object_get(origin, "metadata");

	json_object_set_new(meta, "name", json_string(r->origin));
	json_object_del(json_object_get(meta, "annotations"),
			KT_ANNOTATION_HEARTBEAT);
	json_object_set_new(
		meta, "ownerReferences",
		json_pack("[{s:s, s:s, s:s, s:s*}]", "apiVersion", "v1", "kind",
			  "Service", "name", r->record, "uid",
			  json_str(r->made, "metadata", "uid", NULL)));
	return origin;
}

int mesh_route_origin(struct mesh_route *r, struct kt_error *err)
{
	struct job *job = r->job;
	auto_free char *all = kube_path("v1", "services", job->ns, NULL, NULL);
	auto_free char *path = origin_path(r);
	auto_json json_t *want = make_origin(r), *got = NULL;
	const char *ip;
	int rc = kube_create(job->kube, all, want, &got, err);

	if (rc == -EEXIST) { /* of one that was killed: not gone yet */
		rc = kube_delete(job->kube, path, 0, err);
		if (rc == 0)
			rc = kube_create(job->kube, all, want, &got, err);
	}
	if (rc < 0)
		return rc;
	ip = json_str(got, "spec", "clusterIP", NULL);
	if (!ip || !*ip)
		return kt_fail(err, EPROTO, "%s has no address", path);
	job->origin = xstrdup(ip);
	return 0;
}

void mesh_route_remove_origin(struct mesh_route *r)
{
	auto_free char *path = origin_path(r);
	struct kt_error err = { 0 };

	if (r->job->origin && !keep_is_foreign(r->job, r->origin) &&
	    kube_delete(r->job->kube, path, -1, &err) < 0)
		job_unfinished(r->job, "Service %s was not removed: %s",
			       r->origin, err.msg);
}

/* --- the routes ----------------------------------------------------------- */

/* A route, the Service or an object of ours has changed. Who recovers removes
 * the record first, and all that belongs to it goes with it. */
static int mesh_route_on_change(void *user, struct kt_error *err)
{
	struct mesh_route *r = user;
	struct job *job = r->job;
	struct kt_error why = { 0 };
	int rc = keep_user_service(job, err);

	if (rc >= 0)
		rc = keep_objects(job, err);
	if (rc < 0)
		return rc;
	rc = routing_join(r->routing, &why);
	if (rc == -EINTR) {
		*err = why;
		return rc;
	}
	if (rc > 0)
		repeat_warn(&job->told,
			    "the routes of Service %s/%s were changed by "
			    "somebody: marked requests keep coming here",
			    job->ns, job->name);
	else if (rc < 0)
		repeat_warn(&job->told, "the routes of Service %s/%s: %s",
			    job->ns, job->name, why.msg);
	return 0;
}

int mesh_route_start(struct mesh_route *r, struct kt_error *err)
{
	int rc;

	r->spec.owner = r->made;
	rc = routing_join(r->routing, err);
	if (rc < 0)
		return rc;
	r->job->on_change = r->job->renew = mesh_route_on_change;
	r->job->change_user = r;
	routing_watch(r->routing, job_on_object, r->job);
	keep_add(r->job, r->origin, make_origin, r, false);
	keep_start(r->job);
	return 0;
}

bool mesh_route_leave(struct mesh_route *r)
{
	struct kt_error err = { 0 };

	r->job->on_change = r->job->renew = NULL;
	if (!r->routing || routing_leave(r->routing, &err) == 0)
		return true;
	job_unfinished(
		r->job,
		"the routes of Service %s/%s were not given back: %s; its own "
		"Pods answer marked requests through the shadow until 'ktctl "
		"recover %s'",
		r->job->ns, r->job->name, err.msg, r->job->name);
	return false;
}

void mesh_route_fini(struct mesh_route *r)
{
	routing_free(steal_ptr(&r->routing));
	json_decref(steal_ptr(&r->made));
	free(steal_ptr(&r->ports));
}
