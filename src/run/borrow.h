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
 * Its environment, where a workload is named; and what was asked for in
 * variables, also where none is.
 */

struct keeper;
struct options;

struct borrow {
	const struct options *opt;
	const char *workload; /* as it was typed, or NULL */
	struct pod_found found;
	struct pod_sources sources;
	struct strv file; /* --envFile */
	bool has_vars;	  /* @vars are the program's; else our own are */
	struct strv vars;
};

/** borrow_init() - what can be known before the cluster is asked; 0, or
 *  -EINVAL with @err: the words are wrong. borrow_fini() in any case. */
KT_CHECK int borrow_init(struct borrow *b, const struct options *o,
			 struct kt_error *err);
/** borrow_look() - find the Pod, and read what it has; waits in the loop. 0, or
 *  -errno with @err */
KT_CHECK int borrow_look(struct borrow *b, struct kube *k, const char *ns,
			 struct kt_error *err);
/** borrow_give() - what the program shall have */
KT_CHECK int borrow_give(struct borrow *b, struct keeper *k,
			 struct kt_error *err);
void borrow_fini(struct borrow *b);

#endif
