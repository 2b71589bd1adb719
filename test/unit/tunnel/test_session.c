/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions over carriers that die at every byte: nothing lost, nothing twice.
 */
#include "test.h"

#include "memcarrier.h"

#include "base/buf.h"
#include "base/mem.h"
#include "tunnel/acceptor.h"
#include "tunnel/session.h"

#include <errno.h>
#include <string.h>

#define TOTAL 2500 /* bytes each way, in the tests that try every byte */

struct end {
	struct session *s;
	size_t total, made, got;
	uint8_t key; /* of the bytes it makes */
	bool up, lost, dead;
	unsigned int ups, resumes;
	int code;
	char why[256];
};

static struct loop *loop;
static struct acceptor *acceptor;
static struct session_config cfg;
static struct end near, far;
static bool refuse_all;

static uint8_t byte_at(uint8_t key, size_t i)
{
	return (uint8_t)(key + i * 7 + (i >> 8) * 13);
}

static int on_produce(void *user, size_t room)
{
	struct end *e = user;
	size_t want = MIN(room, e->total - e->made), got;
	uint8_t *p;

	want = MIN(want, (size_t)331);
	if (!want)
		return 0;
	p = session_reserve(e->s, want, &got);
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < want; i++)
		p[i] = byte_at(e->key, e->made++);
	session_commit(e->s, want);
	return 0;
}

static int on_data(void *user, const uint8_t *p, size_t n)
{
	struct end *e = user;
	const struct end *other = e == &near ? &far : &near;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i], byte_at(other->key, e->got++));
	return 0;
}

static void on_up(void *user, bool resumed)
{
	struct end *e = user;

	e->up = true;
	e->lost = false;
	e->ups++;
	e->resumes += resumed;
}

static void on_lost(void *user, const struct kt_error *why)
{
	struct end *e = user;

	(void)why;
	e->lost = true;
	e->up = false;
}

static void on_dead(void *user, const struct kt_error *why)
{
	struct end *e = user;

	e->dead = true;
	e->code = why->code;
	snprintf(e->why, sizeof(e->why), "%.250s", why->msg);
}

static const struct session_ops ops = {
	.produce = on_produce,
	.data = on_data,
	.up = on_up,
	.lost = on_lost,
	.dead = on_dead,
};

static struct session *on_session(void *user, const struct frame_hello *hello)
{
	(void)user;
	if (refuse_all)
		return NULL;
	far.s = session_new(loop, &cfg, hello->id, FRAME_ROLE_SERVER, &ops,
			    &far);
	return far.s;
}

static const struct acceptor_ops acceptor_ops = { on_session };

static void begin(size_t total)
{
	loop = loop_new();
	acceptor = acceptor_new(loop, &cfg, &acceptor_ops, NULL);
	near = (struct end){ .total = total, .key = 3 };
	far = (struct end){ .total = total, .key = 101 };
	near.s = session_new(loop, &cfg, NULL, FRAME_ROLE_CLIENT, &ops, &near);
	refuse_all = false;
}

static void finish(void)
{
	session_free(near.s);
	if (far.s)
		acceptor_remove(acceptor, far.s);
	session_free(far.s);
	acceptor_free(acceptor);
	loop_free(loop);
}

static void join(long *budget, unsigned int seed)
{
	struct carrier *c[2];

	memcarrier_pair(loop, budget, seed, c);
	near.lost = false;
	acceptor_take(acceptor, c[1]);
	session_attach(near.s, c[0]);
}

static bool all_there(void)
{
	struct session_stats st;

	session_get_stats(near.s, &st);
	return near.got == far.total && far.got == near.total &&
	       st.acked == near.total;
}

static void wait_for(const bool *flag)
{
	for (int i = 0; i < 20000 && !*flag; i++)
		loop_once(loop, 10 * NS_MS);
	assert_true(*flag);
}

static int setup(void **state)
{
	(void)state;
	cfg = session_config_default();
	cfg.ack_ns = 0;
	return 0;
}

/* --- tests ---------------------------------------------------------------- */

static long bytes_on_the_wire(void)
{
	long budget = 1 << 30, start = budget;

	begin(TOTAL);
	join(&budget, 1);
	while (!all_there())
		loop_once(loop, NS_SEC);
	finish();
	return start - budget;
}

