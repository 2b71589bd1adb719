/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_FIELD_H
#define KT_POD_FIELD_H

#include "base/error.h"

#include <jansson.h>

/**
 * DOC: What a Pod tells of itself
 *
 * fieldRef and resourceFieldRef, in variables and in downward API volumes, with
 * the values that the kubelet gives them. Pure.
 */

/** pod_field() - the value of a fieldPath, "metadata.labels['app']",
 *  "status.podIP" (returned, caller frees); NULL: it is none that we know */
char *pod_field(const json_t *pod, const char *path);

/**
 * pod_resource() - the value of a resourceFieldRef (returned, caller frees)
 * @container: its name, where @ref does not say one
 * @node: a limit that is not set is what the node has; or NULL
 * Return: NULL with @err: -ENODATA: @node is wanted
 */
char *pod_resource(const json_t *pod, const json_t *ref, const char *container,
		   const json_t *node, struct kt_error *err);

/** pod_container() - the one of that name, init containers too, or NULL;
 *  borrowed */
const json_t *pod_container(const json_t *pod, const char *name);

#endif
