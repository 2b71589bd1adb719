/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_FORWARD_FORWARDING_H
#define KT_FORWARD_FORWARDING_H

#include "base/list.h"
#include "base/repeat.h"
#include "forward/choose.h"
#include "forward/localport.h"
#include "tunnel/dialer.h"

/**
 * DOC: One forwarding
 *
 * A port of this machine that leads to one of a target. A program's connection
 * is accepted by the kernel before anybody can ask; so its way is dialled then,
 * and where that fails the program sees a reset. Its first bytes wait in the
 * socket meanwhile, and its end of file is kept.
 *
 *   accepted -> dialling -> relay
 *               reset or closed by the program: given up
 *               refused by the target: reset
 *               who was dialled is replaced: dialled anew
 */

struct target_watch;

struct forwarding {
	struct loop *loop;
	struct dialer *dialer;	     /* borrowed */
	struct target_watch *target; /* borrowed */
	struct forward_choice choice;
	struct localport port;
	struct list dialling;	    /* of struct forwarding_conn */
	struct forwarding_udp *udp; /* of UDP: its conversations */
	struct repeat told;
};

/** forwarding_start() - with target, choice, and the port bound; the port is
 * shut */
void forwarding_start(struct forwarding *f, struct loop *loop,
		      struct dialer *dialer);
/** forwarding_follow() - open or shut, as its target is now; 0, or -errno with
 * @err
 */
KT_CHECK int forwarding_follow(struct forwarding *f, struct kt_error *err);
/** forwarding_stop() - before the tunnel ends; connections that have a way are
 * the tunnel's. Safe on a zeroed one. */
void forwarding_stop(struct forwarding *f);
/** forwarding_text() - "localhost:8080 -> web:80" (returned, caller frees) */
char *forwarding_text(const struct forwarding *f);
/** forwarding_tell() - a connection, or datagrams, met @error (positive) */
void forwarding_tell(struct forwarding *f, int error);

/* forwarding_udp.c */
struct forwarding_udp *forwarding_udp_start(struct forwarding *f);
void forwarding_udp_readable(void *user, struct localport_place *p);
/** forwarding_udp_follow() - conversations with who is gone begin anew */
void forwarding_udp_follow(struct forwarding_udp *o);
/** forwarding_udp_stop() - NULL is allowed */
void forwarding_udp_stop(struct forwarding_udp *o);

#endif
