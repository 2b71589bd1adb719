/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_PODFS_H
#define KT_RUN_PODFS_H

#include "base/loop.h"

struct tunnel;

/**
 * DOC: The Pod's volumes as a file system (FUSE)
 *
 * What has its data in the cluster (PersistentVolumeClaim, hostPath, CSI, an
 * emptyDir with what others wrote into it) is read when the program reads it.
 * The kernel's questions come by /dev/fuse, are asked of the shadow in the Pod
 * (podfs_link.h), and its answers are the kernel's. libfuse is not used: it
 * would mount by a set-uid helper, which does not work in the program's
 * namespace and is not on every machine, and the dozen of operations that
 * reading needs are small.
 *
 * Nothing waits here: a request is in @calls until it is answered. What the
 * kernel keeps of a file is good for a second, and is thrown away when the file
 * is opened and is another by then.
 *
 * A process that waits for an answer cannot be killed once its request was read
 * from the device, so INTERRUPT counts: when the process has SIGKILL to take
 * its request fails. Other signals wait, as they do on a disk.
 *
 * When we are gone the device is closed, and all requests fail (ENOTCONN).
 */

struct podfs;

/** podfs_new() - @t: the tunnel, @secret: of the shadow's volumes; borrowed */
struct podfs *podfs_new(struct loop *l, struct tunnel *t, const char *secret);
/** podfs_serve() - the device @fd (taken), which is mounted; once */
void podfs_serve(struct podfs *p, int fd);
/** podfs_free() - who reads gets an error; NULL is allowed */
void podfs_free(struct podfs *p);

#endif
