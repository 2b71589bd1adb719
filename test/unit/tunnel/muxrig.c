/* SPDX-License-Identifier: Apache-2.0 */
#include "muxrig.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define CHECK(x)                                                               \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,     \
				#x);                                           \
			abort();                                               \
		}                                                              \
	} while (0)

static uint8_t byte_at(const struct flow_end *from, size_t i)
{
	return (uint8_t)(from->flow * 5 + from->server * 77 + i * 3 +
			 (i >> 8) * 11);
}

struct flow_end *flow_peer(struct flow_end *e)
{
	return &e->rig->end[e->flow][!e->server];
}

/* --- the streams' user ------------------------------------------------------
 */

static ssize_t end_read(void *user, uint8_t *buf, size_t len)
{
	struct flow_end *e = user;
	size_t n = MIN(len, e->give - e->sent);

	CHECK(!e->closed && !e->fin_sent);
	if (!n && e->fin) {
		e->fin_sent = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(e, e->sent++);
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
	for (size_t i = 0; i < n; i++)
		CHECK(p[i] == byte_at(flow_peer(e), e->got + i));
	e->got += n;
	e->held += n;
	CHECK(e->held <= e->rig->window_max);
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
	r->end[n][0].s = mux_open(r->side[0].m, &req, &end_ops, &r->end[n][0]);
	CHECK(r->end[n][0].s);
	return &r->end[n][0];
}

void flow_give(struct flow_end *e, size_t n, bool fin)
{
	if (e->fin)
		return;
	e->give += n;
	e->fin = fin;
	if (e->s && (e->answered || !e->server))
		mux_stream_resume(e->s);
}

void flow_reset(struct flow_end *e, int error)
{
	if (!e->s)
		return;
	mux_stream_reset(e->s, error);
	e->s = NULL;
	e->closed = true;
	e->error = -error;
}

void flow_consume(struct flow_end *e, size_t n)
{
	n = MIN(n, e->held);
	e->held -= n;
	if (e->s)
		mux_stream_consume(e->s, n);
}

/* --- the link ----------------------------------------------------------------
 */

static uint8_t *tr_reserve(void *user, size_t min, size_t *got)
{
	struct muxrig_side *sd = user;

	*got = min + 100; /* little, so that frames are of all sizes */
	return buf_reserve(&sd->out, *got);
}

static void tr_commit(void *user, size_t n)
{
	struct muxrig_side *sd = user;

	buf_commit(&sd->out, n);
}

static void tr_kick(void *user)
{
	(void)user;
}

static const struct mux_transport transport = { tr_reserve, tr_commit,
						tr_kick };

void muxrig_init(struct muxrig *r, uint32_t window)
{
	*r = (struct muxrig){ .loop = loop_new() };
	CHECK(r->loop);
	for (int i = 0; i < 2; i++) {
		struct mux_config cfg = mux_config_default(i == 1);
		struct muxrig_side *sd = &r->side[i];

		if (window) {
			cfg.window = window;
			cfg.window_max = 3 * window;
		}
		r->window_max = cfg.window_max;
		sd->rig = r;
		buf_init(&sd->out, 64 << 20);
		sd->m = mux_new(r->loop, &cfg, &transport, sd,
				i ? on_request : NULL, r);
		CHECK(sd->m);
	}
	if (window)
		muxrig_run(r); /* see struct mux_config */
}

void muxrig_fini(struct muxrig *r)
{
	for (int i = 0; i < 2; i++) {
		mux_free(r->side[i].m, -ENETRESET);
		buf_fini(&r->side[i].out);
	}
	for (unsigned int f = 0; f < r->nflows; f++)
		for (int i = 0; i < 2; i++)
			CHECK(r->end[f][i].closed || !r->end[f][i].s);
	loop_free(r->loop);
}

bool muxrig_move(struct muxrig *r, int side, size_t n)
{
	struct muxrig_side *from = &r->side[side], *to = &r->side[!side];
	size_t part;
	uint8_t *copy;

	if (from->out.len < n)
		CHECK(mux_produce(from->m, n - from->out.len) == 0);
	part = MIN(n, from->out.len);
	if (!part)
		return false;
	copy = xmalloc(part);
	memcpy(copy, buf_data(&from->out), part);
	buf_take(&from->out, part);
	CHECK(mux_receive(to->m, copy, part) == 0);
	free(copy);
	loop_once(r->loop, 0);
	return true;
}

void muxrig_run(struct muxrig *r)
{
	bool moved;

	do {
		moved = muxrig_move(r, 0, 100000);
		moved |= muxrig_move(r, 1, 100000);
	} while (moved);
}
