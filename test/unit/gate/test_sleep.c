/* SPDX-License-Identifier: Apache-2.0 */
/* A sleeper between callers, an API server and a Pod, all in one loop, in
 * simulated time (tunnel/simtime.h). */
#include "base/fdlimit.h"
#include "base/log.h"
#include "base/mem.h"
#include "fakeapi.h"
#include "gate/sleep.h"
#include "gate/sleep_api.h"
#include "pipe/pipe_fd.h"
#include "test.h"
#include "tunnel/simtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE (400 * NS_MS)
#define WAKE (2 * NS_SEC)
#define SOON (10 * NS_SEC)
#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define WS                                                                     \
	"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "      \
	"x\r\n\r\n"

struct rig {
	struct loop *loop;
	struct fakeapi api;
	struct sleep_api *client;
	struct sleep *sleep;
	size_t nserve; /* ports */
	char token[64];
};

struct caller {
	struct loop *loop;
	struct watch watch;
	size_t len;
	bool answered; /* a whole answer */
	bool closed, reset;
	char in[4096];
};

/* --- callers -------------------------------------------------------------- */

static void caller_on_event(struct watch *w, uint32_t events)
{
	struct caller *c = container_of(w, struct caller, watch);
	ssize_t n = recv(w->fd, c->in + c->len, sizeof(c->in) - 1 - c->len, 0);

	(void)events;
	if (n <= 0) {
		c->closed = true;
		c->reset = n < 0;
		c->answered = true;
		loop_watch_stop(w);
		return;
	}
	c->len += (size_t)n;
	c->in[c->len] = '\0';
	if (strstr(c->in, "\r\n\r\n"))
		c->answered = true;
}

