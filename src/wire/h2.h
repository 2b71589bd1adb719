/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_H2_H
#define KT_WIRE_H2_H

#include "base/buf.h"
#include "base/list.h"
#include "base/ratelim.h"
#include "wire/hpack.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: HTTP/2, one end of a connection (RFC 9113)
 *
 * Bytes in, bytes out, no I/O and no clock: h2_receive() takes what the peer
 * said, and the time, and tells the handler; everything that is said to the
 * peer is appended to a buffer of the owner. Heads, resets and credit are
 * written at once, by the call that asks for them; bodies are asked for in
 * h2_send(), one piece of each stream in turn, as far as the peer's windows go.
 *
 *   stream of a peer   begin, field*, head, (data | begin field* head)*, end
 *   a stream is over   both ends are done, or it was reset: closed() is called
 *                      behind the frame that is received, or by the next
 *                      h2_send(), never from within another call, and the
 *                      stream is gone; until then it is there, takes nothing
 *                      and says nothing
 *   credit             h2_consume(), h2_consume_connection(): when the handler
 *                      is done with bytes of data()
 *   a malformed head   (section 8.1.1) resets the stream: head() is not called
 *   a connection error the peer is sent GOAWAY, h2_receive() fails
 *
 * What is strict here beyond a peer's comfort: a stream the peer has ended
 * gets nothing more (section 5.1); heads in endless pieces end the connection,
 * and so does a full buffer: a peer that makes us answer and does not listen
 * (section 10.5).
 *
 * Glitches: all that costs us more than the peer, or that only a broken peer
 * does, is taken from one account, a burst and a rate (ratelim.h). When it is
 * empty the connection ends with ENHANCE_YOUR_CALM. It does not matter by which
 * frame a stream is made to end, the peer's RST_STREAM (CVE-2023-44487) or one
 * of ours that it provokes (CVE-2025-8671). What each known attack costs:
 * test/unit/wire/test_h2_attacks.c.
 *
 *   1   what sane peers do, now and then: RST_STREAM, SETTINGS, GOAWAY,
 * PRIORITY, DATA without a byte, small WINDOW_UPDATE, streams above the limit
 * or behind our GOAWAY, heads that are too large, interim answers 10  what
 * makes us reset a stream: a malformed head, a broken window, frames on a
 * stream that the peer has ended
 *
 *   h2.c          life, sending
 *   h2_recv.c     receiving: frames, DATA, HEADERS
 *   h2_control.c  receiving: all other frames
 *   h2_field.c    which fields and heads are well-formed
 */

enum h2_code { /* section 7 */
	       H2_NO_ERROR,
	       H2_PROTOCOL_ERROR,
	       H2_INTERNAL_ERROR,
	       H2_FLOW_CONTROL_ERROR,
	       H2_SETTINGS_TIMEOUT,
	       H2_STREAM_CLOSED,
	       H2_FRAME_SIZE_ERROR,
	       H2_REFUSED_STREAM,
	       H2_CANCEL,
	       H2_COMPRESSION_ERROR,
	       H2_CONNECT_ERROR,
	       H2_ENHANCE_YOUR_CALM,
};

enum h2_type { /* section 6 */
	       H2_DATA,
	       H2_HEADERS,
	       H2_PRIORITY,
	       H2_RST_STREAM,
	       H2_SETTINGS,
	       H2_PUSH_PROMISE,
	       H2_PING,
	       H2_GOAWAY,
	       H2_WINDOW_UPDATE,
	       H2_CONTINUATION,
};

enum h2_setting { /* section 6.5.2 */
		  H2_HEADER_TABLE_SIZE = 1,
		  H2_ENABLE_PUSH,
		  H2_MAX_CONCURRENT_STREAMS,
		  H2_INITIAL_WINDOW_SIZE,
		  H2_MAX_FRAME_SIZE,
		  H2_MAX_HEADER_LIST_SIZE,
		  H2_ENABLE_CONNECT_PROTOCOL = 8, /* RFC 8441 */
};

#define H2_END_STREAM 0x1
#define H2_ACK 0x1
#define H2_END_HEADERS 0x4
#define H2_PADDED 0x8
#define H2_HAS_PRIORITY 0x20

#define H2_MAGIC "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" /* section 3.4 */
#define H2_MAGIC_LEN 24
#define H2_FRAME_HEAD 9
#define H2_FRAME_MAX 16384 /* of a payload, both ways */
#define H2_ID_MAX INT32_MAX
#define H2_WINDOW 65535 /* before anybody says otherwise */

/* glitches of a peer: so many at once, and each second */
#define H2_GLITCH_BURST 10000
#define H2_GLITCH_RATE 1000
#define H2_GLITCH_ODD 1
#define H2_GLITCH_WRONG 10

/* a field list of so many times head_max ends the connection */
#define H2_LIST_FACTOR 4

