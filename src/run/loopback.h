/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_LOOPBACK_H
#define KT_RUN_LOOPBACK_H

#include "base/error.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: This machine's loopback, for the program
 *
 * The program's 127.0.0.1 is its own. Where somebody calls a port of it on
 * which nobody in the namespace listens, and somebody on this machine does, the
 * call goes there: to a local database, to a debugger that the program is to
 * find.
 *
 * Rules of nftables in the namespace do it: a SYN to a loopback address, to a
 * port of a set, for which there is no socket, goes to a listener of ours
 * (tproxy). The set has the ports on which this machine listens: each
 * LOOPBACK_INTERVAL (LOOPBACK_SLOW when none has come or gone for
 * LOOPBACK_QUIET) it is looked whether there are more sockets or fewer, and
 * then who listens; so a port that nobody has is refused as ever.
 *
 * With somebody far away (loopback_far) his ports are in the set as well, and
 * go before this machine's.
 */

#define LOOPBACK_INTERVAL ((int64_t)250 * 1000000) /* ns */
#define LOOPBACK_SLOW ((int64_t)1 * 1000000000)
#define LOOPBACK_QUIET ((int64_t)10 * 1000000000)
#define LOOPBACK_LIST ((int64_t)2 * 1000000000) /* in any case */
#define LOOPBACK_FDS 3

/** struct loopback_link - what is made in the namespace */
struct loopback_link {
	int fds[LOOPBACK_FDS]; /* listeners: IPv4, IPv6; for the sets; -1 */
	uint16_t port[2];      /* of the listeners */
};

#define LOOPBACK_PORTS 65536

/** struct loopback_far - who is called before this machine is */
struct loopback_far {
	/* a bit for each port that it has; borrowed, and looked at again at
	 * each round */
	const uint8_t *ports;
	/** take() - @fd (taken) has called @port */
	void (*take)(void *user, uint16_t port, int fd);
	void *user;
};

/** loopback_link_open() - in the namespace of the calling thread */
KT_CHECK int loopback_link_open(struct loopback_link *l, struct kt_error *err);
void loopback_link_close(struct loopback_link *l);

struct loopback;

/**
 * loopback_new() - begin; NULL where this machine cannot be asked (logged)
 * @link: its descriptors are taken
 * @is_ours: is @port of this machine one that leads back into the namespace?
 * @far: copied, or NULL
 * @outside: also this machine
 */
struct loopback *loopback_new(struct loop *l, struct loopback_link *link,
			      bool (*is_ours)(void *user, uint16_t port),
			      void *user, const struct loopback_far *far,
			      bool outside);
/** loopback_free() - NULL is allowed */
void loopback_free(struct loopback *l);

#endif
