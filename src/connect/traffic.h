/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_TRAFFIC_H
#define KT_CONNECT_TRAFFIC_H

#include "net/capture.h"
#include "tunnel/client.h"
#include "tunnel/faults.h"

/**
 * DOC: Captured traffic into the tunnel
 *
 * Joins net/capture (what local programs send) and tunnel/client (what the
 * shadow does for them): TCP attempts are dialled and then relayed, datagrams
 * and pings are flows that end when they were idle. While the tunnel has no
 * session, TCP attempts wait for the next one; a program's own time-out ends
 * them, as it would on any network.
 */

struct traffic;

/** traffic_open() - begin to capture, no routes yet; @t and @faults (or NULL)
 *  are borrowed */
KT_CHECK int traffic_open(struct traffic **out, struct loop *loop,
			  struct tunnel *t, struct faults *faults,
			  const struct capture_config *cfg,
			  struct kt_error *err);
/** traffic_close() - after tunnel_free(): remove the device */
void traffic_close(struct traffic *tr);
struct capture *traffic_capture(struct traffic *tr);
/** traffic_tunnel_up() - a fresh session: dial what has waited */
void traffic_tunnel_up(struct traffic *tr);

#endif
