/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk moves to a session of its own, with the real shadow: every byte is right
 * whatever happens to that session's carrier, and nothing needs it. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static struct rig rig;
static int near, far;

/* one direction of the connection */
struct way {
	int from, to;
	size_t total, sent, got;
	uint8_t key;
};

static uint8_t byte_at(const struct way *w, size_t i)
{
	return (uint8_t)(w->key + i * 3 + (i >> 8) * 7 + (i >> 16) * 11);
}

static bool push(struct way *w)
{
	uint8_t mem[16384];
	size_t chunk = 1 + (size_t)rand() % sizeof(mem);
	size_t n = MIN(w->total - w->sent, chunk);
	ssize_t rc;

	for (size_t i = 0; i < n; i++)
		mem[i] = byte_at(w, w->sent + i);
	rc = n ? send(w->from, mem, n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (rc > 0)
		w->sent += (size_t)rc;
	return rc > 0;
}

static bool pull(struct way *w)
{
	uint8_t mem[65536];
	ssize_t n = w->got < w->total
			    ? recv(w->to, mem, sizeof(mem), MSG_DONTWAIT)
			    : 0;

	if (n < 0)
		assert_int_equal(errno, EAGAIN);
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(mem[i], byte_at(w, w->got++));
	return n > 0;
}

/* move @n bytes on each way; @turn is called now and then */
static void exchange(struct way *a, struct way *b, size_t n,
		     void (*turn)(unsigned int))
{
	int64_t end = clock_ns() + 60 * NS_SEC;
	unsigned int turns = 0;
	size_t next = 0;

	a->total += n;
	b->total += n;
	while (a->got < a->total || b->got < b->total) {
		bool moved = push(a);

		moved |= push(b);
		moved |= pull(a);
		moved |= pull(b);

		loop_once(rig.loop, moved ? 0 : NS_MS);
		if (turn && a->got + b->got >= next) {
			next += 1 << 20;
			turn(turns++);
		}
		assert_true(clock_ns() < end);
	}
}

static struct way down, up;

static void begin(bool bulk)
{
	struct ipport dst;
	int l = local_listen(&dst);

	rig_start(&rig, NULL);
	rig.bulk = bulk;
	near = rig_pair(&rig, &dst);
	far = accept(l, NULL, NULL);
	assert_true(far >= 0);
	close(l);
	down = (struct way){ .from = far, .to = near, .key = 9 };
	up = (struct way){ .from = near, .to = far, .key = 200 };
}

static bool over(int fd)
{
	char c;
	int64_t end = clock_ns() + 10 * NS_SEC;
	ssize_t n = -1;

	while (n < 0 && clock_ns() < end) {
		loop_once(rig.loop, NS_MS);
		n = recv(fd, &c, 1, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return false;
	}
	return n == 0;
}

static void ends(void)
{
	/* half-close stays that */
	shutdown(far, SHUT_WR);
	assert_true(over(near));
	up.total += 500000;
	while (up.got < up.total) {
		push(&up);
		pull(&up);
		loop_once(rig.loop, 0);
	}
	shutdown(near, SHUT_WR);
	assert_true(over(far));
	for (int i = 0; i < 1000 && tunnel_streams(rig.tunnel); i++)
		loop_once(rig.loop, NS_MS);
	assert_int_equal(tunnel_streams(rig.tunnel), 0);
	close(near);
	close(far);
	rig_stop(&rig);
}

static uint64_t bulk_bytes(void)
{
	struct session_stats st;

	tunnel_bulk_stats(rig.tunnel, &st);
	return st.sent + st.received;
}

static void moves(void **state)
{
	(void)state;
	begin(true);
	/* little by little is not bulk */
	for (int i = 0; i < 10; i++) {
		exchange(&down, &up, 20000, NULL);
		(void)!loop_sleep(rig.loop, 120 * NS_MS);
	}
	assert_int_equal(rig.bulk_had, 0);
	exchange(&down, &up, 10 << 20, NULL);
	assert_int_equal(rig.bulk_had, 1);
	/* all but what was under way when it began */
	assert_true(bulk_bytes() > 12 << 20);
	exchange(&down, &up, 1, NULL);
	ends();
}

static void cut(unsigned int turn)
{
	if (rig.bulk_had && turn % 3 == 2)
		shutdown(rig.bulk_fd, SHUT_RDWR);
}

static void carrier_is_cut(void **state)
{
	(void)state;
	begin(true);
	exchange(&down, &up, 10 << 20, cut);
	assert_true(rig.bulk_had > 2);
	assert_true(bulk_bytes() > 12 << 20);
	ends();
}

static void not_to_be_had(void **state)
{
	(void)state;
	begin(false);
	exchange(&down, &up, 5 << 20, NULL);
	assert_int_equal(rig.bulk_had, 1);
	assert_int_equal(bulk_bytes(), 0);
	ends();
}

static void reset_after_move(void **state)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)state;
	for (int who = 0; who < 2; who++) {
		begin(true);
		exchange(&down, &up, 2 << 20, NULL);
		assert_int_equal(rig.bulk_had, 1);
		setsockopt(who ? near : far, SOL_SOCKET, SO_LINGER, &now,
			   sizeof(now));
		close(who ? near : far);
		assert_false(over(who ? far : near));
		assert_int_equal(errno, ECONNRESET);
		close(who ? far : near);
		rig_stop(&rig);
	}
}

