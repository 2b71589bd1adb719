/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_SHADOW_PORTS_H
#define KT_UPLINK_SHADOW_PORTS_H

#include <jansson.h>
#include <stdint.h>

/**
 * DOC: The shadow's own ports
 *
 * Beside those of the Service that it stands in front of, the shadow listens on
 * two for itself: the tunnel's, on 127.0.0.1, and that of its readiness probe.
 * They make room for the Service's. Pure.
 */

#define SHADOW_TUNNEL_PORT 7070 /* where nothing else wants it */

/** shadow_ports_free() - the first TCP port from @from on that is not one of
 *  @serve (SHADOW_SERVE, or NULL) */
uint16_t shadow_ports_free(const char *serve, uint16_t from);
/** shadow_ports_tunnel() - of a Pod that runs, whoever made it */
uint16_t shadow_ports_tunnel(const json_t *pod);

#endif
