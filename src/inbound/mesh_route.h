/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_MESH_ROUTE_H
#define KT_INBOUND_MESH_ROUTE_H

#include "cli/mark.h"
#include "cluster/routing.h"
#include "inbound/job.h"

/**
 * DOC: mesh --mode manual --route: ktctl writes the routes, too
 *
 * The shadow's Pod is behind a Service of its own, the record, to which the
 * routes lead the mark. It is not behind the user's Service: wherever no route
 * picks Pods, everybody's requests would reach it. It has an origin, a second
 * Service with the original selector, as every shadow that callers depend on.
 *
 *     check -> (record) -> origin -> (shadow, tunnel) -> start
 *     leave -> (drain, shadow) -> remove_origin
 */
struct mesh_route {
	struct job *job;
	const struct route_api *api;
	const struct mark *mark;
	const char *record; /* its name */
	json_t *made;	    /* the record as it was made */
	char origin[OBJECT_NAME_LEN];
	struct route_spec spec;
	struct route_port *ports;
	struct routing *routing;
};

/** mesh_route_check() - could the routes be written? Nothing changes. */
KT_CHECK int mesh_route_check(struct mesh_route *r, struct kt_error *err);
/** mesh_route_selector() - of the record (returned, caller decrefs) */
json_t *mesh_route_selector(const struct mesh_route *r);
/** mesh_route_origin() - the Service that has the original Pods; r->made is
 *  there */
KT_CHECK int mesh_route_origin(struct mesh_route *r, struct kt_error *err);
/** mesh_route_start() - the routes lead here, and are kept so */
KT_CHECK int mesh_route_start(struct mesh_route *r, struct kt_error *err);
/** mesh_route_leave() - the routes are as before; false: they are not, and what
 *  they lead to has to stay */
bool mesh_route_leave(struct mesh_route *r);
void mesh_route_remove_origin(struct mesh_route *r);
void mesh_route_fini(struct mesh_route *r);

#endif
