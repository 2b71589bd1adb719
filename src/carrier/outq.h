/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CARRIER_OUTQ_H
#define KT_CARRIER_OUTQ_H

#include "base/list.h"
#include "carrier/conn.h"
#include "wire/ws.h"

#include <sys/types.h>

/**
 * DOC: What a port-forward sends
 *
 * Bytes given by one or several calls of the same batch of events gather in
 * one frame, which is sealed when it is full or when the socket can take it.
 * While the socket is full the next frame fills up, so frames are small when
 * there is little to send and large when there is much, as the far side likes
 * it (its cost is per frame and per byte). With WebSocket a frame is a masked
 * binary message of its own, never fragmented: the kubelet loses continuation
 * frames. The memory of a frame never moves: TLS wants the same bytes again.
 */

#define OUTQ_FRAME_MAX ((size_t)256 << 10) /* of one frame, its prefix too */
#define OUTQ_MAX ((size_t)1 << 20)	   /* bytes held for sending */
#define OUTQ_MAX_PREFIX 8

struct out_frame;

/** struct outq - in its owner; outq_init() and outq_fini() */
struct outq {
	bool websocket; /* masked messages; else the bytes as they are */
	/* in front of the data of each frame, whose length is known late */
	size_t prefix;
	void (*put_prefix)(uint8_t *dst, size_t data_len);

	struct list frames;	   /* sealed, in order */
	struct out_frame *filling; /* or NULL */
	struct out_frame *spare;   /* or NULL */
	size_t queued;		   /* bytes, about */
};

void outq_init(struct outq *q, bool websocket, size_t prefix,
	       void (*put_prefix)(uint8_t *dst, size_t data_len));
void outq_fini(struct outq *q);
/** outq_put() - bytes of data taken; fewer than @n when the queue is full */
size_t outq_put(struct outq *q, const void *data, size_t n);
/** outq_control() - a frame of its own, behind what is queued; @op counts with
 *  WebSocket only. false: the queue is too long for that, too */
bool outq_control(struct outq *q, enum ws_op op, const void *data, size_t n);
/** outq_flush() - what @c takes; -EAGAIN (conn's writable() will come),
 *  -errno, or 0 when all is gone */
int outq_flush(struct outq *q, struct kube_conn *c);

#endif