static void survives_a_cut_anywhere(void **state)
{
	long all = bytes_on_the_wire();

	(void)state;
	for (long at = 0; at <= all; at++) {
		long budget = at, more = -1;

		begin(TOTAL);
		join(&budget, (unsigned int)at);
		while (!near.lost && !all_there())
			loop_once(loop, NS_SEC);
		if (near.lost)
			join(&more, (unsigned int)at + 7);
		while (!all_there())
			loop_once(loop, NS_SEC);
		assert_false(near.dead || far.dead);
		finish();
	}
}

static void survives_many_cuts(void **state)
{
	(void)state;
	for (long each = 180; each < 700; each += 7) {
		unsigned int carriers = 0;
		long budget = 0;

		begin(TOTAL);
		near.lost = true;
		while (!all_there()) {
			if (near.lost) {
				budget = each;
				join(&budget, ++carriers);
			}
			loop_once(loop, NS_SEC);
		}
		assert_true(carriers > 2);
		assert_true(near.resumes > 0);
		finish();
	}
}

/* the newer carrier wins, though the older seems alive to the shadow */
static void takes_a_second_carrier(void **state)
{
	long never = -1;

	(void)state;
	begin(1 << 20);
	for (int i = 0; i < 30; i++) {
		join(&never, (unsigned int)i);
		for (int k = 0; k < 20; k++)
			loop_once(loop, NS_MS);
	}
	while (!all_there())
		loop_once(loop, NS_SEC);
	assert_true(near.resumes > 0);
	finish();
}

static void bounds_what_it_keeps(void **state)
{
	struct session_stats st;
	long never = -1;

	(void)state;
	cfg.inflight_max = 10000;
	begin(1 << 20);
	join(&never, 1);
	while (!all_there()) {
		loop_once(loop, NS_SEC);
		session_get_stats(near.s, &st);
		assert_true(near.made - st.acked <= 10000 + 331);
	}
	assert_true(st.rtt_ns > 0);
	assert_true(st.rate > 0);
	finish();
}

static void dies_when_away_too_long(void **state)
{
	long budget = 1000;

	(void)state;
	cfg.detached_ns = 60 * NS_MS;
	begin(TOTAL);
	join(&budget, 1);
	wait_for(&near.lost);
	wait_for(&near.dead);
	wait_for(&far.dead);
	assert_int_equal(near.code, ETIMEDOUT);
	finish();
}

/* a carrier that swallows everything */
static ssize_t hole_send(struct carrier *c, const struct iovec *iov, int n)
{
	ssize_t all = 0;

	(void)c;
	for (int i = 0; i < n; i++)
		all += (ssize_t)iov[i].iov_len;
	return all;
}

static void hole_close(struct carrier *c)
{
	(void)c;
}

static void notices_silence(void **state)
{
	static const struct carrier_ops hole_ops = { hole_send, hole_close };
	struct carrier hole = { .ops = &hole_ops };
	long budget = -1;
	int64_t start;

	(void)state;
	cfg.ping_ns = 20 * NS_MS;
	cfg.dead_ns = 80 * NS_MS;
	cfg.hello_ns = 100 * NS_MS;
	begin(TOTAL);
	session_attach(near.s, &hole);
	wait_for(&near.lost); /* no HELLO_ACK */
	join(&budget, 1);
	wait_for(&near.up);
	/* idle, but answered: the carrier stays */
	start = clock_ns();
	while (clock_ns() - start < 300 * NS_MS)
		loop_once(loop, 10 * NS_MS);
	assert_true(near.up && far.up);
	budget = 0; /* the memory carrier tells; so cut by silence instead */
	wait_for(&near.lost);
	finish();
}

static int64_t answered(void)
{
	struct session_stats st;

	session_get_stats(near.s, &st);
	assert_true(!st.answer_ns == !st.answer_rtt_ns);
	return st.answer_ns;
}

/* Silence would ask only after two seconds */
static void is_probed_when_asked(void **state)
{
	long budget = -1;
	int64_t asked;

	(void)state;
	begin(10);
	session_probe(near.s); /* there is no carrier: nothing */
	join(&budget, 1);
	while (!all_there())
		loop_once(loop, NS_SEC);
	assert_int_equal(answered(), 0);
	for (int i = 0; i < 2; i++) {
		asked = clock_ns();
		session_probe(near.s);
		while (answered() < asked && clock_ns() - asked < NS_SEC)
			loop_once(loop, NS_MS);
		assert_in_range(answered(), asked, clock_ns());
	}
	budget = 0;
	session_probe(near.s);
	wait_for(&near.lost);
	assert_int_equal(answered(), 0); /* it was another carrier's */
	finish();
}

