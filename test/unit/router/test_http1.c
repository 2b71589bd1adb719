/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "rig.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define XFF "X-Forwarded-For: 10.9.8.7\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct rig r;

static int begin(void **state)
{
	(void)state;
	rig_init(&r, ROUTER_AUTO);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_fini(&r);
	return 0;
}

/* exactly this comes, and for the moment nothing more */
static void hear(int fd, const char *text)
{
	char got[8192];

	rig_hear(&r, fd, strlen(text), got, sizeof(got));
	assert_string_equal(got, text);
}

static void hear_end(int fd)
{
	char c;

	assert_int_equal(rig_read(&r, fd, &c, 1), -1);
}

static void hear_nothing(int fd)
{
	char c;

	assert_int_equal(rig_read(&r, fd, &c, 1), 0);
}

/* an answer of the router itself, after which it closes */
static void hear_status(const char *status)
{
	char got[2048] = "";
	size_t n = 0;
	ssize_t rc;

	while ((rc = rig_read(&r, r.caller, got + n, sizeof(got) - 1 - n)) > 0)
		n += (size_t)rc;
	assert_int_equal(rc, -1);
	assert_memory_equal(got, "HTTP/1.1 ", 9);
	assert_memory_equal(got + 9, status, strlen(status));
	assert_non_null(strstr(got, "text/plain"));
}

static void ask(const char *text)
{
	rig_say(&r, r.caller, text);
}

static int up(unsigned int i)
{
	assert_true(i < r.nopen);
	return r.open[i].fd;
}

static void each_request_its_way(void **state)
{
	(void)state;
	ask("GET /1 HTTP/1.1\r\nHost: h\r\nTo: x\r\nto: a\r\n\r\n");
	hear(up(0),
	     "GET /1 HTTP/1.1\r\nHost: h\r\nTo: x\r\nto: a\r\n" XFF "\r\n");
	assert_int_equal(r.open[0].ref.id, 1);
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	ask("GET /2 HTTP/1.1\r\nHost: h\r\nto: b\r\n\r\n");
	hear(up(1), "GET /2 HTTP/1.1\r\nHost: h\r\nto: b\r\n" XFF "\r\n");
	rig_say(&r, up(1), OK2);
	hear(r.caller, OK2);
	/* connections are used again */
	ask("GET /3 HTTP/1.1\r\nHost: h\r\nto: a\r\n\r\n");
	hear(up(0), "GET /3 HTTP/1.1\r\nHost: h\r\nto: a\r\n" XFF "\r\n");
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	ask("GET /4 HTTP/1.1\r\nHost: h\r\n\r\n");
	hear(up(2), "GET /4 HTTP/1.1\r\nHost: h\r\n" XFF "\r\n");
	assert_int_equal(r.open[2].ref.kind, BACKEND_ORIGIN);
	assert_int_equal(r.nopen, 3);
	assert_int_equal(r.chosen, 4);
}

static void pipelined(void **state)
{
	(void)state;
	ask("GET /1 HTTP/1.1\r\nto: a\r\n\r\nPOST /2 HTTP/1.1\r\nto: b\r\n"
	    "Content-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nto: a\r\n\r\n");
	hear(up(0), "GET /1 HTTP/1.1\r\nto: a\r\n" XFF "\r\n");
	assert_int_equal(r.nopen, 1); /* in order */
	rig_say(&r, up(0), OK2);
	hear(up(1), "POST /2 HTTP/1.1\r\nto: b\r\nContent-Length: 3\r\n" XFF
		    "\r\nabc");
	rig_say(&r, up(1), OK2);
	hear(up(0), "GET /3 HTTP/1.1\r\nto: a\r\n" XFF "\r\n");
	rig_say(&r, up(0), "HTTP/1.1 204 No\r\n\r\n");
	hear(r.caller, OK2 OK2 "HTTP/1.1 204 No\r\n\r\n");
}

