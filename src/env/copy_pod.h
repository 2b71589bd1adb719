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

/** copy_pod_change() - @pod (a spec) becomes the copy's; @container: of it */
void copy_pod_change(json_t *pod, json_t *container, const json_t *labels,
		     const struct copy_spec *s, struct strv *warnings);

#endif