/* What is sent again after a cut counts once */
static void counts_what_it_carries(void **state)
{
	struct session_total total = { 0 };
	long budget = 700, never = -1;

	(void)state;
	begin(TOTAL);
	session_free(near.s);
	cfg.total = &total;
	near.s = session_new(loop, &cfg, NULL, FRAME_ROLE_CLIENT, &ops, &near);
	cfg.total = NULL;
	join(&budget, 1);
	wait_for(&near.lost);
	join(&never, 2);
	while (!all_there())
		loop_once(loop, NS_SEC);
	assert_true(near.resumes > 0);
	assert_int_equal(total.sent, TOTAL);
	assert_int_equal(total.received, TOTAL);
	finish();
}

static void tells_of_the_end(void **state)
{
	long never = -1;

	(void)state;
	begin(TOTAL);
	join(&never, 1);
	wait_for(&near.up);
	session_close(far.s, FRAME_CODE_BYE, "the shadow ends");
	wait_for(&near.dead);
	assert_non_null(strstr(near.why, "the shadow ends"));
	finish();
}

/* However full the way is, and whatever was begun: who leaves is heard, and
 * waits no longer than until it was */
static void the_last_word_arrives(void **state)
{
	long never = -1;

	(void)state;
	for (unsigned int seed = 0; seed < 60; seed++) {
		struct farewell f;
		int64_t start;

		begin(1 << 20);
		join(&never, seed);
		while (far.got < (size_t)seed * 1300)
			loop_once(loop, NS_SEC);
		wait_for(&near.up);
		start = clock_ns();
		session_leave(near.s, FRAME_CODE_BYE, "it is late", &f);
		assert_non_null(f.carrier);
		farewell_wait(&f, loop, 10 * NS_SEC);
		if (!far.dead || !strstr(far.why, "it is late"))
			fail_msg("seed %u: %d '%s'", seed, far.dead, far.why);
		assert_true(clock_ns() - start < 5 * NS_SEC);
		finish();
	}
}

static void deaf_hears(void *user)
{
	(void)user;
}

static void deaf_data(void *user, const uint8_t *data, size_t len)
{
	(void)user;
	(void)data;
	(void)len;
}

static void deaf_closed(void *user, const struct kt_error *why)
{
	(void)user;
	(void)why;
}

static const struct carrier_handler deaf = { deaf_hears, deaf_data, deaf_hears,
					     deaf_closed };

/* One that says nothing any more is not waited for beyond the limit; of one
 * that is not up there is nothing to hear */
static void a_farewell_has_an_end(void **state)
{
	struct carrier *c[2];
	struct farewell f;
	long never = -1;
	int64_t start;

	(void)state;
	begin(TOTAL);
	session_leave(near.s, FRAME_CODE_BYE, "it is late", &f);
	assert_null(f.carrier);
	farewell_wait(&f, loop, 10 * NS_SEC);
	memcarrier_pair(loop, &never, 1, c);
	c[1]->handler = &deaf;
	farewell_start(&f, c[0], &(struct buf){ 0 });
	start = clock_ns();
	farewell_wait(&f, loop, 50 * NS_MS);
	assert_in_range(clock_ns() - start, 50 * NS_MS, 5 * NS_SEC);
	carrier_close(c[1]);
	finish();
}

static void refuses_the_unknown(void **state)
{
	long budget = 2000, never = -1;

	(void)state;
	begin(TOTAL);
	join(&budget, 1);
	wait_for(&near.lost);
	/* the shadow was started anew: it knows nobody */
	acceptor_remove(acceptor, far.s);
	session_free(far.s);
	far.s = NULL;
	join(&never, 2);
	wait_for(&near.dead);
	assert_non_null(strstr(near.why, "not known"));
	finish();
}

static void refuses_too_many(void **state)
{
	long never = -1;

	(void)state;
	begin(TOTAL);
	refuse_all = true;
	join(&never, 2);
	wait_for(&near.dead);
	assert_non_null(strstr(near.why, "too many"));
	finish();
}

