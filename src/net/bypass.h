/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_BYPASS_H
#define KT_NET_BYPASS_H

#include "base/ipaddr.h"

/**
 * DOC: Own sockets past the capture
 *
 * What this process itself sends to an address in a captured range must not be
 * captured: the API server may get such an address while we run, and a name
 * server of a VPN may have one. Routing rules for marked packets would do, but
 * they would be left behind by a killed process. So:
 *
 * With a device (kt0): where the kernel's way to the address is that device,
 * the socket is bound to the device of the next best route (SO_BINDTODEVICE),
 * which leaves out the routes of all others. Nothing is left, nothing else on
 * this machine is changed.
 *
 * With a redirect: by a mark (BYPASS_MARK), which the redirect leaves alone.
 */

#define BYPASS_MARK 0x6b75 /* "ku" */

struct bypass;

/** bypass_open() - in the present namespace. @ifindex: of the capture's device;
 *  0: there is none */
KT_CHECK int bypass_open(struct bypass **out, int ifindex,
			 struct kt_error *err);
void bypass_close(struct bypass *b);

/**
 * bypass_socket() - before connect() to @to
 * Return: 0, also where nothing had to be done; -ENETUNREACH: there is no other
 * way to that address; -errno.
 */
KT_CHECK int bypass_socket(struct bypass *b, int fd, const struct ipaddr *to);

#endif
