/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_ENVIRON_H
#define KT_POD_ENVIRON_H

#include "base/str.h"
#include "pod/find.h"
#include "pod/sources.h"

/**
 * DOC: The environment of a container
 *
 * What the running container really has is in /proc/1/environ, and is read
 * there by "cat" (carrier/podexec.h): with what the image sets, and what the
 * start of the program has put in. Where process 1 is not the container's own
 * (the Pod's processes are shared, or the node's), or what it has there is no
 * environment (a program that writes its title over it), it is that of "cat":
 * what the container was made with. Where nothing may be executed, or there is
 * no "cat" in the image: that of the spec (pod/specenv.h).
 */

/** environ_read() - of @f into @out, which is empty; says in one line what it
 *  is not. Waits in the loop. 0, or -errno with @err */
KT_CHECK int environ_read(struct strv *out, struct kube *k,
			  const struct pod_found *f, struct pod_sources *s,
			  struct kt_error *err);

/** environ_has_api() - it says where the API is; only where it is of the spec
 * it may not */
bool environ_has_api(const struct strv *vars);
/** environ_shares() - process 1 is not the container's; pure */
bool environ_shares(const json_t *pod);
/** environ_is_whole() - @block is an environment: records that have names;
 *  pure */
bool environ_is_whole(const char *block, size_t n);

#endif
