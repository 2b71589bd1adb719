/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_MOUNTS_IMPL_H
#define KT_RUN_MOUNTS_IMPL_H

#include "base/str.h"
#include "run/mounts.h"

#include <stddef.h>

/** struct mounts_own - a folder that is one of the room's */
struct mounts_own {
	char *target; /* as it is really called */
	char *source; /* below the room */
	bool volume;  /* of the Pod; what is in it others may write */
};

struct mounts {
	int room;
	struct mounts_own *own;
	size_t nown;
	struct strv inner; /* mounts_add_inner() */
	unsigned int nmimic;
};

/** mounts_fd_path() - of what @fd is, or of @name in it (returned, caller
 *  frees) */
char *mounts_fd_path(int fd, const char *name);
/** mounts_take() - a copy of the tree of mounts at @path, mounted nowhere: a
 *  descriptor, or -errno */
KT_CHECK int mounts_take(const char *path);
/** mounts_cover() - mount such a copy on @path; 0 or -errno */
KT_CHECK int mounts_cover(const char *path, int tree);
/** mounts_add_own() - @target is the room's @source from now on */
void mounts_add_own(struct mounts *m, const char *target, const char *source);
/** mounts_is_ours() - @path is the very folder @in_room */
bool mounts_is_ours(const struct mounts *m, const char *path,
		    const char *in_room);
/** mounts_mimic() - cover the folder @path, which is there, by one of ours with
 *  the same entries; 0, or -errno with @err */
KT_CHECK int mounts_mimic(struct mounts *m, const char *path,
			  struct kt_error *err);

#endif
