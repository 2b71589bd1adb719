/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP through the real shadow: each request goes its own way. */
#include "test.h"

#include "inrig.h"

#include "base/mem.h"
#include "router/copy.h"
#include "wire/http1.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char text[4096];

static void ask_by(int fd, const char *method, const char *mark)
{
	int n = snprintf(text, sizeof(text),
			 "%s /x HTTP/1.1\r\nHost: web\r\n%s%s%s\r\n", method,
			 mark ? "Version: " : "", mark ? mark : "",
			 mark ? "\r\n" : "");

	assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

static void ask(int fd, const char *mark)
{
	ask_by(fd, "GET", mark);
}

/* read up to the end of a head, or of a body that @end ends */
static const char *hear(int fd, const char *end)
{
	size_t n = 0;

	text[0] = 0;
	while (!strstr(text, end)) {
		ssize_t rc = get(fd, text + n, sizeof(text) - 1 - n);

		if (rc <= 0)
			fail_msg("%zd after: %s", rc, text);
		n += (size_t)rc;
		text[n] = 0;
	}
	return text;
}

static void answer(int fd, const char *who)
{
	char out[200];
	int n = snprintf(out, sizeof(out),
			 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(who), who);

	assert_int_equal(send(fd, out, (size_t)n, MSG_NOSIGNAL), n);
}

static const char *rule(const char *value)
{
	static char r[64];

	snprintf(r, sizeof(r), "%u header:version=%s", port, value);
	return r;
}

static void each_request_its_own_way(void **state)
{
	struct laptop ann, bob;
	int a, home, la, lb;

	(void)state;
	laptop_new(&ann, "ann", 2, rule("ann"), NULL);
	laptop_new(&bob, "bob", 2, rule("bob"), NULL);
	assert_true(ann.accepted && bob.accepted);
	a = connect_to(port);
	ask(a, "ann");
	la = accept_one(ann.listener);
	hear(la, "\r\n\r\n");
	assert_non_null(strstr(text, "GET /x HTTP/1.1\r\n"));
	assert_non_null(strstr(text, "Host: web\r\n"));
	assert_non_null(strcasestr(text, "X-Forwarded-For: 127.0.0.1\r\n"));
	assert_non_null(strcasestr(text, "Version: ann\r\n"));
	answer(la, "from ann");
	hear(a, "from ann");
	/* the same connection of the caller */
	ask(a, NULL);
	home = accept_one(origin);
	hear(home, "\r\n\r\n");
	answer(home, "from home");
	hear(a, "from home");
	ask(a, "bob");
	lb = accept_one(bob.listener);
	hear(lb, "\r\n\r\n");
	answer(lb, "from bob");
	hear(a, "from bob");
	ask(a, "nobody");
	close(a);
	close(la);
	close(lb);
	close(home);
	laptop_free(&ann);
	laptop_free(&bob);
}

/* nobody takes a mark from its owner by a narrower match */
static void a_narrower_rule_is_refused(void **state)
{
	struct laptop ann, bob;
	char narrow[100];
	int a, b;

	(void)state;
	laptop_new(&ann, "ann", 2, rule("ann"), NULL);
	assert_true(ann.accepted);
	snprintf(narrow, sizeof(narrow), "%s path:/", rule("ann"));
	laptop_new(&bob, "bob", 2, narrow, NULL);
	assert_true(bob.refused);
	assert_string_equal(bob.holder, "ann");
	assert_non_null(strstr(bob.text, "is taken by ann"));
	a = connect_to(port);
	ask(a, "ann");
	b = accept_one(ann.listener);
	hear(b, "\r\n\r\n");
	answer(b, "from ann");
	hear(a, "from ann");
	close(a);
	close(b);
	laptop_free(&ann);
	laptop_free(&bob);
}

/* a new caller without a mark: is its connection ended with the answer? */
static bool is_drained(void)
{
	int a, home;

	(void)!loop_sleep(rig.loop, 100 * NS_MS);
	a = connect_to(port);
	ask(a, NULL);
	home = accept_one(origin);
	hear(home, "\r\n\r\n");
	answer(home, "from home");
	hear(a, "from home");
	close(a);
	close(home);
	return strcasestr(text, "connection: close");
}

/* One client cannot drain what another serves, nor end what it drains. */
static void draining_is_for_own_rules(void **state)
{
	struct laptop ann, bob, cat, dan;

	(void)state;
	laptop_new(&ann, "ann", 2, rule("ann"), NULL);
	laptop_new(&bob, "bob", 2, rule("bob"), NULL);
	assert_true(ann.accepted && bob.accepted);
	inbound_drain(ann.in);
	assert_false(is_drained());
	inbound_drain(bob.in);
	assert_true(is_drained());
	/* rules that are refused say nothing about the Service */
	laptop_new(&cat, "cat", 2, rule("bob"), NULL);
	assert_true(cat.refused);
	assert_true(is_drained());
	/* it holds when they have left, until somebody serves the port */
	laptop_free(&ann);
	laptop_free(&bob);
	assert_true(is_drained());
	laptop_new(&dan, "dan", 2, rule("dan"), NULL);
	assert_true(dan.accepted);
	assert_false(is_drained());
	/* without a rule in force: nothing */
	inbound_drain(cat.in);
	assert_false(is_drained());
	laptop_free(&cat);
	laptop_free(&dan);
}

static void lost_and_back(void **state)
{
	struct laptop l;
	int64_t begin;
	int a, b, post, post_here, home;

	(void)state;
	laptop_new(&l, "ann", 2, rule("ann"), NULL);
	a = connect_to(port);
	ask(a, "ann");
	b = accept_one(l.listener);
	hear(b, "\r\n\r\n");
	post = connect_to(port);
	ask_by(post, "POST", "ann");
	post_here = accept_one(l.listener);
	hear(post_here, "\r\n\r\n");
	laptop_cut(&l);
	/* who waits for an answer does not wait longer than the grace time */
	begin = clock_ns();
	hear(post, "\r\n\r\n");
	assert_non_null(strstr(text, "HTTP/1.1 502 "));
	assert_in_range(clock_ns() - begin, NS_SEC, 3 * NS_SEC);
	close(post);
	/* then the origin has it: also what may be asked twice */
	home = accept_one(origin);
	hear(home, "\r\n\r\n");
	assert_non_null(strstr(text, "Version: ann\r\n"));
	answer(home, "from home");
	hear(a, "from home");
	assert_in_range(clock_ns() - begin, NS_SEC, 4 * NS_SEC);
	close(b);
	close(post_here);
	laptop_attach(&l);
	while (!l.resumed)
		loop_once(rig.loop, NS_SEC);
	/* the same connection: the laptop's again */
	ask(a, "ann");
	b = accept_one(l.listener);
	hear(b, "\r\n\r\n");
	answer(b, "from ann");
	hear(a, "from ann");
	close(a);
	close(b);
	close(home);
	laptop_free(&l);
}

static void waits_for_the_laptop_then_home(void **state)
{
	struct laptop l;
	int a, home;

	(void)state;
	laptop_new(&l, "ann", 2, all(port), NULL);
	laptop_cut(&l);
	a = connect_to(port);
	ask(a, NULL);
	home = accept_one(origin);
	hear(home, "\r\n\r\n");
	answer(home, "from home");
	hear(a, "from home");
	close(a);
	close(home);
	laptop_free(&l);
}

static void a_body_of_any_size(void **state)
{
	enum { SIZE = 20 * 1024 * 1024 };
	static uint8_t mem[1 << 16];
	size_t sent = 0, got = 0;
	struct laptop l;
	int a, b, n;

	(void)state;
	laptop_new(&l, "ann", 2, all(port), NULL);
	a = connect_to(port);
	n = snprintf(text, sizeof(text),
		     "POST /x HTTP/1.1\r\nHost: web\r\nContent-Length: %d"
		     "\r\n\r\n",
		     SIZE);
	assert_int_equal(send(a, text, (size_t)n, 0), n);
	b = accept_one(l.listener);
	/* the server reads nothing for a while: the caller is stopped */
	for (int i = 0; i < 100; i++) {
		ssize_t rc;

		while ((rc = send(a, mem, MIN(sizeof(mem), SIZE - sent),
				  MSG_DONTWAIT)) > 0 &&
		       sent < SIZE)
			sent += (size_t)rc;
		loop_once(rig.loop, 5 * NS_MS);
	}
	assert_true(sent < SIZE);
#ifndef KT_SANITIZED
	assert_true(rig_rss(&rig) < 24 * 1024);
#endif
	while (got < SIZE) {
		ssize_t rc = send(a, mem, MIN(sizeof(mem), SIZE - sent),
				  MSG_DONTWAIT);

		sent += rc > 0 ? (size_t)rc : 0;
		rc = recv(b, mem, sizeof(mem), MSG_DONTWAIT);
		got += rc > 0 ? (size_t)rc : 0;
		loop_once(rig.loop, 0);
	}
	answer(b, "thanks");
	hear(a, "thanks");
	close(a);
	close(b);
	laptop_free(&l);
}

/* A request that is held at the laptop and given up there: neither the local
 * program nor the origin hears of it */
static void a_held_request(void **state)
{
	struct laptop ann;
	int a;

	(void)state;
	laptop_new(&ann, "ann", 2, rule("ann"), NULL);
	inbound_hold(ann.in, true);
	a = connect_to(port);
	ask_by(a, "HEAD", "ann");
	while (!inbound_held(ann.in))
		loop_once(rig.loop, 10 * NS_MS);
	reset(a);
	while (inbound_held(ann.in))
		loop_once(rig.loop, 10 * NS_MS);
	inbound_hold(ann.in, false);
	assert_true(nobody_comes(ann.listener));
	assert_true(nobody_comes(origin));
	laptop_free(&ann);
}

/* --- copies --------------------------------------------------------------- */

static const char *copy_rule(int percent)
{
	static char r[64];

	snprintf(r, sizeof(r), "%u/copy=%d header:version=ann", port, percent);
	return r;
}

/* one that is asked, and its answer from home */
static void asked_at_home(int fd, int home)
{
	ask(fd, "ann");
	hear(home, "\r\n\r\n");
	assert_null(strcasestr(text, "kt-copy"));
	answer(home, "from home");
	hear(fd, "from home");
}

static void until_counted(const struct laptop *l, uint64_t sent,
			  uint64_t dropped)
{
	int64_t end = clock_ns() + 20 * NS_SEC;

	while (l->copies_sent + l->copies_dropped < sent + dropped &&
	       clock_ns() < end)
		loop_once(rig.loop, 10 * NS_MS);
	assert_int_equal(l->copies_sent, sent);
	assert_int_equal(l->copies_dropped, dropped);
}

static void a_copy_comes_and_home_answers(void **state)
{
	struct laptop ann, bob;
	int a, home, la;

	(void)state;
	laptop_new(&ann, "ann", 2, copy_rule(100), NULL);
	assert_true(ann.accepted);
	a = connect_to(port);
	ask(a, "ann");
	home = accept_one(origin);
	hear(home, "\r\n\r\n");
	/* before it has answered */
	la = accept_one(ann.listener);
	hear(la, "\r\n\r\n");
	assert_non_null(strstr(text, "GET /x HTTP/1.1\r\n"));
	assert_non_null(strstr(text, "\r\nkt-copy: 1\r\n"));
	assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
	answer(la, "from ann");
	answer(home, "from home");
	hear(a, "from home");
	close(la);
	/* not marked */
	ask(a, "cyd");
	hear(home, "\r\n\r\n");
	answer(home, "from home");
	hear(a, "from home");
	assert_true(nobody_comes(ann.listener));
	until_counted(&ann, 1, 0);
	/* taken over by somebody: his alone */
	laptop_new(&bob, "bob", 2, rule("ann"), NULL);
	assert_true(bob.accepted);
	ask(a, "ann");
	la = accept_one(bob.listener);
	hear(la, "\r\n\r\n");
	answer(la, "from bob");
	hear(a, "from bob");
	assert_true(nobody_comes(ann.listener));
	close(a);
	close(la);
	close(home);
	laptop_free(&bob);
	laptop_free(&ann);
}

/* it has stopped: nothing is read from its connection, nobody answers there */
static void a_laptop_that_hangs(void **state)
{
	struct laptop ann;
	int64_t start, longest = 0;
	int a, home;

	(void)state;
	laptop_new(&ann, "ann", 2, copy_rule(100), NULL);
	inbound_hold(ann.in, true);
	a = connect_to(port);
	ask(a, "ann");
	home = accept_one(origin);
	hear(home, "\r\n\r\n");
	answer(home, "from home");
	hear(a, "from home");
	for (int i = 0; i < 200; i++) {
		start = clock_ns();
		asked_at_home(a, home);
		longest = MAX(longest, clock_ns() - start);
	}
	assert_true(longest < 5 * NS_SEC); /* no time-out is waited for */
	/* those that wait are bounded: the others are dropped, and counted */
	until_counted(&ann, 0, 201 - COPY_CLIENT_N);
	close(a);
	close(home);
	laptop_free(&ann);
}

/* nobody listens, and then its network is gone */
static void a_laptop_that_is_gone(void **state)
{
	struct laptop ann;
	int a, home;

	(void)state;
	laptop_new(&ann, "ann", 2, copy_rule(100), NULL);
	close(ann.listener);
	a = connect_to(port);
	ask(a, "ann");
	home = accept_one(origin);
	hear(home, "\r\n\r\n");
	answer(home, "from home");
	hear(a, "from home");
	until_counted(&ann, 0, 1);
	laptop_cut(&ann);
	for (int i = 0; i < 10; i++)
		asked_at_home(a, home);
	/* and what was dropped meanwhile is told when it is back */
	laptop_attach(&ann);
	until_counted(&ann, 0, 11);
	close(a);
	close(home);
	inbound_free(ann.in);
}

/* --- events --------------------------------------------------------------- */

static void one_request(int listener, const char *mark, const char *from)
{
	int a = connect_to(port), b;

	ask(a, mark);
	b = accept_one(listener);
	hear(b, "\r\n\r\n");
	answer(b, from);
	hear(a, from);
	close(a);
	close(b);
}

/* Each hears of all requests, and which of them were its own */
static void who_watches_is_told_of_requests(void **state)
{
	struct laptop ann, bob;
	const char *rest;

	(void)state;
	laptop_new(&ann, "ann", 2, rule("ann"), NULL);
	laptop_new(&bob, "bob", 2, rule("bob"), NULL);
	one_request(ann.listener, "ann", "from ann"); /* kept for them */
	inbound_watch(ann.in, true);
	assert_string_equal(laptop_told(&ann, 1),
			    "request http/1 local GET /x 200 ann "
			    "header:version=ann;");
	assert_true(ann.watching);
	assert_int_equal(ann.event.port, port);
	assert_true(ann.event.latency >= 0 && ann.event.latency < 20000000);
	assert_int_equal(ann.event.from.family, AF_INET);
	inbound_watch(bob.in, true);
	one_request(origin, NULL, "from home");
	one_request(bob.listener, "bob", "from bob");
	rest = "request http/1 origin GET /x 200  ;"
	       "request http/1 local GET /x 200 bob header:version=bob;";
	laptop_told(&bob, 3);
	assert_string_equal(bob.events + strlen("request http/1 other GET /x "
						"200 ann header:version=ann;"),
			    rest);
	laptop_told(&ann, 3);
	assert_non_null(strstr(ann.events,
			       "request http/1 other GET /x 200 bob "
			       "header:version=bob;"));
	assert_int_equal(ann.missed + bob.missed, 0);
	/* nobody wants to know, and then what came meanwhile */
	inbound_watch(ann.in, false);
	one_request(origin, NULL, "from home");
	laptop_told(&bob, 4);
	assert_int_equal(ann.nevents, 3);
	inbound_watch(ann.in, true);
	laptop_told(&ann, 4);
	assert_int_equal(ann.nevents, 4);
	laptop_free(&ann);
	laptop_free(&bob);
}

/* The same shadow, another carrier: nothing twice, nothing lost */
static void events_survive_a_lost_carrier(void **state)
{
	struct laptop ann;

	(void)state;
	laptop_new(&ann, "ann", 2, rule("ann"), NULL);
	inbound_watch(ann.in, true);
	one_request(origin, NULL, "from home");
	laptop_told(&ann, 1);
	laptop_cut(&ann);
	one_request(origin, NULL, "from home");
	laptop_attach(&ann);
	laptop_told(&ann, 2);
	assert_int_equal(ann.nevents, 2);
	assert_int_equal(ann.missed, 0);
	laptop_free(&ann);
}

/* More than are kept, to one who does not hear: counted */
static void events_that_are_dropped_are_counted(void **state)
{
	struct laptop ann;
	int a, b;

	(void)state;
	laptop_new(&ann, "ann", 10, rule("ann"), NULL);
	inbound_watch(ann.in, true);
	one_request(origin, NULL, "from home");
	laptop_told(&ann, 1);
	laptop_cut(&ann);
	a = connect_to(port);
	ask(a, NULL);
	b = accept_one(origin);
	fcntl(a, F_SETFL, 0); /* without the rig's loop it is quick */
	fcntl(b, F_SETFL, 0);
	for (int i = 0; i < 700; i++) {
		if (i)
			ask(a, NULL);
		hear(b, "\r\n\r\n");
		answer(b, "from home");
		hear(a, "from home");
	}
	laptop_attach(&ann);
	while (ann.nevents + ann.missed < 701)
		laptop_told(&ann, ann.nevents + 1);
	assert_int_equal(ann.nevents + ann.missed, 701);
	assert_true(ann.missed > 0);
	close(a);
	close(b);
	laptop_free(&ann);
}

static void who_has_no_answer_is_told(void **state)
{
	struct laptop ann;
	int a, b;

	(void)state;
	laptop_new(&ann, "ann", 2, rule("ann"), NULL);
	inbound_watch(ann.in, true);
	a = connect_to(port);
	ask(a, "ann");
	b = accept_one(ann.listener);
	hear(b, "\r\n\r\n");
	reset(a); /* the caller does not wait */
	assert_string_equal(laptop_told(&ann, 1),
			    "request http/1 nobody GET /x 0  "
			    "header:version=ann;");
	close(b);
	close(ann.listener);
	ann.listener = -1;
	a = connect_to(port);
	ask(a, "ann"); /* refused: 502 of the router's own */
	hear(a, "\r\n\r\n");
	laptop_told(&ann, 2);
	assert_non_null(strstr(ann.events, ";request http/1 router GET /x 502"
					   "  header:version=ann;"));
	close(a);
	laptop_free(&ann);
}

/* What no program gets to see was answered as well */
static void what_the_router_refuses_is_told(void **state)
{
	static const char *const bad[][2] = {
		{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "  400" },
		{ "GET /y?q HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		  "GET /y 400" },
		{ "POST /z HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n",
		  "POST /z 400" },
	};
	auto_free char *fill = xcalloc(1, HTTP1_MAX_HEAD + 1);
	auto_free char *huge = NULL;
	struct laptop ann;
	size_t n = 0;

	(void)state;
	memset(fill, 'a', HTTP1_MAX_HEAD);
	huge = xasprintf("GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", fill);
	laptop_new(&ann, "ann", 2, rule("ann"), NULL);
	inbound_watch(ann.in, true);
	for (; n < ARRAY_SIZE(bad) + 1; n++) {
		bool large = n == ARRAY_SIZE(bad);
		auto_free char *want = xasprintf("request http/1 router %s  ;",
						 large ? "  431" : bad[n][1]);
		int a = connect_to(port);

		fcntl(a, F_SETFL, 0);
		(void)!send(a, large ? huge : bad[n][0],
			    strlen(large ? huge : bad[n][0]), MSG_NOSIGNAL);
		laptop_told(&ann, n + 1);
		if (!str_ends(ann.events, want))
			fail_msg("'%s' is not '%s'", ann.events, want);
		close(a);
	}
	assert_int_equal(ann.nevents, n);
	assert_int_equal(ann.event.latency >= 0, 1);
	laptop_free(&ann);
}

int main(void)
{
#define WITH_ORIGIN(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		WITH_ORIGIN(each_request_its_own_way),
		WITH_ORIGIN(a_narrower_rule_is_refused),
		WITH_ORIGIN(draining_is_for_own_rules),
		WITH_ORIGIN(lost_and_back),
		WITH_ORIGIN(waits_for_the_laptop_then_home),
		WITH_ORIGIN(a_body_of_any_size),
		WITH_ORIGIN(a_held_request),
		WITH_ORIGIN(a_copy_comes_and_home_answers),
		WITH_ORIGIN(a_laptop_that_hangs),
		WITH_ORIGIN(a_laptop_that_is_gone),
		WITH_ORIGIN(who_watches_is_told_of_requests),
		WITH_ORIGIN(events_survive_a_lost_carrier),
		WITH_ORIGIN(events_that_are_dropped_are_counted),
		WITH_ORIGIN(who_has_no_answer_is_told),
		WITH_ORIGIN(what_the_router_refuses_is_told),
	};

	setenv("SERVE_PROTO", "auto", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
