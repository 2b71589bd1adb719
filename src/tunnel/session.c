/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/session.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/memlimit.h"
#include "tunnel/inflight.h"
#include "tunnel/replay.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/**
 * DOC: Theory of operation
 *
 * Two ends, each with one outgoing and one incoming stream of bytes, numbered
 * from 0. Positions of the outgoing stream:
 *
 *     acked <= next <= high <= replay.end
 *
 *   acked       the peer has everything before it; nothing older is kept
 *   next        the next byte to put into a DATA frame on this carrier
 *   high        the highest byte ever sent, on any carrier
 *   replay.end  the next byte that the owner will produce
 *
 * The owner is asked for bytes (produce()) only when the carrier takes them
 * and the window (inflight_window(), replay_max) has room, so nothing queues up
 * here that could wait in a socket or in HTTP/2 instead.
 *
 * States, and what may happen in each:
 *
 *   DETACHED  No carrier. Nothing is produced. A timer bounds the time.
 *             attach/adopt -> HELLO/UP; time is up -> DEAD
 *   HELLO     Opening side only: HELLO sent (as soon as the carrier takes it),
 *             no DATA either way. HELLO_ACK -> UP; REFUSE -> DEAD; carrier
 *             gone, silent -> DETACHED
 *   UP        DATA, ACK, PING, PONG both ways. CLOSE -> DEAD; carrier gone,
 *             silent, out of step -> DETACHED
 *   DEAD      The owner was told; only session_free() is left.
 *
 * When a carrier dies its successor begins with HELLO and HELLO_ACK, each with
 * the next byte expected (the ack field of the header), and each end goes on
 * from exactly there. A resume point outside [acked, high] means that the
 * other end is not the one we talked to: the session dies. So does an
 * acknowledgement beyond next, which this carrier has not been given yet.
 *
 * How long a session lives without a carrier is agreed upon in the same two
 * frames: who opens it wishes for a time, who accepts it says what it grants,
 * and both keep to that. An end that is too old to say so keeps it for its
 * detached_ns, and so does the other then.
 *
 * Liveness: silence is counted in ticks of the session's own timer, not in
 * wall-clock time, so that a stopped process does not take its own pause for
 * the peer's. After ping_ns of silence a PING goes out, after dead_ns the
 * carrier is given up, whatever the kernel believes of it; SUSPECT_NS after
 * the owner has reason to doubt it.
 *
 * The acknowledgement travels in every frame; a frame of its own is sent for
 * it after ACK_BYTES, or ack_ns after the first byte not acknowledged.
 *
 * Sending is deferred to the end of the batch of events (session_kick()), so
 * that what several streams have to say goes out in one frame.
 */

#define SEND_MAX (128 * 1024) /* payload of one DATA frame */
#define ACK_BYTES (512 * 1024)
#define CTL_MAX (16 * 1024)
#define SUSPECT_NS (2 * NS_SEC)
#define PUMP_ROUNDS 2 /* frames in a row; then others have their turn */
#define IOV_MAX_ 16
#define BUFFERS_MAX ((size_t)128 << 20)
#define BUFFERS_MIN ((size_t)4 << 20)
#define PART_BUFFERS ((size_t)16 << 20)

struct session {
	struct loop *loop;
	struct session_config cfg;
	const struct session_ops *ops;
	void *user;
	enum session_state state;
	enum frame_role role;
	bool freed, kicked, opener;
	bool established; /* was UP once */
	uint8_t peer_flags;
	uint8_t id[FRAME_ID_LEN];
	unsigned int carriers;

	struct carrier *carrier;
	bool blocked; /* waits for writable() */
	struct timer more;
	struct timer tick;
	int64_t tick_ns;
	int64_t silence; /* since the last byte of this carrier */
	int64_t down;	 /* since it was UP */
	int64_t keep;	 /* how long that may be */
	bool pinged;
	int64_t answer, answer_rtt; /* of the last PONG of this carrier */

