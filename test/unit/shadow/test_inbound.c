/* SPDX-License-Identifier: Apache-2.0 */
/* The inbound way, through the real shadow: callers of its ports reach local
 * servers by the laptop's end, or the origin. */
#include "test.h"

#include "inrig.h"

#include "shadow/serve_udp.h"

#include "base/mem.h"
#include "tunnel/sockcarrier.h"
#include "wire/clientline.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define LIMIT (20 * NS_SEC)

/* --- tests ---------------------------------------------------------------- */

static void callers_reach_the_laptop(void **state)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	struct ipport from;
	struct laptop l;
	int a, b;

	(void)state;
	laptop_new(&l, "ann", 1, all(port), all(port2));
	assert_true(l.accepted);
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "hello");
	say(b, a, "welcome");
	/* who it is */
	assert_int_equal(getsockname(a, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(ipport_from_sockaddr(&from, (struct sockaddr *)&sin),
			 0);
	assert_true(ipport_eq(&l.last.from, &from));
	assert_int_equal(l.last.remote, port);
	assert_int_equal(l.last.error, 0);
	assert_int_equal(inbound_callers(l.in), 1);
	close(a);
	assert_int_equal(get(b, &len, 1), 0);
	close(b);
	/* a port without an origin works alike */
	a = connect_to(port2);
	b = accept_one(l.listener);
	say(b, a, "first word");
	assert_int_equal(l.last.remote, port2);
	close(a);
	close(b);
	laptop_free(&l);
}

static void without_rule_the_origin(void **state)
{
	char c;
	int a, b;

	(void)state;
	a = connect_to(port);
	b = accept_one(origin);
	say(a, b, "hello");
	say(b, a, "welcome");
	/* half-close, each way */
	shutdown(a, SHUT_WR);
	assert_int_equal(get(b, &c, 1), 0);
	say(b, a, "still here");
	close(b);
	assert_int_equal(get(a, &c, 1), 0);
	close(a);
	a = connect_to(port);
	b = accept_one(origin);
	say(a, b, "x");
	reset(b);
	assert_int_equal(get(a, &c, 1), -ECONNRESET);
	close(a);
	a = connect_to(port);
	b = accept_one(origin);
	say(a, b, "x");
	reset(a);
	assert_int_equal(get(b, &c, 1), -ECONNRESET);
	close(b);
	/* nothing behind it: refused */
	a = connect_to(port2);
	assert_int_equal(get(a, &c, 1), -ECONNRESET);
	close(a);
}

static void half_close_and_reset(void **state)
{
	struct laptop l;
	char c;
	int a, b;

	(void)state;
	laptop_new(&l, "ann", 1, all(port), NULL);
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "x");
	shutdown(a, SHUT_WR);
	assert_int_equal(get(b, &c, 1), 0);
	say(b, a, "still here");
	close(b);
	assert_int_equal(get(a, &c, 1), 0);
	close(a);
	a = connect_to(port);
	b = accept_one(l.listener);
	shutdown(b, SHUT_WR);
	assert_int_equal(get(a, &c, 1), 0);
	say(a, b, "still here");
	reset(a);
	assert_int_equal(get(b, &c, 1), -ECONNRESET);
	close(b);
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "x");
	reset(b);
	assert_int_equal(get(a, &c, 1), -ECONNRESET);
	close(a);
	laptop_free(&l);
}

/* a reader that stalls stops the writer, and nothing is lost */
static void stall(int from, int to)
{
	static uint8_t mem[1 << 16];
	size_t sent = 0, got = 0;
	int64_t quiet = clock_ns();

	while (clock_ns() - quiet < 500 * NS_MS) {
		ssize_t n = send(from, mem, sizeof(mem),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			quiet = clock_ns();
		}
		loop_once(rig.loop, 5 * NS_MS);
		assert_true(sent < 64 * 1024 * 1024);
	}
	assert_true(sent > 100000);
	while (got < sent) {
		ssize_t n = get(to, mem, sizeof(mem));

		assert_true(n > 0);
		got += (size_t)n;
	}
}

