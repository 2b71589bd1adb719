/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_HTTP2_H
#define KT_ROUTER_HTTP2_H

#include "base/buf.h"
#include "base/list.h"
#include "base/loop.h"
#include "router/conn.h"
#include "router/copy.h"
#include "router/http2_head.h"
#include "router/note.h"
#include "wire/h2.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: A caller that speaks HTTP/2
 *
 * We are its server, and the client of each backend its requests go to, over
 * one connection per backend, or a few where it takes few streams on each. A
 * side is one end of such a connection with its pipe; a call is one request: a
 * stream of the caller's side and one of a backend's. What comes on one stream
 * goes out on the other, at once where nobody waits before it, else from a
 * queue.
 *
 *   credit of a stream      given back when the other side took the bytes, so a
 *                           slow reader stops its own stream only
 *   credit of a connection  at once while little is queued, else likewise: what
 *                           one caller can make us hold is bounded
 *   RST_STREAM              goes over to the other stream, with its code
 *   trailers, 1xx           likewise
 *   PING, SETTINGS          each connection's own
 *   GOAWAY of a backend     its connection gets no new request; what it did not
 *                           take is refused (the caller may repeat it safely)
 *   draining                GOAWAY twice, as RFC 9113 section 6.8 has it: all
 *                           that was asked before the caller knew is answered
 *   a backend never reached whose is the request now? Another one's: there
 *                           (nothing of it was sent); else 502
 *   a laptop that does not come back   what is safe, without a body and without
 *                           any answer is asked of whoever has it then
 *   extended CONNECT        (RFC 8441) for WebSocket: goes on where the backend
 *                           has it, which its SETTINGS say; else 501
 *   a head that is too large   431 for the request, 502 for the answer
 *   a broken backend        502 where no response has begun, else RST_STREAM
 *   a broken caller         everything is reset
 *
 * Handlers of wire/h2 only change state; http2_run() sends afterwards.
 *
 * It is one object in five files, which call each other in a circle: no other
 * files of the router do.
 *
 *   http2.c        life of the caller's connection, time-outs
 *   http2_up.c     backends: which connection a call takes
 *   http2_call.c   calls, their queues and the credit for them
 *   http2_event.c  what is heard on both sides
 *   http2_side.c   one end of an HTTP/2 connection and its pipe
 */

#define HTTP2_STREAM_WINDOW (256 << 10)

struct http2;

struct http2_side {
	struct list node; /* of http2.ups */
	struct http2 *c;
	struct pipe_end end; /* in: unused; pipe NULL: it broke */
	struct h2 h2;
	struct backend_ref ref;
	struct buf out;
	size_t queued; /* bytes that came and have not gone on */
	size_t owed;   /* connection credit held back */
	bool greeted;  /* its SETTINGS have come */
	bool opened, write_failed;
};

/** struct http2_half - one way of a call; bytes wait in it for the stream they
 *  go out on */
struct http2_half {
	struct buf q;
	struct http2_head *trailer;
	bool ended; /* nothing more comes */
};

struct http2_call {
	struct list node;
	struct http2 *c;
	struct http2_side *up;		/* NULL: none (any more) */
	struct h2_stream *asked, *sent; /* of the caller, of the backend;
					   NULL: closed */
	struct http2_half ask, answer;
	struct http2_head *head;  /* that comes in from the caller */
	struct http2_head *kept;  /* the request's, until its way is open, or
				     there is some answer */
	struct http2_head *reply; /* from the backend */
	struct backend_ref ref;
	struct copies copies; /* while it is not whole */
	struct note *note;
	char *served_by; /* in another's place; NULL: it has to be nobody else
			  */
	unsigned int tries;
	int error;     /* of the connection that did not open */
	bool routed;   /* its head has come */
	bool lost;     /* its way did not open: to be asked for again */
	bool waits;    /* for what its backend says it can (RFC 8441) */
	bool again;    /* it may be asked twice, as long as it has no answer */
	bool extended; /* CONNECT with :protocol */
	bool begun;    /* the final response's head went to the caller */
	bool cut;      /* reset the caller's stream behind the response */
};