	/* outgoing */
	struct replay replay;
	uint64_t acked, next, high;
	struct inflight inflight;
	struct buf ctl; /* control frames to send, before any new DATA */
	struct {
		uint8_t header[FRAME_HEADER_LEN];
		size_t header_left;
		size_t left; /* payload bytes still to hand over, from @next */
		bool active, begun;
	} cur; /* the DATA frame under way */

	/* incoming */
	struct frame_parser parser;
	uint64_t received; /* next byte expected */
	uint64_t ack_sent;
	bool ack_due;
	struct timer ack_timer;
};

static const char *const state_names[] = { "detached", "hello", "up", "dead" };
static_assert(ARRAY_SIZE(state_names) == SESSION_NSTATES_, "one name each");

static int send_some(struct session *s);
static int session_gather(struct session *s, struct buf *rest);
static void tick_fn(struct timer *t);

const char *session_state_name(enum session_state state)
{
	return state_names[state];
}

struct session_config session_config_default(void)
{
	return (struct session_config){
		.ping_ns = 1500 * NS_MS,
		.dead_ns = 3500 * NS_MS,
		.hello_ns = 10 * NS_SEC,
		.detached_ns = 120 * NS_SEC,
		.ack_ns = 4 * NS_MS,
		.far_ns = 8 * NS_MS, /* more than ack_ns adds to it */
		.replay_max = 8 * 1024 * 1024,
		.inflight_max = 4 * 1024 * 1024,
		.buffers = BUFFERS_MAX,
	};
}

void session_config_limit(struct session_config *cfg, size_t buffers)
{
	uint64_t memory = buffers ? 0 : memlimit_get();

	if (!buffers)
		buffers = memory ? (size_t)MIN(memory / 4, BUFFERS_MAX)
				 : BUFFERS_MAX;
	cfg->buffers = MAX(buffers, BUFFERS_MIN);
	cfg->replay_max = MIN(cfg->replay_max, cfg->buffers / 2);
	cfg->inflight_max = MIN(cfg->inflight_max, cfg->replay_max);
}

struct session_config session_config_bulk(const struct session_config *cfg)
{
	struct session_config bulk = *cfg;

	bulk.replay_max = MAX(bulk.replay_max, (size_t)24 * 1024 * 1024);
	/* more than the other's, which tells the shadow what it is */
	bulk.replay_max = MIN(bulk.replay_max,
			      MAX(bulk.buffers / 2, cfg->replay_max + 1));
	bulk.inflight_max = MAX(bulk.inflight_max, (size_t)16 * 1024 * 1024);
	bulk.inflight_max = MIN(bulk.inflight_max, bulk.replay_max);
	return bulk;
}

unsigned int session_config_parts(const struct session_config *cfg)
{
	return (unsigned int)MAX(
		MIN(cfg->buffers / PART_BUFFERS, (size_t)SESSION_PARTS),
		(size_t)1);
}

struct session_config session_config_part(const struct session_config *cfg)
{
	struct session_config part = session_config_bulk(cfg);

	part.buffers /= session_config_parts(cfg);
	part.replay_max = cfg->replay_max + 1; /* see above */
	part.inflight_max = MIN(part.inflight_max, part.replay_max);
	part.flags |= FRAME_FLAG_PART;
	return part;
}

bool session_is_flushed(const struct session *s)
{
	return s->acked == s->replay.end;
}

uint8_t session_peer_flags(const struct session *s)
{
	return s->peer_flags;
}

enum session_state session_state(const struct session *s)
{
	return s->state;
}

const uint8_t *session_id(const struct session *s)
{
	return s->id;
}

void session_get_stats(const struct session *s, struct session_stats *st)
{
	*st = (struct session_stats){
		.sent = s->high,
		.acked = s->acked,
		.received = s->received,
		.inflight = s->next - s->acked,
		.rtt_min_ns = s->inflight.rtt_min,
		.rtt_ns = s->inflight.rtt,
		.rate = s->inflight.rate,
		.carriers = s->carriers,
		.answer_ns = s->answer,
		.answer_rtt_ns = s->answer_rtt,
	};
}

