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

struct dialer;
struct traffic;

/**
 * struct traffic_outside - who takes what is not for the cluster, where all
 * that the programs send is captured
 * is_outside() says for whom it is, once for a connection or a datagram; the
 * others are as in capture_ops, and answer to the capture likewise.
 */
struct traffic_outside {
	bool (*is_outside)(void *user, const struct ipport *dst);
	struct capture_ops ops;
};

/** traffic_open() - begin to capture, no routes yet; @t and @faults (or NULL)
 *  are borrowed */
KT_CHECK int traffic_open(struct traffic **out, struct loop *loop,
			  struct tunnel *t, struct faults *faults,
			  const struct capture_config *cfg,
			  struct kt_error *err);
/** traffic_set_outside() - @o and @user are borrowed; once */
void traffic_set_outside(struct traffic *tr, const struct traffic_outside *o,
			 void *user);
/** traffic_close() - after tunnel_free(): remove the device */
void traffic_close(struct traffic *tr);
/** traffic_dialer() - for more connections through the tunnel */
struct dialer *traffic_dialer(struct traffic *tr);
struct capture *traffic_capture(struct traffic *tr);
/** traffic_tunnel_up() - a fresh session: dial what has waited */
void traffic_tunnel_up(struct traffic *tr);

#endif
