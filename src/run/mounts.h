/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_MOUNTS_H
#define KT_RUN_MOUNTS_H

#include "base/error.h"

#include <stdbool.h>

/**
 * DOC: Files of ours in the program's mount namespace
 *
 * The room is a tmpfs that no path leads to: it is mounted on /tmp, and what
 * was there is mounted over it. Who has its descriptor makes files in it
 * (ktctl, outside); what is to be seen somewhere is bound there from it. It is
 * memory, and goes with the last process of the namespace.
 *
 * A place that this machine does not have is made without touching what it has:
 * the deepest folder that is there is covered by a tmpfs that has the same
 * entries, each bound (rbind) or, for a link, made again, and then room for one
 * more. For "/" that is a new root (pivot_root). What comes into such a folder
 * later, on this machine, is not seen in it.
 *
 * A place in a volume is in that volume: a link there, which somebody in the
 * Pod may have made, cannot lead to what this machine has.
 */

/** mounts_open() - make the room; its descriptor, or -errno with @err */
KT_CHECK int mounts_open(struct kt_error *err);

struct mounts;

/** mounts_new() - @room: borrowed for its life; mounts_free() */
struct mounts *mounts_new(int room);
/** mounts_add_inner() - on @name of the room something is mounted */
void mounts_add_inner(struct mounts *m, const char *name);
/**
 * mounts_place() - let @source of the room be seen at @target
 * @source: below the room; what it leads to
 * @dir: it is a folder
 * Return: 0, or -errno with @err, and @target is as it was
 */
KT_CHECK int mounts_place(struct mounts *m, const char *source,
			  const char *target, bool dir, bool read_only,
			  struct kt_error *err);
/** mounts_place_far() - likewise; what is in the room there others may write,
 * so no part of @source may be a link */
KT_CHECK int mounts_place_far(struct mounts *m, const char *source,
			      const char *target, bool dir, bool read_only,
			      struct kt_error *err);
void mounts_free(struct mounts *m);

/** mounts_walk() - @path below the folder @at: a descriptor (O_PATH), or
 * -errno; no part of it may be a link (-ENOTDIR, -ELOOP) */
KT_CHECK int mounts_walk(int at, const char *path);

#endif
