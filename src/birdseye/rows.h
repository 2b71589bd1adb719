/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BIRDSEYE_ROWS_H
#define KT_BIRDSEYE_ROWS_H

#include "birdseye/life.h"

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: Who has which Service
 *
 * Out of lists, KT Connect's objects and ours, as both write them:
 *
 *   its selector leads to a shadow (kt-role, kt-target)     exchanged
 *   ... to a router: each record NAME-kt-mesh-VALUE          meshed (auto)
 *   a shadow has the labels of its Pods: of an exchange      exchanged, by
 * scale
 *   ... of a mesh, or there is a record with routes          meshed (manual)
 *   an ephemeral container of ours runs in one of its Pods   exchanged
 *   it was made by ktctl, and leads to a shadow              previewing
 *   none of these                                            normal
 *
 * Rows are JSON as docs/schema/birdseye.json says. Pure.
 */

/** struct rows_input - all borrowed; arrays of objects, NULL: not permitted */
struct rows_input {
	const json_t *services;
	const json_t
		*pods; /* with kt-role, or an ephemeral container of ours */
	const json_t *deployments; /* control-by=kt */
	const json_t *answers;	   /* "NAMESPACE/POD": see ask.h; or NULL */
	struct life_config life;
	bool hide_natural;
	bool by_name; /* sorted; else by status, then by name */
};

/** rows_services() - returned, caller decrefs */
json_t *rows_services(const struct rows_input *in);
/** rows_connectors() - who uses the cluster through a shadow; likewise */
json_t *rows_connectors(const struct rows_input *in);

/** rows_wants_pod() - is @pod one that rows_input.pods is about? */
bool rows_wants_pod(const json_t *pod);
/** rows_is_injected() - one of its ephemeral containers is ours, and runs;
 *  its spec is returned (borrowed), or NULL */
const json_t *rows_is_injected(const json_t *pod);

#endif
