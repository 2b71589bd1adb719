/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/observe_h2.h"

#include "base/mem.h"
#include "wire/h2.h"

#include <errno.h>
#include <string.h>

#define OBSERVE_H2_FIELD 32 /* each counts so much more (section 6.5.2) */
#define OBSERVE_H2_LIST ((size_t)256 << 10) /* of fields, likewise, bytes */
/* more than what is told of it, so that it is seen to be cut */
#define OBSERVE_H2_PATH ((size_t)2 * EVENT_PATH_MAX)

/* A request without an answer */
struct observe_h2_call {
	struct list node;
	uint32_t id;
	struct event event;
};

/* One way */
struct observe_h2_way {
	struct hpack_decoder decoder;
	uint8_t head[H2_FRAME_HEAD];
	size_t nhead;	   /* of it, that are there */
	uint32_t left;	   /* bytes of the payload to come */
	bool keep;	   /* it is put into @in */
	struct buf in;	   /* a payload */
	struct buf block;  /* of a field block in several frames */
	uint32_t block_id; /* its stream; 0: none is open */
	bool promise;	   /* it is of a PUSH_PROMISE */
};

struct observe_h2 {
	observe_fn fn;
	void *user;
	struct observe_h2_way ask, answer;
	size_t magic;	 /* bytes of the caller's preface that were there */
	uint32_t newest; /* stream of the caller */
	struct list calls;
	size_t ncalls;
	bool seen;
};

/* What a field block says that matters */
struct observe_h2_fields {
	char method[2 * EVENT_METHOD_MAX], path[OBSERVE_H2_PATH];
	size_t nmethod, npath;
	unsigned int status;
	size_t size;
};

static void observe_h2_way_init(struct observe_h2_way *w)
{
	hpack_decoder_init(&w->decoder);
	hpack_decoder_limit(&w->decoder, OBSERVE_H2_TABLE);
	buf_init(&w->in, OBSERVE_HEAD_MAX);
	buf_init(&w->block, OBSERVE_HEAD_MAX);
}

static void observe_h2_way_fini(struct observe_h2_way *w)
{
	hpack_decoder_fini(&w->decoder);
	buf_fini(&w->in);
	buf_fini(&w->block);
}

struct observe_h2 *observe_h2_new(observe_fn fn, void *user)
{
	struct observe_h2 *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->fn = fn;
	h->user = user;
	list_init(&h->calls);
	observe_h2_way_init(&h->ask);
	observe_h2_way_init(&h->answer);
	return h;
}

/* --- requests ------------------------------------------------------------- */

static void observe_h2_tell(struct observe_h2 *h, struct observe_h2_call *c,
			    enum event_by by, unsigned int status,
			    int64_t latency)
{
	c->event.by = by;
	c->event.status = (uint16_t)status;
	c->event.latency = latency;
	list_del(&c->node);
	h->ncalls--;
	h->fn(h->user, &c->event);
	free(c);
}

void observe_h2_free(struct observe_h2 *h, enum event_by by)
{
	if (!h)
		return;
	while (!list_empty(&h->calls))
		observe_h2_tell(h,
				container_of(h->calls.next,
					     struct observe_h2_call, node),
				by, 0, -1);
	observe_h2_way_fini(&h->ask);
	observe_h2_way_fini(&h->answer);
	free(h);
}

bool observe_h2_has_seen(const struct observe_h2 *h)
{
	return h->seen;
}

static struct observe_h2_call *observe_h2_find(const struct observe_h2 *h,
					       uint32_t id)
{
	struct list *n;

	list_for_each (n, &h->calls) {
		struct observe_h2_call *c =
			container_of(n, struct observe_h2_call, node);

		if (c->id == id)
			return c;
	}
	return NULL;
}

static int observe_h2_add(struct observe_h2 *h, uint32_t id,
			  const struct event *ev)
{
	struct observe_h2_call *c;

	if (h->ncalls == OBSERVE_H2_PENDING)
		return -E2BIG;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->id = id;
	c->event = *ev;
	c->event.proto = EVENT_HTTP2;
	list_add_tail(&h->calls, &c->node);
	h->ncalls++;
	h->newest = id;
	h->seen = true;
	return 0;
}

int observe_h2_adopt(struct observe_h2 *h, const struct event *ev)
{
	return observe_h2_add(h, 1, ev);
}

/* --- field blocks --------------------------------------------------------- */

static unsigned int observe_h2_status(const struct hpack_field *f)
{
	unsigned int v = 0;

	for (size_t i = 0; i < f->nvalue; i++) {
		if (f->nvalue != 3 || f->value[i] < '0' || f->value[i] > '9')
			return 0;
		v = v * 10 + f->value[i] - '0';
	}
	return v;
}