struct h2_stream {
	struct list node;
	struct list ready; /* asked for its body in the next h2_send() */
	void *user;	   /* the handler's */
	int32_t id;
	int32_t send_window;	/* bytes; may be below 0 */
	int32_t receive_window; /* bytes the peer may still send */
	int32_t owed;		/* bytes of credit, not yet given back */
	int64_t expects;	/* bytes of body, by content-length; -1 */
	uint32_t code;		/* it was closed with */
	bool source;		/* the handler has a body for it */
	bool local_done, remote_done;
	bool headed;	/* its head has come; other heads are trailers */
	bool asks_head; /* HEAD: lengths in the answer mean nothing */
	bool closed;
};

/** struct h2_piece - the next bytes of a body, borrowed */
struct h2_piece {
	const uint8_t *p;
	size_t n;  /* 0, and not last: nothing more until h2_resume() */
	bool last; /* and that is the end of it */
};

/** struct h2_handler - who hears of it; no member may be NULL. All may call
 *  everything but h2_receive(), h2_send() and h2_fini(). */
struct h2_handler {
	/** begin() - a head begins: of a new stream (user is NULL), an answer,
	 *  trailers. < 0: reset the stream, there is no memory for it */
	int (*begin)(void *user, struct h2_stream *st);
	/** field() - borrowed; < 0: reset the stream, it is too much */
	int (*field)(void *user, struct h2_stream *st,
		     const struct hpack_field *f);
	/** head() - the head is whole; @last: and nothing follows, end() is
	 *  next */
	void (*head)(void *user, struct h2_stream *st, bool last);
	void (*data)(void *user, struct h2_stream *st, const uint8_t *p,
		     size_t n);
	void (*end)(void *user, struct h2_stream *st);
	/** piece() - at most @max bytes of its body; may send trailers with
	 *  h2_head() instead, and then there is no piece any more */
	void (*piece)(void *user, struct h2_stream *st, size_t max,
		      struct h2_piece *out);
	/** sent() - the @n bytes of the piece were taken */
	void (*sent)(void *user, struct h2_stream *st, size_t n);
	/** finished() - our end of the stream is said */
	void (*finished)(void *user, struct h2_stream *st);
	/** closed() - the stream is over, and gone after this call */
	void (*closed)(void *user, struct h2_stream *st);
};

/** struct h2_limits - what the peer is told of us */
struct h2_limits {
	int32_t stream_window, connection_window; /* bytes */
	uint32_t streams_max;			  /* of the peer, at once */
	uint32_t head_max;			  /* bytes */
	/* bytes of an encoded head that are waited for; 0: a frame more than
	 * that. A head between the two is refused, and ends no connection. */
	uint32_t block_max;
};

struct h2 {
	const struct h2_handler *ops;
	void *user;
	struct buf *out; /* the owner's, who sends and empties it */
	struct h2_limits limits;
	bool server;
	struct list streams, ready, closed;
	size_t nstreams;	/* that are open */
	int32_t next_id;	/* of our next stream */
	int32_t newest;		/* stream of the peer */
	int32_t taken;		/* the newest that is not ignored */
	int32_t newest_reset;	/* stream of the peer that we have reset */
	int32_t send_window;	/* bytes */
	int32_t receive_window; /* bytes */
	int32_t owed;		/* bytes of credit, not yet given back */
	int32_t peer_window;	/* bytes of a new stream */
	uint32_t peer_streams;	/* how many the peer takes at once */
	struct hpack_decoder decoder;
	bool said_no_table;
	bool peer_connect; /* the peer takes :protocol (RFC 8441) */
	bool going;	   /* the peer's GOAWAY came, or our last one went */
	bool leaving;	   /* our last one: new streams are not taken */
	bool ended;	   /* after an error: nothing is heard any more */
	int error;	   /* -errno: it cannot say what it has to */
	/* receiving */
	int64_t now; /* ns, monotonic */
	struct ratelim glitches;
	enum {
		H2_AT_MAGIC,
		H2_AT_FRAME,
		H2_AT_PADDING, /* the length of a DATA frame's */
		H2_AT_DATA,
		H2_AT_PAYLOAD,
		H2_AT_REST, /* to be skipped */
	} at;
	bool settled; /* the peer's first SETTINGS came */
	uint8_t head[H2_MAGIC_LEN];
	size_t nhead;
	uint32_t left;	 /* bytes of the payload to come */
	uint32_t unread; /* of these, padding */
	uint8_t type, flags;
	int32_t id;
	struct buf in;	   /* a payload that comes in pieces */
	struct buf block;  /* a field block in several frames */
	int32_t block_id;  /* its stream; 0: none */
	bool block_last;   /* END_STREAM was on its first frame */
	size_t block_more; /* frames of it */
};

/** h2_init() - the client's or server's end; magic and SETTINGS are written to
 *  @out, whose maximum bounds what waits to be sent. 0 or -errno; h2_fini() in
 *  any case */
KT_CHECK int h2_init(struct h2 *h, bool server, const struct h2_limits *limits,
		     const struct h2_handler *ops, void *user, struct buf *out);
/** h2_fini() - no handler is called for streams that are there still */
void h2_fini(struct h2 *h);

