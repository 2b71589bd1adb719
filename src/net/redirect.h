/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_REDIRECT_H
#define KT_NET_REDIRECT_H

#include "base/error.h"
#include "base/ipaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Redirect: callers of a port get another one
 *
 * New connections from outside to a port of this network namespace are led to
 * another port of it. Connections that are open stay where they are, when they
 * begin to be led and when they no longer are; what the namespace's own
 * programs open is never led anywhere.
 *
 * An nftables table that belongs to a socket (flags owner, Linux 5.12): it is
 * gone when the process is. Spoken without nft(8), which an image FROM
 * scratch has not. Needs CAP_NET_ADMIN.
 */

struct redirect;

struct redirect_port {
	uint16_t port, to;
	bool udp;
};

/** redirect_new() - in the present namespace, nothing is led anywhere yet;
 *  returned (redirect_free()); -EPERM, -EOPNOTSUPP, ... with @err */
KT_CHECK int redirect_new(struct redirect **out, struct kt_error *err);
/**
 * redirect_forget() - connections that an ended one led from @port
 *
 * With its table the kernel stops to follow them, but keeps what it knew: who
 * uses the same port again would be led where nobody listens. Theirs are those
 * that were led to REDIRECT_FIRST and above, so that those of others (a service
 * mesh) stay: lead only there.
 */
KT_CHECK int redirect_forget(struct redirect *r, uint16_t port, bool udp,
			     struct kt_error *err);
#define REDIRECT_FIRST 20000
#define REDIRECT_PORTS 10000
/** redirect_exempt() - callers from @addr are not led away, from the next
 *  redirect_set() on; -ENOSPC */
KT_CHECK int redirect_exempt(struct redirect *r, const struct ipaddr *addr);
/** redirect_set() - these from now on, in place of the former ones; nothing
 *  changes on failure */
KT_CHECK int redirect_set(struct redirect *r, const struct redirect_port *v,
			  size_t n, struct kt_error *err);
/** redirect_free() - nothing is led anywhere; what was led is cut. NULL is
 *  allowed */
void redirect_free(struct redirect *r);

#endif
