/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_IMAGE_REFERENCE_H
#define KT_IMAGE_REFERENCE_H

#include "base/error.h"

#include <stdbool.h>

/** struct reference - an image's name, "REGISTRY/REPO:TAG" */
struct reference {
	char registry[264];   /* "registry.example", "127.0.0.1:5000" */
	char repository[256]; /* "team/ktctl-shadow" */
	char tag[129];
};

/**
 * reference_parse() - as docker and containerd read one, but with the registry
 * always named: "team/shadow" alone could mean Docker Hub, or a slip
 *
 * Without a tag it is that of this version, "vVERSION". A digest is refused:
 * what is named here is yet to be made. 0, or -EINVAL with @err
 */
KT_CHECK int reference_parse(struct reference *r, const char *text,
			     struct kt_error *err);
/** reference_text() - all of it (returned, caller frees) */
char *reference_text(const struct reference *r);

/** reference_host() - host and port that serve it, for a URL; borrowed */
const char *reference_host(const struct reference *r);
/** reference_key() - what docker's configuration calls its registry; borrowed
 */
const char *reference_key(const struct reference *r);
/** reference_is_local() - its registry is on this machine, by its name */
bool reference_is_local(const struct reference *r);

#endif
