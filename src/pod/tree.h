/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_TREE_H
#define KT_POD_TREE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: The files of a volume, and how they are changed all at once
 *
 * As the kubelet's AtomicWriter has it, so that a program sees all files old or
 * all new, and one that watches for the change of a link sees it:
 *
 *     ..2026_11_30_06_00_00.123456789/a, .../b   the files
 *     ..data -> ..2026_11_30_06_00_00.123456789
 *     a -> ..data/a, b -> ..data/b
 *
 * A new folder is filled, then the link ..data is replaced (rename), then the
 * old folder goes.
 */

struct tree_file {
	char *path; /* relative, no ".." in it; "a/b" is allowed */
	char *data;
	size_t len;
	unsigned int mode;
};

struct tree {
	struct tree_file *v;
	size_t n;
};

/** tree_is_below() - does @path stay in the folder that it begins in? As
 *  subPath */
bool tree_is_below(const char *path);
/** tree_add() - @data is taken; the last of a path counts. -EINVAL: @path is
 *  none (and @data is freed) */
KT_CHECK int tree_add(struct tree *t, const char *path, char *data, size_t len,
		      unsigned int mode);
bool tree_equal(const struct tree *a, const struct tree *b);
void tree_fini(struct tree *t);

/**
 * tree_write() - @t into the folder @dir, whatever is there of an older one
 * @dir_mode: of the folders in it
 * Return: 0, or -errno with @err; then the old one is as it was
 */
KT_CHECK int tree_write(int dir, const struct tree *t, unsigned int dir_mode,
			struct kt_error *err);

#endif