/* --- life and death ------------------------------------------------------- */

static void session_start_tick(struct session *s)
{
	loop_timer_start(s->loop, &s->tick, s->tick_ns, tick_fn);
}

static void detach(struct session *s)
{
	struct carrier *c = s->carrier;

	s->carrier = NULL;
	s->blocked = false;
	s->silence = 0;
	s->pinged = false;
	s->answer = s->answer_rtt = 0;
	s->cur.active = false;
	buf_reset(&s->ctl);
	s->parser = (struct frame_parser){ 0 };
	loop_timer_stop(&s->ack_timer);
	loop_timer_stop(&s->more);
	inflight_reset(&s->inflight);
	carrier_close(c);
}

static void die(struct session *s, const struct kt_error *why)
{
	if (s->state == SESSION_DEAD)
		return;
	detach(s);
	s->state = SESSION_DEAD;
	loop_timer_stop(&s->tick);
	log_debug("session: dead: %s", why->msg);
	s->ops->dead(s->user, why);
}

static void carrier_failed(struct session *s, const struct kt_error *why)
{
	if (!s->carrier)
		return;
	detach(s);
	s->state = SESSION_DETACHED;
	log_debug("session: carrier lost: %s", why->msg);
	s->ops->lost(s->user, why);
}

/* protocol errors: the bytes cannot be trusted, so nothing can be resumed */
static void session_broken(struct session *s, int rc, const char *what)
{
	struct kt_error err = { 0 };

	kt_fail(&err, -rc, "tunnel: %s", what);
	die(s, &err);
}

struct session *session_new(struct loop *loop, const struct session_config *cfg,
			    const uint8_t *id, enum frame_role role,
			    const struct session_ops *ops, void *user)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->cfg = *cfg;
	s->ops = ops;
	s->user = user;
	s->role = role;
	s->opener = !id;
	s->keep = cfg->detached_ns;
	if (id)
		memcpy(s->id, id, FRAME_ID_LEN);
	else if (getrandom(s->id, FRAME_ID_LEN, 0) != FRAME_ID_LEN)
		abort();
	s->tick_ns = MIN(cfg->ping_ns, cfg->hello_ns);
	s->tick_ns = MIN(s->tick_ns, cfg->detached_ns);
	if (cfg->keep_ns)
		s->tick_ns = MIN(s->tick_ns, cfg->keep_ns);
	s->tick_ns = MAX(MIN(s->tick_ns / 3, NS_SEC), NS_MS);
	replay_init(&s->replay);
	inflight_init(&s->inflight, cfg->inflight_max);
	buf_init(&s->ctl, CTL_MAX);
	session_start_tick(s);
	return s;
}

void session_free(struct session *s)
{
	if (!s || s->freed)
		return;
	s->freed = true;
	s->state = SESSION_DEAD;
	detach(s);
	loop_timer_stop(&s->tick);
	replay_fini(&s->replay);
	buf_fini(&s->ctl);
	loop_defer_free(s->loop, s);
}

static struct frame_hdr header(const struct session *s, enum frame_type type)
{
	return (struct frame_hdr){ .type = (uint8_t)type,
				   .seq = s->next,
				   .ack = s->received };
}

void session_close(struct session *s, uint16_t code, const char *text)
{
	struct farewell f;

	session_leave(s, code, text, &f);
	farewell_drop(&f);
}

/* --- sending -------------------------------------------------------------- */

/* bytes that may be produced or sent beyond @from */
static size_t room_from(const struct session *s, uint64_t from)
{
	uint64_t used = from - s->acked;
	uint64_t max = MIN(inflight_window(&s->inflight), s->cfg.replay_max);

	return used < max ? (size_t)(max - used) : 0;
}

uint8_t *session_reserve(struct session *s, size_t min, size_t *got)
{
	return replay_reserve(&s->replay, min, got);
}