static void back_pressure(void **state)
{
	static const char text[160];
	struct laptop l;
	int a, b, c, d;

	(void)state;
	laptop_new(&l, "ann", 1, all(port), NULL);
	a = connect_to(port);
	b = accept_one(l.listener);
	stall(a, b);
	stall(b, a);
	/* meanwhile others flow */
	while (send(a, text, sizeof(text), MSG_DONTWAIT) > 0)
		loop_once(rig.loop, 0);
	c = connect_to(port);
	d = accept_one(l.listener);
	say(c, d, "ping");
	say(d, c, "pong");
	reset(a);
	close(b);
	close(c);
	close(d);
	laptop_free(&l);
	/* and to the origin */
	a = connect_to(port);
	b = accept_one(origin);
	stall(a, b);
	stall(b, a);
	close(a);
	close(b);
}

static void refused_at_once(void **state)
{
	struct laptop l;
	int64_t begin;
	char c;
	int a;

	(void)state;
	laptop_new(&l, "ann", 1, all(port), NULL);
	close(l.listener);
	begin = clock_ns();
	a = connect_to(port);
	assert_int_equal(get(a, &c, 1), -ECONNRESET);
	assert_true(clock_ns() - begin < NS_SEC);
	assert_int_equal(l.last.error, -ECONNREFUSED);
	close(a);
	l.listener = -1;
	laptop_free(&l);
}

/* What connect() says: 0 or -errno */
static int knock(uint16_t to)
{
	struct sockaddr_storage ss;
	struct ipport at = local_port(to);
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = connect(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;

	close(fd);
	return rc;
}

static void knock_until(uint16_t to, int want)
{
	int64_t start = clock_ns();

	while (knock(to) != want) {
		loop_once(rig.loop, 10 * NS_MS);
		assert_true(clock_ns() - start < 20 * NS_SEC);
	}
}

/* Not accepted and then reset: who connects is told */
static void a_port_that_is_closed(void **state)
{
	struct laptop ann, bob;
	char text[64];
	int a, b;

	(void)state;
	laptop_new_some(&ann, "ann", 60, all(port), all(port2), 1);
	for (int i = 0; i < 50; i++)
		assert_int_equal(knock(port2), -ECONNREFUSED);
	assert_int_equal(ann.callers, 0);
	a = connect_to(port);
	b = accept_one(ann.listener);
	say(a, b, "open");
	close(a);
	close(b);
	/* somebody else has a part of it */
	snprintf(text, sizeof(text), "%u header:x=1", port2);
	laptop_new(&bob, "bob", 60, text, NULL);
	assert_int_equal(knock(port2), 0);
	laptop_free(&bob);
	knock_until(port2, -ECONNREFUSED);
	/* away: who comes waits for its grace time, as for any other port */
	laptop_cut(&ann);
	knock_until(port2, 0);
	laptop_attach(&ann);
	knock_until(port2, -ECONNREFUSED);
	laptop_free(&ann);
	knock_until(port2, 0);
}

static void a_server_on_v6_only(void **state)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const int one = 1;
	struct laptop l;
	int a, b;

	(void)state;
	laptop_new(&l, "ann", 1, all(port), NULL);
	close(l.listener);
	l.listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(l.listener, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	six.sin6_port = htons(l.local.port);
	if (bind(l.listener, (struct sockaddr *)&six, sizeof(six)) < 0) {
		laptop_free(&l);
		skip(); /* no IPv6 here */
	}
	assert_int_equal(listen(l.listener, 16), 0);
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "six");
	close(a);
	close(b);
	laptop_free(&l);
}

static void goodbye_gives_back_at_once(void **state)
{
	struct laptop l;
	char c;
	int a, b;

	(void)state;
	laptop_new(&l, "ann", 60, all(port), NULL);
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "x");
	laptop_free(&l);
	assert_int_equal(get(a, &c, 1), -ECONNRESET);
	close(a);
	close(b);
	a = connect_to(port);
	b = accept_one(origin);
	say(a, b, "home");
	close(a);
	close(b);
}