static void caller_connect_to(struct rig *r, struct caller *c, size_t port)
{
	struct ipport at = sleep_at(r->sleep, port);
	struct sockaddr_storage sa;
	socklen_t len = ipport_to_sockaddr(&at, &sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*c = (struct caller){ .loop = r->loop };
	assert_true(fd >= 0);
	c->watch.fd = fd;
	if (connect(fd, (struct sockaddr *)&sa, len) < 0) {
		c->closed = c->reset = c->answered = true;
		return;
	}
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(loop_watch_start(r->loop, &c->watch, fd, EPOLLIN,
					  caller_on_event),
			 0);
}

static void caller_connect(struct rig *r, struct caller *c)
{
	caller_connect_to(r, c, 0);
}

static void caller_say(struct caller *c, const char *text)
{
	c->answered = false;
	c->len = 0;
	if (c->closed)
		return;
	assert_int_equal(send(c->watch.fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

static void caller_end(struct caller *c)
{
	loop_watch_stop(&c->watch);
	close(c->watch.fd);
}

static int caller_wait(struct caller *c, int64_t ns)
{
	c->answered = c->answered || c->closed;
	return loop_run_until(c->loop, &c->answered, ns);
}

/* One request on a connection of its own: the status, 0: refused or reset */
static int ask_port(struct rig *r, size_t port)
{
	struct caller c;
	int status;

	caller_connect_to(r, &c, port);
	if (!c.closed)
		caller_say(&c, GET);
	assert_int_equal(caller_wait(&c, SOON), 0);
	status = c.len ? (int)strtol(c.in + strlen("HTTP/1.1 "), NULL, 10) : 0;
	if (status == 200)
		assert_non_null(strstr(c.in, "member"));
	caller_end(&c);
	return status;
}

static int ask(struct rig *r)
{
	return ask_port(r, 0);
}

/* --- the rig -------------------------------------------------------------- */

static void open_now(struct timer *t);

struct opening {
	struct timer timer;
	struct pipe *pipe;
	struct loop *loop;
	int fd;
};

static void open_now(struct timer *t)
{
	struct opening *o = container_of(t, struct opening, timer);

	pipe_fd_opened(o->pipe, o->fd);
	o->pipe = NULL;
	loop_defer_free(o->loop, o);
}

static void open_cancel(void *user)
{
	struct opening *o = user;

	if (!o->pipe)
		return;
	loop_timer_stop(&o->timer);
	close(o->fd);
	loop_defer_free(o->loop, o);
}

/* As a TLS pipe: opened() comes later */
static struct pipe *open_plain(void *user, int fd)
{
	struct rig *r = user;
	struct opening *o = xcalloc(1, sizeof(*o));

	o->fd = fd;
	o->loop = r->loop;
	o->pipe = pipe_fd_opening(r->loop, open_cancel, o);
	loop_timer_start(r->loop, &o->timer, 0, open_now);
	return o->pipe;
}

/* A port that is named, as in a Pod: it is opened again and again. At an
 * address of this process alone, or another one could have it in between. */
static void rig_port(struct sleep_serve *s)
{
	unsigned int id = (unsigned int)getpid();
	char text[32];
	int fd;

	snprintf(text, sizeof(text), "127.%u.%u.%u", 1 + id / 62500 % 250,
		 1 + id / 250 % 250, 1 + id % 250);
	assert_int_equal(ipaddr_parse(&s->at.addr, text), 0);
	fd = listener_bind(&s->at);
	assert_true(fd >= 0);
	close(fd);
}

static void rig_sleeper(struct rig *r)
{
	const struct sleep_api_config ac = { .loop = r->loop,
					     .at = r->api.at,
					     .host = "kubernetes.default.svc",
					     .token_file = r->token,
					     .ns = "ns1",
					     .deployment = "copy",
					     .endpoints = "ends",
					     .timeout_ns = NS_SEC,
					     .open = open_plain,
					     .user = r };
	struct sleep_serve serve[] = { { .name = "http" }, { .name = "idle" } };
	struct sleep_config c = { .loop = r->loop,
				  .member = "orders of pr-1",
				  .idle_ns = IDLE,
				  .wake_ns = WAKE,
				  .replicas = 1,
				  .serve = serve,
				  .nserve = r->nserve };
	struct kt_error err = { 0 };

	for (size_t i = 0; i < r->nserve; i++)
		rig_port(&serve[i]);
	r->client = sleep_api_new(&ac);
	c.api = r->client;
	r->sleep = sleep_new(&c, &err);
	assert_non_null(r->sleep);
}

static int setup_ports(void **state, size_t nserve)
{
	struct rig *r = xcalloc(1, sizeof(*r));
	int fd;

	r->nserve = nserve;
	simtime_freeze();
	simtime_patience(10);
	log_set_level(getenv("VERBOSE") ? LOG_DEBUG : LOG_ERR);
	r->loop = loop_new();
	fakeapi_start(&r->api, r->loop);
	snprintf(r->token, sizeof(r->token), "/tmp/test-sleep-XXXXXX");
	fd = mkstemp(r->token);
	assert_int_equal(write(fd, "tok1\n", 5), 5);
	close(fd);
	rig_sleeper(r);
	*state = r;
	return 0;
}

static int setup(void **state)
{
	return setup_ports(state, 1);
}

static int setup_two(void **state)
{
	return setup_ports(state, 2);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	sleep_free(r->sleep);
	sleep_api_free(r->client);
	fakeapi_stop(&r->api);
	unlink(r->token);
	(void)!loop_once(r->loop, 0);
	loop_free(r->loop);
	free(r);
	return 0;
}

static void reaches(struct rig *r, enum sleep_state state)
{
	int64_t end = clock_ns() + SOON;

	while (sleep_state(r->sleep) != state) {
		if (clock_ns() > end)
			fail_msg("it is %s, not %s",
				 sleep_state_name(sleep_state(r->sleep)),
				 sleep_state_name(state));
		assert_true(loop_once(r->loop, 50 * NS_MS) >= 0);
	}
}

static void pass(struct rig *r, int64_t ns)
{
	assert_int_equal(loop_sleep(r->loop, ns), 0);
}

/* --- awake and asleep ----------------------------------------------------- */

static void it_sleeps_and_a_request_wakes_it(void **state)
{
	struct rig *r = *state;
	int64_t from;

	reaches(r, SLEEP_AWAKE);
	assert_true(sleep_is_ready(r->sleep));
	assert_int_equal(ask(r), 200);
	assert_int_equal(r->api.replicas, 1);
	reaches(r, SLEEP_ASLEEP);
	assert_int_equal(r->api.replicas, 0);
	from = clock_ns();
	assert_int_equal(ask(r), 200);
	/* the Pod takes 0.3 s */
	assert_true(clock_ns() - from < 1300 * NS_MS);
	assert_int_equal(r->api.woken, 1);
	assert_int_equal(sleep_state(r->sleep), SLEEP_AWAKE);
	assert_string_equal(r->api.last_auth, "tok1");
	reaches(r, SLEEP_ASLEEP);
	assert_int_equal(r->api.slept, 2);
}

static void fifty_callers_wake_it_once(void **state)
{
	struct rig *r = *state;
	struct caller c[50];

	reaches(r, SLEEP_ASLEEP);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		caller_connect(r, &c[i]);
		caller_say(&c[i], GET);
	}
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		assert_int_equal(caller_wait(&c[i], SOON), 0);
		assert_non_null(strstr(c[i].in, "200 OK"));
		caller_end(&c[i]);
	}
	assert_int_equal(r->api.woken, 1);
	assert_int_equal(r->api.patches, 2);
	assert_int_equal(r->api.pod_calls, 50);
}

/* Nobody asks by that */
static void a_connection_alone_does_not_wake_it(void **state)
{
	struct rig *r = *state;
	struct caller c;

	reaches(r, SLEEP_ASLEEP);
	caller_connect(r, &c);
	pass(r, NS_SEC / 2);
	assert_false(c.closed);
	assert_int_equal(sleep_state(r->sleep), SLEEP_ASLEEP);
	caller_say(&c, GET);
	assert_int_equal(caller_wait(&c, SOON), 0);
	assert_non_null(strstr(c.in, "200 OK"));
	caller_end(&c);
}

/* ... and many of them keep nobody out */
static void connections_alone_keep_nobody_out(void **state)
{
	struct rig *r = *state;
	static struct caller c[SLEEP_CONNECTIONS];

	fdlimit_raise();
	reaches(r, SLEEP_ASLEEP);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		caller_connect(r, &c[i]);
		assert_true(loop_once(r->loop, 0) >= 0);
	}
	assert_int_equal(ask(r), 200);
	pass(r, NS_MS);
	assert_true(c[0].closed);
	assert_false(c[1].closed);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		caller_end(&c[i]);
}

/* It goes to sleep with a kept connection, whose next request wakes it */
static void kept_connections_sleep_with_it(void **state)
{
	struct rig *r = *state;
	struct caller c;

	reaches(r, SLEEP_AWAKE);
	caller_connect(r, &c);
	for (int i = 1; i <= 3; i++) {
		caller_say(&c, GET);
		assert_int_equal(caller_wait(&c, SOON), 0);
		assert_non_null(strstr(c.in, "200 OK"));
		assert_int_equal(r->api.pod_calls, i);
		reaches(r, SLEEP_ASLEEP);
		assert_false(c.closed);
	}
	assert_int_equal(r->api.woken, 2);
	caller_end(&c);
}

static void open_streams_keep_it_awake(void **state)
{
	static const char *const open[] = {
		WS, /* answered, and open */
		"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n", /* without an answer */
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		struct caller c;

		if (i)
			r->api.pod_holds = true;
		caller_connect(r, &c);
		caller_say(&c, open[i]);
		reaches(r, SLEEP_AWAKE);
		pass(r, 3 * IDLE);
		assert_int_equal(sleep_state(r->sleep), SLEEP_AWAKE);
		caller_end(&c);
		reaches(r, SLEEP_ASLEEP);
	}
}

static void a_caller_who_leaves_is_forgotten(void **state)
{
	struct rig *r = *state;
	struct caller c;

	reaches(r, SLEEP_ASLEEP);
	caller_connect(r, &c);
	caller_say(&c, GET);
	reaches(r, SLEEP_WAKING);
	caller_end(&c);
	reaches(r, SLEEP_AWAKE); /* it was asked for */
	assert_int_equal(r->api.pod_calls, 0);
	reaches(r, SLEEP_ASLEEP);
}

/* --- who is slow, or does not come ---------------------------------------- */

static void a_pod_that_listens_late_is_waited_for(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_ASLEEP);
	r->api.deaf_ns = 800 * NS_MS;
	assert_int_equal(ask(r), 200);
	assert_int_equal(r->api.woken, 1);
}

