/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_DIALER_H
#define KT_TUNNEL_DIALER_H

#include "base/list.h"
#include "tunnel/client.h"
#include "tunnel/faults.h"
#include "tunnel/relay.h"

/**
 * DOC: Dialer
 *
 * Dials through a tunnel that may be without a session just now: the attempt
 * waits for the next one then. The program's own time-out ends it, as it would
 * on any network.
 *
 *   WAITING (no session) -> DIALLING -> CONNECTED -> dialer_relay()
 *   dial lost with the tunnel: back to WAITING
 *   the tunnel is lost, and a front leads to another by now: likewise, since
 *   nothing was said yet on this connection
 *
 * Where faults are in force, one of them may hit an attempt: refuse and drop
 * are not dialled; latency holds the answer to the dial back, whatever it is,
 * and goes on in the relay.
 */

/** struct dialer - caller's memory */
struct dialer {
	struct loop *loop;
	struct tunnel *tunnel;
	struct list waiting, dialling;
	struct faults *faults; /* borrowed, set by the owner; NULL: none */
};

struct attempt;

/** attempt_done_fn - what @conn waits for: @error 0: connected; else a positive
 *  errno, the attempt is gone */
typedef void (*attempt_done_fn)(void *user, void *conn, int error);

void dialer_init(struct dialer *d, struct tunnel *t);
/** dialer_tunnel_up() - a fresh session, or another one: dial what has waited,
 *  or is dialled through one that is lost */
void dialer_tunnel_up(struct dialer *d);

/**
 * dialer_dial() - to @host:@port, or with @host NULL or "" to @addr:@port
 * @done: once, later, unless the attempt is cancelled before; gets @user and
 * @conn
 * Return: the attempt, or NULL: no memory, or the tunnel is full.
 */
struct attempt *dialer_dial(struct dialer *d, const char *host,
			    const struct ipaddr *addr, uint16_t port,
			    attempt_done_fn done, void *user, void *conn);
/** dialer_cancel() - give up; frees @a */
void dialer_cancel(struct attempt *a);
/** dialer_relay() - after done(0): couple @fd (taken) with it; frees @a */
void dialer_relay(struct attempt *a, int fd, const struct relay_hooks *hooks,
		  void *user);

#endif