static size_t observe_h2_copy(char *to, size_t size,
			      const struct hpack_field *f)
{
	size_t n = MIN(size, f->nvalue);

	if (n)
		memcpy(to, f->value, n);
	return n;
}

static int observe_h2_on_field(void *user, const struct hpack_field *f)
{
	struct observe_h2_fields *is = user;
	struct slice name = slice_make(f->name, f->nname);

	/* some bytes can stand for a table's worth of fields each */
	is->size += f->nname + f->nvalue + OBSERVE_H2_FIELD;
	if (is->size > OBSERVE_H2_LIST)
		return -E2BIG;
	if (slice_is(name, ":method"))
		is->nmethod =
			observe_h2_copy(is->method, sizeof(is->method), f);
	else if (slice_is(name, ":path"))
		is->npath = observe_h2_copy(is->path, sizeof(is->path), f);
	else if (slice_is(name, ":status"))
		is->status = observe_h2_status(f);
	return 0;
}

/* A stream's first block is its request; others are trailers */
static int observe_h2_asked(struct observe_h2 *h, uint32_t id,
			    const struct observe_h2_fields *is, int64_t now)
{
	struct event ev = { .when = now, .latency = -1 };

	if (!(id & 1) || id <= h->newest || !is->nmethod)
		return 0;
	event_set_request(&ev, slice_make(is->method, is->nmethod),
			  slice_make(is->path, is->npath));
	return observe_h2_add(h, id, &ev);
}

/* Interim answers are none yet; what follows the first answer are trailers */
static void observe_h2_answered(struct observe_h2 *h, uint32_t id,
				const struct observe_h2_fields *is, int64_t now)
{
	struct observe_h2_call *c =
		is->status >= 200 ? observe_h2_find(h, id) : NULL;

	if (c)
		observe_h2_tell(h, c, EVENT_LOCAL, is->status,
				MAX(now - c->event.when, (int64_t)0) / 1000);
}

static int observe_h2_block(struct observe_h2 *h, struct observe_h2_way *w,
			    uint32_t id, const uint8_t *p, size_t n,
			    int64_t now)
{
	struct observe_h2_fields is = { 0 };
	int rc = hpack_decode(&w->decoder, p, n, observe_h2_on_field, &is);

	if (rc < 0)
		return rc;
	if (w == &h->ask)
		return observe_h2_asked(h, id, &is, now);
	observe_h2_answered(h, id, &is, now);
	return 0;
}

/* --- frames --------------------------------------------------------------- */

static uint32_t observe_h2_id(const struct observe_h2_way *w)
{
	struct rd r = rd_make(w->head + 5, 4);
	uint32_t id = 0;

	return rd_u32(&r, &id) ? id & INT32_MAX : 0;
}

/* The field block of a frame, without what stands around it */
static int observe_h2_strip(uint8_t type, uint8_t flags, const uint8_t **p,
			    size_t *n)
{
	struct rd r = rd_make(*p, *n);
	uint8_t pad = 0, weight;
	uint32_t word;

	if (type != H2_CONTINUATION && (flags & H2_PADDED) && !rd_u8(&r, &pad))
		return -EBADMSG;
	if (type == H2_HEADERS && (flags & H2_HAS_PRIORITY) &&
	    (!rd_u32(&r, &word) || !rd_u8(&r, &weight)))
		return -EBADMSG;
	if (type == H2_PUSH_PROMISE && !rd_u32(&r, &word))
		return -EBADMSG;
	if (pad > rd_left(&r))
		return -EBADMSG;
	*p = r.p;
	*n = rd_left(&r) - pad;
	return 0;
}

/* A block is whole */
static int observe_h2_block_ends(struct observe_h2 *h, struct observe_h2_way *w,
				 const uint8_t *p, size_t n, int64_t now)
{
	/* what is promised is an answer to nothing */
	uint32_t id = w->promise ? 0 : w->block_id;

	w->block_id = 0;
	return observe_h2_block(h, w, id, p, n, now);
}

static int observe_h2_fields_come(struct observe_h2 *h,
				  struct observe_h2_way *w, const uint8_t *p,
				  size_t n, int64_t now)
{
	uint8_t type = w->head[3];
	bool last = w->head[4] & H2_END_HEADERS;
	int rc = observe_h2_strip(type, w->head[4], &p, &n);

	if (rc < 0)
		return rc;
	w->block_id = observe_h2_id(w);
	if (type != H2_CONTINUATION)
		w->promise = type == H2_PUSH_PROMISE;
	if (type != H2_CONTINUATION && last)
		return observe_h2_block_ends(h, w, p, n, now);
	rc = buf_put(&w->block, p, n);
	if (rc < 0 || !last)
		return rc;
	rc = observe_h2_block_ends(h, w, buf_data(&w->block), w->block.len,
				   now);
	buf_fini(&w->block);
	return rc;
}

