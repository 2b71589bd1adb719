/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of forwardings, through the real shadow program: each does what it
 * says, and to whom it says. */
#include "test.h"

#include "../shadow/rig.h"

#include "base/mem.h"
#include "forward/forwarding.h"
#include "forward/target.h"
#include "tunnel/pace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static struct rig rig;
static struct dialer dialer;
static struct forward_target asked = { .text = "db.prod" };

struct play {
	struct target_watch target;
	struct forwarding f;
	struct kt_error err;
	struct fault fault[2];
};

/* @texts: the port is put in for %u */
static void begin(struct play *p, const struct ipport *to, bool udp,
		  const char *text)
{
	struct fault_list list = { p->fault, 1 };
	char full[128];

	*p = (struct play){ .target = { .asked = &asked,
					.way = TARGET_ADDRESS,
					.addr = to->addr } };
	snprintf(full, sizeof(full), "127.0.0.1:%u %s", to->port, text);
	if (fault_parse(&p->fault[0], full, NULL, NULL, &p->err) < 0)
		fail_msg("%s", p->err.msg);
	dialer.faults = faults_new(rig.loop, rig.tunnel, &list, 42);
	p->f.target = &p->target;
	p->f.choice = (struct forward_choice){ .number = to->port, .udp = udp };
	if (localport_bind(&p->f.port, udp, 0, NULL, 0, &p->err) < 0)
		fail_msg("%s", p->err.msg);
	forwarding_start(&p->f, rig.loop, &dialer);
	assert_int_equal(forwarding_follow(&p->f, &p->err), 0);
}

static uint64_t hits(void)
{
	size_t n;
	const struct fault *v = faults_list(dialer.faults, &n);

	assert_int_equal(n, 1);
	return v[0].hits;
}

static void end(struct play *p)
{
	forwarding_stop(&p->f);
	target_fini(&p->target);
	faults_free(dialer.faults);
	dialer.faults = NULL;
}

static void nap(void)
{
	(void)!loop_sleep(rig.loop, 2 * NS_MS);
}

static int program(const struct play *p, int type)
{
	struct ipport at = local_port(p->f.port.port);
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* As recv(); waits in the loop, at most @ns. -errno */
static ssize_t take_within(int fd, void *buf, size_t len, int64_t ns)
{
	int64_t until = clock_ns() + ns;

	while (clock_ns() < until) {
		ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);

		if (n >= 0)
			return n;
		if (errno != EAGAIN)
			return -errno;
		nap();
	}
	return -ETIMEDOUT;
}

static ssize_t take(int fd, void *buf, size_t len)
{
	return take_within(fd, buf, len, 30 * NS_SEC);
}

static int accept_within(int l, int64_t ns)
{
	int64_t until = clock_ns() + ns;
	int fd = -1;

	fcntl(l, F_SETFL, O_NONBLOCK);
	while (fd < 0 && clock_ns() < until) {
		fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			nap();
	}
	return fd;
}

static int accept_one(int l)
{
	int fd = accept_within(l, 30 * NS_SEC);

	assert_true(fd >= 0);
	return fd;
}

/* --- TCP ------------------------------------------------------------------ */

static void refuse(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near;
	struct play p;
	char byte;

	(void)state;
	begin(&p, &at, false, "refuse");
	near = program(&p, SOCK_STREAM);
	assert_int_equal(take(near, &byte, 1), -ECONNRESET);
	assert_non_null(strstr(p.f.told.text, "Connection refused"));
	assert_true(accept_within(l, 100 * NS_MS) < 0);
	assert_int_equal(hits(), 1);
	close(near);
	close(l);
	end(&p);
}

static void drop(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near;
	struct play p;
	char byte;

	(void)state;
	begin(&p, &at, false, "drop");
	near = program(&p, SOCK_STREAM);
	assert_int_equal(take_within(near, &byte, 1, 300 * NS_MS), -ETIMEDOUT);
	assert_true(accept_within(l, 100 * NS_MS) < 0);
	close(near);
	close(l);
	end(&p);
}

/* The bytes that have met it are not passed on, in neither direction */
static void reset(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near, far;
	struct play p;
	char byte;

	(void)state;
	begin(&p, &at, false, "reset");
	near = program(&p, SOCK_STREAM);
	far = accept_one(l);
	assert_int_equal(take_within(near, &byte, 1, 100 * NS_MS), -ETIMEDOUT);
	assert_int_equal(send(near, "x", 1, 0), 1);
	assert_int_equal(take(near, &byte, 1), -ECONNRESET);
	assert_int_equal(take(far, &byte, 1), -ECONNRESET);
	close(near);
	close(far);

	near = program(&p, SOCK_STREAM);
	far = accept_one(l);
	assert_int_equal(send(far, "x", 1, 0), 1);
	assert_int_equal(take(near, &byte, 1), -ECONNRESET);
	assert_int_equal(take(far, &byte, 1), -ECONNRESET);
	assert_int_equal(hits(), 2);
	close(near);
	close(far);
	close(l);
	end(&p);
}

