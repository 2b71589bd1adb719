/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_RECOVER_H
#define KT_INBOUND_RECOVER_H

#include "kube/client.h"

#define RECOVER_LATE 2

/**
 * recover_service() - undo what exchange and mesh did to a Service
 * @say: one sentence for each thing done; may be NULL
 * Waits in the loop (top-level code).
 * Return: 1: something was done; 0: there was nothing to do; RECOVER_LATE: it
 * was done, but Pods of what was scaled back are not ready; -errno with @err.
 */
KT_CHECK int recover_service(struct kube *k, const char *ns, const char *name,
			     void (*say)(void *user, const char *text),
			     void *user, struct kt_error *err);

#endif
