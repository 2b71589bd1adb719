/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_REDIRECTOR_H
#define KT_SHADOW_REDIRECTOR_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "net/redirect.h"

#include <stddef.h>

/**
 * DOC: Redirector: callers of another program's port come to the shadow
 *
 * In a Pod whose own program listens on the Service's port already (an
 * ephemeral container). While a laptop wants the callers of a port, new ones
 * are led to the shadow; else everything is as if there were no shadow.
 */

#define REDIRECT_EXEMPT_MAX 8

/** struct exempt - callers that are never led away: the node's own addresses,
 *  whose probes decide whether the Pod is well */
struct exempt {
	struct ipaddr addr[REDIRECT_EXEMPT_MAX];
	size_t n;
};

/** exempt_parse() - "ADDRESS,..."; 0, or -EINVAL with @err */
KT_CHECK int exempt_parse(struct exempt *e, const char *text,
			  struct kt_error *err);

struct redirector;

/** redirector_new() - @exempt, and the gateways towards them; NULL with @err */
struct redirector *redirector_new(const struct exempt *exempt,
				  struct kt_error *err);
/** redirector_forget() - what an ended shadow led from @port
 * (redirect_forget()) */
KT_CHECK int redirector_forget(struct redirector *l, uint16_t port, bool udp,
			       struct kt_error *err);
/** redirector_set() - callers of these ports, and of no others; what is so
 * already costs nothing */
void redirector_set(struct redirector *l, const struct redirect_port *v,
		    size_t n);
/** redirector_free() - NULL is allowed */
void redirector_free(struct redirector *l);

#endif
