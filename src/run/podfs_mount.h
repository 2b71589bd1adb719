/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_PODFS_MOUNT_H
#define KT_RUN_PODFS_MOUNT_H

#include "base/error.h"

#include <stdbool.h>

/**
 * DOC: Where the Pod's volumes are mounted
 *
 * For the keeper, in the program's namespaces, which alone may do it. Below the
 * room (mounts.h):
 *
 *     pod/NAME  the volumes, as podfs.h has them: read-only
 *     vN        where something may be written: NAME with a layer of memory
 *               above it (overlayfs), so that what is written stays here
 */

#define PODFS_FOLDER "pod"

/** podfs_check() - /dev/fuse can be used here; 0, or -errno with @err */
KT_CHECK int podfs_check(struct kt_error *err);
/** podfs_mount() - mount them in @room; the device, for podfs_serve(), or
 *  -errno with @err. Who looks into it before that is served waits. */
KT_CHECK int podfs_mount(int room, struct kt_error *err);
/** podfs_mount_layer() - volume @name is seen in the folder @layer of @room,
 *  which gets what is written there
 *  Return: 0, or -errno with @err: that is not possible (Linux 5.11) */
KT_CHECK int podfs_mount_layer(int room, const char *name, const char *layer,
			       struct kt_error *err);
/** podfs_mount_instead() - likewise, read-only */
KT_CHECK int podfs_mount_instead(int room, const char *name, const char *layer,
				 struct kt_error *err);
/** podfs_is_folder() - @source of @room is one; no part of it may be a link.
 *  1, 0, or -errno with @err */
KT_CHECK int podfs_is_folder(int room, const char *source,
			     struct kt_error *err);

#endif
