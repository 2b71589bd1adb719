/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_PODVOLUMES_H
#define KT_RUN_PODVOLUMES_H

#include "base/str.h"
#include "pod/files.h"
#include "uplink/guest.h"
#include "wire/sha256.h"

/**
 * DOC: The Pod's volumes, of one run
 *
 * Whether they can be had is known before the Pod is looked at; the guest gets
 * them mounted, and a secret's digest with them; they are served when the
 * keeper has mounted them here (podfs_mount.h).
 */

#define PODVOLUMES_SECRET 32 /* letters */

struct borrow;
struct options;
struct podfs;
struct tunnel;

struct podvolumes {
	struct podfs *podfs; /* NULL: none are served */
	struct strv names;
	char secret[PODVOLUMES_SECRET + 1];
	char digest[SHA256_HEX];
	char why_not[512];
};

/** podvolumes_far() - for borrow_look(); @supervised: there are no namespaces
 */
struct files_far podvolumes_far(struct podvolumes *v, const struct options *o,
				bool supervised);
/** podvolumes_guest() - what the guest needs for those of @b, into @cfg */
void podvolumes_guest(struct podvolumes *v, const struct borrow *b,
		      struct guest_config *cfg);
/** podvolumes_start() - the guest is at the end of @t */
void podvolumes_start(struct podvolumes *v, struct loop *l, struct tunnel *t);
/** podvolumes_serve() - the device @fd (taken) */
void podvolumes_serve(struct podvolumes *v, int fd);
void podvolumes_stop(struct podvolumes *v);
void podvolumes_fini(struct podvolumes *v);

#endif