/* 200 ms for the connection, 200 ms for the answer; nothing is lost or sent
 * twice, and the end comes behind the bytes */
static void latency(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near, far;
	int64_t from;
	struct play p;
	char buf[16];

	(void)state;
	begin(&p, &at, false, "latency=200ms jitter=20ms");
	from = clock_ns();
	near = program(&p, SOCK_STREAM);
	assert_int_equal(send(near, "ask", 3, 0), 3);
	far = accept_one(l);
	assert_int_equal(take(far, buf, 3), 3);
	assert_true(clock_ns() - from >= 180 * NS_MS);
	from = clock_ns();
	assert_int_equal(send(far, "answer", 6, 0), 6);
	assert_int_equal(shutdown(far, SHUT_WR), 0);
	assert_int_equal(take(near, buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "answer", 6);
	assert_true(clock_ns() - from >= 180 * NS_MS);
	assert_int_equal(take(near, buf, 1), 0);
	/* the other half goes on */
	assert_int_equal(send(near, "more", 4, 0), 4);
	assert_int_equal(take(far, buf, 4), 4);
	close(near);
	assert_int_equal(take(far, buf, 1), 0);
	close(far);
	close(l);
	end(&p);
}

/* Refused truly, but late as well */
static void late_truth(void **state)
{
	struct ipport at = local_port(free_port());
	int64_t from = clock_ns();
	struct play p;
	char byte;
	int near;

	(void)state;
	begin(&p, &at, false, "latency=150ms");
	near = program(&p, SOCK_STREAM);
	assert_int_equal(take(near, &byte, 1), -ECONNRESET);
	assert_true(clock_ns() - from >= 150 * NS_MS);
	close(near);
	end(&p);
}

/* @n bytes from @a to @b, each of them right; how long it took */
static int64_t carry(int a, int b, size_t n)
{
	static uint8_t out[1 << 20], in[1 << 16];
	size_t sent = 0, got = 0;
	int64_t from = clock_ns();

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(i * 7 + (i >> 8));
	fcntl(a, F_SETFL, O_NONBLOCK);
	while (got < n) {
		ssize_t k = sent < n ? send(a, out + sent, n - sent, 0) : 0;

		sent += k > 0 ? (size_t)k : 0;
		k = recv(b, in, sizeof(in), MSG_DONTWAIT);
		if (k <= 0) {
			nap();
			continue;
		}
		assert_memory_equal(in, out + got, (size_t)k);
		got += (size_t)k;
	}
	return clock_ns() - from;
}

/* Half a megabyte in a second; only a busy machine makes it longer, so it is
 * tried again then, but shorter it never is */
static void takes_a_second(int from, int to)
{
	int64_t ms = 0;

	for (int i = 0; i < 5; i++) {
		ms = carry(from, to, 512 << 10) / NS_MS;
		assert_true(ms >= 800);
		if (ms <= 1200)
			return;
	}
	fail_msg("%lld ms", (long long)ms);
}

static void rate(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near, far;
	struct play p;

	(void)state;
	begin(&p, &at, false, "rate=512k");
	near = program(&p, SOCK_STREAM);
	far = accept_one(l);
	takes_a_second(far, near);
	takes_a_second(near, far);
	assert_int_equal(hits(), 1);
	close(near);
	close(far);
	close(l);
	end(&p);
}

/* Latency is no rate: many bytes are as late as one, and all of them come */
static void latency_of_many(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near, far;
	struct play p;

	(void)state;
	begin(&p, &at, false, "latency=100ms jitter=100ms");
	near = program(&p, SOCK_STREAM);
	far = accept_one(l);
	assert_in_range(carry(far, near, 1 << 20) / NS_MS, 0, 20000);
	close(near);
	close(far);
	close(l);
	end(&p);
}

/* What is due is held when the tunnel ends, and who leaves early leaves none
 * behind (ASan) */
static void given_up(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near, far;
	struct play p;

	(void)state;
	begin(&p, &at, false, "latency=10s");
	near = program(&p, SOCK_STREAM);
	far = accept_one(l);
	close(near); /* while its connection is late */
	nap();
	nap();
	close(far);
	close(l);
	end(&p);
}

/* --- percent -------------------------------------------------------------- */

static void percent(void **state)
{
	static const struct ipport to = { { AF_INET, { 10, 0, 0, 1 } }, 80 };
	static const struct ipport other = { { AF_INET, { 10, 0, 0, 2 } }, 80 };
	struct fault v[2];
	struct fault_list list = { v, 2 };
	struct faults *f;
	size_t n, refused = 0, slow = 0;

	(void)state;
	assert_int_equal(fault_parse(&v[0], "10.0.0.1 refuse percent=10", NULL,
				     NULL, NULL),
			 0);
	assert_int_equal(fault_parse(&v[1], "10.0.0.0/30:80 latency=1s", NULL,
				     NULL, NULL),
			 0);
	f = faults_new(rig.loop, rig.tunnel, &list, 7);
	for (int i = 0; i < 10000; i++) {
		const struct fault *hit =
			faults_pick(f, FAULT_TCP, FAULT_BOTH, NULL, &to);

		assert_non_null(hit);
		refused += hit->act == FAULT_REFUSE;
		slow += hit->act == FAULT_SLOW;
		/* a name is none of the addresses */
		assert_null(faults_pick(f, FAULT_TCP, FAULT_BOTH, "db", &to));
		hit = faults_pick(f, FAULT_TCP, FAULT_BOTH, "", &other);
		assert_true(hit && hit->act == FAULT_SLOW);
	}
	/* five standard deviations */
	assert_in_range(refused, 850, 1150);
	assert_int_equal(refused + slow, 10000);
	assert_int_equal(faults_list(f, &n)[0].hits, refused);
	assert_int_equal(faults_list(f, &n)[1].hits, slow + 10000);
	faults_free(f);
}

static void jitter(void **state)
{
	struct fault f;
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	assert_int_equal(fault_parse(&f, "* latency=200ms jitter=50ms", NULL,
				     NULL, NULL),
			 0);
	for (uint64_t i = 0; i < 1000; i++) {
		int64_t ns = pace_delay(&f, i * 0x9e3779b97f4a7c15);

		least = MIN(least, ns);
		most = MAX(most, ns);
	}
	assert_in_range(least / NS_MS, 150, 155);
	assert_in_range(most / NS_MS, 245, 250);
}

/* --- UDP ------------------------------------------------------------------ */

static int udp_server(struct ipport *at)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*at = local_port(ntohs(sin.sin_port));
	return fd;
}