static void lost_for_longer_than_the_grace(void **state)
{
	struct laptop l;
	int64_t begin;
	char c, text[8];
	int old, a, b, k;

	(void)state;
	laptop_new(&l, "ann", 2, all(port), all(port2));
	old = connect_to(port);
	k = accept_one(l.listener);
	say(old, k, "x");
	laptop_cut(&l);
	begin = clock_ns();
	/* within the grace time it is still the laptop's: it waits */
	a = connect_to(port);
	assert_true(nobody_comes(origin));
	/* then it is the origin's, nothing was lost */
	assert_int_equal(send(a, "early", 5, 0), 5);
	b = accept_one(origin);
	assert_in_range(clock_ns() - begin, 3 * NS_SEC / 2, 3 * NS_SEC);
	assert_int_equal(get(b, text, 5), 5);
	assert_memory_equal(text, "early", 5);
	say(b, a, "late");
	close(a);
	close(b);
	/* who was with the laptop does not wait any longer either */
	assert_int_equal(get(old, &c, 1), -ECONNRESET);
	assert_true(clock_ns() - begin < 3 * NS_SEC);
	a = connect_to(port2);
	assert_int_equal(get(a, &c, 1), -ECONNRESET);
	close(a);
	/* back within the session: the rules are back at once */
	laptop_attach(&l);
	while (!l.resumed)
		loop_once(rig.loop, NS_SEC);
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "again");
	assert_int_equal(get(k, &c, 1), -ECONNRESET);
	assert_false(l.refused);
	close(k);
	close(old);
	close(a);
	close(b);
	laptop_free(&l);
}

static void back_within_the_grace(void **state)
{
	char text[16];
	struct laptop l;
	int a, b, c, d;

	(void)state;
	laptop_new(&l, "ann", 10, all(port), NULL);
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "x");
	laptop_cut(&l);
	assert_int_equal(send(a, "meanwhile", 9, 0), 9);
	c = connect_to(port);
	assert_true(nobody_comes(l.listener));
	laptop_attach(&l);
	/* the old one goes on, the new one comes through */
	assert_int_equal(get(b, text, 9), 9);
	assert_memory_equal(text, "meanwhile", 9);
	d = accept_one(l.listener);
	say(c, d, "y");
	assert_int_equal(l.resumed, 1);
	close(a);
	close(b);
	close(c);
	close(d);
	laptop_free(&l);
}

static void duplicates_are_refused(void **state)
{
	struct laptop ann, bob;
	char text[80];
	int a, b;

	(void)state;
	laptop_new(&ann, "ann", 1, all(port), NULL);
	laptop_new(&bob, "bob", 1, all(port2), all(port));
	assert_true(bob.refused);
	assert_string_equal(bob.holder, "ann");
	assert_non_null(strstr(bob.text, "taken by ann"));
	/* nothing of the refused set is in force */
	a = connect_to(port2);
	assert_int_equal(get(a, text, 1), -ECONNRESET);
	close(a);
	laptop_free(&bob);
	/* another rule for the same port is another matter */
	snprintf(text, sizeof(text), "%u header:version=bob", port);
	laptop_new(&bob, "bob", 1, text, all(port2));
	assert_true(bob.accepted);
	a = connect_to(port);
	b = accept_one(ann.listener);
	close(a);
	close(b);
	a = connect_to(port2);
	b = accept_one(bob.listener);
	close(a);
	close(b);
	laptop_free(&bob);
	/* lost, not yet free; then free; then the first comes back */
	laptop_cut(&ann);
	laptop_new(&bob, "bob", 1, all(port), NULL);
	assert_true(bob.refused);
	assert_non_null(strstr(bob.text, "connection is lost: free in"));
	laptop_free(&bob);
	(void)!loop_sleep(rig.loop, 1500 * NS_MS);
	laptop_new(&bob, "bob", 1, all(port), NULL);
	assert_true(bob.accepted);
	laptop_attach(&ann);
	rig_wait(&rig, &ann.refused);
	assert_string_equal(ann.holder, "bob");
	a = connect_to(port);
	b = accept_one(bob.listener);
	close(a);
	close(b);
	laptop_free(&ann);
	/* a port that is not served */
	laptop_new(&ann, "ann", 1, all(free_port()), NULL);
	assert_true(ann.refused);
	assert_string_equal(ann.holder, "");
	laptop_free(&ann);
	laptop_free(&bob);
}

static void a_caller_that_gives_up(void **state)
{
	struct laptop l;
	int fds, a[50];

	(void)state;
	laptop_new(&l, "ann", 10, all(port), NULL);
	laptop_cut(&l);
	(void)!loop_sleep(rig.loop, 200 * NS_MS);
	fds = rig_fds(&rig);
	for (int i = 0; i < 50; i++)
		a[i] = connect_to(port);
	(void)!loop_sleep(rig.loop, 300 * NS_MS);
	assert_true(rig_fds(&rig) >= fds + 50);
	for (int i = 0; i < 50; i++)
		reset(a[i]);
	(void)!loop_sleep(rig.loop, 300 * NS_MS);
	assert_true(rig_fds(&rig) <= fds + 2);
	laptop_attach(&l);
	assert_true(nobody_comes(l.listener));
	laptop_free(&l);
}

