/* SPDX-License-Identifier: Apache-2.0 */
#include "muxrig.h"

#include "base/mem.h"
#include "tunnel/target.h"

#include <errno.h>
#include <string.h>

/* What a flow's end sends: this, over and over, each from another place. Whole
 * runs are copied and compared, as byte by byte takes minutes with sanitizers.
 */
static uint8_t pattern[1 << 16];

static void pattern_fill(void)
{
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 3 + (i >> 8) * 11);
}

/* pattern_at() - the bytes of @from from its byte @i on; at most @n, how many
 * there are in one piece is left in it */
static const uint8_t *pattern_at(const struct flow_end *from, size_t i,
				 size_t *n)
{
	size_t at =
		(from->flow * 1283 + from->server * 7919 + i) % sizeof(pattern);

	*n = MIN(*n, sizeof(pattern) - at);
	return pattern + at;
}

struct flow_end *flow_peer(struct flow_end *e)
{
	return &e->rig->end[e->flow][!e->server];
}

static void resume(struct flow_end *e)
{
	if (e->rig->scheduler)
		tunnel_stream_resume(&e->tunnel_stream);
	else
		mux_stream_resume(e->s);
}

/* --- the streams' user ---------------------------------------------------- */

static ssize_t end_read(void *user, uint8_t *buf, size_t len)
{
	struct flow_end *e = user;
	size_t n = MIN(len, e->give - e->sent);

	CHECK(!e->closed && !e->fin_sent);
	if (!n && e->fin) {
		e->fin_sent = true;
		return 0;
	}
	for (size_t i = 0, piece; i < n; i += piece) {
		const uint8_t *from;

		piece = n - i;
		from = pattern_at(e, e->sent + i, &piece);
		memcpy(buf + i, from, piece);
	}
	e->sent += n;
	return n ? (ssize_t)n : -EAGAIN;
}

static void end_head(void *user, const struct mux_head *h)
{
	struct flow_end *e = user;

	CHECK(!e->answered && !e->server && !e->closed);
	e->answered = true;
	e->head_error = h->error;
	CHECK((h->status == 200) == (h->error == 0));
}

static void end_data(void *user, const uint8_t *p, size_t n)
{
	struct flow_end *e = user;

	CHECK(!e->closed && !e->ended);
	for (size_t i = 0, piece; i < n; i += piece) {
		const uint8_t *want;

		piece = n - i;
		want = pattern_at(flow_peer(e), e->got + i, &piece);
		CHECK(memcmp(p + i, want, piece) == 0);
	}
	e->got += n;
	e->held += n;
	CHECK(e->held <= (e->rig->scheduler ? 2 : 1) * e->rig->link.window_max);
	if (!e->stalled)
		flow_consume(e, n);
}

static void end_end(void *user)
{
	struct flow_end *e = user;

	CHECK(!e->closed && !e->ended);
	e->ended = true;
}

static void end_close(void *user, int error)
{
	struct flow_end *e = user;

	CHECK(!e->closed);
	e->closed = true;
	e->error = error;
	e->s = NULL;
}

static const struct mux_stream_ops end_ops = {
	.read = end_read,
	.head = end_head,
	.data = end_data,
	.end = end_end,
	.close = end_close,
};

void muxrig_accept(struct flow_end *e)
{
	if (!e->s || e->answered)
		return;
	e->answered = true;
	if (e->refuse) {
		struct mux_stream *s = steal_ptr(&e->s);

		e->closed = true;
		mux_stream_refuse(s, 502, e->refuse, "as told");
		return;
	}
	if (e->rig->scheduler)
		CHECK(tunnel_stream_accept(&e->tunnel_stream, e->rig->loop,
					   e->s, &end_ops, e) == 0);
	else
		CHECK(mux_stream_accept(e->s, NULL, &end_ops, e) == 0);
}

static void on_request(void *user, struct mux_stream *s,
		       const struct mux_request *req)
{
	struct muxrig *r = user;
	struct flow_end *e;
	char *rest;

	CHECK(strcmp(req->method, "CONNECT") == 0);
	e = &r->end[strtoul(req->authority, &rest, 10)][1];
	CHECK(strcmp(rest, ".flow:1") == 0);
	CHECK(!e->asked);
	e->asked = true;
	e->s = s;
	mux_stream_set_ops(s, &end_ops, e);
	if (!r->hold)
		muxrig_accept(e);
}

static void open_flow(struct flow_end *e, const struct mux_request *req)
{
	struct mux *m = e->rig->link.side[0].m;

	if (e->rig->scheduler) {
		CHECK(tunnel_stream_open(&e->tunnel_stream, e->rig->loop, m,
					 req, &end_ops, e) == 0);
		e->s = e->tunnel_stream.first;
	} else {
		e->s = mux_open(m, req, &end_ops, e);
	}
	CHECK(e->s);
}

