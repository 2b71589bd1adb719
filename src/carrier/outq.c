/* SPDX-License-Identifier: Apache-2.0 */
#include "carrier/outq.h"

#include "base/mem.h"

#include <string.h>
#include <sys/random.h>

#define CONTROL_RESERVE ((size_t)64 << 10) /* above OUTQ_MAX */
#define CONTROL_COST ((size_t)4096)	   /* what a frame takes besides */

/* One frame on its way out; its payload begins behind room for a head. */
struct out_frame {
	struct list node;
	uint8_t key[4];
	size_t len;	   /* payload so far */
	size_t data;	   /* what it counts in outq.queued */
	size_t start, end; /* of mem[], when sealed: what is still to send */
	uint8_t mem[WS_MAX_HEAD + OUTQ_FRAME_MAX];
};

void outq_init(struct outq *q, bool websocket, size_t prefix,
	       void (*put_prefix)(uint8_t *dst, size_t data_len))
{
	*q = (struct outq){
		.websocket = websocket,
		.prefix = prefix,
		.put_prefix = put_prefix,
	};
	list_init(&q->frames);
}

static struct out_frame *first(struct outq *q)
{
	return container_of(q->frames.next, struct out_frame, node);
}

void outq_fini(struct outq *q)
{
	while (!list_empty(&q->frames)) {
		struct out_frame *f = first(q);

		list_del(&f->node);
		free(f);
	}
	free(q->filling);
	free(q->spare);
	q->filling = q->spare = NULL;
}

static struct out_frame *frame_new(struct outq *q)
{
	struct out_frame *f = steal_ptr(&q->spare);

	if (!f)
		f = malloc(sizeof(*f));
	if (!f)
		return NULL;
	list_init(&f->node);
	f->len = f->data = 0;
	if (q->websocket &&
	    getrandom(f->key, sizeof(f->key), 0) != sizeof(f->key))
		memset(f->key, 0x5a, sizeof(f->key));
	return f;
}

static void frame_free(struct outq *q, struct out_frame *f)
{
	if (q->spare)
		free(f);
	else
		q->spare = f;
}

static void write_at(const struct outq *q, struct out_frame *f, size_t at,
		     const void *data, size_t n)
{
	if (q->websocket)
		ws_mask_copy(f->mem + WS_MAX_HEAD + at, data, n, f->key, at);
	else
		memcpy(f->mem + WS_MAX_HEAD + at, data, n);
}

static void append(struct outq *q, struct out_frame *f, const void *data,
		   size_t n)
{
	write_at(q, f, f->len, data, n);
	f->len += n;
	f->data += n;
	q->queued += n;
}

/* The head goes right in front of the payload. */
static void seal(struct outq *q, struct out_frame *f, enum ws_op op)
{
	uint8_t head[WS_MAX_HEAD];

	f->start = WS_MAX_HEAD;
	f->end = WS_MAX_HEAD + f->len;
	if (q->websocket) {
		size_t n = ws_put_head(head, op, f->len, f->key);

		f->start -= n;
		memcpy(f->mem + f->start, head, n);
	}
	list_add_tail(&q->frames, &f->node);
}

static void seal_filling(struct outq *q)
{
	struct out_frame *f = steal_ptr(&q->filling);
	uint8_t prefix[OUTQ_MAX_PREFIX];

	if (!f)
		return;
	if (q->prefix) {
		q->put_prefix(prefix, f->len - q->prefix);
		write_at(q, f, 0, prefix, q->prefix);
	}
	seal(q, f, WS_BINARY);
}

/* Room in the frame being filled, a new one when needed; 0: none. */
static size_t outq_make_room(struct outq *q)
{
	size_t room = OUTQ_MAX - MIN(q->queued, OUTQ_MAX);

	if (q->filling && q->filling->len == OUTQ_FRAME_MAX)
		seal_filling(q);
	if (!q->filling) {
		q->filling = room ? frame_new(q) : NULL;
		if (!q->filling)
			return 0;
		q->filling->len = q->prefix; /* written when sealed */
	}
	return MIN(room, OUTQ_FRAME_MAX - q->filling->len);
}

size_t outq_put(struct outq *q, const void *data, size_t n)
{
	const uint8_t *p = data;
	size_t left = n;

	while (left) {
		size_t k = MIN(outq_make_room(q), left);

		if (!k)
			break;
		append(q, q->filling, p, k);
		p += k;
		left -= k;
	}
	return n - left;
}

bool outq_control(struct outq *q, enum ws_op op, const void *data, size_t n)
{
	struct out_frame *f;

	/* a flood of PINGs must not grow the queue without bound */
	if (q->queued > OUTQ_MAX + CONTROL_RESERVE || n > OUTQ_FRAME_MAX)
		return false;
	seal_filling(q);
	f = frame_new(q);
	if (!f)
		return false;
	append(q, f, data, n);
	f->data += CONTROL_COST;
	q->queued += CONTROL_COST;
	seal(q, f, op);
	return true;
}

int outq_flush(struct outq *q, struct kube_conn *c)
{
	for (;;) {
		struct out_frame *f;
		ssize_t n;

		if (list_empty(&q->frames))
			seal_filling(q);
		if (list_empty(&q->frames))
			return kube_conn_flush(c);
		f = first(q);
		n = kube_conn_send(c, f->mem + f->start, f->end - f->start);
		if (n < 0)
			return (int)n;
		f->start += (size_t)n;
		if (f->start < f->end)
			continue;
		q->queued -= f->data;
		list_del(&f->node);
		frame_free(q, f);
	}
}
