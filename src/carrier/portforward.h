/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CARRIER_PORTFORWARD_H
#define KT_CARRIER_PORTFORWARD_H

#include "base/carrier.h"
#include "kube/client.h"

/** enum pf_form - what is spoken on the way to the Pod */
enum pf_form {
	PF_SPDY,	   /* SPDY/3.1 in the upgraded connection */
	PF_SPDY_WEBSOCKET, /* SPDY/3.1 in WebSocket messages, from 1.30 */
	PF_WEBSOCKET,	   /* WebSocket v4.channel.k8s.io */
	PF_NFORMS_,
};

/** pf_form_name() - as --carrier says it: "spdy", ... */
const char *pf_form_name(enum pf_form form);

/**
 * portforward_open() - a carrier to a port of a Pod, through the API server
 * @timeout_ns: until the API server's 101; <= 0 for 10 s
 *
 * Asynchronous: opened() or closed() follows. opened() means that the API
 * server agreed; that nobody listens on the port is told later, by closed()
 * with the error text of the server (code ECONNREFUSED). The verbs needed on
 * pods/portforward: "create" for PF_SPDY, "get" for the others (and "create"
 * as well from Kubernetes 1.35).
 * Return: 0 with *@out (ends with carrier_close()), or -errno with @err.
 */
KT_CHECK int portforward_open(struct carrier **out, enum pf_form form,
			      struct kube *k, const char *ns, const char *pod,
			      uint16_t port, int64_t timeout_ns,
			      const struct carrier_handler *h, void *user,
			      struct kt_error *err);

#endif
