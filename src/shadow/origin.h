/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_ORIGIN_H
#define KT_SHADOW_ORIGIN_H

#include "base/ipaddr.h"

struct shadow;
struct origin;
struct origin_dial;

/**
 * DOC: Origin
 *
 * The Service behind a port of the shadow, by name. Its addresses are kept and
 * asked for again every few seconds while they are used, so that neither a
 * connection waits for the name server nor a new address is missed; when the
 * name server is silent the old ones go on.
 */

/** origin_new() - @host: a name or an address, copied; NULL: memory */
struct origin *origin_new(struct shadow *sh, const char *host, uint16_t port);
/** origin_free() - connections that are being opened go on */
void origin_free(struct origin *o);
uint16_t origin_port(const struct origin *o);
/** origin_set_gate() - by way of the gate of this port (wire/gatehead.h), which
 *  begins TLS; 0: not. @kind: what it is to the gate. origin_gate(): the port
 */
void origin_set_gate(struct origin *o, uint16_t gate, char kind);
uint16_t origin_gate(const struct origin *o);

/** origin_connect() - @done: once, from the loop: the connected socket (taken)
 *  or -errno; the handle is gone. NULL with errno. */
struct origin_dial *
origin_connect(struct origin *o, void (*done)(void *user, int fd), void *user);
void origin_cancel(struct origin_dial *d);

/** origin_addr() - an address known now, for datagrams; false: none yet, it is
 *  being asked for */
bool origin_addr(struct origin *o, struct ipport *at);

#endif
