/* SPDX-License-Identifier: Apache-2.0 */
/* TCP through the real shadow: what arrives is what happened. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct rig rig;

static int start(void **state)
{
	(void)state;
	rig_start(&rig, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static ssize_t get(int fd, void *buf, size_t len)
{
	rig_readable(&rig, fd);
	return recv(fd, buf, len, 0);
}

static void is_refused(void **state)
{
	struct ipport dst = local_port(free_port());
	struct tunnel_tcp *tcp;

	(void)state;
	assert_int_equal(rig_dial(&rig, &dst, &tcp), -ECONNREFUSED);
}

static void is_unreachable(void **state)
{
	struct tunnel_tcp *tcp;
	struct ipport dst;
	int rc;

	(void)state;
	assert_int_equal(ipport_parse(&dst, "[fdff:1:2::3]:80"), 0);
	rc = rig_dial(&rig, &dst, &tcp);
	assert_true(rc == -ENETUNREACH || rc == -EHOSTUNREACH ||
		    rc == -EADDRNOTAVAIL);
}

static void echoes_and_half_closes(void **state)
{
	struct ipport dst;
	int l = local_listen(&dst), near = rig_pair(&rig, &dst);
	int far = accept(l, NULL, NULL);
	char buf[64];

	(void)state;
	assert_int_equal(send(near, "ping", 4, 0), 4);
	assert_int_equal(get(far, buf, sizeof(buf)), 4);
	/* we finish first; the answer comes only after our end */
	shutdown(near, SHUT_WR);
	assert_int_equal(get(far, buf, sizeof(buf)), 0);
	assert_int_equal(send(far, "answer", 6, 0), 6);
	assert_int_equal(get(near, buf, sizeof(buf)), 6);
	close(far);
	assert_int_equal(get(near, buf, sizeof(buf)), 0);
	close(near);
	/* they finish first */
	near = rig_pair(&rig, &dst);
	far = accept(l, NULL, NULL);
	shutdown(far, SHUT_WR);
	assert_int_equal(get(near, buf, sizeof(buf)), 0);
	assert_int_equal(send(near, "late", 4, 0), 4);
	assert_int_equal(get(far, buf, sizeof(buf)), 4);
	close(near);
	assert_int_equal(get(far, buf, sizeof(buf)), 0);
	close(far);
	close(l);
}

