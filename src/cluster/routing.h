/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_ROUTING_H
#define KT_CLUSTER_ROUTING_H

#include "cluster/object_watch.h"
#include "cluster/route.h"
#include "kube/client.h"

/**
 * DOC: Routing: the routes of a service mesh lead a mark to the record
 *
 * The plans of cluster/route.h are carried out: list, plan, write; when
 * somebody wrote in between, all of it again. Writes are strict: a field that
 * the server does not know is an error, since a match without it would be a
 * wider one. Sequential code: every function but routing_watch() waits in the
 * loop.
 */

struct routing;

/**
 * routing_open() - look whether it can be done, by a dry run; nothing changes
 * @spec: borrowed, as long as this lives
 * Return: 0, -ENOENT (the cluster has no such API, or there is no place), or
 * -errno, with @err
 */
KT_CHECK int routing_open(struct routing **out, struct kube *k,
			  const struct route_api *api,
			  const struct route_spec *spec, struct kt_error *err);
/** routing_join() - put the entries in, or put them right: 1 when something was
 *  written, 0 when all is as it shall be */
KT_CHECK int routing_join(struct routing *r, struct kt_error *err);
/** routing_watch() - @changed is called whenever an object of the kind changes
 */
void routing_watch(struct routing *r, object_changed_fn changed, void *user);
/** routing_leave() - take the entries out; 0 also when nothing was put in */
KT_CHECK int routing_leave(struct routing *r, struct kt_error *err);
void routing_free(struct routing *r);

/** struct routing_sweep - entries of records that are gone */
struct routing_sweep {
	route_gone_fn gone;
	void *arg;
	bool expected; /* some are known to be there: who may not see them is
			  told so */
	bool dry_run;
	void (*say)(void *user, const char *text); /* what was, or would be,
						      done; may be NULL */
	void *user;
};
/** routing_sweep() - take them out of every kind that the cluster has; the
 *  number of objects that were (would be) changed, or -errno with @err */
KT_CHECK int routing_sweep(struct kube *k, const char *ns,
			   const struct routing_sweep *s, struct kt_error *err);

#endif
