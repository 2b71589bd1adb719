/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_MUX_H
#define KT_TUNNEL_MUX_H

#include "base/error.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * DOC: Mux
 *
 * Many streams in one byte stream: HTTP/2 (RFC 9113) by nghttp2, either end
 * of it. The mux does no I/O: the session below asks for bytes (mux_produce())
 * and brings bytes (mux_receive()); streams above are asked for bytes (read())
 * and are brought bytes (data()). Theory: mux.c.
 */

#define MUX_WINDOW_MAX ((uint32_t)24 * 1024 * 1024) /* of a stream, bytes */
#define MUX_WINDOW_BULK ((uint32_t)16 * 1024 * 1024)
#define MUX_WINDOWS ((size_t)64 * 1024 * 1024) /* of all that are large */
/* more than a stream may have brought that nobody took, in two sessions */
#define MUX_HELD_MAX ((size_t)2 * MUX_WINDOW_MAX)

struct mux;
struct mux_stream;
struct stream_mover;

/** struct mux_transport - where the produced bytes go (a session) */
struct mux_transport {
	/** reserve() - contiguous room for @min..*@got bytes, or NULL */
	uint8_t *(*reserve)(void *user, size_t min, size_t *got);
	void (*commit)(void *user, size_t n);
	/** kick() - there is something to produce */
	void (*kick)(void *user);
	/** spent() - no stream can be opened any more, the ids are used up (RFC
	 *  9113, 5.1.1); called once, from inside mux_open() */
	void (*spent)(void *user);
};

/** struct mux_request - what the opener of a stream asks for; "" or NULL for
 *  an absent field. CONNECT without @protocol has an @authority only. */
struct mux_request {
	const char *method;
	const char *protocol; /* extended CONNECT, RFC 8441 */
	const char *authority;
	const char *path;
	const char *content_type;
	const char *forwarded;	/* RFC 7239 */
	const char *env;	/* wire/envmark.h: requests without a mark get
				   this one, */
	const char *env_header; /* also in this field */
};

/** struct mux_head - the answer */
struct mux_head {
	int status;	    /* HTTP status */
	int error;	    /* 0 for 2xx; else an errno (tunnel/status.h) */
	const char *detail; /* text of the refusal, or ""; borrowed */
};

/** struct mux_stream_ops - the user of a stream; any member may be NULL */
struct mux_stream_ops {
	/**
	 * read() - fill @buf with bytes to send
	 * Return: bytes; 0: our half is finished; -EAGAIN: nothing now, call
	 * mux_stream_resume() later; another -errno: reset the stream.
	 */
	ssize_t (*read)(void *user, uint8_t *buf, size_t len);
	/** head() - the answer's head (client). After a refusal close()
	 *  follows by itself. */
	void (*head)(void *user, const struct mux_head *h);
	/** data() - bytes came, borrowed; give the credit back with
	 *  mux_stream_consume() when they are really taken */
	void (*data)(void *user, const uint8_t *p, size_t n);
	/** end() - the peer's half is finished */
	void (*end)(void *user);
	/** close() - the stream is over: 0, -ECONNRESET, the error of a
	 *  refusal, ...; last call, the stream is gone */
	void (*close)(void *user, int error);
};

/**
 * struct mux_config - sizes
 * @held_max bounds the memory that the peer can fill, whatever the streams'
 * windows: it is the window of the connection. Where streams that nobody reads
 * hold much of it, those that stand still for long are reset (ENOBUFS), or all
 * would stand still.
 * A window is memory which the peer may fill, at whoever does not read; so few
 * streams may have large ones.
 * A @window below HTTP/2's 65535 may only be used when the SETTINGS are
 * exchanged before the first stream: what was taken under the larger credit
 * would never be given back (nghttp2 looks at the new window with the next
 * byte only).
 */
struct mux_config {
	bool server;
	uint32_t window;      /* first credit of a stream, bytes */
	uint32_t window_max;  /* what it may grow to, <= MUX_WINDOW_MAX */
	uint32_t window_more; /* while all windows are below MUX_WINDOWS */
	uint32_t grow;	      /* by that factor, each time it was taken */
	uint32_t frame_max;   /* payload of one DATA frame */
	uint32_t streams_max; /* open at once */
	int64_t stall_ns;     /* a stream of which nothing is taken for so long
				 may be reset when memory is short */
	unsigned int share;   /* of the buffers, in quarters */
	unsigned int most;    /* of what may be held a stream gets one in so
				 many, so that it is not short of room alone */
	uint32_t held_max;    /* bytes received and not taken, of all streams;
				 0: see mux_config_limit() */
};

