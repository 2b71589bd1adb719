/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_GATEHEAD_H
#define KT_WIRE_GATEHEAD_H

#include "base/ipaddr.h"

#include <stdint.h>

/**
 * DOC: What stands before the bytes between a router and its gate
 *
 * Both are containers of one Pod (docs/design.md 2.19). Of a port P whose TLS
 * the gate ends, the gate has P at the Pod's addresses, the router has it at
 * 127.0.0.1, and the gate once more at 127.0.0.2, its door to others. Each
 * connection between them begins with a head of 20 bytes:
 *
 *     kind   what                        address and port
 *     'c'    gate -> router: a caller    the caller's
 *     'o'    router -> gate: go there,   where to; one byte, 1, says that the
 *            the origin                  connection is there
 *     'd'    likewise, a member
 *     'p'    ktctl -> gate: try the      likewise; 1 says that hands were
 *            origin                      shaken, 2 that nobody can be connected
 *                                        to, 3 that TLS failed; a text behind
 *                                        2 and 3 says why
 *     't'    likewise, a member
 *
 *     kind (1), 4 or 6 (1), address (16, of IPv4 the first 4), port (2)
 *
 * Behind it is what the caller says, without TLS.
 */

#define GATEHEAD_SIZE 20
#define GATEHEAD_CALLER 'c'
#define GATEHEAD_ORIGIN 'o'
#define GATEHEAD_MEMBER 'd'
#define GATEHEAD_TRY_ORIGIN 'p'
#define GATEHEAD_TRY_MEMBER 't'
#define GATEHEAD_OPEN 1
#define GATEHEAD_NOBODY 2
#define GATEHEAD_NO_TLS 3

void gatehead_put(uint8_t dst[GATEHEAD_SIZE], char kind,
		  const struct ipport *at);
/** gatehead_get() - the kind, or -EPROTO */
int gatehead_get(const uint8_t src[GATEHEAD_SIZE], struct ipport *at);

#endif
