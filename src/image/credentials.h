/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_IMAGE_CREDENTIALS_H
#define KT_IMAGE_CREDENTIALS_H

#include "image/docker_config.h"

struct loop;

/** credentials_find() - what docker knows of the registry @key
 *  (reference_key()), from $DOCKER_CONFIG/config.json or ~/.docker/config.json
 *  and its helper programs; waits in the loop
 *  Return: 0 with @out, all NULL where nothing is known (docker_auth_fini()),
 *  or -errno with @err */
KT_CHECK int credentials_find(struct loop *loop, const char *key,
			      struct docker_auth *out, struct kt_error *err);

#endif
