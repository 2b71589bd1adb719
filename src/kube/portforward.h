/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_PORTFORWARD_H
#define KT_KUBE_PORTFORWARD_H

#include "base/carrier.h"
#include "kube/client.h"

/**
 * portforward_open() - a carrier to a port of a Pod, through the API server
 * @timeout_ns: until the API server's 101; <= 0 for 10 s
 *
 * Asynchronous: opened() or closed() follows. opened() means that the API
 * server agreed; that nobody listens on the port is told later, by closed()
 * with the text of the error channel. The caller's verb must be allowed on
 * pods/portforward: "get", from Kubernetes 1.35 "create" as well.
 * Return: 0 with *@out (ends with carrier_close()), or -errno with @err.
 */
KT_CHECK int portforward_open(struct carrier **out, struct kube *k,
			      const char *ns, const char *pod, uint16_t port,
			      int64_t timeout_ns,
			      const struct carrier_handler *h, void *user,
			      struct kt_error *err);

#endif
