/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CARRIER_PODEXEC_H
#define KT_CARRIER_PODEXEC_H

#include "base/buf.h"
#include "kube/client.h"

/**
 * DOC: A program in a container, and what it prints
 *
 * pods/exec in WebSocket, v4.channel.k8s.io: binary messages whose first byte
 * is a channel: 1 is stdout, 2 stderr, 3 the end as a Status. There is no
 * stdin. The verbs needed on pods/exec: "get" (and "create" as well from
 * Kubernetes 1.35).
 */

/** struct podexec - what to run; all borrowed */
struct podexec {
	const char *ns, *pod, *container;
	const char *const *argv; /* NULL-ended; no shell */
	int64_t timeout_ns;	 /* of the whole */
};

/**
 * podexec_run() - run it to its end; top-level code only
 * @out: what it writes to stdout; its maximum bounds that
 * Return: 0: it ended with status 0. Else -errno with @err: ENOEXEC: the image
 * has no such program; ECHILD: it failed, and @err has its last words; EPERM
 * and others of kube/client.h: it was not tried.
 */
KT_CHECK int podexec_run(struct kube *k, const struct podexec *x,
			 struct buf *out, struct kt_error *err);

#endif