/* --- a peer written by hand ----------------------------------------------- */

struct hand {
	struct carrier *c;
	struct frame_parser parser;
	bool closed, refused, welcome;
	struct frame_hello answer;
	char text[FRAME_TEXT_MAX + 1];
};

static void hand_opened(void *user)
{
	(void)user;
}

static void hand_data(void *user, const uint8_t *p, size_t n)
{
	struct rd in = rd_make(p, n);
	struct hand *h = user;
	struct frame_event ev;
	uint16_t code;

	while (frame_parse(&h->parser, &in, &ev) == 1) {
		if (ev.hdr.type == FRAME_HELLO_ACK) {
			h->welcome = true;
			assert_int_equal(
				frame_get_hello(ev.data, ev.len, &h->answer),
				0);
		}
		if (ev.hdr.type != FRAME_REFUSE)
			continue;
		assert_int_equal(
			frame_get_text(ev.data, ev.len, &code, h->text), 0);
		h->refused = true;
	}
}

static void hand_closed(void *user, const struct kt_error *why)
{
	struct hand *h = user;

	(void)why;
	h->closed = true;
}

static const struct carrier_handler hand_handler = { hand_opened, hand_data,
						     hand_opened, hand_closed };

static void hand_send(struct hand *h, struct buf *b)
{
	static long never = -1;
	struct carrier *c[2];
	struct iovec iov;

	memcarrier_pair(loop, &never, 1, c);
	*h = (struct hand){ .c = c[0] };
	c[0]->handler = &hand_handler;
	c[0]->user = h;
	acceptor_take(acceptor, c[1]);
	while (b->len) {
		ssize_t n;

		iov = (struct iovec){ buf_data(b), b->len };
		n = carrier_send(c[0], &iov, 1);
		if (n > 0)
			buf_take(b, (size_t)n);
		loop_once(loop, 0);
	}
}

static void names_both_versions(void **state)
{
	struct frame_hello hello = { .version_min = 7, .version_max = 9 };
	struct frame_hdr hdr = { .type = FRAME_HELLO };
	struct hand h;
	struct buf b;

	(void)state;
	begin(0);
	buf_init(&b, 4096);
	assert_int_equal(frame_put_hello(&b, hdr, &hello), 0);
	hand_send(&h, &b);
	wait_for(&h.refused);
	assert_non_null(strstr(h.text, "speaks tunnel protocol 1 to 1"));
	assert_non_null(strstr(h.text, "other 7 to 9"));
	carrier_close(h.c);
	buf_fini(&b);
	finish();
}

