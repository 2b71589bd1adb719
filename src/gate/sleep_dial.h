/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_SLEEP_DIAL_H
#define KT_GATE_SLEEP_DIAL_H

#include "base/ipaddr.h"
#include "base/loop.h"

/** sleep_dialled_fn - the connected socket (taken), or -errno. From the loop;
 *  the dial is over. */
typedef void (*sleep_dialled_fn)(void *user, int fd);

/** struct sleep_dial - a connection on its way; zeroed it is none; embedded,
 *  see base/loop.h */
struct sleep_dial {
	struct watch watch; /* owns the fd */
	struct timer timer;
	bool active;
	sleep_dialled_fn done;
	void *user;
};

/** sleep_dial_start() - connect to @at, @timeout_ns at most */
void sleep_dial_start(struct sleep_dial *d, struct loop *l,
		      const struct ipport *at, int64_t timeout_ns,
		      sleep_dialled_fn done, void *user);
/** sleep_dial_stop() - nobody waits for it; safe when it is none */
void sleep_dial_stop(struct sleep_dial *d);

#endif
