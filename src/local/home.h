/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_LOCAL_HOME_H
#define KT_LOCAL_HOME_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * DOC: ~/.kt
 *
 * Directories: pid/, profile/, lock/; file: config. Under sudo it is the home
 * of the caller (when HOME was reset to root's), and what is made there belongs
 * to the caller, so that "ktctl config" without sudo works on the same files.
 * Everything is reached from a descriptor of ~/.kt that follows no symbolic
 * link below it: another user's links must not lead root astray.
 */
struct home {
	char *user; /* home directory of the user */
	char *dir;  /* <user>/.kt */
	uid_t uid;  /* who owns what is made there */
	gid_t gid;
};

/** home_init() - find it; makes nothing */
void home_init(struct home *h);
void home_fini(struct home *h);
/** home_init_root() - under sudo with a home of the caller's: root's own, where
 *  KT Connect keeps its files then; false: that is @h, or not ours to read */
bool home_init_root(struct home *root, const struct home *h);

/** home_path() - <dir>/<name>, for messages; returned (caller frees) */
char *home_path(const struct home *h, const char *name);

/** home_open_dir() - descriptor of ~/.kt/@sub ("" for ~/.kt itself), made
 *  when it does not exist and @create is set; or -errno with @err */
KT_CHECK int home_open_dir(const struct home *h, const char *sub, int create,
			   struct kt_error *err);

/** home_own() - give the open file @fd to the user; best effort */
void home_own(const struct home *h, int fd);

/** home_write() - replace ~/.kt/@sub/@name atomically by @len bytes */
KT_CHECK int home_write(const struct home *h, const char *sub, const char *name,
			const void *data, size_t len, mode_t mode,
			struct kt_error *err);

/** home_read() - the file's bytes, NUL-terminated; returned (caller frees);
 *  NULL with @err (code ENOENT when there is none) */
char *home_read(const struct home *h, const char *sub, const char *name,
		size_t max, size_t *len, struct kt_error *err);

#endif
