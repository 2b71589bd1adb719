/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_PATIENCE_H
#define KT_KUBE_PATIENCE_H

#include "base/error.h"
#include "base/loop.h"
#include "kube/transfer.h"

#include <stdbool.h>

/**
 * DOC: How long somebody who leaves waits for the API server
 *
 * From kube_leave() on each request is watched. It is given up when
 *
 *   LEAVE_DEAF    not even the kernel over there has acknowledged what was
 *                 sent: a black hole
 *   LEAVE_SILENT  it has, and there is no answer: a server that hangs, a
 *                 proxy with nobody behind it
 *
 * have passed, the first since the last byte that came. A server that is slow
 * and not away is told from one that is away by that, so a loaded one is not
 * left too early. Half way in the first case the request is sent once more over
 * a connection of its own, since a kept one may be of a network that is gone.
 * After one was given up, all others fail at once: in all it costs that time
 * once.
 */

#define LEAVE_DEAF (3 * NS_SEC)
#define LEAVE_SILENT (10 * NS_SEC)
/* somebody has pressed Ctrl-C again */
#define LEAVE_HURRIED (500 * NS_MS)

struct kube;

/** struct patience - of one request; zeroed: it is not watched */
struct patience {
	struct kube *kube;
	const struct transfer *transfer;
	struct timer timer;
	int64_t since; /* it was begun, or the last byte came */
	bool fresh;    /* on a connection of its own */
	/** again() - send it once more, over a new connection; false: it is
	 *  one that may not be sent twice */
	bool (*again)(struct patience *p);
	/** over() - it is given up, @err says why */
	void (*over)(struct patience *p, const struct kt_error *err);
};

/** patience_start() - watch one; before kube_leave() nothing happens. @t: what
 *  carries it, may be none yet. Its two functions are set before. */
void patience_start(struct patience *p, struct kube *k,
		    const struct transfer *t);
/** patience_heard() - a byte has come */
void patience_heard(struct patience *p);
void patience_stop(struct patience *p);
/** patience_is_over() - another was given up: -ETIMEDOUT with @err, else 0 */
KT_CHECK int patience_is_over(const struct kube *k, struct kt_error *err);

#endif