void session_commit(struct session *s, size_t n)
{
	replay_commit(&s->replay, n);
}

static void begin_data(struct session *s)
{
	struct frame_hdr h = header(s, FRAME_DATA);
	size_t n = (size_t)MIN(s->replay.end - s->next, (uint64_t)SEND_MAX);

	h.len = (uint32_t)n;
	frame_put_header(s->cur.header, &h);
	s->cur.header_left = FRAME_HEADER_LEN;
	s->cur.left = n;
	s->cur.active = true;
	s->cur.begun = false;
	s->ack_sent = s->received;
	s->ack_due = false;
	loop_timer_stop(&s->ack_timer);
	inflight_sent(&s->inflight, s->next + n, s->acked, clock_ns());
}

static void put_ack(struct session *s)
{
	/* one is enough: what waits here will be sent with a newer one */
	if (s->ctl.len || frame_put_empty(&s->ctl, header(s, FRAME_ACK)) < 0)
		return;
	s->ack_due = false;
	s->ack_sent = s->received;
	loop_timer_stop(&s->ack_timer);
}

/* have something in ctl or cur, if there is anything to say; < 0: fatal */
static int fill(struct session *s)
{
	size_t room;
	int rc = 0;

	if (s->state != SESSION_UP || s->cur.active)
		return 0;
	room = room_from(s, s->replay.end);
	if (s->next == s->replay.end && room)
		rc = s->ops->produce(s->user, MIN(room, (size_t)SEND_MAX));
	if (rc < 0 || s->state != SESSION_UP)
		return rc;
	if (s->next < s->replay.end && room_from(s, s->next))
		begin_data(s);
	else if (s->ack_due)
		put_ack(s);
	return 0;
}

static int add_cur(struct session *s, struct iovec *iov, int max)
{
	size_t len;
	int n = 0;

	if (!s->cur.active)
		return 0;
	if (s->cur.header_left) {
		iov[n].iov_base =
			s->cur.header + FRAME_HEADER_LEN - s->cur.header_left;
		iov[n++].iov_len = s->cur.header_left;
	}
	return n + replay_iov(&s->replay, s->next, s->cur.left, iov + n,
			      max - n, &len);
}

static int add_ctl(struct session *s, struct iovec *iov)
{
	if (!s->ctl.len)
		return 0;
	iov->iov_base = buf_data(&s->ctl);
	iov->iov_len = s->ctl.len;
	return 1;
}

static size_t sent_ctl(struct session *s, size_t n)
{
	size_t part = MIN(n, s->ctl.len);

	buf_take(&s->ctl, part);
	return n - part;
}

static size_t sent_cur(struct session *s, size_t n)
{
	size_t head, part;

	if (!s->cur.active || !n)
		return n;
	s->cur.begun = true;
	head = MIN(n, s->cur.header_left);
	s->cur.header_left -= head;
	part = MIN(n - head, s->cur.left);
	s->cur.left -= part;
	s->next += part;
	if (s->cfg.total && s->next > s->high)
		s->cfg.total->sent += s->next - s->high;
	s->high = MAX(s->high, s->next);
	if (!s->cur.left && !s->cur.header_left)
		s->cur.active = false;
	return n - head - part;
}

/* hand ctl and cur to the carrier; 1: all of it is gone, 0: blocked, < 0 */
static int send_some(struct session *s)
{
	struct iovec iov[IOV_MAX_];
	bool cur_first = s->cur.active && s->cur.begun;
	size_t want = 0, left;
	ssize_t rc;
	int n = 0;

	if (!cur_first)
		n += add_ctl(s, iov);
	n += add_cur(s, iov + n, IOV_MAX_ - 1 - n);
	if (cur_first)
		n += add_ctl(s, iov + n);
	for (int i = 0; i < n; i++)
		want += iov[i].iov_len;
	if (!n)
		return 0;
	rc = carrier_send(s->carrier, iov, n);
	if (rc == -EAGAIN) {
		s->blocked = true;
		return 0;
	}
	if (rc < 0)
		return (int)rc;
	left = (size_t)rc;
	if (!cur_first)
		left = sent_ctl(s, left);
	left = sent_cur(s, left);
	if (cur_first)
		sent_ctl(s, left);
	s->blocked = (size_t)rc < want;
	return !s->blocked;
}

