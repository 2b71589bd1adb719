/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_SCALE_LIST_H
#define KT_INBOUND_SCALE_LIST_H

#include <jansson.h>

/*
 * A plan's list of what has to be scaled back: objects with kind, metadata.name
 * and replicas (what to fall back to where nothing is recorded; 0: nothing).
 */

/** scale_list_add() - once for each kind and name */
void scale_list_add(json_t *list, const char *kind, const char *name,
		    long replicas);
/** scale_list_add_told() - the Deployment that @shadow, an exchange's Pod or
 *  Deployment, says it has scaled down; nothing if it says none */
void scale_list_add_told(json_t *list, const json_t *shadow);

#endif