static void head_byte_by_byte(void **state)
{
	static const char text[] = "\r\nGET / HTTP/1.1\r\nHost: Ho St\r\n"
				   "X-Forwarded-For: 1.2.3.4\r\n"
				   "x-UPPER:  two \r\n\r\n";

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(text); i++)
		rig_write(&r, r.caller, &text[i], 1);
	hear(up(0), "GET / HTTP/1.1\r\nHost: Ho St\r\n"
		    "X-Forwarded-For: 1.2.3.4, 10.9.8.7\r\n"
		    "x-UPPER:  two \r\n\r\n");
}

static void chunks_and_trailers(void **state)
{
	static const char body[] = "3;ext=1\r\nabc\r\nA\r\n0123456789\r\n"
				   "0\r\nTrailer: t\r\n\r\n";
	char want[512];

	(void)state;
	ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (size_t i = 0; i + 1 < sizeof(body); i++)
		rig_write(&r, r.caller, &body[i], 1);
	snprintf(want, sizeof(want),
		 "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" XFF
		 "\r\n%s",
		 body);
	hear(up(0), want);
	snprintf(want, sizeof(want),
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s",
		 body);
	for (size_t i = 0; want[i]; i++)
		rig_write(&r, up(0), &want[i], 1);
	hear(r.caller, want);
	ask("GET /2 HTTP/1.1\r\n\r\n");
	hear(up(0), "GET /2 HTTP/1.1\r\n" XFF "\r\n");
}