/* What send_some() would send next, as far as it was begun; 0 or -errno */
static int session_gather(struct session *s, struct buf *rest)
{
	size_t want = s->ctl.len;
	struct iovec iov[IOV_MAX_];
	int n = 0, rc = 0;

	buf_init(rest, SEND_MAX + s->ctl.max + FRAME_HEADER_LEN);
	if (s->cur.active && s->cur.begun) {
		want += s->cur.header_left + s->cur.left;
		n = add_cur(s, iov, IOV_MAX_ - 1);
	}
	n += add_ctl(s, iov + n);
	for (int i = 0; rc == 0 && i < n; i++)
		rc = buf_put(rest, iov[i].iov_base, iov[i].iov_len);
	return rc == 0 && rest->len < want ? -EMSGSIZE : rc;
}

void session_leave(struct session *s, uint16_t code, const char *text,
		   struct farewell *f)
{
	bool up = s->state == SESSION_UP;
	struct buf rest = { 0 };

	*f = (struct farewell){ 0 };
	s->state = SESSION_DEAD;
	loop_timer_stop(&s->tick);
	if (up &&
	    frame_put_text(&s->ctl, header(s, FRAME_CLOSE), code, text) == 0 &&
	    send_some(s) >= 0 && session_gather(s, &rest) == 0)
		farewell_start(f, steal_ptr(&s->carrier), &rest, &s->parser);
	buf_fini(&rest);
	detach(s);
}

static void pump_more(struct timer *t);

static void pump(struct session *s)
{
	struct kt_error err = { 0 };
	int rc = 1;

	for (int i = 0; i < PUMP_ROUNDS && rc == 1; i++) {
		if (!s->carrier || s->blocked || s->freed)
			return;
		rc = fill(s);
		if (rc < 0) {
			session_broken(s, rc, "cannot produce the stream");
			return;
		}
		if (!s->carrier || s->freed)
			return;
		rc = send_some(s);
	}
	if (rc < 0) {
		kt_fail(&err, -rc, "send to the shadow: %s", strerror(-rc));
		carrier_failed(s, &err);
	} else if (rc == 1) {
		/* not session_kick(): that would still be in this batch */
		loop_timer_start(s->loop, &s->more, 0, pump_more);
	}
}

static void pump_more(struct timer *t)
{
	pump(container_of(t, struct session, more));
}

static void run_kick(void *user)
{
	struct session *s = user;

	s->kicked = false;
	if (!s->freed)
		pump(s);
}

void session_kick(struct session *s)
{
	if (s->kicked || s->freed || !s->carrier || s->blocked)
		return;
	s->kicked = true;
	loop_defer(s->loop, run_kick, s);
}

/* --- receiving ------------------------------------------------------------ */

static int take_ack(struct session *s, uint64_t ack)
{
	/* not @high: what an earlier carrier had beyond the resume point did
	 * not arrive, and is to be sent again first */
	if (ack > s->next)
		return -EPROTO;
	if (ack <= s->acked)
		return 0;
	s->acked = ack;
	replay_release(&s->replay, ack);
	inflight_acked(&s->inflight, ack, clock_ns());
	session_kick(s);
	return 0;
}

static void ack_timer_fn(struct timer *t)
{
	struct session *s = container_of(t, struct session, ack_timer);

	if (s->state != SESSION_UP || s->ack_sent == s->received)
		return;
	s->ack_due = true;
	session_kick(s);
}

static void note_received(struct session *s)
{
	uint64_t open = s->received - s->ack_sent;

	if (open >= ACK_BYTES) {
		s->ack_due = true;
		session_kick(s);
	} else if (open && !loop_timer_active(&s->ack_timer)) {
		loop_timer_start(s->loop, &s->ack_timer, s->cfg.ack_ns,
				 ack_timer_fn);
	}
}

