/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_ENVFILE_H
#define KT_SHADOW_ENVFILE_H

#include "base/loop.h"
#include "base/slice.h"

/**
 * DOC: A file that others write
 *
 * A key of a ConfigMap in a volume: the kubelet writes all keys into a folder
 * of their own and renames the link "..data", through which the file is seen,
 * to that folder. inotify watches the directory that the file seems to lie in,
 * and a slow look is the net below it.
 *
 * What is not whole (it ends without an LF, cannot be read, or changes while it
 * is read) is looked at again soon, and until then what was read before holds;
 * one that stands still without that LF is taken as it is. One that is not
 * there is empty.
 */

struct envfile;

/** envfile_new() - @path: copied; @changed: what it says from now on; from
 *  inside of this call, if it is whole then, else from the loop; @max: bytes.
 * NULL: memory */
struct envfile *envfile_new(struct loop *loop, const char *path, size_t max,
			    void (*changed)(void *user, struct slice text),
			    void *user);
void envfile_free(struct envfile *f); /* NULL is allowed */

#endif
