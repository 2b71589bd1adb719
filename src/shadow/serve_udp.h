/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SERVE_UDP_H
#define KT_SHADOW_SERVE_UDP_H

#include "base/error.h"
#include "base/loop.h"

#include <stdint.h>

/* a caller's port is kept so long without a datagram (RFC 4787 REQ-5; RFC 9298
 * section 3.1: not below two minutes) */
#define SERVE_UDP_IDLE_NS (300 * NS_SEC)
#define SERVE_UDP_FLOWS 4096 /* of a port; then the longest silent one goes */

struct origin;
struct serve_udp;
struct shadow;

/** serve_udp_new() - datagrams to @port go by the rules; they come in at
 * @bound; @origin (borrowed) may be NULL; NULL with @err */
struct serve_udp *serve_udp_new(struct shadow *sh, uint16_t port,
				uint16_t bound, struct origin *origin,
				struct kt_error *err);
void serve_udp_free(struct serve_udp *u);

#endif