static int take_data(struct session *s, const struct frame_event *ev)
{
	const uint8_t *p = ev->data;
	size_t n = ev->len;
	uint64_t old;

	if (ev->seq > s->received)
		return -EPROTO;
	old = s->received - ev->seq; /* bytes that we have already */
	if (old >= n)
		return 0;
	p += old;
	n -= (size_t)old;
	s->received += n;
	if (s->cfg.total)
		s->cfg.total->received += n;
	return s->ops->data(s->user, p, n);
}

static int take_time(struct session *s, const struct frame_event *ev)
{
	uint64_t t;
	int rc = frame_get_time(ev->data, ev->len, &t);

	if (rc < 0)
		return rc;
	if (ev->hdr.type == FRAME_PONG) {
		int64_t now = clock_ns();

		if (t > (uint64_t)now)
			return 0;
		inflight_rtt(&s->inflight, now - (int64_t)t, now);
		s->answer = now;
		s->answer_rtt = now - (int64_t)t;
		return 0;
	}
	/* a peer that only pings and never reads gets no more pongs: no room */
	if (frame_put_time(&s->ctl, header(s, FRAME_PONG), t) == 0)
		session_kick(s);
	return 0;
}

static void session_take_text(struct session *s, const struct frame_event *ev)
{
	bool refuse = ev->hdr.type == FRAME_REFUSE;
	char text[FRAME_TEXT_MAX + 1];
	struct kt_error err = { 0 };
	uint16_t code;

	if (frame_get_text(ev->data, ev->len, &code, text) < 0) {
		session_broken(s, -EPROTO, "malformed end of session");
		return;
	}
	/* who leaves waits until it was heard, and no longer (farewell.h) */
	if (!refuse && s->state == SESSION_UP &&
	    frame_put_text(&s->ctl, header(s, FRAME_CLOSE), FRAME_CODE_BYE,
			   "heard") == 0)
		(void)!send_some(s);
	kt_fail(&err, code == FRAME_CODE_VERSION ? EPROTONOSUPPORT : ECONNRESET,
		refuse ? "tunnel refused by the other end: %s"
		       : "tunnel closed by the other end: %s",
		text);
	die(s, &err);
}

/* continue from where the peer is; the bytes before that are delivered */
static int resume_from(struct session *s, uint64_t ack)
{
	if (ack < s->acked || ack > s->high)
		return -EPROTO;
	s->acked = ack;
	s->next = ack;
	replay_release(&s->replay, ack);
	return 0;
}

static void go_up(struct session *s)
{
	bool resumed = s->established;

	s->established = true;
	s->state = SESSION_UP;
	s->down = 0;
	s->ack_sent = s->received;
	s->ack_due = false;
	s->carriers++;
	log_debug("session: %s: sent %llu acked %llu received %llu",
		  resumed ? "resumed" : "up", (unsigned long long)s->high,
		  (unsigned long long)s->acked,
		  (unsigned long long)s->received);
	session_kick(s);
	s->ops->up(s->user, resumed);
}

/* Who opens wishes for @said, or says nothing: what it gets */
static int64_t session_grant(const struct session *s, uint32_t said)
{
	if (!said || !s->cfg.keep_ns)
		return s->cfg.detached_ns;
	return MIN(said * NS_MS, s->cfg.keep_ns);
}

/* The other end of ours grants @said, or is too old for it */
static int64_t session_granted(const struct session *s, uint32_t said)
{
	if (!s->cfg.keep_ns)
		return s->cfg.detached_ns;
	return MIN(said ? said * NS_MS : s->cfg.detached_ns, s->cfg.keep_ns);
}

static uint32_t session_ms(int64_t ns)
{
	return (uint32_t)MIN(ns / NS_MS, (int64_t)UINT32_MAX);
}