/* What the other end has not looked at, it will not answer */
static void observe_h2_goaway(struct observe_h2 *h, uint32_t last)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &h->calls) {
		struct observe_h2_call *c =
			container_of(n, struct observe_h2_call, node);

		if (c->id > last)
			observe_h2_tell(h, c, EVENT_NOBODY, 0, -1);
	}
}

static int observe_h2_frame(struct observe_h2 *h, struct observe_h2_way *w,
			    const uint8_t *p, size_t n, int64_t now)
{
	struct rd r = rd_make(p, n);
	struct observe_h2_call *c;
	uint32_t last;

	switch (w->head[3]) {
	case H2_RST_STREAM:
		c = observe_h2_find(h, observe_h2_id(w));
		if (c)
			observe_h2_tell(h, c, EVENT_NOBODY, 0, -1);
		return 0;
	case H2_GOAWAY:
		if (w == &h->answer && rd_u32(&r, &last))
			observe_h2_goaway(h, last & INT32_MAX);
		return 0;
	default:
		return observe_h2_fields_come(h, w, p, n, now);
	}
}

/* The head of a frame is there: is its payload of use, and may it come now? */
static int observe_h2_begins(struct observe_h2 *h, struct observe_h2_way *w)
{
	uint8_t type = w->head[3];
	bool fields = type == H2_HEADERS || type == H2_CONTINUATION ||
		      type == H2_PUSH_PROMISE;

	w->left = (uint32_t)w->head[0] << 16 | (uint32_t)w->head[1] << 8 |
		  w->head[2];
	w->keep = fields || type == H2_RST_STREAM || type == H2_GOAWAY;
	/* nothing comes between the frames of a block (section 6.10) */
	if ((w->block_id != 0) != (type == H2_CONTINUATION) ||
	    (w->block_id && observe_h2_id(w) != w->block_id))
		return -EBADMSG;
	if ((fields && !observe_h2_id(w)) ||
	    (type == H2_PUSH_PROMISE && w == &h->ask))
		return -EBADMSG;
	return w->keep && w->left > OBSERVE_HEAD_MAX ? -E2BIG : 0;
}

/* Bytes of @p that were used, or -errno */
static ssize_t observe_h2_head(struct observe_h2 *h, struct observe_h2_way *w,
			       const uint8_t *p, size_t n, int64_t now)
{
	int rc = 0;

	n = MIN(n, H2_FRAME_HEAD - w->nhead);
	memcpy(w->head + w->nhead, p, n);
	w->nhead += n;
	if (w->nhead == H2_FRAME_HEAD) {
		rc = observe_h2_begins(h, w);
		if (rc == 0 && !w->left) {
			w->nhead = 0;
			rc = w->keep ? observe_h2_frame(h, w, NULL, 0, now) : 0;
		}
	}
	return rc < 0 ? rc : (ssize_t)n;
}

static ssize_t observe_h2_payload(struct observe_h2 *h,
				  struct observe_h2_way *w, const uint8_t *p,
				  size_t n, int64_t now)
{
	bool whole = !w->in.len && n >= w->left;
	int rc = 0;

	n = MIN(n, (size_t)w->left);
	if (w->keep && !whole)
		rc = buf_put(&w->in, p, n);
	w->left -= (uint32_t)n;
	if (rc < 0 || w->left)
		return rc < 0 ? rc : (ssize_t)n;
	w->nhead = 0;
	if (w->keep)
		rc = whole ? observe_h2_frame(h, w, p, n, now)
			   : observe_h2_frame(h, w, buf_data(&w->in), w->in.len,
					      now);
	buf_fini(&w->in);
	return rc < 0 ? rc : (ssize_t)n;
}

static ssize_t observe_h2_magic(struct observe_h2 *h, const uint8_t *p,
				size_t n)
{
	n = MIN(n, H2_MAGIC_LEN - h->magic);
	if (memcmp(p, &H2_MAGIC[h->magic], n) != 0)
		return -EBADMSG;
	h->magic += n;
	return (ssize_t)n;
}

int observe_h2_bytes(struct observe_h2 *h, bool ask, const uint8_t *p, size_t n,
		     int64_t now)
{
	struct observe_h2_way *w = ask ? &h->ask : &h->answer;

	while (n) {
		ssize_t used;

		if (ask && h->magic < H2_MAGIC_LEN)
			used = observe_h2_magic(h, p, n);
		else if (w->nhead < H2_FRAME_HEAD)
			used = observe_h2_head(h, w, p, n, now);
		else
			used = observe_h2_payload(h, w, p, n, now);
		if (used < 0)
			return (int)used;
		p += used;
		n -= (size_t)used;
	}
	return 0;
}
