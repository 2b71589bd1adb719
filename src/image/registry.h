/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_IMAGE_REGISTRY_H
#define KT_IMAGE_REGISTRY_H

#include "image/docker_config.h"
#include "image/oci.h"
#include "image/reference.h"

#include <stdbool.h>

struct loop;

/**
 * DOC: A registry's client
 *
 * The push half of the OCI distribution API (distribution-spec 1.0): a blob is
 * asked for, and sent in one piece where it is missing; a manifest comes after
 * all that it names. What a 401 wants is given once and the request repeated:
 * Basic (RFC 7617), or a token from the server that the registry names.
 *
 * Credentials go to the registry, and to where it says that tokens are, and
 * nowhere else; by TLS with a certificate that is good, but for registries on
 * this machine and --insecure, which may also speak plain HTTP.
 */

struct registry;

/** struct registry_config - all borrowed for the registry's life */
struct registry_config {
	struct loop *loop;
	const struct reference *ref;
	const struct docker_auth *auth;
	bool insecure;
};

/** registry_open() - find it, and be let in; waits in the loop, as all below
 *  Return: 0 with *@out, or -errno with @err */
KT_CHECK int registry_open(struct registry **out,
			   const struct registry_config *cfg,
			   struct kt_error *err);
void registry_free(struct registry *r);

/** registry_put_blob() - it is there afterwards */
KT_CHECK int registry_put_blob(struct registry *r, const struct oci_blob *b,
			       struct kt_error *err);
/** registry_put_manifest() - likewise, by its digest, or as the tag @name */
KT_CHECK int registry_put_manifest(struct registry *r, const struct oci_blob *b,
				   const char *name, struct kt_error *err);

#endif