static void one_that_does_not_come_is_told_and_refused(void **state)
{
	struct rig *r = *state;
	struct caller c;
	int64_t from;

	reaches(r, SLEEP_ASLEEP);
	r->api.never_ready = true;
	from = clock_ns();
	caller_connect(r, &c);
	caller_say(&c, GET);
	assert_int_equal(caller_wait(&c, SOON), 0);
	assert_non_null(strstr(c.in, "503 Service Unavailable"));
	assert_non_null(strstr(c.in, "orders of pr-1"));
	assert_true(clock_ns() - from >= WAKE - 100 * NS_MS);
	assert_true(clock_ns() - from < WAKE + NS_SEC);
	caller_end(&c);
	/* from now on routers know that it is down */
	assert_int_equal(sleep_state(r->sleep), SLEEP_DOWN);
	assert_int_equal(ask(r), 0);
	/* and later it may be tried again */
	r->api.never_ready = false;
	reaches(r, SLEEP_ASLEEP);
	assert_int_equal(ask(r), 200);
}

static void one_that_comes_late_is_taken(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_ASLEEP);
	r->api.start_ns = WAKE + 100 * NS_MS;
	assert_int_equal(ask(r), 503);
	reaches(r, SLEEP_AWAKE);
	assert_int_equal(ask(r), 200);
}