static void many_callers(void **state)
{
	enum { N = 300 };
	static int a[N], b[N];
	struct laptop l;
	char c;

	(void)state;
	laptop_new(&l, "ann", 10, all(port), NULL);
	for (int i = 0; i < N; i++) {
		a[i] = connect_to(port);
		assert_int_equal(send(a[i], &i, sizeof(i), 0), sizeof(i));
	}
	for (int i = 0; i < N; i++)
		b[i] = accept_one(l.listener);
	for (int i = 0; i < N; i++) {
		int k;

		assert_int_equal(get(b[i], &k, sizeof(k)), sizeof(k));
		assert_int_equal(send(b[i], &k, sizeof(k), 0), sizeof(k));
		close(b[i]);
	}
	for (int i = 0; i < N; i++) {
		int k;

		assert_int_equal(get(a[i], &k, sizeof(k)), sizeof(k));
		assert_int_equal(k, i);
		assert_int_equal(get(a[i], &c, 1), 0);
		close(a[i]);
	}
	(void)!loop_sleep(rig.loop, 200 * NS_MS);
	assert_int_equal(inbound_callers(l.in), 0);
	laptop_free(&l);
}

static void rules_change(void **state)
{
	struct laptop l;
	struct rule rule;
	char c;
	int a, b, k, d;

	(void)state;
	laptop_new(&l, "ann", 10, all(port), NULL);
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "x");
	/* none: new ones go home, the old one stays */
	l.accepted = false;
	assert_int_equal(inbound_set_rules(l.in, NULL, 0), 0);
	rig_wait(&rig, &l.accepted);
	k = connect_to(port);
	d = accept_one(origin);
	say(k, d, "home");
	say(a, b, "still here");
	close(k);
	close(d);
	l.accepted = false;
	assert_int_equal(rule_parse(&rule, all(port2), NULL), 0);
	assert_int_equal(inbound_set_rules(l.in, &rule, 1), 0);
	rig_wait(&rig, &l.accepted);
	k = connect_to(port2);
	d = accept_one(l.listener);
	say(k, d, "other port");
	close(k);
	close(d);
	assert_int_equal(inbound_set_rules(l.in, &rule, INBOUND_RULES_MAX + 1),
			 -E2BIG);
	close(b);
	assert_int_equal(get(a, &c, 1), 0);
	close(a);
	laptop_free(&l);
}

static void the_quiet_ones_end(void **state)
{
	struct laptop l;
	char c;
	int a, b, k, d;

	(void)state;
	laptop_new(&l, "ann", 10, all(port), all(port2));
	/* one is answered, one waits for its answer */
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "question");
	say(b, a, "answer");
	k = connect_to(port2);
	d = accept_one(l.listener);
	say(k, d, "question");
	inbound_end_quiet(l.in, 10 * NS_SEC);
	say(a, b, "question");
	say(b, a, "answer");
	(void)!loop_sleep(rig.loop, 100 * NS_MS);
	inbound_end_quiet(l.in, 50 * NS_MS);
	assert_int_equal(get(a, &c, 1), 0);
	close(a);
	assert_int_equal(get(b, &c, 1), 0);
	close(b);
	say(d, k, "answer");
	(void)!loop_sleep(rig.loop, 100 * NS_MS);
	assert_int_equal(inbound_callers(l.in), 1);
	inbound_end_quiet(l.in, 50 * NS_MS);
	assert_int_equal(get(k, &c, 1), 0);
	close(k);
	assert_int_equal(get(d, &c, 1), 0);
	close(d);
	laptop_free(&l);
}

/* what the laptop's end still holds for a local program outlives it */
static void the_end_with_much_unread(void **state)
{
	static char much[1 << 20];
	struct laptop l;
	int a, b;

	(void)state;
	laptop_new(&l, "ann", 10, all(port), NULL);
	a = connect_to(port);
	b = accept_one(l.listener);
	while (send(a, much, sizeof(much), MSG_DONTWAIT) > 0)
		(void)!loop_sleep(rig.loop, 20 * NS_MS);
	laptop_free(&l);
	(void)!loop_sleep(rig.loop, 50 * NS_MS);
	while (get(b, much, sizeof(much)) > 0)
		;
	close(a);
	close(b);
}

/* --- a laptop in a process of its own * ----------------------------------- */

