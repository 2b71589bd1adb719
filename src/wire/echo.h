/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_ECHO_H
#define KT_WIRE_ECHO_H

#include "base/error.h"
#include "base/ipaddr.h"

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Echo messages
 *
 * ICMP echo through the tunnel: a stream per destination, extended CONNECT
 * with protocol "kt-echo", and in it DATAGRAM capsules whose value is
 *
 *     request: u8 0 | u16 id | u16 seq | u8 hop limit (0: default) | payload
 *     answer:  u8 0 | u16 id | u16 seq | u8 type | u8 code |
 *              u8 4 or 6 | address (16) of who answered | payload
 *
 * (the first byte is the context id). Not connect-ip (RFC 9484): that carries
 * whole IP packets both ways and so promises what the shadow cannot do. It has
 * no raw socket and no capability, only the kernel's ping sockets, which take
 * these fields and no others, choose the id themselves, and report ICMP errors
 * as type, code and offender. The message is exactly what such a socket knows.
 */

#define ECHO_REQUEST_HEAD 6
#define ECHO_ANSWER_HEAD 24
#define ECHO_PAYLOAD_MAX 65507

struct echo_request {
	uint16_t id, seq;
	uint8_t ttl;
};

struct echo_answer {
	uint16_t id, seq;
	uint8_t type, code;
	struct ipaddr from;
};

void echo_put_request(uint8_t out[ECHO_REQUEST_HEAD],
		      const struct echo_request *e);
void echo_put_answer(uint8_t out[ECHO_ANSWER_HEAD],
		     const struct echo_answer *e);
/** echo_get_request() - 0 (the payload follows the head), or -EPROTO */
KT_CHECK int echo_get_request(const uint8_t *p, size_t n,
			      struct echo_request *e);
KT_CHECK int echo_get_answer(const uint8_t *p, size_t n, struct echo_answer *e);

#endif