struct http2 {
	struct router_conn *rc;
	struct http2_side down;
	struct list ups, calls;
	struct timer again; /* route those that are lost */
	struct timer slow;  /* the caller owes a head, or is idle */
	struct timer leave; /* it was told of the end, which comes now */
	bool swept;	    /* connections to backends may be of no use */
	int32_t owes;	    /* a head on this stream; 0: none */
	bool dead;
};

/* --- http2.c -------------------------------------------------------------- */

/** http2_run() - send what there is; @c may be gone afterwards (dead) */
void http2_run(struct http2 *c);
/** http2_owes() - the caller has begun a head on stream @id */
void http2_owes(struct http2 *c, int32_t id);
/** http2_owes_not() - and it is whole now, or refused */
void http2_owes_not(struct http2 *c, int32_t id);
/** http2_rest() - there is no call any more */
void http2_rest(struct http2 *c);

/* --- http2_side.c --------------------------------------------------------- */

/** http2_side_start() - its end of HTTP/2; -ENOMEM; http2_side_fini() in any
 *  case */
KT_CHECK int http2_side_start(struct http2_side *s, bool server);
void http2_side_fini(struct http2_side *s);
/** http2_side_write() - bytes of a body that may go out before others; returns
 *  how many were taken: none, where there is no stream or it must wait */
KT_CHECK size_t http2_side_write(struct http2_side *s, struct h2_stream *st,
				 const uint8_t *p, size_t n);
/** http2_side_send() - 1: something went out; 0: nothing to send, or no room;
 *  -errno */
KT_CHECK int http2_side_send(struct http2_side *s);
/** http2_side_finished() - it has nothing to say or to hear any more */
bool http2_side_finished(const struct http2_side *s);

/* --- http2_event.c -------------------------------------------------------- */

/** http2_caller_handler, http2_backend_handler - of the two kinds of sides;
 *  user data is the side */
extern const struct h2_handler http2_caller_handler, http2_backend_handler;

/* --- http2_up.c ----------------------------------------------------------- */

/** http2_route() - the request's head is there; @last: and no body follows */
void http2_route(struct http2_call *k, bool last);
/** http2_route_lost() - likewise, all that lost their way before it was open */
void http2_route_lost(struct http2 *c);
/** http2_up_adopt() - a connection to @ref (taken) that is open already */
void http2_up_adopt(struct http2 *c, struct pipe_end *up,
		    struct backend_ref ref);
/** http2_up_broke() - its connection is over: so are the calls on it */
void http2_up_broke(struct http2_side *s, int error);
/** http2_up_free() - reset it; its calls are gone already */
void http2_up_free(struct http2_side *s);
/** http2_up_sweep() - close those without calls whose backend serves no more */
void http2_up_sweep(struct http2 *c);

/* --- http2_call.c --------------------------------------------------------- */

struct http2_call *http2_call_new(struct http2 *c, struct h2_stream *st);
void http2_call_free(struct http2_call *k);
/** http2_call_check() - free it when both streams are closed */
void http2_call_check(struct http2_call *k);
/** http2_refuse() - an answer of ours, if none has begun; else a reset */
void http2_refuse(struct http2_call *k, const char *status, const char *text);
/** http2_reply() - a head came from the backend */
void http2_reply(struct http2_call *k, bool last);
void http2_asked_closed(struct http2_call *k, uint32_t code);
void http2_sent_closed(struct http2_call *k, uint32_t code);
/** http2_drop() - what is queued is not wanted any more; it came on stream @st
 *  of @s */
void http2_drop(struct http2_half *h, struct http2_side *s,
		struct h2_stream *st);
/** http2_give_back() - the connection credit that @s may have again */
void http2_give_back(struct http2_side *s);
/** http2_rst() - on one of the call's streams, or on none (NULL) */
void http2_rst(struct http2_side *s, struct h2_stream *st, uint32_t code);
/** http2_resume() - there is more for stream @st of @s, or for nobody */
void http2_resume(struct http2_side *s, struct h2_stream *st);
/** http2_piece() - the next of what goes out on stream @st of @s */
void http2_piece(struct http2_half *h, struct h2_stream *st,
		 struct http2_side *s, size_t max, struct h2_piece *out);
/** http2_taken() - @n bytes of @h, which came on stream @st of @s, are gone */
void http2_taken(struct http2_half *h, struct http2_side *s,
		 struct h2_stream *st, size_t n);

#endif
