/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_SCALE_LIST_H
#define KT_INBOUND_SCALE_LIST_H

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: What has to be scaled back
 *
 * A plan's list: objects with kind, metadata.name, and replicas, the number to
 * scale to; 0: only what was noted on the object is dropped. Who shows the plan
 * and who carries it out go by the same list. Numbers come from the object
 * itself (kt-replicas), and from what shadows say of it (kt-config); the
 * largest one counts. Pure.
 */

/** scale_list_tell() - put down in @told, a json object, what @shadow, an
 *  exchange's Pod or Deployment, says it has scaled down */
void scale_list_tell(json_t *told, const json_t *shadow);
/** scale_list_told() - the number that is told of it; 0: none */
int scale_list_told(const json_t *told, const char *kind, const char *name);
/** scale_list_tells_of() - does it say that it has scaled down @name? */
bool scale_list_tells_of(const json_t *shadow, const char *kind,
			 const char *name);

/** struct scale_list_from - all borrowed; a list is NULL when it may not be
 *  listed: then what was told counts alone */
struct scale_list_from {
	const json_t *told;
	const json_t *deployments, *statefulsets;
	/** wanted() - is this one to be given back at all? @told: a shadow
	 *  has said so */
	bool (*wanted)(void *user, const json_t *obj, bool told);
	void *user;
};
/** scale_list_make() - the list (returned, caller decrefs) */
json_t *scale_list_make(const struct scale_list_from *from);
/** scale_list_part() - the names of those that are scaled, or of those where
 *  only a note is dropped: "Deployment web to 2", "Deployment web" (returned,
 *  caller decrefs) */
json_t *scale_list_part(const json_t *list, bool scaled);

#endif
