/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_INBOUND_CALL_H
#define KT_TUNNEL_INBOUND_CALL_H

#include "base/list.h"
#include "base/loop.h"
#include "tunnel/inbound.h"
#include "tunnel/mux.h"
#include "tunnel/relay.h"
#include "tunnel/streams.h"

/** struct inbound_calls - what connecting callers to local ports needs */
struct inbound_calls {
	struct loop *loop;
	const struct inbound_port *ports;
	size_t nports;
	uint8_t *scratch; /* UDPSERVE_SCRATCH bytes */
	struct relay_hooks hooks;
	struct relay_group open; /* TCP connections to local ports */
	bool hold;		 /* who comes now waits */
	struct list held;	 /* of struct inbound_call */
	size_t nheld, held_ever;
	const struct inbound_dialer *dialer; /* NULL: the kernel connects */
	void *dialer_user;
	void (*caller)(void *user, const struct inbound_caller *c);
	/** event() - what callers ask for; NULL: nobody wants to know */
	void (*event)(void *user, const struct event *ev);
	void *user;
	struct relay_hooks observed; /* the hooks, and those of observers */
	struct list observers;	     /* of struct inbound_observed */
};

/** inbound_calls_init() - of a zeroed @cs, whose other members come later */
void inbound_calls_init(struct inbound_calls *cs);
/** inbound_calls_fini() - its relays live on, and nobody hears of them */
void inbound_calls_fini(struct inbound_calls *cs);

/** inbound_call_tcp() - a CONNECT to "kt:PORT"; takes the stream */
void inbound_call_tcp(struct inbound_calls *cs, struct mux_stream *s,
		      const struct mux_request *req);
/** inbound_call_release() - connect those that are held */
void inbound_call_release(struct inbound_calls *cs);
/** inbound_call_pass() - let those that are held go elsewhere */
void inbound_call_pass(struct inbound_calls *cs);
/** inbound_call_udp() - a connect-udp; takes the stream */
void inbound_call_udp(struct inbound_calls *cs, struct mux_stream *s,
		      const struct mux_request *req);

#endif