static void no_bodies(void **state)
{
	(void)state;
	ask("HEAD / HTTP/1.1\r\n\r\n");
	hear(up(0), "HEAD / HTTP/1.1\r\n" XFF "\r\n");
	rig_say(&r, up(0), "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
	hear(r.caller, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
	ask("GET / HTTP/1.1\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\n" XFF "\r\n");
	rig_say(&r, up(0), "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n");
	hear(r.caller, "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n");
	ask("GET /2 HTTP/1.1\r\n\r\n");
	hear(up(0), "GET /2 HTTP/1.1\r\n" XFF "\r\n");
	assert_int_equal(r.nopen, 1);
}

static void expect_continue(void **state)
{
	static const char c[] = "HTTP/1.1 100 Continue\r\n\r\n";

	(void)state;
	ask("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: "
	    "4\r\n\r\n");
	hear(up(0), "PUT / HTTP/1.1\r\nExpect: 100-continue\r\n"
		    "Content-Length: 4\r\n" XFF "\r\n");
	hear_nothing(r.caller);
	rig_say(&r, up(0), c);
	hear(r.caller, c);
	ask("body");
	hear(up(0), "body");
	rig_say(&r, up(0), "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" OK2);
	hear(r.caller, "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" OK2);
	ask("GET / HTTP/1.1\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\n" XFF "\r\n");
}

static void refused_early(void **state)
{
	static const char no[] = "HTTP/1.1 413 No\r\nContent-Length: 0\r\n"
				 "Connection: close\r\n\r\n";

	(void)state;
	ask("PUT / HTTP/1.1\r\nContent-Length: 40\r\n\r\nsome");
	hear(up(0), "PUT / HTTP/1.1\r\nContent-Length: 40\r\n" XFF "\r\nsome");
	rig_say(&r, up(0), no);
	hear(r.caller, no);
	hear_end(r.caller);
	hear_end(up(0));
}

static void websocket(void **state)
{
	(void)state;
	ask("GET /ws HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n"
	    "Upgrade: websocket\r\n\r\n");
	hear(up(0), "GET /ws HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n"
		    "Upgrade: websocket\r\n" XFF "\r\n");
	rig_say(&r, up(0), "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n\x81");
	hear(r.caller, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n\x81");
	ask("GET / HTTP/1.1\r\nto: a\r\n\r\n"); /* no request any more */
	hear(up(0), "GET / HTTP/1.1\r\nto: a\r\n\r\n");
	shutdown(r.caller, SHUT_WR);
	hear_end(up(0));
	rig_say(&r, up(0), "bye");
	hear(r.caller, "bye");
	shutdown(up(0), SHUT_WR);
	hear_end(r.caller);
	assert_null(r.conn);
}

static void unasked_upgrade(void **state)
{
	(void)state;
	ask("GET / HTTP/1.1\r\nUpgrade: h2c, x\r\nHTTP2-Settings: AAA\r\n"
	    "Connection: Upgrade, HTTP2-Settings\r\nB: c\r\n\r\n");
	hear(up(0),
	     "GET / HTTP/1.1\r\n"
	     "Connection: Upgrade, HTTP2-Settings\r\nB: c\r\n" XFF "\r\n");
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	ask("GET / HTTP/1.1\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\n" XFF "\r\n");
	rig_say(&r, up(0), "HTTP/1.1 101 S\r\n\r\n");
	hear_status("502");
}

/* what was left out of the request cannot have been taken up */
static void withdrawn_upgrade(void **state)
{
	(void)state;
	ask("GET / HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
	    "Connection: Upgrade, HTTP2-Settings\r\n\r\n");
	rig_say(&r, up(0), "HTTP/1.1 101 S\r\nUpgrade: h2c\r\n\r\n");
	hear_status("502");
}

static void until_the_end(void **state)
{
	(void)state;
	ask("GET / HTTP/1.1\r\n\r\n");
	rig_say(&r, up(0), "HTTP/1.0 200 OK\r\n\r\nall ");
	rig_say(&r, up(0), "of it");
	shutdown(up(0), SHUT_WR);
	hear(r.caller, "HTTP/1.0 200 OK\r\n\r\nall of it");
	hear_end(r.caller);
}

static void old_caller(void **state)
{
	(void)state;
	ask("GET / HTTP/1.0\r\n\r\n");
	rig_say(&r, up(0), "HTTP/1.1 103 E\r\n\r\n" OK2);
	hear(r.caller, OK2);
	hear_end(r.caller);
}

static void cut_off(void **state)
{
	char text[100];

	(void)state;
	ask("GET / HTTP/1.1\r\n\r\n");
	rig_say(&r, up(0), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
	close(up(0));
	r.open[0].fd = -1;
	assert_true(rig_read(&r, r.caller, text, sizeof(text)) > 0);
	rig_run(&r);
	assert_null(r.conn); /* AF_UNIX knows no reset */
}

static void half_closed_caller(void **state)
{
	(void)state;
	ask("GET / HTTP/1.1\r\n\r\n");
	shutdown(r.caller, SHUT_WR);
	hear(up(0), "GET / HTTP/1.1\r\n" XFF "\r\n");
	hear_end(up(0));
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	hear_end(r.caller);
}

static void nobody(void **state)
{
	(void)state;
	ask("GET / HTTP/1.1\r\nto: none\r\n\r\n");
	hear_status("502");
}

static void refused(void **state)
{
	(void)state;
	r.refuse = -ECONNREFUSED;
	ask("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc");
	rig_run(&r);
	hear_status("502");
	assert_int_equal(r.nopen, 1);
}

static void timed_out(void **state)
{
	(void)state;
	r.refuse = -ETIMEDOUT;
	ask("GET / HTTP/1.1\r\n\r\n");
	rig_run(&r);
	hear_status("504");
}

static void dead(void **state)
{
	(void)state;
	ask("GET / HTTP/1.1\r\n\r\n");
	shutdown(up(0), SHUT_RDWR);
	rig_run(&r);
	hear_status("502");
	assert_int_equal(r.nopen, 1); /* not a reused one */
}

static void use_once(const char *method)
{
	char text[64];

	snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n\r\n", method);
	ask(text);
	rig_read(&r, up(0), text, sizeof(text));
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
}

static void closed_when_idle(void **state)
{
	(void)state;
	use_once("POST");
	shutdown(up(0), SHUT_RDWR);
	rig_run(&r);
	ask("POST /2 HTTP/1.1\r\n\r\n");
	hear(up(1), "POST /2 HTTP/1.1\r\n" XFF "\r\n");
}

/* the end of the reused connection crosses the request */
static void tried_again(void **state)
{
	(void)state;
	use_once("GET");
	ask("GET /2 HTTP/1.1\r\n\r\n");
	hear(up(0), "GET /2 HTTP/1.1\r\n" XFF "\r\n");
	shutdown(up(0), SHUT_RDWR);
	rig_run(&r);
	hear(up(1), "GET /2 HTTP/1.1\r\n" XFF "\r\n");
	rig_say(&r, up(1), OK2);
	hear(r.caller, OK2);
	ask("POST /3 HTTP/1.1\r\n\r\n"); /* perhaps it has happened */
	hear(up(1), "POST /3 HTTP/1.1\r\n" XFF "\r\n");
	shutdown(up(1), SHUT_RDWR);
	rig_run(&r);
	/* the caller sees what it would have seen without us */
	hear_end(r.caller);
	assert_null(r.conn);
	assert_int_equal(r.nopen, 2);
}

static void backpressure(void **state)
{
	static uint8_t block[65536];
	size_t sent = 0;
	ssize_t n;
	char want[100];

	(void)state;
	ask("PUT / HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n");
	for (int i = 0; i < 1000; i++) {
		n = send(r.caller, block, sizeof(block), MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		rig_run(&r);
	}
	assert_true(sent < 2000000); /* sockets and one window */
	for (;;) {
		n = rig_read(&r, up(0), block, sizeof(block));
		if (n <= 0)
			break;
	}
	assert_true(send(r.caller, block, 1000, MSG_NOSIGNAL) > 0);
	/* and the other way */
	rig_say(&r, up(0),
		"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
	n = rig_read(&r, r.caller, want, sizeof(want));
	assert_true(n > 0);
	sent = 0;
	for (int i = 0; i < 1000; i++) {
		n = send(up(0), block, sizeof(block), MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		rig_run(&r);
	}
	assert_true(sent < 2000000);
}

static void not_http(void **state)
{
	(void)state;
	ask("\x16\x03\x01hello");
	hear(up(0), "\x16\x03\x01hello");
	rig_say(&r, up(0), "hi");
	hear(r.caller, "hi");
	shutdown(up(0), SHUT_WR);
	hear_end(r.caller);
	ask("more");
	hear(up(0), "more");
	close(r.caller);
	r.caller = -1;
	hear_end(up(0));
	assert_null(r.conn);
}

static void wait_for_silence(void)
{
	int64_t until = clock_ns() + 400 * NS_MS;

	while (clock_ns() < until && !r.nopen)
		loop_once(r.env.loop, 50 * NS_MS);
	rig_run(&r);
}

static void server_speaks_first(void **state)
{
	(void)state;
	wait_for_silence();
	rig_say(&r, up(0), "220 hello\r\n");
	hear(r.caller, "220 hello\r\n");
	ask("GET / HTTP/1.1\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\n\r\n");
}

static void silent_http(void **state)
{
	(void)state;
	wait_for_silence();
	ask("GET / HTTP/1.1\r\nto: a\r\n\r\n");
	assert_int_equal(r.open[1].ref.id, 1);
	rig_say(&r, up(1), OK2);
	hear(r.caller, OK2);
	ask("GET / HTTP/1.1\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\n" XFF "\r\n");
	assert_int_equal(r.nopen, 2);
}

static void wait_for(int64_t ns)
{
	int64_t end = clock_ns() + ns;

	while (clock_ns() < end)
		loop_once(r.env.loop, 5 * NS_MS);
}

static void slow_head(void **state)
{
	(void)state;
	r.env.hurry = 1000; /* 60 ms */
	ask("GET / HTTP/1.1\r\nx: ");
	wait_for(30 * NS_MS);
	ask("y");
	wait_for(60 * NS_MS);
	hear_status("408");
	assert_int_equal(r.nopen, 0);
}

static void slow_second_head(void **state)
{
	(void)state;
	r.env.hurry = 1000;
	use_once("GET");
	ask("GET ");
	wait_for(100 * NS_MS);
	hear_status("408");
}

static void slow_answer(void **state)
{
	(void)state;
	r.env.hurry = 100000;
	ask("GET / HTTP/1.1\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\n" XFF "\r\n");
	wait_for(100 * NS_MS);
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
}

static void idle_too_long(void **state)
{
	(void)state;
	use_once("GET");
	hear_nothing(r.caller);
	r.env.hurry = 100000; /* 36 ms */
	use_once("GET");
	wait_for(80 * NS_MS);
	hear_end(r.caller);
}

/* could be a method, but is all that is said */
static void says_little(void **state)
{
	(void)state;
	r.env.hurry = 100;
	ask("PING");
	assert_int_equal(r.nopen, 0);
	wait_for(60 * NS_MS);
	hear(up(0), "PING");
	rig_say(&r, up(0), "PONG");
	hear(r.caller, "PONG");
}

/* where HTTP is spoken a silent caller costs no connection, and not for ever */
static void silent_where_http_is_known(void **state)
{
	struct rig s;
	char c;

	(void)state;
	rig_init(&s, ROUTER_HTTP);
	for (int i = 0; i < 40; i++)
		loop_once(s.env.loop, 10 * NS_MS);
	assert_int_equal(s.nopen, 0);
	rig_say(&s, s.caller, "GET / HTTP/1.1\r\n\r\n");
	assert_int_equal(s.nopen, 1);
	rig_fini(&s);
	rig_init(&s, ROUTER_HTTP);
	rig_say(&s, s.caller, "\x16\x03\x01");
	assert_int_equal(s.nopen, 1);
	assert_int_equal(rig_read(&s, s.open[0].fd, &c, 1), 1);
	rig_fini(&s);
}

/* each file of bad/: a request that is to be refused, perhaps with another one
 * inside */
static void refuses(const char *path)
{
	size_t len;
	auto_free char *text = NULL;
	char got[65536] = "";
	FILE *f = fopen(path, "r");
	ssize_t n;

	assert_non_null(f);
	text = calloc(1, 100000);
	len = fread(text, 1, 99999, f);
	fclose(f);
	rig_init(&r, ROUTER_AUTO);
	/* what comes first shows that it is HTTP */
	ask("GET /first HTTP/1.1\r\n\r\n");
	hear(up(0), "GET /first HTTP/1.1\r\n" XFF "\r\n");
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	rig_write(&r, r.caller, text, len);
	n = rig_read(&r, r.caller, got, sizeof(got) - 1);
	if (n <= 9 || memcmp(got, "HTTP/1.1 4", 10) != 0)
		fail_msg("%s: not refused", path);
	for (unsigned int i = 0; i < r.nopen; i++) {
		n = rig_read(&r, r.open[i].fd, got, sizeof(got) - 1);
		got[n > 0 ? n : 0] = 0;
		if (strstr(got, "smuggled"))
			fail_msg("%s: smuggled", path);
	}
	rig_fini(&r);
}

static void malformed(void **state)
{
	DIR *d = opendir(getenv("MALFORMED"));
	struct dirent *e;
	char path[4096];
	int n = 0;

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", getenv("MALFORMED"),
			 e->d_name);
		refuses(path);
		n++;
	}
	closedir(d);
	assert_true(n > 30);
}

/* --- draining ------------------------------------------------------------- */

static void drained_while_it_is_asked(void **state)
{
	static const char fields[] = "HTTP/1.1 200 OK\r\n"
				     "Connection: Keep-Alive, x-hop, close\r\n"
				     "Keep-Alive: timeout=5\r\nX-Hop: 1\r\n"
				     "Content-Length: 2\r\n\r\nok";

	(void)state;
	ask("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	hear(up(0), "GET /1 HTTP/1.1\r\n" XFF "\r\n");
	router_conn_drain(r.conn);
	/* an interim response is not the last one */
	rig_say(&r, up(0), "HTTP/1.1 103 Early\r\n\r\n");
	hear(r.caller, "HTTP/1.1 103 Early\r\n\r\n");
	rig_say(&r, up(0), OK2);
	hear(r.caller, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
		       "Connection: close\r\n\r\nok");
	hear_end(r.caller);
	assert_int_equal(r.chosen, 1); /* the second was not taken */
	rig_fini(&r);
	/* what the backend says of its own connection is not the caller's */
	rig_init(&r, ROUTER_AUTO);
	ask("HEAD /1 HTTP/1.1\r\n\r\n");
	router_conn_drain(r.conn);
	rig_say(&r, up(0),
		"HTTP/1.1 200 OK\r\nConnection: keep-alive, "
		"x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
		"Content-Length: 2\r\n\r\n");
	hear(r.caller, "HTTP/1.1 200 OK\r\nX-Hop: 1\r\nContent-Length: "
		       "2\r\nConnection: close, x-hop\r\n\r\n");
	hear_end(r.caller);
	rig_fini(&r);
	/* who says the end himself has said it */
	rig_init(&r, ROUTER_AUTO);
	ask("GET /1 HTTP/1.1\r\n\r\n");
	router_conn_drain(r.conn);
	rig_say(&r, up(0), fields);
	hear(r.caller, fields);
	hear_end(r.caller);
}

static void drained_in_an_answer(void **state)
{
	(void)state;
	ask("GET /1 HTTP/1.1\r\n\r\n");
	rig_say(&r, up(0), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok");
	hear(r.caller, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok");
	router_conn_drain(r.conn);
	rig_say(&r, up(0), "ok");
	hear(r.caller, "ok");
	hear_nothing(r.caller);
	/* the next one gets to know it */
	ask("GET /2 HTTP/1.1\r\n\r\n");
	rig_say(&r, up(0), OK2);
	hear(r.caller, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
		       "Connection: close\r\n\r\nok");
	hear_end(r.caller);
}

static void drained_while_idle(void **state)
{
	(void)state;
	ask("GET /1 HTTP/1.1\r\n\r\n");
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	r.env.hurry = 20;
	router_conn_drain(r.conn);
	hear_nothing(r.caller); /* a request may be under way */
	wait_for(200 * NS_MS);
	hear_end(r.caller);
	rig_fini(&r);
	/* nothing was ever said */
	rig_init(&r, ROUTER_HTTP);
	r.env.hurry = 20;
	router_conn_drain(r.conn);
	hear_nothing(r.caller);
	wait_for(200 * NS_MS);
	hear_end(r.caller);
}

static void swept(void **state)
{
	(void)state;
	ask("GET /1 HTTP/1.1\r\nto: a\r\n\r\n");
	hear(up(0), "GET /1 HTTP/1.1\r\nto: a\r\n" XFF "\r\n");
	rig_say(&r, up(0), OK2);
	ask("GET /2 HTTP/1.1\r\nto: b\r\n\r\n");
	hear(up(1), "GET /2 HTTP/1.1\r\nto: b\r\n" XFF "\r\n");
	/* the idle one goes, the one in use when it is answered */
	r.gone = 1;
	router_conn_sweep(r.conn);
	hear_end(up(0));
	r.gone = 2;
	router_conn_sweep(r.conn);
	hear_nothing(up(1));
	rig_say(&r, up(1), OK2);
	hear(r.caller, OK2 OK2);
	hear_end(up(1));
	ask("GET /3 HTTP/1.1\r\n\r\n");
	hear(up(2), "GET /3 HTTP/1.1\r\n" XFF "\r\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_request_its_way),
		T(pipelined),
		T(head_byte_by_byte),
		T(chunks_and_trailers),
		T(no_bodies),
		T(expect_continue),
		T(refused_early),
		T(websocket),
		T(unasked_upgrade),
		T(withdrawn_upgrade),
		T(until_the_end),
		T(old_caller),
		T(cut_off),
		T(half_closed_caller),
		T(nobody),
		T(refused),
		T(timed_out),
		T(dead),
		T(closed_when_idle),
		T(tried_again),
		T(backpressure),
		T(slow_head),
		T(slow_second_head),
		T(slow_answer),
		T(idle_too_long),
		T(says_little),
		cmocka_unit_test(silent_where_http_is_known),
		T(not_http),
		T(server_speaks_first),
		T(silent_http),
		T(drained_while_it_is_asked),
		T(drained_in_an_answer),
		T(drained_while_idle),
		T(swept),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
