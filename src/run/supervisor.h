/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_SUPERVISOR_H
#define KT_RUN_SUPERVISOR_H

#include "net/capture_impl.h"

/**
 * DOC: Capture without namespaces: a supervised program
 *
 * Where no user namespace is allowed, the program's system calls of the filter
 * (filter.h) come to us, and are answered (seccomp_unotify(2)). It stays in
 * this machine's network; only what it names an address for is looked at.
 *
 *     socket()   we make it, give it to the program, and keep a copy: so we can
 *                act on the very same socket later. What the program has done
 *                with it meanwhile (epoll, options) stays.
 *     connect()  to what is wanted, TCP: dialled by the owner of the capture
 *                while the program waits; then our copy is connected to a
 *                listener of ours, and closed. UDP: to a socket of ours.
 *     sendto(), sendmsg() with an address: we take the datagram
 *     recvfrom(), recvmsg() with room for one: we receive on the copy, and say
 *                who it was from
 *     getpeername()  says what was connected to
 *
 * All else goes on as if we were not there. This is no boundary of security: a
 * program that wants to can have its address read twice.
 */

struct supervisor;

struct supervisor_ops {
	/** wants() - is it the capture's? Else the program goes there itself */
	bool (*wants)(void *user, const struct ipport *dst);
};

struct supervisor *supervisor_new(struct loop *l,
				  const struct supervisor_ops *ops, void *user);
/** supervisor_capture() - capture_config.open with a supervisor as @user, once;
 *  capture_close() does not free it */
KT_CHECK int supervisor_capture(struct capture **out,
				const struct capture *base, void *user,
				struct kt_error *err);
/** supervisor_start() - @listener (taken) of filter_install() */
KT_CHECK int supervisor_start(struct supervisor *s, int listener,
			      struct kt_error *err);
/** supervisor_free() - NULL is allowed */
void supervisor_free(struct supervisor *s);

#endif