static void http2_is_told_by_goaway(void **state)
{
	struct rig *r = *state;
	struct caller c;

	reaches(r, SLEEP_ASLEEP);
	r->api.never_ready = true;
	caller_connect(r, &c);
	caller_say(&c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	while (!c.closed)
		assert_true(loop_once(r->loop, NS_SEC) >= 0);
	assert_false(c.reset);
	assert_int_equal(c.len, 26);
	assert_int_equal(c.in[12], 7); /* GOAWAY */
	caller_end(&c);
}

static void pods_that_take_nothing_are_down(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_AWAKE);
	fakeapi_pod_stop(&r->api);
	assert_int_equal(ask(r), 503);
	assert_int_equal(sleep_state(r->sleep), SLEEP_DOWN);
	assert_int_equal(ask(r), 0);
}

/* A port that the Service has and no program listens at: who asks there is told
 * so, and those of the other port have the member all the time */
static void a_port_without_a_program_is_alone(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_AWAKE);
	assert_int_equal(ask_port(r, 1), 503);
	assert_int_equal(sleep_state(r->sleep), SLEEP_AWAKE);
	assert_int_equal(ask(r), 200);
	reaches(r, SLEEP_ASLEEP);
	/* also when it is that one which wakes it */
	assert_int_equal(ask_port(r, 1), 503);
	assert_int_equal(sleep_state(r->sleep), SLEEP_AWAKE);
	assert_int_equal(ask(r), 200);
}

static void too_many_callers_are_refused(void **state)
{
	struct rig *r = *state;
	static struct caller c[SLEEP_HELD + 1];
	size_t refused = 0;

	reaches(r, SLEEP_ASLEEP);
	r->api.never_ready = true;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		caller_connect(r, &c[i]);
		caller_say(&c[i], GET);
		assert_true(loop_once(r->loop, 0) >= 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		assert_int_equal(caller_wait(&c[i], SOON), 0);
		assert_non_null(strstr(c[i].in, "503 "));
		refused += strstr(c[i].in, "too many") != NULL;
		caller_end(&c[i]);
	}
	assert_int_equal(refused, 1);
}

/* What a held caller sends stays in the kernel: it cannot send for ever */
static void held_bytes_are_bounded(void **state)
{
	static char mem[65536];
	struct rig *r = *state;
	struct caller c;
	size_t sent = 0;
	ssize_t n;

	reaches(r, SLEEP_ASLEEP);
	r->api.never_ready = true;
	caller_connect(r, &c);
	while ((n = send(c.watch.fd, mem, sizeof(mem), MSG_NOSIGNAL)) > 0 ||
	       sleep_state(r->sleep) != SLEEP_WAKING) {
		sent += n > 0 ? (size_t)n : 0;
		assert_true(loop_once(r->loop, 0) >= 0);
		assert_true(sent < (size_t)64 << 20);
	}
	assert_int_equal(errno, EAGAIN);
	caller_end(&c);
}

/* --- the API server ------------------------------------------------------- */

static void errors_are_tried_again(void **state)
{
	static const int statuses[] = { 500, 429, 409, 403, 0 };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		reaches(r, SLEEP_ASLEEP);
		r->api.fail = 2;
		r->api.status = statuses[i];
		r->api.fail_patch = true;
		assert_int_equal(ask(r), 200);
		assert_int_equal(r->api.fail, 0);
		assert_int_equal(r->api.woken, i + 1);
	}
}

static void a_server_that_says_nothing_is_asked_again(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_ASLEEP);
	r->api.fail = 1;
	r->api.status = 1;
	assert_int_equal(ask(r), 200);
}

static void forbidden_is_told_to_callers(void **state)
{
	struct rig *r = *state;
	struct caller c;

	reaches(r, SLEEP_ASLEEP);
	r->api.fail = 1000;
	r->api.status = 403;
	caller_connect(r, &c);
	caller_say(&c, GET);
	assert_int_equal(caller_wait(&c, SOON), 0);
	assert_non_null(strstr(c.in, "503 "));
	assert_non_null(strstr(c.in, "because 403"));
	caller_end(&c);
	assert_non_null(strstr(sleep_why(r->sleep), "because 403"));
	/* not without a pause */
	assert_in_range(r->api.scale_gets, 2, 20);
}

/* It stays awake, answers, and tries again later */
static void one_that_may_not_sleep_serves(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_AWAKE);
	r->api.fail = 2;
	r->api.status = 403;
	r->api.fail_patch = true;
	while (r->api.fail == 2)
		assert_true(loop_once(r->loop, 50 * NS_MS) >= 0);
	pass(r, IDLE / 2);
	assert_int_equal(sleep_state(r->sleep), SLEEP_AWAKE);
	assert_int_equal(ask(r), 200);
	reaches(r, SLEEP_ASLEEP);
	assert_int_equal(r->api.fail, 0);
}