static pid_t laptop_process(unsigned int grace)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct laptop l;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rig.loop = loop_new();
		laptop_new(&l, "ann", grace, all(port), NULL);
		if (!l.accepted || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			loop_once(rig.loop, NS_SEC);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void gone(int sig, unsigned int grace, int64_t limit)
{
	pid_t pid = laptop_process(grace);
	int64_t begin = clock_ns();
	int a, b, status;

	kill(pid, sig);
	(void)!loop_sleep(rig.loop, 100 * NS_MS);
	a = connect_to(port);
	assert_int_equal(send(a, "x", 1, 0), 1);
	b = accept_one(origin);
	/* a fifth, at most 2 s, is for the way to the origin */
	assert_true(clock_ns() - begin > (int64_t)grace * NS_SEC * 3 / 4);
	assert_true(clock_ns() - begin < limit);
	say(b, a, "home");
	close(a);
	close(b);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void killed(void **state)
{
	(void)state;
	gone(SIGKILL, 2, 3 * NS_SEC);
}

/* nothing is closed: the silence must be noticed, and counts */
static void asleep(void **state)
{
	(void)state;
	gone(SIGSTOP, 9, 11 * NS_SEC);
}

static void told_to_end(void **state)
{
	int64_t begin;
	int a, b, status;
	char c;

	(void)state;
	a = connect_to(port);
	b = accept_one(origin);
	say(a, b, "question");
	kill(rig.shadow, SIGTERM);
	(void)!loop_sleep(rig.loop, 500 * NS_MS);
	/* whoever is there may finish */
	say(b, a, "answer");
	shutdown(b, SHUT_WR);
	assert_int_equal(get(a, &c, 1), 0);
	close(a);
	close(b);
	begin = clock_ns();
	while (waitpid(rig.shadow, &status, WNOHANG) == 0) {
		loop_once(rig.loop, 10 * NS_MS);
		assert_true(clock_ns() - begin < 3 * NS_SEC);
	}
	assert_true(WIFEXITED(status));
	tunnel_free(rig.tunnel);
	loop_free(rig.loop);
	close(origin);
}

static void gone_within(int64_t limit)
{
	int64_t begin = clock_ns();
	int status;

	while (waitpid(rig.shadow, &status, WNOHANG) == 0) {
		loop_once(rig.loop, 10 * NS_MS);
		assert_true(clock_ns() - begin < limit);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void after_the_shadow(void)
{
	tunnel_free(rig.tunnel);
	loop_free(rig.loop);
	close(origin);
}

static void wait_ending(struct laptop *l)
{
	int64_t begin = clock_ns();

	kill(rig.shadow, SIGTERM);
	while (!l->ending) {
		loop_once(rig.loop, 10 * NS_MS);
		assert_true(clock_ns() - begin < 5 * NS_SEC);
	}
}

/* A laptop that makes another shadow keeps this one until it leaves it. */
static void told_to_end_and_waits(void **state)
{
	struct laptop l;
	int a, b;

	(void)state;
	laptop_new(&l, "ann", 2, all(port), NULL);
	l.wait = true;
	wait_ending(&l);
	(void)!loop_sleep(rig.loop, 2500 * NS_MS);
	assert_false(l.dead || l.lost);
	a = connect_to(port);
	b = accept_one(l.listener);
	say(a, b, "still served");
	say(b, a, "so it is");
	close(a);
	close(b);
	laptop_free(&l);
	gone_within(5 * NS_SEC);
	after_the_shadow();
}

static void told_to_end_and_nobody_waits(void **state)
{
	struct laptop l;

	(void)state;
	laptop_new(&l, "ann", 2, all(port), NULL);
	wait_ending(&l);
	gone_within(5 * NS_SEC); /* with a laptop that waits it is 8 s */
	laptop_free(&l);
	after_the_shadow();
}

/* A caller, and the answer of the Service's own Pods */
static void served_by_the_origin(void)
{
	int a = connect_to(port), b = accept_one(origin);

	say(a, b, "question");
	say(b, a, "answer");
	close(a);
	close(b);
}

/* Nodes that do not know yet that it ends lead callers here, though nobody is
 * here in this moment */
static void told_to_end_in_a_pause(void **state)
{
	int64_t last;

	(void)state;
	kill(rig.shadow, SIGTERM);
	for (int i = 0; i < 3; i++) {
		(void)!loop_sleep(rig.loop, 500 * NS_MS);
		served_by_the_origin();
	}
	/* one whose SYN was lost comes by the next one, a second later; on a
	 * machine that is late here the shadow may be gone by now */
	last = clock_ns();
	(void)!loop_sleep(rig.loop, 1050 * NS_MS);
	if (clock_ns() - last < 1200 * NS_MS)
		served_by_the_origin();
	gone_within(3 * NS_SEC);
	after_the_shadow();
}

/* ... and still when the laptops have left it for another one */
static void told_to_end_and_left(void **state)
{
	struct laptop l;

	(void)state;
	laptop_new(&l, "ann", 2, all(port), NULL);
	l.wait = true;
	wait_ending(&l);
	(void)!loop_sleep(rig.loop, 2500 * NS_MS);
	laptop_free(&l);
	for (int i = 0; i < 3; i++) {
		(void)!loop_sleep(rig.loop, 500 * NS_MS);
		served_by_the_origin();
	}
	gone_within(3 * NS_SEC);
	after_the_shadow();
}

static int start_short(void **state)
{
	int rc;

	start_also = (char *)(uintptr_t) "--drain=6";
	rc = start(state);
	start_also = NULL;
	return rc;
}

#define ARG(s) ((char *)(uintptr_t)(s))

/* What the kubelet's probe gets */
static bool is_ready(uint16_t health)
{
	static const char ask[] = "GET /healthz HTTP/1.1\r\n\r\n";
	char text[256] = "";
	int fd = connect_to(health);

	assert_int_equal(send(fd, ask, strlen(ask), 0), strlen(ask));
	assert_true(get(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_true(strstr(text, " 200 ") || strstr(text, " 503 "));
	return strstr(text, " 200 ");
}

static void start_in_place(uint16_t health)
{
	static char spec[32], number[8];
	char *args[] = { ARG("--serve"),
			 spec,
			 ARG("--health"),
			 number,
			 ARG("--ready-clients"),
			 ARG("2"),
			 NULL };

	port = free_port();
	snprintf(spec, sizeof(spec), "%u~http", port);
	snprintf(number, sizeof(number), "%u", health);
	rig_start(&rig, args);
}

/* In the place of another it takes no callers before both its users are here:
 * with rules, an idle one does not count */
static void ready_with_its_clients(void **state)
{
	struct laptop ann, bob;
	uint16_t health = free_port();
	char mark[80];

	(void)state;
	start_in_place(health);
	assert_false(is_ready(health));
	snprintf(mark, sizeof(mark), "%u header:VERSION=ann", port);
	laptop_new(&ann, "ann", 2, mark, NULL);
	assert_true(ann.accepted);
	assert_false(is_ready(health));
	snprintf(mark, sizeof(mark), "%u header:VERSION=bob", port);
	laptop_new(&bob, "bob", 2, mark, NULL);
	assert_true(bob.accepted);
	assert_true(is_ready(health));
	/* that is once and for all */
	laptop_free(&bob);
	assert_true(is_ready(health));
	laptop_free(&ann);
	rig_stop(&rig);
}

/* who does not come is not waited for longer than that */
static void ready_without_them_in_the_end(void **state)
{
	uint16_t health = free_port();
	int64_t begin;

	(void)state;
	start_in_place(health);
	begin = clock_ns();
	while (!is_ready(health)) {
		(void)!loop_sleep(rig.loop, 200 * NS_MS);
		assert_true(clock_ns() - begin < 15 * NS_SEC);
	}
	assert_true(clock_ns() - begin > 8 * NS_SEC);
	rig_stop(&rig);
}

/* Who is here, as this Pod's own loopback is told */
static const char *told(uint16_t health, char *text, size_t size)
{
	static const char ask[] = "GET " CLIENTLINE_PATH " HTTP/1.1\r\n\r\n";
	int fd = connect_to(health);
	size_t n = 0;
	ssize_t got;

	assert_int_equal(send(fd, ask, strlen(ask), 0), strlen(ask));
	while ((got = get(fd, text + n, size - 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
	text[n] = 0;
	assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
	text = strstr(text, "\r\n\r\n");
	assert_non_null(text);
	return text + 4;
}

static void tells_who_is_here(void **state)
{
	uint16_t health = free_port();
	char text[2048], mark[80], want[256];
	struct laptop ann;

	(void)state;
	start_in_place(health);
	assert_string_equal(told(health, text, sizeof(text)),
			    "shadow " KT_VERSION "\nclient out here\n");
	snprintf(mark, sizeof(mark), "%u header:VERSION=ann", port);
	laptop_new(&ann, "Ann B", 2, mark, NULL);
	snprintf(want, sizeof(want),
		 "client in here Ann%%20B\nrule %u header:version=ann\n", port);
	assert_non_null(strstr(told(health, text, sizeof(text)), want));
	laptop_cut(&ann);
	(void)!loop_sleep(rig.loop, 1100 * NS_MS);
	assert_null(strstr(told(health, text, sizeof(text)), "in here"));
	assert_non_null(strstr(told(health, text, sizeof(text)),
			       "client in 1 Ann%20B\nrule "));
	/* its rules are as they were when it is back */
	laptop_attach(&ann);
	(void)!loop_sleep(rig.loop, 200 * NS_MS);
	assert_non_null(strstr(told(health, text, sizeof(text)), want));
	laptop_free(&ann);
	(void)!loop_sleep(rig.loop, 200 * NS_MS);
	assert_null(strstr(told(health, text, sizeof(text)), "client in"));
	rig_stop(&rig);
}

/* --- UDP ------------------------------------------------------------------ */

static int udp_socket(struct ipport *at)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001),
				   .sin_port = htons(at->port) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*at = local_port(ntohs(sin.sin_port));
	return fd;
}

static int udp_caller(uint16_t to)
{
	struct sockaddr_storage ss;
	struct ipport at = local_port(to);
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

/* @a asks, @server hears it and answers */
static void udp_talk(int a, int server, const char *text)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int64_t begin = clock_ns();
	char buf[64] = "";
	ssize_t n;

	assert_true(send(a, text, strlen(text), 0) > 0);
	while ((n = recvfrom(server, buf, sizeof(buf), 0,
			     (struct sockaddr *)&sin, &len)) < 0) {
		loop_once(rig.loop, 10 * NS_MS);
		assert_true(clock_ns() - begin < LIMIT);
	}
	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, (size_t)n);
	assert_int_equal(
		sendto(server, "answer", 6, 0, (struct sockaddr *)&sin, len),
		6);
	assert_int_equal(get(a, buf, sizeof(buf)), 6);
}

static void datagrams(void **state)
{
	struct ipport at = { 0 };
	int home = udp_socket(&at), a, b, server;
	char spec[160], text[40];
	struct laptop l;

	(void)state;
	port = free_port();
	snprintf(spec, sizeof(spec), "%u/udp=127.0.0.1:%u,%u/udp", port,
		 at.port, port2);
	start_with(spec);
	a = udp_caller(port);
	udp_talk(a, home, "to the origin");
	snprintf(text, sizeof(text), "%u/udp all", port);
	laptop_new(&l, "ann", 1, text, NULL);
	assert_true(l.accepted);
	server = udp_socket(&l.local);
	/* the same caller goes to the laptop now, and another one too */
	udp_talk(a, server, "to the laptop");
	b = udp_caller(port);
	udp_talk(b, server, "from another");
	assert_int_equal(l.callers, 2);
	assert_true(l.last.udp);
	assert_int_equal(l.last.from.addr.family, AF_INET);
	udp_talk(a, server, "once more");
	assert_int_equal(l.callers, 2);
	laptop_free(&l);
	udp_talk(a, home, "and back");
	close(a);
	close(b);
	close(server);
	close(home);
	rig_stop(&rig);
}

/* A caller that is heard of keeps its port; of more callers than there is room
 * for, the longest silent one loses its. */
static void more_callers_than_room(void **state)
{
	struct ipport at = { 0 }, seen, first = { 0 };
	int home = udp_socket(&at), a;
	const int big = 4 << 20;
	char spec[80], buf[64];

	(void)state;
	assert_true(SERVE_UDP_IDLE_NS >= 120 * NS_SEC);	   /* RFC 9298 3.1 */
	assert_int_equal(SERVE_UDP_IDLE_NS, 300 * NS_SEC); /* RFC 4787 */
	setsockopt(home, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	port = free_port();
	snprintf(spec, sizeof(spec), "%u/udp=127.0.0.1:%u", port, at.port);
	start_with(spec);
	a = udp_caller(port);
	for (int i = 0; i < SERVE_UDP_FLOWS + 500; i++) {
		struct pollfd p = { .fd = home, .events = POLLIN };
		bool again = i % 500 == 0;
		int fd = again ? a : udp_caller(port);
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);

		assert_int_equal(send(fd, "x", 1, 0), 1);
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_int_equal(recvfrom(home, buf, sizeof(buf), 0,
					  (struct sockaddr *)&ss, &len),
				 1);
		assert_int_equal(
			ipport_from_sockaddr(&seen, (struct sockaddr *)&ss), 0);
		if (i == 0)
			first = seen;
		if (again)
			assert_true(ipport_eq(&first, &seen));
		else
			close(fd);
	}
	close(a);
	close(home);
	rig_stop(&rig);
}

/* Who is held is told, and not connected to the local program; who gives up
 * meanwhile was never seen by it */
static void held_callers(void **state)
{
	struct laptop l;
	int a, b, c;

	(void)state;
	laptop_new(&l, "ann", 1, all(port), NULL);
	inbound_hold(l.in, true);
	a = connect_to(port);
	b = connect_to(port);
	while (inbound_held(l.in) < 2)
		loop_once(rig.loop, 10 * NS_MS);
	assert_int_equal(l.callers, 2);
	assert_true(l.last.held);
	assert_true(nobody_comes(l.listener));
	reset(a);
	while (inbound_held(l.in) > 1)
		loop_once(rig.loop, 10 * NS_MS);
	inbound_hold(l.in, false);
	c = accept_one(l.listener);
	say(b, c, "hello");
	say(c, b, "welcome");
	assert_true(nobody_comes(l.listener));
	assert_int_equal(l.callers, 3);
	assert_false(l.last.held);
	close(b);
	close(c);
	/* still held when all is over */
	inbound_hold(l.in, true);
	a = connect_to(port);
	while (!inbound_held(l.in))
		loop_once(rig.loop, 10 * NS_MS);
	laptop_free(&l);
	close(a);
}

static void count_of(void *user, int error, const struct tunnel_info *in)
{
	int64_t *n = user;

	assert_int_equal(error, 0);
	*n = in->accepted;
}

static int64_t accepted_so_far(void)
{
	int64_t n = -2;

	assert_int_equal(tunnel_info_get(rig.tunnel, count_of, &n), 0);
	while (n == -2)
		loop_once(rig.loop, 10 * NS_MS);
	return n;
}

static void tells_how_many_came(void **state)
{
	int a, b;

	(void)state;
	assert_int_equal(accepted_so_far(), 0);
	a = connect_to(port);
	b = accept_one(origin);
	assert_int_equal(accepted_so_far(), 1);
	close(a);
	close(b);
	a = connect_to(port2); /* nothing is behind it */
	close(a);
	while (accepted_so_far() < 2)
		;
	assert_int_equal(accepted_so_far(), 2);
}

int main(void)
{
#define WITH_ORIGIN(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		WITH_ORIGIN(callers_reach_the_laptop),
		WITH_ORIGIN(without_rule_the_origin),
		WITH_ORIGIN(half_close_and_reset),
		WITH_ORIGIN(back_pressure),
		WITH_ORIGIN(refused_at_once),
		WITH_ORIGIN(a_port_that_is_closed),
		WITH_ORIGIN(a_server_on_v6_only),
		WITH_ORIGIN(goodbye_gives_back_at_once),
		WITH_ORIGIN(lost_for_longer_than_the_grace),
		WITH_ORIGIN(back_within_the_grace),
		WITH_ORIGIN(duplicates_are_refused),
		WITH_ORIGIN(a_caller_that_gives_up),
		WITH_ORIGIN(many_callers),
		WITH_ORIGIN(rules_change),
		WITH_ORIGIN(the_quiet_ones_end),
		WITH_ORIGIN(held_callers),
		WITH_ORIGIN(tells_how_many_came),
		WITH_ORIGIN(the_end_with_much_unread),
		WITH_ORIGIN(killed),
		WITH_ORIGIN(asleep),
		cmocka_unit_test_setup(told_to_end, start),
		cmocka_unit_test_setup(told_to_end_and_waits, start),
		cmocka_unit_test_setup(told_to_end_and_nobody_waits, start),
		cmocka_unit_test_setup(told_to_end_in_a_pause, start),
		cmocka_unit_test_setup(told_to_end_and_left, start_short),
		cmocka_unit_test(ready_with_its_clients),
		cmocka_unit_test(ready_without_them_in_the_end),
		cmocka_unit_test(tells_who_is_here),
		cmocka_unit_test(datagrams),
		cmocka_unit_test(more_callers_than_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
