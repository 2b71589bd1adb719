/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_PORTS_H
#define KT_RUN_PORTS_H

#include "run/keeper.h"

/**
 * DOC: The program's ports on this machine
 *
 * Each TCP port that somebody listens on in the namespace is one of this
 * machine's, on 127.0.0.1 and ::1, as long as that is so: a browser, a debugger
 * or "ktctl exchange" reach it there. Who listens is asked for (sock_diag) when
 * the keeper says that somebody will, and when the kernel says that one may
 * have gone (sockdiag_ends_open()). Where one of these is not possible, it is
 * looked now and then whether there are more sockets or fewer (sockcount.h):
 * each PORTS_REST, or PORTS_INTERVAL where somebody wants to know at once
 * (ports_watch()); else each PORTS_IDLE, for one that was shut down, which is
 * not its end. A port that is taken here is said once.
 *
 * Connections into the namespace are made of sockets that the keeper opened; a
 * few are kept.
 */

#define PORTS_INTERVAL ((int64_t)70 * 1000000) /* ns */
/* where a listener is told of: for its end, and for what is not told */
#define PORTS_REST ((int64_t)1 * 1000000000)
#define PORTS_IDLE ((int64_t)30 * 1000000000)
#define PORTS_SOON ((int64_t)10 * 1000000)    /* when it is on its way */
#define PORTS_HURRY ((int64_t)200 * 1000000)  /* for so long */
#define PORTS_SLOW ((int64_t)10 * 1000000000) /* and it may be late by that */
#define PORTS_MAX 256			      /* at a time */

struct ports;

/** ports_new() - @diag: a socket for sock_diag(7) of the namespace, @ends: one
 * of sockdiag_ends_open() there, or -1 (both taken); the keeper is borrowed
 * until ports_free()
 *  @not_those: listeners in it that are ours; 0: none */
struct ports *ports_new(struct loop *l, struct keeper *k, int diag, int ends,
			const uint16_t not_those[2]);
/** ports_sockets() - what the keeper has opened (taken) */
void ports_sockets(struct ports *p, int family, const int *fds, size_t n);
/** ports_watch() - tell @fn of each port that somebody listens on (@on) and
 *  does so no longer, also when it cannot be this machine's */
void ports_watch(struct ports *p,
		 void (*fn)(void *user, uint16_t port, bool on), void *user);
/** ports_dial() - connect to @number in the namespace: @done has @id and the
 *  socket (taken) or -errno */
void ports_dial(struct ports *p, uint16_t number, uint32_t id,
		void (*done)(void *user, uint32_t id, int fd), void *user);
/** ports_told() - somebody will listen in a moment; @first: this will be told
 *  each time, so nobody need look all the time */
void ports_told(struct ports *p, bool first);
/** ports_has() - @number is this machine's because of the program */
bool ports_has(const struct ports *p, uint16_t number);
/** ports_free() - none of them is this machine's; NULL is allowed */
void ports_free(struct ports *p);

#endif