static void refuses_garbage(void **state)
{
	struct hand h;
	struct buf b;

	(void)state;
	begin(0);
	buf_init(&b, 4096);
	assert_int_equal(buf_printf(&b, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
			 0);
	hand_send(&h, &b);
	wait_for(&h.refused);
	carrier_close(h.c);
	buf_fini(&b);
	finish();
}

/* an acknowledgement of what was never sent, a gap, ...: the session ends */
static void ends_on_lies(void **state)
{
	struct frame_hdr lies[] = {
		{ .type = FRAME_ACK, .ack = 999999 },
		{ .type = FRAME_DATA, .len = 1, .seq = 5 },
		{ .type = FRAME_HELLO_ACK },
		{ .type = FRAME_PING },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct frame_hello hello = { .version_min = 1,
					     .version_max = 1,
					     .id = { 9 } };
		struct frame_hdr hdr = { .type = FRAME_HELLO };
		uint8_t raw[FRAME_HEADER_LEN + 1] = { 0 };
		struct hand h;
		struct buf b;

		begin(0);
		buf_init(&b, 4096);
		assert_int_equal(frame_put_hello(&b, hdr, &hello), 0);
		frame_put_header(raw, &lies[i]);
		assert_int_equal(
			buf_put(&b, raw, FRAME_HEADER_LEN + lies[i].len), 0);
		hand_send(&h, &b);
		wait_for(&far.dead);
		wait_for(&h.closed);
		carrier_close(h.c);
		buf_fini(&b);
		finish();
	}
}

/* a carrier without a wire: the test calls its handler */
static ssize_t full_send(struct carrier *c, const struct iovec *iov, int n)
{
	(void)c;
	(void)iov;
	(void)n;
	return -EAGAIN;
}

static void bring(struct carrier *c, struct buf *b)
{
	c->handler->data(c->user, buf_data(b), b->len);
	buf_take(b, b->len);
}

static void put_hello(struct buf *b, enum frame_type type, const uint8_t *id,
		      uint16_t version, uint8_t flags)
{
	struct frame_hello hello = { .version_min = version,
				     .version_max = version,
				     .flags = flags };
	struct frame_hdr hdr = { .type = (uint8_t)type };

	memcpy(hello.id, id, FRAME_ID_LEN);
	assert_int_equal(frame_put_hello(b, hdr, &hello), 0);
}

/* after a resume from 0 nothing is acknowledged that was not sent again */
static void ends_on_an_ack_of_the_last_carrier(void **state)
{
	static const struct carrier_ops hole_ops = { hole_send, hole_close };
	static const struct carrier_ops full_ops = { full_send, hole_close };
	static const uint8_t id[FRAME_ID_LEN] = { 5 };
	struct carrier hole = { .ops = &hole_ops }, full = { .ops = &full_ops };
	struct frame_hdr ack = { .type = FRAME_ACK };
	struct session_stats st;
	struct buf b;

	(void)state;
	begin(TOTAL);
	buf_init(&b, 4096);
	acceptor_take(acceptor, &hole);
	put_hello(&b, FRAME_HELLO, id, 1, 0);
	bring(&hole, &b);
	for (int i = 0; i < 100 && far.made < TOTAL; i++)
		loop_once(loop, 0);
	session_get_stats(far.s, &st);
	assert_int_equal(st.sent, TOTAL);
	acceptor_take(acceptor, &full);
	put_hello(&b, FRAME_HELLO, id, 1, FRAME_FLAG_RESUME);
	bring(&full, &b);
	loop_once(loop, 0);
	assert_int_equal(far.resumes, 1);
	ack.ack = st.sent;
	assert_int_equal(frame_put_empty(&b, ack), 0);
	bring(&full, &b);
	assert_true(far.dead);
	buf_fini(&b);
	finish();
}

/* the answer has to name one version, and one that this end speaks */
static void checks_the_version_picked(void **state)
{
	static const struct carrier_ops hole_ops = { hole_send, hole_close };

	(void)state;
	for (uint16_t version = 0; version < 3; version++) {
		struct carrier hole = { .ops = &hole_ops };
		struct buf b;

		begin(0);
		buf_init(&b, 4096);
		session_attach(near.s, &hole);
		put_hello(&b, FRAME_HELLO_ACK, session_id(near.s), version, 0);
		bring(&hole, &b);
		assert_int_equal(near.up, version == 1);
		assert_int_equal(near.dead, version != 1);
		if (version != 1) {
			assert_int_equal(near.code, EPROTONOSUPPORT);
			assert_non_null(strstr(near.why, "speaks 1 to 1"));
		}
		buf_fini(&b);
		finish();
	}
}

/* what is answered is the highest version of both */
static void answers_with_the_version_picked(void **state)
{
	struct frame_hello hello = { .version_min = 1, .version_max = 9 };
	struct frame_hdr hdr = { .type = FRAME_HELLO };
	struct hand h;
	struct buf b;

	(void)state;
	begin(0);
	buf_init(&b, 4096);
	assert_int_equal(frame_put_hello(&b, hdr, &hello), 0);
	hand_send(&h, &b);
	wait_for(&h.welcome);
	assert_int_equal(h.answer.version_min, 1);
	assert_int_equal(h.answer.version_max, 1);
	carrier_close(h.c);
	buf_fini(&b);
	finish();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(survives_a_cut_anywhere),
		T(survives_many_cuts),
		T(takes_a_second_carrier),
		T(bounds_what_it_keeps),
		T(dies_when_away_too_long),
		T(notices_silence),
		T(is_probed_when_asked),
		T(counts_what_it_carries),
		T(tells_of_the_end),
		T(the_last_word_arrives),
		T(a_farewell_has_an_end),
		T(refuses_the_unknown),
		T(refuses_too_many),
		T(names_both_versions),
		T(refuses_garbage),
		T(ends_on_lies),
		T(ends_on_an_ack_of_the_last_carrier),
		T(checks_the_version_picked),
		T(answers_with_the_version_picked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
