/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_BORROW_H
#define KT_RUN_BORROW_H

#include "base/error.h"
#include "base/str.h"
#include "pod/find.h"
#include "pod/sources.h"

/**
 * DOC: What the program has of a Pod
 *
 * Its environment and the files that it has mounted, where a workload is named;
 * and what was asked for in variables, also where none is. What would cover
 * what the program needs of this machine is left out: where it works, the
 * user's home, /proc, /usr and the like.
 */

struct files_far;
struct keeper;
struct options;
struct pod_files;

struct borrow {
	const struct options *opt;
	const char *workload; /* as it was typed, or NULL */
	struct pod_found found;
	struct pod_sources sources;
	char *cwd, *program;	 /* where they are; or NULL */
	struct strv file;	 /* --envFile */
	struct pod_files *files; /* or NULL */
	struct strv pod;	 /* its variables */
	bool has_vars;		 /* @vars are the program's; else our own are */
	struct strv vars;
	struct strv given;  /* of them, those that are not this machine's */
	struct strv mounts; /* engine_words() */
};

/** borrow_init() - what can be known before the cluster is asked; 0, or
 *  -EINVAL with @err: the words are wrong. borrow_fini() in any case. */
KT_CHECK int borrow_init(struct borrow *b, const struct options *o,
			 struct kt_error *err);
/** borrow_look() - find the Pod, and read what it has; waits in the loop. @far:
 *  see pod_files_read(). 0, or -errno with @err */
KT_CHECK int borrow_look(struct borrow *b, struct kube *k, const char *ns,
			 const struct files_far *far, struct kt_error *err);
/** borrow_far() - the volumes that have to be brought, by their names */
void borrow_far(const struct borrow *b, struct strv *names);
/** borrow_give() - what the program shall have; its files are in @room
 *  (mounts.h; borrowed until borrow_stop()), and kept up to date there.
 *  @room -1: there is none, and so no files. @api: where it is, or family 0.
 *  @more: variables that win over all others, or none */
KT_CHECK int borrow_give(struct borrow *b, struct keeper *k, int room,
			 const struct ipaddr *api, const struct strv *more,
			 struct kt_error *err);
/** borrow_stop() - nothing is kept up to date any more */
void borrow_stop(struct borrow *b);
void borrow_fini(struct borrow *b);

#endif