/* the other end picked one version out of the range of our HELLO */
static bool picked_ours(const struct frame_hello *h)
{
	return h->version_min == h->version_max &&
	       h->version_max >= FRAME_VERSION_MIN &&
	       h->version_max <= FRAME_VERSION_MAX;
}

static void wrong_version(struct session *s, const struct frame_hello *h)
{
	struct kt_error err = { 0 };

	kt_fail(&err, EPROTONOSUPPORT,
		"the other end answers with tunnel protocol %d to %d, this end "
		"(version %s) speaks %d to %d",
		h->version_min, h->version_max, KT_VERSION, FRAME_VERSION_MIN,
		FRAME_VERSION_MAX);
	die(s, &err);
}

static int take_hello_ack(struct session *s, const struct frame_event *ev)
{
	struct frame_hello h;
	int rc = frame_get_hello(ev->data, ev->len, &h);

	if (rc < 0 || s->state != SESSION_HELLO)
		return -EPROTO;
	if (memcmp(h.id, s->id, FRAME_ID_LEN) != 0)
		return -EPROTO;
	if (!picked_ours(&h)) {
		wrong_version(s, &h);
		return 0;
	}
	rc = resume_from(s, ev->hdr.ack);
	if (rc < 0)
		return rc;
	s->keep = session_granted(s, h.keep_ms);
	s->peer_flags = h.flags;
	go_up(s);
	return 0;
}

static int take_event(struct session *s, const struct frame_event *ev)
{
	int rc;

	if (ev->hdr.type == FRAME_HELLO_ACK)
		return take_hello_ack(s, ev);
	if (ev->hdr.type == FRAME_REFUSE || ev->hdr.type == FRAME_CLOSE) {
		session_take_text(s, ev);
		return 0;
	}
	if (s->state != SESSION_UP)
		return -EPROTO;
	rc = take_ack(s, ev->hdr.ack);
	if (rc < 0)
		return rc;
	switch (ev->hdr.type) {
	case FRAME_DATA:
		return take_data(s, ev);
	case FRAME_PING:
	case FRAME_PONG:
		return take_time(s, ev);
	case FRAME_ACK:
		return 0;
	default:
		return -EPROTO;
	}
}

static void session_on_data(void *user, const uint8_t *data, size_t len)
{
	struct session *s = user;
	struct carrier *c = s->carrier;
	struct rd in = rd_make(data, len);
	struct frame_event ev;
	int rc;

	if (!c)
		return;
	s->silence = 0;
	s->pinged = false;
	while ((rc = frame_parse(&s->parser, &in, &ev)) == 1) {
		rc = take_event(s, &ev);
		if (rc < 0 || s->carrier != c)
			break;
	}
	if (s->carrier != c || s->freed)
		return; /* over, or on another carrier: the rest is void */
	if (rc < 0) {
		session_broken(s, rc,
			       "the other end does not speak our protocol");
		return;
	}
	if (s->state == SESSION_UP)
		note_received(s);
}

/* --- carriers ------------------------------------------------------------- */

static void session_on_writable(void *user)
{
	struct session *s = user;

	s->blocked = false;
	session_kick(s);
}

static void session_on_closed(void *user, const struct kt_error *why)
{
	struct session *s = user;

	carrier_failed(s, why);
}

static const struct carrier_handler handler = {
	.opened = session_on_writable,
	.data = session_on_data,
	.writable = session_on_writable,
	.closed = session_on_closed,
};

static void take_carrier(struct session *s, struct carrier *c)
{
	detach(s);
	s->carrier = c;
	c->handler = &handler;
	c->user = s;
}