/** h2_receive() - from the peer, at the time @now (ns, monotonic). 0; -EPROTO:
 *  the connection is over, with a GOAWAY in the buffer; -ENOMEM, -ENOBUFS */
KT_CHECK int h2_receive(struct h2 *h, int64_t now, const uint8_t *p, size_t n);
/** h2_send() - tell of closed streams, and write bodies until the buffer has
 *  @enough bytes. 1: there was something; 0; -errno: the connection is over */
KT_CHECK int h2_send(struct h2 *h, size_t enough);
/** h2_is_over() - nothing will be said or heard any more, once the buffer is
 *  empty */
bool h2_is_over(const struct h2 *h);

/** h2_may_request() - the peer would take one more stream */
bool h2_may_request(const struct h2 *h);
/** h2_request() - open a stream (clients); @last: without a body, else
 *  h2_resume() when there is some of it. NULL: not taken, or no memory */
struct h2_stream *h2_request(struct h2 *h, const struct hpack_field *f,
			     size_t n, bool last, void *user);
/** h2_head() - answer, interim answer (1xx) or trailers (@last); 0 or -errno:
 *  nothing was written. @source: a body follows */
KT_CHECK int h2_head(struct h2 *h, struct h2_stream *st,
		     const struct hpack_field *f, size_t n, bool last,
		     bool source);
/** h2_write() - bytes of a body that need not wait for h2_send(), because no
 *  stream does, until the buffer has @enough. Return: how many were taken */
KT_CHECK size_t h2_write(struct h2 *h, struct h2_stream *st, const uint8_t *p,
			 size_t n, size_t enough);
/** h2_resume() - piece() has something now */
void h2_resume(struct h2 *h, struct h2_stream *st);
/** h2_reset() - RST_STREAM; the stream is over */
void h2_reset(struct h2 *h, struct h2_stream *st, uint32_t code);
/** h2_consume() - @n bytes of the stream are taken: credit for the stream */
void h2_consume(struct h2 *h, struct h2_stream *st, size_t n);
/** h2_consume_connection() - likewise, for the connection */
void h2_consume_connection(struct h2 *h, size_t n);
/** h2_goaway() - the streams up to @last are all that we take, H2_ID_MAX: it
 *  ends soon, more is still taken (section 6.8) */
void h2_goaway(struct h2 *h, int32_t last, uint32_t code);
/** h2_end() - GOAWAY, and nothing after it */
void h2_end(struct h2 *h, uint32_t code);

/* --- for h2_recv.c, h2_control.c ------------------------------------------ */

/** h2_find() - the open stream @id, or NULL */
struct h2_stream *h2_find(struct h2 *h, int32_t id);
/** h2_stream_new() - NULL: memory */
struct h2_stream *h2_stream_new(struct h2 *h, int32_t id);
/** h2_stream_close() - it is over, with @code; closed() comes later */
void h2_stream_close(struct h2 *h, struct h2_stream *st, uint32_t code);
/** h2_tell_closed() - false: there was nothing to tell */
bool h2_tell_closed(struct h2 *h);
/** h2_control() - a frame that is no DATA */
void h2_control(struct h2 *h, enum h2_type type, uint8_t flags, int32_t id,
		const void *payload, size_t n);
/** h2_unblock() - streams may have windows now */
void h2_unblock(struct h2 *h);
/** h2_fail() - a connection error; -EPROTO */
int h2_fail(struct h2 *h, uint32_t code);
/** h2_glitch() - of the peer; 0, or -EPROTO: it was one too many */
int h2_glitch(struct h2 *h, unsigned int cost);
/** h2_refuse() - reset the stream, for what the peer did; 0 or -EPROTO,
 *  likewise */
int h2_refuse(struct h2 *h, struct h2_stream *st, uint32_t code,
	      unsigned int cost);
/** h2_is_idle() - nobody has opened stream @id yet (section 5.1) */
bool h2_is_idle(const struct h2 *h, int32_t id);

/* --- h2_control.c: for h2_recv.c ------------------------------------------ */

/** h2_control_begin() - the head of a frame other than DATA and HEADERS is
 *  there: are size and stream right? 0 or -EPROTO; @h->at: how it goes on */
int h2_control_begin(struct h2 *h);
/** h2_control_frame() - its payload is there; not for CONTINUATION */
int h2_control_frame(struct h2 *h, const uint8_t *p, size_t n);

/* --- h2_field.c ----------------------------------------------------------- */

/** struct h2_check - what is known of a head so far */
struct h2_check {
	bool response, trailer;
	bool method, scheme, authority, path, status, host, regular;
	bool protocol; /* RFC 8441 section 4 */
	bool is_connect, is_options, asterisk;
	bool bad; /* it is malformed */
	unsigned int code;
	int64_t length; /* content-length; -1: none */
};

void h2_check_field(struct h2_check *c, const struct hpack_field *f);
/** h2_check_head() - all fields were there: is it a valid head? */
bool h2_check_head(const struct h2_check *c);

#endif