static void reset(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void passes_resets(void **state)
{
	struct ipport dst;
	int l = local_listen(&dst), near = rig_pair(&rig, &dst);
	int far = accept(l, NULL, NULL);
	char buf[64];

	(void)state;
	assert_int_equal(send(far, "bye", 3, 0), 3);
	assert_int_equal(get(near, buf, sizeof(buf)), 3);
	reset(far);
	assert_int_equal(get(near, buf, sizeof(buf)), -1);
	assert_int_equal(errno, ECONNRESET);
	close(near);

	near = rig_pair(&rig, &dst);
	far = accept(l, NULL, NULL);
	reset(near);
	assert_int_equal(get(far, buf, sizeof(buf)), -1);
	assert_int_equal(errno, ECONNRESET);
	close(far);

	/* what was said just before is heard, then the reset */
	for (int i = 0; i < 20; i++) {
		near = rig_pair(&rig, &dst);
		far = accept(l, NULL, NULL);
		assert_int_equal(send(far, "last words", 10, 0), 10);
		reset(far);
		assert_int_equal(get(near, buf, sizeof(buf)), 10);
		assert_int_equal(get(near, buf, sizeof(buf)), -1);
		assert_int_equal(errno, ECONNRESET);
		close(near);
	}
	close(l);
}

static void *reset_all(void *user)
{
	int fd, l = *(int *)user;

	while ((fd = accept(l, NULL, NULL)) >= 0)
		reset(fd);
	return NULL;
}

/* who was connected and then reset was not refused, however quick it was */
static void resets_at_once(void **state)
{
	struct ipport dst;
	int l = local_listen(&dst);
	pthread_t server;
	char buf[64];

	(void)state;
	assert_int_equal(pthread_create(&server, NULL, reset_all, &l), 0);
	for (int i = 0; i < 500; i++) {
		int near = rig_pair(&rig, &dst);

		assert_int_equal(get(near, buf, sizeof(buf)), -1);
		assert_int_equal(errno, ECONNRESET);
		close(near);
	}
	shutdown(l, SHUT_RDWR);
	pthread_join(server, NULL);
	close(l);
}

/* --- bulk ----------------------------------------------------------------- */

#define CHUNK (1 << 16)

struct bulk {
	int fd;
	size_t total;
	uint64_t sum, n;
	bool done;
};

/* a sum that depends on the order of the bytes */
static uint64_t mix(uint64_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + p[i];
	return sum;
}

static void *writer(void *arg)
{
	struct bulk *b = arg;
	uint8_t buf[CHUNK];
	unsigned int seed = 1;

	for (size_t left = b->total; left;) {
		size_t n = MIN(left, sizeof(buf)), off = 0;

		for (size_t i = 0; i < n; i += 4) {
			int v = rand_r(&seed);

			memcpy(buf + i, &v, MIN(n - i, (size_t)4));
		}
		b->sum = mix(b->sum, buf, n);
		while (off < n) {
			ssize_t k =
				send(b->fd, buf + off, n - off, MSG_NOSIGNAL);

			if (k <= 0)
				return NULL;
			off += (size_t)k;
		}
		left -= n;
	}
	shutdown(b->fd, SHUT_WR);
	return NULL;
}

static void *reader(void *arg)
{
	struct bulk *b = arg;
	uint8_t buf[CHUNK];
	ssize_t n;

	while ((n = recv(b->fd, buf, sizeof(buf), 0)) > 0) {
		b->sum = mix(b->sum, buf, (size_t)n);
		b->n += (size_t)n;
	}
	__atomic_store_n(&b->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void run_bulk(int from, int to, size_t total, bool cut)
{
	struct bulk w = { .fd = from, .total = total }, r = { .fd = to };
	pthread_t tw, tr;
	int64_t begin = clock_ns(), last = begin;
	unsigned int resumed = rig.resumed, cuts = 0;

	pthread_create(&tr, NULL, reader, &r);
	pthread_create(&tw, NULL, writer, &w);
	while (!__atomic_load_n(&r.done, __ATOMIC_SEQ_CST)) {
		loop_once(rig.loop, 10 * NS_MS);
		if (cut && clock_ns() - last > 30 * NS_MS) {
			rig_connect(&rig); /* in the midst of it */
			last = clock_ns();
			cuts++;
		}
		assert_true(clock_ns() - begin < 120 * NS_SEC);
	}
	pthread_join(tw, NULL);
	pthread_join(tr, NULL);
	assert_int_equal(r.n, total);
	assert_true(r.sum == w.sum);
	print_message("# %.0f MB/s, %u carriers cut, %u resumed\n",
		      (double)total * 1e3 / (double)(clock_ns() - begin), cuts,
		      rig.resumed - resumed);
	if (cut)
		assert_true(rig.resumed > resumed);
}

static size_t bulk_size(void)
{
	const char *mib = getenv("BULK_MIB");

	return (size_t)(mib ? strtol(mib, NULL, 10) : 200) << 20;
}

static void bulk(bool cut)
{
	struct ipport dst;
	int l = local_listen(&dst), near = rig_pair(&rig, &dst);
	int far = accept(l, NULL, NULL);

	run_bulk(near, far, bulk_size(), cut);
	run_bulk(far, near, bulk_size(), cut);
	close(near);
	close(far);
	close(l);
}

static void carries_bulk(void **state)
{
	(void)state;
	bulk(false);
}

static void survives_carriers(void **state)
{
	(void)state;
	bulk(true);
}

/* --- many ----------------------------------------------------------------- */

static void *echo_server(void *arg)
{
	int l = *(int *)arg, fd;
	char buf[64];

	while ((fd = accept(l, NULL, NULL)) >= 0) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n == 4 && memcmp(buf, "quit", 4) == 0) {
			close(fd);
			break;
		}
		if (n > 0)
			(void)!send(fd, buf, (size_t)n, MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static void short_one(const struct ipport *dst, const char *text)
{
	int near = rig_pair(&rig, dst);
	char buf[64];

	assert_int_equal(send(near, text, 4, 0), 4);
	if (text[0] != 'q')
		assert_int_equal(get(near, buf, sizeof(buf)), 4);
	if (text[0] != 'r')
		assert_int_equal(get(near, buf, sizeof(buf)), 0);
	close(near);
}

static void leaks_nothing(void **state)
{
	const char *many = getenv("SHORT_CONNECTIONS");
	long n = many ? strtol(many, NULL, 10) : 5000;
	struct ipport dst;
	int l = local_listen(&dst);
	long rss;
	pthread_t t;
	int fds;

	(void)state;
	pthread_create(&t, NULL, echo_server, &l);
	for (long i = 0; i < n / 10; i++)
		short_one(&dst, "warm");
	rss = rig_rss(&rig);
	fds = rig_fds(&rig);
	for (long i = 0; i < n; i++)
		short_one(&dst, i % 7 ? "ping" : "rude");
	for (int i = 0; i < 100; i++)
		loop_once(rig.loop, 10 * NS_MS);
	assert_int_equal(tunnel_streams(rig.tunnel), 0);
	print_message("# shadow: %ld KiB, was %ld; %d descriptors, was %d\n",
		      rig_rss(&rig), rss, rig_fds(&rig), fds);
	assert_true(rig_fds(&rig) <= fds);
#ifndef KT_SANITIZED /* its quarantine grows */
	assert_true(rig_rss(&rig) < rss + 1024);
#endif
	short_one(&dst, "quit");
	pthread_join(t, NULL);
	close(l);
}

/* as many at once as descriptors allow (three of ours for each), 5,000 at
 * most: each says a byte and gets one */
static void holds_many_at_once(void **state)
{
	struct rlimit rl;
	struct ipport dst;
	int l = local_listen(&dst), n = 5000;
	auto_free int *near = xcalloc(5000, sizeof(int));
	auto_free int *far = xcalloc(5000, sizeof(int));
	char c;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur < 15100)
		n = (int)(rl.rlim_cur - 100) / 3;
	for (int i = 0; i < n; i++) {
		near[i] = rig_pair(&rig, &dst);
		far[i] = accept(l, NULL, NULL);
	}
	assert_int_equal(tunnel_streams(rig.tunnel), n);
	print_message("# %d connections: shadow %ld KiB\n", n, rig_rss(&rig));
	for (int i = 0; i < n; i++) {
		assert_int_equal(send(near[i], "a", 1, 0), 1);
		assert_int_equal(send(far[i], "b", 1, 0), 1);
	}
	for (int i = 0; i < n; i++) {
		assert_int_equal(get(near[i], &c, 1), 1);
		assert_int_equal(get(far[i], &c, 1), 1);
	}
	for (int i = 0; i < n; i++) {
		close(near[i]);
		close(far[i]);
	}
	for (int i = 0; i < 200 && tunnel_streams(rig.tunnel); i++)
		loop_once(rig.loop, 10 * NS_MS);
	assert_int_equal(tunnel_streams(rig.tunnel), 0);
	close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_refused),
		cmocka_unit_test(is_unreachable),
		cmocka_unit_test(echoes_and_half_closes),
		cmocka_unit_test(passes_resets),
		cmocka_unit_test(resets_at_once),
		cmocka_unit_test(carries_bulk),
		cmocka_unit_test(survives_carriers),
		cmocka_unit_test(holds_many_at_once),
		cmocka_unit_test(leaks_nothing),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
