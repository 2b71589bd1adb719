/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_LINK_H
#define KT_TUNNEL_LINK_H

#include "tunnel/mux.h"
#include "tunnel/session.h"

/**
 * DOC: Link
 *
 * A session with a mux on it: what both ends of a tunnel consist of. When the
 * session dies, dead() is called and every stream closes with -ENETRESET. The
 * end that opens streams lets it die, and tells the other, when HTTP/2's stream
 * ids are used up: a fresh session has all of them again.
 */

struct link;

struct link_ops {
	void (*up)(void *user, bool resumed);
	void (*lost)(void *user, const struct kt_error *why);
	/** dead() - over, the streams are closed; call link_free() */
	void (*dead)(void *user, const struct kt_error *why);
};

/**
 * link_new() - either end
 * @id: of the session (accepting side), or NULL
 * @on_request: NULL at the client's end of HTTP/2
 * @ops: borrowed
 * Return: NULL when memory is out.
 */
struct link *link_new(struct loop *loop, const struct session_config *scfg,
		      const struct mux_config *mcfg, const uint8_t *id,
		      mux_request_fn on_request, const struct link_ops *ops,
		      void *user);
/** link_free() - closes what is open (streams: -ECANCELED); no callback of
 *  link_ops follows */
void link_free(struct link *l);
struct session *link_session(const struct link *l);
/** link_mux() - NULL when the session is dead */
struct mux *link_mux(const struct link *l);

#endif
