/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_SPDY_H
#define KT_WIRE_SPDY_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * DOC: SPDY/3.1 frames (draft-mbelshe-httpbis-spdy-00, SPDY protocol 3.1)
 *
 * What a port-forward of Kubernetes speaks below HTTP. Reading: the peer's
 * bytes go through spdy_rx_next(). The payload of a data frame is handed out
 * as slices of the caller's bytes, as it arrives; a control frame is collected
 * (at most SPDY_MAX_CONTROL) and handed out whole. Header blocks of a
 * connection are one zlib stream per direction, so that each must be read,
 * wanted or not. Writing: heads and frames are put into the caller's memory.
 *
 * A window counts bytes of DATA (SPDY/3: per stream; 3.1: also per session, as
 * stream 0). The codec does not keep windows: struct spdy_credit does.
 */

enum spdy_type {
	SPDY_DATA = 0, /* not a number of the wire */
	SPDY_SYN_STREAM = 1,
	SPDY_SYN_REPLY = 2,
	SPDY_RST_STREAM = 3,
	SPDY_SETTINGS = 4,
	SPDY_PING = 6,
	SPDY_GOAWAY = 7,
	SPDY_HEADERS = 8,
	SPDY_WINDOW_UPDATE = 9,
};

#define SPDY_FLAG_FIN 0x01
#define SPDY_HEAD_LEN 8		 /* of any frame */
#define SPDY_MAX_DATA 0xffffffu	 /* payload of a data frame */
#define SPDY_MAX_CONTROL 16384u	 /* payload of a control frame we read */
#define SPDY_MAX_BLOCK 16384u	 /* header block, inflated */
#define SPDY_FIRST_WINDOW 65536u /* before anybody says otherwise */
#define SPDY_MAX_WINDOW 0x7fffffffu

enum spdy_rst {
	SPDY_RST_PROTOCOL_ERROR = 1,
	SPDY_RST_REFUSED_STREAM = 3,
	SPDY_RST_CANCEL = 5,
};

/** struct spdy_event - a slice of a data frame, or a control frame */
struct spdy_event {
	enum spdy_type type;
	/* DATA, SYN_STREAM, SYN_REPLY, RST_STREAM, HEADERS; WINDOW_UPDATE (0:
	 * the session); GOAWAY: the last stream that was accepted */
	uint32_t stream;
	bool fin; /* of the frame; DATA: with its last slice */
	/* DATA: payload; SYN_STREAM, SYN_REPLY, HEADERS: the block, for
	 * spdy_field_next(). Valid until the next spdy_rx_next() */
	const uint8_t *data;
	size_t len;
	/* RST_STREAM, GOAWAY: status; PING: id; WINDOW_UPDATE: delta;
	 * SETTINGS: initial window, or 0 when it says nothing of it */
	uint32_t value;
};

struct spdy_field {
	const char *name, *value; /* not NUL-ended */
	size_t name_len, value_len;
};

struct spdy_rx;

struct spdy_rx *spdy_rx_new(void); /* NULL when memory is out */
void spdy_rx_free(struct spdy_rx *rx);
/**
 * spdy_rx_next() - read on
 * @ev: filled when something was found
 * @found: false means all of @data was a part of something
 * Return: bytes used, or -EPROTO (also: too long).
 */
KT_CHECK ssize_t spdy_rx_next(struct spdy_rx *rx, const uint8_t *data,
			      size_t len, struct spdy_event *ev, bool *found);
/** spdy_field_next() - the next field of a header block; @r begins as
 *  spdy_fields(ev) */
bool spdy_field_next(struct rd *r, struct spdy_field *f);
struct rd spdy_fields(const struct spdy_event *ev);

/** struct spdy_tx - the outgoing direction: holds the zlib stream */
struct spdy_tx;

struct spdy_tx *spdy_tx_new(void); /* NULL when memory is out */
void spdy_tx_free(struct spdy_tx *tx);
/**
 * spdy_put_syn() - a SYN_STREAM, or a SYN_REPLY
 * @type: which of them
 * @flags: SPDY_FLAG_FIN or 0
 * @names: "name", "value", ..., NULL; names in lower case
 * Return: 0, or -ENOBUFS: @w was too small, and the stream is of no use now.
 */
KT_CHECK int spdy_put_syn(struct spdy_tx *tx, struct wr *w, enum spdy_type type,
			  uint32_t stream, uint8_t flags,
			  const char *const *names);

void spdy_put_data_head(struct wr *w, uint32_t stream, uint8_t flags,
			uint32_t len);
void spdy_put_rst(struct wr *w, uint32_t stream, uint32_t status);
void spdy_put_settings(struct wr *w, uint32_t initial_window);
void spdy_put_ping(struct wr *w, uint32_t id);
void spdy_put_goaway(struct wr *w, uint32_t last_stream, uint32_t status);
void spdy_put_window_update(struct wr *w, uint32_t stream, uint32_t delta);

/** spdy_rst_text() - what a status of RST_STREAM means */
const char *spdy_rst_text(uint32_t status);

/**
 * struct spdy_credit - a window that we grant
 *
 * The peer may send @window bytes; what was taken is given back when it is
 * half a window or more.
 */
struct spdy_credit {
	uint32_t window;
	uint32_t taken; /* and not yet given back */
};

/** spdy_credit_take() - @n bytes were taken; returns how much to give back by
 *  a WINDOW_UPDATE now, or 0 */
uint32_t spdy_credit_take(struct spdy_credit *c, size_t n);

/**
 * struct spdy_limit - windows that the peer grants
 *
 * The servers of Kubernetes do no flow control: they neither say a window nor
 * give any back, and who kept to the 64 KiB of the protocol would stop there.
 * So it is kept once the peer has shown that it does: by a SETTINGS with an
 * initial window, or by a WINDOW_UPDATE.
 */
struct spdy_limit {
	bool on;
	int64_t initial;	 /* of the stream */
	int64_t stream, session; /* bytes that may be sent; may be negative */
};

/** spdy_limit_init() - before anything is sent */
void spdy_limit_init(struct spdy_limit *l);
/** spdy_limit_sent() - @n bytes of DATA were put in a frame */
void spdy_limit_sent(struct spdy_limit *l, size_t n);
/** spdy_limit_hear() - a SETTINGS or WINDOW_UPDATE of the peer, where @stream
 *  is the one that is limited; -EPROTO when a window overflows */
KT_CHECK int spdy_limit_hear(struct spdy_limit *l, const struct spdy_event *ev,
			     uint32_t stream);
/** spdy_limit_room() - how many bytes may be sent now */
size_t spdy_limit_room(const struct spdy_limit *l);

#endif