struct flow_end *muxrig_open(struct muxrig *r, int refuse)
{
	unsigned int n = r->nflows;
	char authority[32];
	const struct mux_request req = { .method = "CONNECT",
					 .authority = authority };

	if (n == MUXRIG_FLOWS)
		return NULL;
	r->nflows++;
	for (int i = 0; i < 2; i++)
		r->end[n][i] = (struct flow_end){
			.rig = r, .flow = n, .server = i == 1, .refuse = refuse
		};
	snprintf(authority, sizeof(authority), "%u.flow:1", n);
	open_flow(&r->end[n][0], &req);
	return &r->end[n][0];
}

void flow_give(struct flow_end *e, size_t n, bool fin)
{
	if (e->fin)
		return;
	e->give += n;
	e->fin = fin;
	if (e->s && (e->answered || !e->server))
		resume(e);
}

void flow_reset(struct flow_end *e, int error)
{
	if (!e->s)
		return;
	if (e->rig->scheduler && e->tunnel_stream.ops)
		tunnel_stream_reset(&e->tunnel_stream, error);
	else
		mux_stream_reset(e->s, error);
	e->s = NULL;
	e->closed = true;
	e->error = -error;
}

void flow_consume(struct flow_end *e, size_t n)
{
	n = MIN(n, e->held);
	e->held -= n;
	if (e->s && e->rig->scheduler)
		tunnel_stream_consume(&e->tunnel_stream, n);
	else if (e->s)
		mux_stream_consume(e->s, n);
}

/* --- moving --------------------------------------------------------------- */

static const uint8_t session[TARGET_SESSION_LEN] = { 0xab, 1, 2 };

static void on_bulk_request(void *user, struct mux_stream *s,
			    const struct mux_request *req)
{
	struct muxrig *r = user;
	uint8_t id[TARGET_SESSION_LEN];
	struct tunnel_stream *l;
	uint32_t stream;

	CHECK(strcmp(req->protocol, "kt-continue") == 0);
	CHECK(target_continue_parse(req->path, id, &stream) == 0);
	CHECK(memcmp(id, session, sizeof(id)) == 0);
	l = tunnel_stream_find(r->link.side[!r->asker].m, stream);
	if (l)
		tunnel_stream_continue(l, s);
	else
		mux_stream_refuse(s, 404, ENOENT, "no such stream");
}

bool muxrig_ask(struct flow_end *e)
{
	char path[TARGET_PATH_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .protocol = "kt-continue",
					 .path = path };
	struct muxrig *r = e->rig;

	if (e->server != r->asker || !tunnel_stream_alive(&e->tunnel_stream) ||
	    !e->tunnel_stream.first || !r->bulk.side[0].m)
		return false;
	target_continue_path(path, session,
			     mux_stream_id(e->tunnel_stream.first));
	return tunnel_stream_ask(&e->tunnel_stream, r->bulk.side[0].m, &req) ==
	       0;
}

void muxrig_cut(struct muxrig *r, int side)
{
	mux_free(steal_ptr(&r->bulk.side[side].m), -ENETRESET);
	loop_once(r->loop, 0);
}

bool muxrig_move_bulk(struct muxrig *r, int side, size_t n)
{
	return r->bulk.side[0].m && r->bulk.side[1].m &&
	       muxlink_move(&r->bulk, side, n);
}

/* --- the rig -------------------------------------------------------------- */

void muxrig_init(struct muxrig *r, uint32_t window)
{
	*r = (struct muxrig){ .loop = loop_new() };
	CHECK(r->loop);
	pattern_fill();
	muxlink_init(&r->link, r->loop, window, on_request, r);
}

void muxrig_init_lanes(struct muxrig *r, uint32_t window, int asker)
{
	muxrig_init(r, window);
	r->scheduler = true;
	r->asker = asker;
	muxlink_init(&r->bulk, r->loop, window, on_bulk_request, r);
}

void muxrig_fini(struct muxrig *r)
{
	muxlink_fini(&r->link);
	if (r->scheduler)
		muxlink_fini(&r->bulk);
	for (unsigned int f = 0; f < r->nflows; f++)
		for (int i = 0; i < 2; i++)
			CHECK(r->end[f][i].closed || !r->end[f][i].s);
	loop_free(r->loop);
}

bool muxrig_move(struct muxrig *r, int side, size_t n)
{
	return muxlink_move(&r->link, side, n);
}

void muxrig_run(struct muxrig *r)
{
	bool moved;

	do {
		moved = muxrig_move(r, 0, 100000);
		moved |= muxrig_move(r, 1, 100000);
		moved |= muxrig_move_bulk(r, 0, 100000);
		moved |= muxrig_move_bulk(r, 1, 100000);
	} while (moved);
}
