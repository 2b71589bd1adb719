/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_INTERNAL_H
#define KT_TUNNEL_INTERNAL_H

#include "tunnel/client.h"
#include "tunnel/link.h"

/* shared by the files behind tunnel/client.h */

/** tunnel_open() - a stream of the present session; NULL with errno */
struct mux_stream *tunnel_open(struct tunnel *t, const struct mux_request *req,
			       const struct mux_stream_ops *ops, void *user);
/** tunnel_mux() - of the present session, or NULL with errno */
struct mux *tunnel_mux(struct tunnel *t);
/** tunnel_env() - see tunnel_set_env() */
const struct envmark *tunnel_env(const struct tunnel *t);
struct loop *tunnel_loop(const struct tunnel *t);

#endif
