/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_ROUTE_H
#define KT_CLUSTER_ROUTE_H

#include "base/error.h"
#include "cluster/pod_options.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Routes of a service mesh that lead marked requests to a laptop
 *
 * Wherever a route of the user's leads to the Service, a copy of it that also
 * wants the mark comes before it and leads to the record instead: a Service of
 * the user of the mark, NAME-kt-mesh-VALUE, behind which is the shadow. What is
 * ours carries the record's name, so that it can be told from everybody else's
 * and taken out again whatever happened to the rest.
 *
 * Everything here is pure: the objects of the namespace in, a plan out, an
 * array of {"verb": "create", "replace" or "delete", "object": {...}}, whose
 * objects carry the resourceVersion that they were read with. An empty plan:
 * all is as it shall be.
 */

#define KT_ANNOTATION_ROUTE "kt-route" /* of the record: "istio", "gateway" */

/** struct route_port - one that is exposed, of the Service */
struct route_port {
	uint16_t number;
	const char *name; /* "" or its name */
};

/** struct route_spec - what leads where; all borrowed */
struct route_spec {
	const char *ns, *service;
	const char *record;
	const char *header; /* of the mark; small letters */
	const char *value;
	const struct route_port *ports;
	size_t nports;
	bool all_ports;			   /* the Service has no other ones */
	const char *user;		   /* kt-user of what is made */
	const struct pod_options *options; /* its labels, annotations; NULL */
	const json_t *owner; /* the record as it was made, NULL: not yet */
};

/** route_gone_fn - are the entries of @record to be taken out? */
typedef bool (*route_gone_fn)(const char *record, void *arg);

/** struct route_api - one kind of object that routes are made of */
struct route_api {
	const char *name;     /* "istio" */
	const char *group;    /* of the API */
	const char *resource; /* "virtualservices" */
	const char *kind;
	const char *const *versions; /* best one first, NULL-terminated */
	/** join() - the plan (returned, caller decrefs) that puts the entries
	 *  of @s in among @objects (an array); NULL with @err: there is no
	 *  place for them */
	json_t *(*join)(const json_t *objects, const char *api_version,
			const struct route_spec *s, struct kt_error *err);
	/** drop() - the plan (returned, caller decrefs) that takes out the
	 *  entries of every record that is gone */
	json_t *(*drop)(const json_t *objects, route_gone_fn gone, void *arg);
};

extern const struct route_api route_istio, route_gateway;

/** route_version() - the best version in @group, an APIGroup as the server
 *  tells it; NULL: none that we know. Static. */
const char *route_version(const struct route_api *api, const json_t *group);
/** route_holds() - is all of @want in @have? The server adds defaults, and one
 *  that does not know a field drops it. */
bool route_holds(const json_t *have, const json_t *want);

/* --- for the two kinds ---------------------------------------------------- */

/** route_plan_add() - takes @object */
void route_plan_add(json_t *plan, const char *verb, json_t *object);
/** route_is_ours() - an object that a ktctl has made, not the user's */
bool route_is_ours(const json_t *object);
/** route_is_record() - @name is that of somebody's record, or begins with it */
bool route_is_record(const char *name);
/** route_exposes() - is the port of the Service exposed? */
bool route_exposes(const struct route_spec *s, json_int_t port);
/** route_metadata() - of an object that we make (returned, caller decrefs) */
json_t *route_metadata(const struct route_spec *s, const char *name);

/* --- Istio, for its tests ------------------------------------------------- */

/** istio_merged() - a copy of VirtualService @vs with the entries of @s; in
 *  @places how many (returned, caller decrefs) */
json_t *istio_merged(const json_t *vs, const struct route_spec *s,
		     size_t *places);
/** istio_unmerged() - a copy without those of the records that are gone
 *  (returned, caller decrefs) */
json_t *istio_unmerged(const json_t *vs, route_gone_fn gone, void *arg);

#endif