static void quick_session_dies(void **state)
{
	(void)state;
	begin(true);
	exchange(&down, &up, 2 << 20, NULL);
	tunnel_free(rig.tunnel);
	/* both ends see it, though the bulk's carrier was well */
	assert_false(over(near));
	assert_false(over(far));
	close(near);
	close(far);
	rig.tunnel = NULL;
	rig_stop(&rig);
}

/* Its carrier is lost, and the next one hangs in what was lost; when the quick
 * session is back it does not wait for that one's end (10 s) */
static void follows_the_quick_session(void **state)
{
	int64_t start;

	(void)state;
	begin(true);
	exchange(&down, &up, 2 << 20, NULL);
	assert_int_equal(rig.bulk_had, 1);
	rig.bulk_hangs = true;
	shutdown(rig.bulk_fd, SHUT_RDWR);
	for (int i = 0; i < 5000 && rig.bulk_had < 2; i++)
		loop_once(rig.loop, NS_MS);
	assert_int_equal(rig.bulk_had, 2);
	rig.bulk_hangs = false;
	start = clock_ns();
	rig_connect(&rig);
	exchange(&down, &up, 1 << 20, NULL);
	assert_int_equal(rig.resumed, 1);
	assert_int_equal(rig.bulk_had, 3);
	assert_true(clock_ns() - start < 8 * NS_SEC);
	ends();
}

/* --- several sessions, as far away ---------------------------------------- */

#define FLOWS 10

static struct way flows[FLOWS];

static void open_flow(struct way *w, bool to_laptop)
{
	struct ipport dst;
	int l = local_listen(&dst), a = rig_pair(&rig, &dst);
	int b = accept(l, NULL, NULL);

	assert_true(b >= 0);
	close(l);
	*w = (struct way){ .from = to_laptop ? b : a,
			   .to = to_laptop ? a : b,
			   .key = (uint8_t)(37 * (w - flows)) };
}

static void close_flows(int n)
{
	for (int i = 0; i < n; i++) {
		close(flows[i].from);
		close(flows[i].to);
	}
	for (int i = 0; i < 1000 && tunnel_streams(rig.tunnel); i++)
		loop_once(rig.loop, NS_MS);
	assert_int_equal(tunnel_streams(rig.tunnel), 0);
}

/* @n bytes on each of so many, all at the same time */
static void carry(int nflows, size_t n, void (*turn)(unsigned int))
{
	int64_t end = clock_ns() + 60 * NS_SEC;
	unsigned int turns = 0;
	size_t next = 0;

	for (int i = 0; i < nflows; i++)
		flows[i].total += n;
	for (bool open = true; open;) {
		bool moved = false;
		size_t got = 0;

		open = false;
		for (int i = 0; i < nflows; i++) {
			moved |= push(&flows[i]);
			moved |= pull(&flows[i]);
			open |= flows[i].got < flows[i].total;
			got += flows[i].got;
		}
		loop_once(rig.loop, moved ? 0 : NS_MS);
		if (turn && got >= next) {
			next += 1 << 20;
			turn(turns++);
		}
		assert_true(clock_ns() < end);
	}
}

static void begin_far(int nflows, bool to_laptop)
{
	rig_far_ns = 1;
	rig_start(&rig, NULL);
	rig.bulk = true;
	for (int i = 0; i < nflows; i++)
		open_flow(&flows[i], to_laptop);
}

static void end_far(void)
{
	rig_stop(&rig);
	rig_far_ns = 0;
}

/* One flow alone gets several carriers, three share those, and each one beyond
 * gets its own */
static void carriers_follow_the_flows(void **state)
{
	struct session_stats st;

	(void)state;
	begin_far(3, true);
	carry(1, 30 << 20, NULL);
	tunnel_bulk_stats(rig.tunnel, &st);
	assert_true(st.lanes > 1);
	assert_int_equal(st.lanes, rig.bulk_had);
	carry(3, 7 << 20, NULL);
	tunnel_bulk_stats(rig.tunnel, &st);
	assert_true(st.lanes <= SESSION_LANES);
	assert_true(bulk_bytes() > 40 << 20);
	close_flows(3);
	for (int i = 0; i < FLOWS; i++)
		open_flow(&flows[i], true);
	carry(FLOWS, 6 << 20, NULL);
	(void)!loop_sleep(rig.loop, 600 * NS_MS);
	tunnel_bulk_stats(rig.tunnel, &st);
	assert_in_range(st.lanes, 1 + SESSION_PARTS, SESSION_LANES);
	/* the other direction begins afresh */
	close_flows(FLOWS);
	(void)!loop_sleep(rig.loop, 50 * NS_MS); /* all is acknowledged */
	open_flow(&flows[0], false);
	carry(1, 2 << 20, NULL);
	close_flows(1);
	end_far();
}