void session_attach(struct session *s, struct carrier *c)
{
	struct frame_hello hello = {
		.version_min = FRAME_VERSION_MIN,
		.version_max = FRAME_VERSION_MAX,
		.role = (uint8_t)s->role,
		.flags =
			s->cfg.flags | (s->established ? FRAME_FLAG_RESUME : 0),
		.window = (uint32_t)s->cfg.replay_max,
		.keep_ms = session_ms(s->cfg.keep_ns),
	};

	if (s->state == SESSION_DEAD) {
		carrier_close(c);
		return;
	}
	take_carrier(s, c);
	s->state = SESSION_HELLO;
	memcpy(hello.id, s->id, FRAME_ID_LEN);
	if (s->cfg.who)
		snprintf(hello.who, sizeof(hello.who), "%s", s->cfg.who);
	if (frame_put_hello(&s->ctl, header(s, FRAME_HELLO), &hello) < 0)
		session_broken(s, -ENOMEM, "out of memory");
	else
		session_kick(s);
}

int session_adopt(struct session *s, struct carrier *c,
		  const struct frame_hello *hello, uint64_t ack,
		  struct kt_error *err)
{
	uint16_t version =
		frame_version_pick(FRAME_VERSION_MIN, FRAME_VERSION_MAX,
				   hello->version_min, hello->version_max);
	struct frame_hello answer = {
		.version_min = version,
		.version_max = version,
		.role = (uint8_t)s->role,
		.flags = s->cfg.flags | (hello->flags & FRAME_FLAG_RESUME),
		.window = (uint32_t)s->cfg.replay_max,
	};

	if (!version)
		return kt_fail(err, EPROTONOSUPPORT,
			       "no version of the protocol in common");
	if (s->state == SESSION_DEAD || ack < s->acked || ack > s->high)
		return kt_fail(err, EPROTO, "nothing to resume from there");
	take_carrier(s, c);
	if (resume_from(s, ack) < 0)
		return kt_fail(err, EPROTO, "nothing to resume from there");
	s->keep = session_grant(s, hello->keep_ms);
	if (hello->keep_ms)
		answer.keep_ms = session_ms(s->keep);
	memcpy(answer.id, s->id, FRAME_ID_LEN);
	if (frame_put_hello(&s->ctl, header(s, FRAME_HELLO_ACK), &answer) < 0) {
		session_broken(s, -ENOMEM, "out of memory");
		return 0;
	}
	go_up(s);
	return 0;
}

/* --- time ----------------------------------------------------------------- */

static void tick_up(struct session *s)
{
	struct kt_error err = { 0 };

	if (s->silence >= s->cfg.dead_ns && s->pinged) {
		kt_fail(&err, ETIMEDOUT, "no answer for %lld s",
			(long long)(s->silence / NS_SEC));
		carrier_failed(s, &err);
		return;
	}
	if (s->silence < s->cfg.ping_ns)
		return;
	s->pinged = true; /* or something else waits to be sent: as good */
	if (!s->ctl.len)
		session_probe(s);
}

void session_probe(struct session *s)
{
	/* also behind what waits: no room for it is no answer */
	if (s->state == SESSION_UP &&
	    frame_put_time(&s->ctl, header(s, FRAME_PING),
			   (uint64_t)clock_ns()) == 0)
		session_kick(s);
}

void session_suspect(struct session *s)
{
	if (s->state != SESSION_UP)
		return;
	s->silence = MAX(s->silence, s->cfg.dead_ns - SUSPECT_NS);
	s->pinged = true;
	session_probe(s);
}

static void tick_down(struct session *s)
{
	struct kt_error err = { 0 };

	s->down += s->tick_ns;
	if (s->established && s->down >= s->keep) {
		kt_fail(&err, ETIMEDOUT, "no connection for %lld s",
			(long long)(s->keep / NS_SEC));
		die(s, &err);
	} else if (s->state == SESSION_HELLO && s->silence >= s->cfg.hello_ns) {
		kt_fail(&err, ETIMEDOUT, "no answer of the shadow for %lld s",
			(long long)(s->cfg.hello_ns / NS_SEC));
		carrier_failed(s, &err);
	}
}

static void tick_fn(struct timer *t)
{
	struct session *s = container_of(t, struct session, tick);

	session_start_tick(s);
	s->silence += s->tick_ns;
	if (s->state == SESSION_UP)
		tick_up(s);
	else
		tick_down(s);
}