/* One there and one back; how long the way back took, -1: none came within
 * @patience */
static int64_t echo(int near, int server, int64_t patience)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int64_t until = clock_ns() + patience, sent;
	char byte;

	assert_int_equal(send(near, "x", 1, 0), 1);
	while (recvfrom(server, &byte, 1, MSG_DONTWAIT,
			(struct sockaddr *)&from, &len) != 1) {
		if (clock_ns() > until)
			return -1;
		nap();
	}
	sent = clock_ns();
	assert_int_equal(
		sendto(server, "y", 1, 0, (struct sockaddr *)&from, len), 1);
	assert_int_equal(take(near, &byte, 1), 1);
	return clock_ns() - sent;
}

static void datagrams(void **state)
{
	struct ipport at;
	int server = udp_server(&at), near;
	struct play p;

	(void)state;
	begin(&p, &at, true, "latency=200ms");
	near = program(&p, SOCK_DGRAM);
	assert_in_range(echo(near, server, 30 * NS_SEC) / NS_MS, 200, 30000);
	assert_int_equal(hits(), 1);
	close(near);
	end(&p);

	begin(&p, &at, true, "drop");
	near = program(&p, SOCK_DGRAM);
	assert_int_equal(echo(near, server, 200 * NS_MS), -1);
	assert_int_equal(hits(), 1);
	close(near);
	end(&p);

	/* there and back */
	begin(&p, &at, true, "rate=60k");
	near = program(&p, SOCK_DGRAM);
	for (int i = 0; i < 6; i++)
		assert_true(echo(near, server, 30 * NS_SEC) >= 0);
	assert_int_equal(hits(), 12);
	close(near);
	end(&p);
	close(server);
}

static int start(void **state)
{
	(void)state;
	rig_start(&rig, NULL);
	dialer_init(&dialer, rig.tunnel);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuse),	   cmocka_unit_test(drop),
		cmocka_unit_test(reset),	   cmocka_unit_test(latency),
		cmocka_unit_test(late_truth),	   cmocka_unit_test(rate),
		cmocka_unit_test(latency_of_many), cmocka_unit_test(given_up),
		cmocka_unit_test(percent),	   cmocka_unit_test(jitter),
		cmocka_unit_test(datagrams),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