/* The last bytes of a flow that has ended here are on the way still when
 * another wants the other direction: that does not begin afresh now */
static void last_bytes_arrive(void **state)
{
	struct way back;
	const int small = 4096;
	int64_t end;

	(void)state;
	begin_far(1, true);
	rig.bulk_most = 1;
	open_flow(&flows[1], false);
	carry(1, 2 << 20, NULL);
	assert_int_equal(rig.bulk_had, 1);
	shutdown(flows[0].from, SHUT_WR);
	assert_true(over(flows[0].to));
	setsockopt(rig.bulk_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	kill(rig.shadow, SIGSTOP);
	end = clock_ns() + 2 * NS_SEC;
	back = (struct way){ .from = flows[0].to,
			     .to = flows[0].from,
			     .total = 120 << 10,
			     .key = 5 };
	/* one frame, of which the carrier takes the beginning */
	while (back.sent < back.total && push(&back))
		;
	assert_int_equal(back.sent, back.total);
	shutdown(flows[0].to, SHUT_WR);
	while (tunnel_streams(rig.tunnel) > 1 && clock_ns() < end)
		loop_once(rig.loop, NS_MS);
	assert_int_equal(tunnel_streams(rig.tunnel), 1);
	flows[1].total += 2 << 20;
	for (int i = 0; i < 200; i++) {
		push(&flows[1]);
		loop_once(rig.loop, NS_MS);
	}
	kill(rig.shadow, SIGCONT);
	while (back.got < back.total && clock_ns() < end + 20 * NS_SEC) {
		pull(&back);
		loop_once(rig.loop, NS_MS);
	}
	assert_int_equal(back.got, back.total);
	assert_true(over(flows[0].from));
	carry(1, 0, NULL);
	close_flows(2);
	end_far();
}

/* any of them: those of a session that has one are replaced always, those
 * beyond where they are needed */
static void cut_often(unsigned int turn)
{
	if (rig.bulk_had > 3 && turn % 3 == 2)
		rig_cut_bulk(&rig, turn / 3);
}

static void each_is_cut(void **state)
{
	(void)state;
	for (int way = 0; way < 2; way++) {
		begin_far(5, way == 0);
		for (int i = 0; i < 20 && rig.bulk_had < 12; i++)
			carry(5, 4 << 20, cut_often);
		assert_true(rig.bulk_had >= 12);
		close_flows(5);
		end_far();
	}
}

static void cut_one(unsigned int turn)
{
	if (rig.bulk_had > 1 && turn % 8 == 7)
		rig_cut_bulk(&rig, turn / 8);
}

/* A single flow has several carriers, and others when these die */
static void one_flow_has_several(void **state)
{
	struct session_stats st;

	(void)state;
	for (int way = 0; way < 2; way++) {
		begin_far(1, way == 0);
		rig.bulk_small = true;
		for (int i = 0; i < 20 && rig.bulk_had < 5; i++)
			carry(1, 10 << 20, i ? cut_one : NULL);
		tunnel_bulk_stats(rig.tunnel, &st);
		print_message("# %d carriers, %u now\n", rig.bulk_had,
			      st.lanes);
		assert_true(rig.bulk_had > 1 + way);
		close_flows(1);
		end_far();
	}
}

/* carriers that were opened and came to nothing */
static unsigned int in_vain(void)
{
	struct session_stats st;

	tunnel_bulk_stats(rig.tunnel, &st);
	return (unsigned int)rig.bulk_had - st.carriers - st.joining;
}

/* memory for a client's quick session and few others */
static void shadow_is_short_of_memory(void **state)
{
	char option[] = "--buffers", mib[] = "110";
	char *args[] = { option, mib, NULL };
	unsigned int had;

	(void)state;
	rig_far_ns = 1;
	rig_start(&rig, args);
	rig.bulk = true;
	for (int i = 0; i < 6; i++)
		open_flow(&flows[i], true);
	carry(6, 4 << 20, NULL);
	/* what waited for one that was refused went to another */
	assert_in_range(rig.bulk_had, 4, 12);
	had = in_vain();
	assert_in_range(had, 1, 3);
	assert_true(bulk_bytes() > 8 << 20);
	/* and no more is asked for */
	for (int i = 6; i < 8; i++)
		open_flow(&flows[i], true);
	carry(8, 2 << 20, NULL);
	assert_int_equal(in_vain(), had);
	close_flows(8);
	end_far();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves),
		cmocka_unit_test(carrier_is_cut),
		cmocka_unit_test(not_to_be_had),
		cmocka_unit_test(reset_after_move),
		cmocka_unit_test(quick_session_dies),
		cmocka_unit_test(follows_the_quick_session),
		cmocka_unit_test(carriers_follow_the_flows),
		cmocka_unit_test(last_bytes_arrive),
		cmocka_unit_test(each_is_cut),
		cmocka_unit_test(one_flow_has_several),
		cmocka_unit_test(shadow_is_short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