static void a_write_of_somebody_else_is_not_lost(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_AWAKE);
	r->api.race = true;
	reaches(r, SLEEP_ASLEEP);
	assert_int_equal(r->api.slept, 1);
	assert_int_equal(r->api.patches, 2);
}

static void as_many_as_somebody_has_said_come_back(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_AWAKE);
	fakeapi_scale(&r->api, 3);
	reaches(r, SLEEP_ASLEEP);
	assert_int_equal(r->api.replicas, 0);
	assert_int_equal(ask(r), 200);
	assert_int_equal(r->api.replicas, 3);
}

static void scaled_to_0_by_somebody_it_wakes(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_AWAKE);
	fakeapi_scale(&r->api, 0);
	assert_int_equal(ask(r), 200);
	assert_int_equal(r->api.woken, 1);
}

/* ... or while it wakes */
static void scaled_to_0_while_it_wakes_it_goes_on(void **state)
{
	struct rig *r = *state;
	struct caller c;

	reaches(r, SLEEP_ASLEEP);
	caller_connect(r, &c);
	caller_say(&c, GET);
	while (!r->api.woken)
		assert_true(loop_once(r->loop, NS_SEC) >= 0);
	r->api.race = true; /* the server's number is another when looked at */
	fakeapi_scale(&r->api, 0);
	assert_int_equal(caller_wait(&c, SOON), 0);
	/* it is looked at every 5 s, longer than this test's wait */
	assert_non_null(strstr(c.in, "503 "));
	caller_end(&c);
	reaches(r, SLEEP_ASLEEP);
	assert_int_equal(ask(r), 200);
}

static void deleted_it_is_gone(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_ASLEEP);
	r->api.deleted = true;
	assert_int_equal(ask(r), 503);
	assert_int_equal(sleep_state(r->sleep), SLEEP_GONE);
	assert_int_equal(ask(r), 0);
}

static void every_framing_is_read(void **state)
{
	struct rig *r = *state;

	r->api.chunked = true;
	reaches(r, SLEEP_ASLEEP);
	r->api.chunked = false;
	r->api.no_length = true;
	assert_int_equal(ask(r), 200);
}

/* A kubelet writes another one into the file */
static void the_token_is_read_anew(void **state)
{
	struct rig *r = *state;
	int fd = open(r->token, O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, "tok2", 4), 4);
	close(fd);
	reaches(r, SLEEP_ASLEEP);
	assert_string_equal(r->api.last_auth, "tok2");
}

/* The sleeper's own Pod is made anew while the member sleeps */
static void one_that_begins_asleep_wakes_as_many_as_it_is_told(void **state)
{
	struct rig *r = *state;

	reaches(r, SLEEP_ASLEEP);
	sleep_free(r->sleep);
	sleep_api_free(r->client);
	rig_sleeper(r);
	reaches(r, SLEEP_ASLEEP);
	assert_int_equal(ask(r), 200);
	assert_int_equal(r->api.replicas, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_sleeps_and_a_request_wakes_it),
		T(fifty_callers_wake_it_once),
		T(a_connection_alone_does_not_wake_it),
		T(connections_alone_keep_nobody_out),
		T(kept_connections_sleep_with_it),
		T(open_streams_keep_it_awake),
		T(a_caller_who_leaves_is_forgotten),
		T(a_pod_that_listens_late_is_waited_for),
		T(one_that_does_not_come_is_told_and_refused),
		T(one_that_comes_late_is_taken),
		T(http2_is_told_by_goaway),
		T(pods_that_take_nothing_are_down),
		cmocka_unit_test_setup_teardown(
			a_port_without_a_program_is_alone, setup_two, teardown),
		T(too_many_callers_are_refused),
		T(held_bytes_are_bounded),
		T(errors_are_tried_again),
		T(a_server_that_says_nothing_is_asked_again),
		T(forbidden_is_told_to_callers),
		T(one_that_may_not_sleep_serves),
		T(a_write_of_somebody_else_is_not_lost),
		T(as_many_as_somebody_has_said_come_back),
		T(scaled_to_0_by_somebody_it_wakes),
		T(scaled_to_0_while_it_wakes_it_goes_on),
		T(deleted_it_is_gone),
		T(every_framing_is_read),
		T(the_token_is_read_anew),
		T(one_that_begins_asleep_wakes_as_many_as_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
