/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_VOLUMES_H
#define KT_SHADOW_VOLUMES_H

#include "base/error.h"
#include "wire/sha256.h"

struct mux_request;
struct mux_stream;
struct shadow;

/**
 * DOC: A Pod's volumes for a laptop's program (ktctl run --inPod)
 *
 * Below one folder of the shadow's container the Pod's volumes are mounted,
 * read-only. Who opens a kt-files stream reads them by it. The tunnel's port
 * is on the Pod's 127.0.0.1, where all its containers are, also those that do
 * not have these volumes: so the client has to know a secret, of which the
 * Pod's spec has the digest only.
 */

#define VOLUMES_STREAMS 8 /* at once */

struct volumes {
	const char *dir; /* NULL: none is served */
	char digest[SHA256_HEX];
	size_t served; /* streams that are open */
};

/** volumes_parse() - "DIR=DIGEST", SHA-256 of the secret in hexadecimal digits
 *  (@text is borrowed and changed); 0, or -EINVAL with @err */
KT_CHECK int volumes_parse(struct volumes *v, char *text, struct kt_error *err);
/** volumes_serve() - a stream that asks for them; @v: of @sh, may be NULL */
void volumes_serve(struct shadow *sh, struct volumes *v, struct mux_stream *s,
		   const char *path);

#endif
