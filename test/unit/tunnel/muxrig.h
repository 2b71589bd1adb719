/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TEST_MUXRIG_H
#define KT_TEST_MUXRIG_H

#include "muxlink.h"

#include "tunnel/tunnel_stream.h"

/**
 * DOC: Two muxes, linked in memory
 *
 * For the unit test and the fuzz target. A flow is a stream seen from both of
 * its ends; each end sends the bytes it was given, whose values follow from
 * flow, end and position, and checks those it gets. abort() on a wrong one.
 *
 * Scheduled (muxrig_init_scheduled()) each end has a scheduler, and there is a
 * second pair of muxes to which a flow may move.
 */

#define MUXRIG_FLOWS 6000

struct muxrig;

struct flow_end {
	struct muxrig *rig;
	unsigned int flow;
	bool server;
	struct mux_stream *s; /* scheduled: only says that it is open */
	struct tunnel_stream tunnel_stream;
	size_t give, sent; /* bytes it may send, has sent */
	bool fin, fin_sent;
	size_t got, held; /* received; of these not consumed */
	bool stalled;	  /* consumes nothing */
	bool ended, closed, asked, answered;
	int error, head_error;
	int refuse; /* server: refuse with this errno */
};

struct muxrig {
	struct loop *loop;
	struct muxlink link, bulk;
	bool scheduler;
	int asker; /* whose side of @link moves flows: 0 or 1 */
	struct flow_end end[MUXRIG_FLOWS][2];
	unsigned int nflows;
	bool hold; /* requests wait for muxrig_accept() */
};

/** muxrig_init() - @window: first credit of a stream; 0: the default */
void muxrig_init(struct muxrig *r, uint32_t window);
void muxrig_init_scheduled(struct muxrig *r, uint32_t window, int asker);
void muxrig_fini(struct muxrig *r);
/** muxrig_open() - a flow whose server end accepts, or refuses with @refuse;
 *  NULL: no more */
struct flow_end *muxrig_open(struct muxrig *r, int refuse);
void muxrig_accept(struct flow_end *e);
/** flow_give() - @n more bytes to send, and then the end if @fin */
void flow_give(struct flow_end *e, size_t n, bool fin);
void flow_reset(struct flow_end *e, int error);
/** flow_consume() - take what is held, at most @n bytes */
void flow_consume(struct flow_end *e, size_t n);
struct flow_end *flow_peer(struct flow_end *e);
/** muxrig_move() - one turn: produce and deliver about @n bytes from @side;
 *  false when there was nothing */
bool muxrig_move(struct muxrig *r, int side, size_t n);
/** muxrig_ask() - have the flow of @e moved; true when that was asked for */
bool muxrig_ask(struct flow_end *e);
/** muxrig_cut() - the second pair dies, as its end @side sees it */
void muxrig_cut(struct muxrig *r, int side);
/** muxrig_move_bulk() - as muxrig_move(), of the second pair */
bool muxrig_move_bulk(struct muxrig *r, int side, size_t n);
/** muxrig_run() - until nothing moves */
void muxrig_run(struct muxrig *r);

#endif