struct mux_config mux_config_default(bool server);
/** mux_config_limit() - @cfg's share of @buffers bytes in all */
void mux_config_limit(struct mux_config *cfg, size_t buffers);
/** mux_config_bulk() - for a session of bulk streams alone */
struct mux_config mux_config_bulk(bool server);
/** mux_config_wide() - for one that has several carriers */
struct mux_config mux_config_wide(bool server);
/** mux_config_part() - for a part of that: one stream or few */
struct mux_config mux_config_part(bool server);

/**
 * mux_request_fn - a request came (server); @req is borrowed during the call
 * Call mux_stream_accept() or mux_stream_refuse(), now or later. If later,
 * mux_stream_set_ops() now: its data() and end() get a request's body, its
 * close() tells that the client gave up.
 */
typedef void (*mux_request_fn)(void *user, struct mux_stream *s,
			       const struct mux_request *req);

/** mux_new() - @tr, @user and (server) @on_request, borrowed; NULL: memory */
struct mux *mux_new(struct loop *loop, const struct mux_config *cfg,
		    const struct mux_transport *tr, void *tr_user,
		    mux_request_fn on_request, void *user);
/** mux_free() - close every stream (close(@error) each) and go; allowed in
 *  callbacks */
void mux_free(struct mux *m, int error);

/** mux_produce() - write about @room bytes to the transport; 0 or -errno */
KT_CHECK int mux_produce(struct mux *m, size_t room);
/** mux_receive() - bytes from the peer; 0, or -EPROTO, -ENOMEM: the end */
KT_CHECK int mux_receive(struct mux *m, const uint8_t *p, size_t n);
size_t mux_streams(const struct mux *m);
/** mux_end_streams() - reset every stream but @but (or NULL); the user of each
 *  gets close(-@error) now. @error: positive errno */
void mux_end_streams(struct mux *m, const struct mux_stream *but, int error);
/** mux_find_user() - the user of the open stream @id, if its ops are @ops */
void *mux_find_user(struct mux *m, uint32_t id,
		    const struct mux_stream_ops *ops);
/** mux_set_mover() - keep @mover (borrowed, may be NULL) for the users of
 *  streams, who get it from mux_stream_mover() */
void mux_set_mover(struct mux *m, struct stream_mover *mover);
struct stream_mover *mux_stream_mover(const struct mux_stream *s);

/** mux_open() - a new stream (client); NULL with errno (EAGAIN: too many,
 *  ENOTCONN: never again) */
struct mux_stream *mux_open(struct mux *m, const struct mux_request *req,
			    const struct mux_stream_ops *ops, void *user);
/** mux_skip_ids() - the next stream gets @id (odd), as after many; 0, -EINVAL
 */
KT_CHECK int mux_skip_ids(struct mux *m, uint32_t id);
/** mux_stream_accept() - answer 200 with @content_type (or NULL); 0, -errno */
KT_CHECK int mux_stream_accept(struct mux_stream *s, const char *content_type,
			       const struct mux_stream_ops *ops, void *user);
/** mux_stream_refuse() - answer @status and the reason: @error (positive
 *  errno) as Proxy-Status, @detail may be NULL; the stream is gone for the
 *  caller */
void mux_stream_refuse(struct mux_stream *s, int status, int error,
		       const char *detail);

/** mux_stream_set_ops() - hand the stream to another user */
void mux_stream_set_ops(struct mux_stream *s, const struct mux_stream_ops *ops,
			void *user);
/** mux_stream_resume() - read() has something again */
void mux_stream_resume(struct mux_stream *s);
/** mux_stream_consume() - @n bytes of data() were taken */
void mux_stream_consume(struct mux_stream *s, size_t n);
/** mux_stream_reset() - end it now; @error: positive errno, ECONNRESET goes
 *  out as a reset of the connection, ECANCELED as a cancellation. No callback
 *  follows, the stream is gone for the caller. */
void mux_stream_reset(struct mux_stream *s, int error);
uint32_t mux_stream_id(const struct mux_stream *s);

#endif
