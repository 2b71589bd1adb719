/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_AHEAD_H
#define KT_KUBE_AHEAD_H

#include "kube/client.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: What is asked for ahead
 *
 * Who knows which lists and objects it will want soon, and has to wait for
 * something else meanwhile, has them asked for now: one after the other, so
 * that they need one connection. kube_call(), and with it kube_list(), gets the
 * answer that is there, or waits for the one that is coming; each once, and
 * only while it is fresh. What went wrong on the way is asked for anew then.
 */

#define AHEAD_FRESH (10 * NS_SEC)

struct ahead;

/** struct ahead_want - one of them */
struct ahead_want {
	const char *path; /* copied */
	bool otherwise; /* only when the one before was answered by an error */
	bool object;	/* no list */
};

/** kube_ask_ahead() - ask for each object, and the first page of each list;
 *  those of before are forgotten */
void kube_ask_ahead(struct kube *k, const struct ahead_want *want, size_t n);

/* --- for kube/client.c ---------------------------------------------------- */

/** ahead_take() - the answer to @req, as kube_call() returns it in *@rc; waits
 *  in the loop; false: it was not asked for, or in vain */
bool ahead_take(struct kube *k, const struct kube_request *req, json_t **reply,
		struct kt_error *err, int *rc);
/** ahead_free() - NULL is allowed */
void ahead_free(struct ahead *a);

#endif
