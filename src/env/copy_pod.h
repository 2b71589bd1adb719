/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_COPY_POD_H
#define KT_ENV_COPY_POD_H

#include "env/copy.h"

/** copy_pod_container() - the container that the new image is for; borrowed
 *  from @pod (a spec), NULL with @err: -ENOENT */
json_t *copy_pod_container(json_t *pod, const struct copy_spec *s,
			   struct kt_error *err);
/** copy_pod_image() - "IMAGE" of "CONTAINER=IMAGE" and of "IMAGE"; borrowed */
const char *copy_pod_image(const char *text);
/** copy_pod_has_port() - a container of @pod declares the target of @port (of a
 *  Service) */
bool copy_pod_has_port(const json_t *pod, const json_t *port);

/** copy_pod_set_variable() - at the place of the first one of that name, for
 * later ones may refer to it; of several the last one would count, so these go.
 * @first: before the others, if there is none */
void copy_pod_set_variable(json_t *container, const char *name,
			   const char *value, bool first);
/** copy_pod_expand() - {{env}} in @value is @env (returned, caller frees) */
char *copy_pod_expand(const char *value, const char *env);

/** copy_pod_change() - @pod (a spec) becomes the copy's; @container: of it */
void copy_pod_change(json_t *pod, json_t *container, const json_t *labels,
		     const struct copy_spec *s, struct strv *warnings);

#endif
