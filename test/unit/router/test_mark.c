/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "peer.h"
#include "rig.h"

#include "base/mem.h"
#include "wire/event.h"
#include "wire/http1.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define XFF "X-Forwarded-For: 10.9.8.7\r\n"
#define MARK(name) "baggage: kt-env=" name "\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct rig r;
static char got[HTTP1_MAX_HEAD + 4096];

static struct event told;

static void on_report(struct router_env *env, struct backend_ref ref,
		      const struct event *ev)
{
	(void)env;
	(void)ref;
	told = *ev;
}

static void on_whose(struct router_env *env, uint16_t port,
		     struct backend_ref ref, const struct rule_request *req,
		     struct event *ev)
{
	(void)env;
	(void)port;
	(void)ref;
	(void)req;
	(void)ev;
}

/* the last event: "ENV", with "+" before it where the router has added it */
static const char *told_env(void)
{
	static char text[ENVMARK_MAX + 1];

	snprintf(text, sizeof(text), "%s%s", told.env_added ? "+" : "",
		 told.env);
	return text;
}

static int begin(void **state)
{
	(void)state;
	rig_init(&r, ROUTER_AUTO);
	r.env.report = on_report;
	r.env.whose = on_whose;
	told = (struct event){ 0 };
	r.mark = "dev.a";
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_fini(&r);
	return 0;
}

static void ask(const char *text)
{
	rig_say(&r, r.caller, text);
}

static void hear(int fd, const char *text)
{
	rig_hear(&r, fd, strlen(text), got, sizeof(got));
	assert_string_equal(got, text);
}

static int up(unsigned int i)
{
	assert_true(i < r.nopen);
	return r.open[i].fd;
}

/* --- HTTP/1 --------------------------------------------------------------- */

static void added_to_each_request(void **state)
{
	(void)state;
	ask("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
	hear(up(0), "GET /1 HTTP/1.1\r\nHost: h\r\n" XFF MARK("dev.a") "\r\n");
	assert_int_equal(r.open[0].ref.id, 1); /* and it is dev.a's */
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	ask("POST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
	hear(up(0), "POST /2 HTTP/1.1\r\nContent-Length: 3\r\n" XFF MARK(
			    "dev.a") "\r\nabc");
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	r.mark = NULL;
	ask("GET /3 HTTP/1.1\r\n\r\n");
	hear(up(1), "GET /3 HTTP/1.1\r\n" XFF "\r\n");
	assert_int_equal(r.open[1].ref.kind, BACKEND_ORIGIN);
}

static void events_say_whose_it_was(void **state)
{
	static const char probe[] = EVENT_TRACE_PROBE "0123456789abcdef";
	char text[256];

	(void)state;
	ask("GET /1 HTTP/1.1\r\n\r\n");
	rig_say(&r, up(0), OK2);
	assert_string_equal(told_env(), "+dev.a");
	assert_string_equal(told.trace, "");
	snprintf(text, sizeof(text),
		 "GET /2 HTTP/1.1\r\n" MARK("dev.b") "traceparent: 00-%s-"
						     "00f067aa0ba902b7-01"
						     "\r\n\r\n",
		 probe);
	ask(text);
	rig_say(&r, up(1), OK2);
	assert_string_equal(told_env(), "dev.b");
	assert_string_equal(told.trace, probe);
	/* the caller's own words, though nobody heeds them */
	ask("GET /3 HTTP/1.1\r\n" MARK("NO") "\r\n");
	rig_say(&r, up(2), OK2);
	assert_string_equal(told_env(), "");
}

static void not_where_there_is_one(void **state)
{
	static const char *const marks[] = {
		"baggage: kt-env=dev.b",
		"Baggage: a=1, kt-env=dev.b;p=q",
		"baggage: a=1\r\nbaggage: kt-env=dev.b",
		"baggage: kt-env=dev%2eb",
		"X-Virtual-Env: dev.b",
		"VERSION: dev.b",
		/* of nobody, and of no name: as it came */
		"baggage: kt-env=other",
		"baggage: kt-env=Dev.A",
		"baggage: kt-env=",
		"baggage: kt-env",
	};
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s\r\n\r\n",
			 marks[i]);
		ask(text);
		snprintf(text, sizeof(text),
			 "GET / HTTP/1.1\r\n%s\r\n" XFF "\r\n", marks[i]);
		hear(up(0), text);
		assert_int_equal(r.open[0].ref.id, i < 6 ? 2 : 0);
		end(state);
		begin(state);
	}
}

/* The namespace has chosen a field: it is a mark behind all others */
static void by_the_field_that_was_chosen(void **state)
{
	(void)state;
	r.header = "x-tenant";
	ask("GET / HTTP/1.1\r\nX-Tenant: dev.b\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\nX-Tenant: dev.b\r\n" XFF "\r\n");
	assert_int_equal(r.open[0].ref.id, 2);
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	assert_string_equal(told_env(), "dev.b");
	/* what is added is in both */
	ask("GET / HTTP/1.1\r\n\r\n");
	hear(up(1), "GET / HTTP/1.1\r\n" XFF MARK("dev.a") "x-tenant: dev.a\r\n"
							   "\r\n");
	rig_say(&r, up(1), OK2);
	hear(r.caller, OK2);
	/* it is asked last, and nobody's where it was not chosen */
	r.header = r.mark = NULL;
	ask("GET / HTTP/1.1\r\nX-Tenant: dev.b\r\n\r\n");
	assert_int_equal(r.open[2].ref.kind, BACKEND_ORIGIN);
}

/* Whoever comes by a host name has no say in it */
static void from_outside(void **state)
{
	(void)state;
	r.env.outside = true;
	r.header = "x-tenant";
	ask("GET / HTTP/1.1\r\nBaggage: kt-env=dev.b,u=1\r\nA: 1\r\n"
	    "version: dev.b\r\nbaggage: x=y\r\nx-virtual-env: dev.b\r\n"
	    "X-Tenant: dev.b\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\nA: 1\r\n" XFF MARK(
			    "dev.a") "x-tenant: dev.a\r\n\r\n");
	assert_int_equal(r.open[0].ref.id, 1);
	rig_say(&r, up(0),
		"HTTP/1.1 200 OK\r\nCache-Control: public\r\n"
		"Content-Length: 2\r\ncache-control: max-age=9\r\n\r\nok");
	hear(r.caller, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
		       "Cache-Control: no-store\r\n\r\nok");
	assert_string_equal(told_env(), "+dev.a");
	/* the next one, in pieces, with an interim answer */
	ask("GET /2 HTTP/1.1\r\nversion: dev.b\r\n\r\n");
	hear(up(0),
	     "GET /2 HTTP/1.1\r\n" XFF MARK("dev.a") "x-tenant: dev.a\r\n\r\n");
	rig_say(&r, up(0), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No");
	rig_say(&r, up(0), " Content\r\n\r\n");
	hear(r.caller, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content"
		       "\r\nCache-Control: no-store\r\n\r\n");
}

static void baggage_of_others_is_kept(void **state)
{
	(void)state;
	ask("GET / HTTP/1.1\r\nbaggage: a=1,b=2\r\nVERSION: v1_2\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\nbaggage: a=1,b=2\r\n"
		    "VERSION: v1_2\r\n" XFF MARK("dev.a") "\r\n");
	assert_int_equal(r.open[0].ref.id, 1);
}

static void not_twice(void **state)
{
	(void)state;
	r.refuse = -ENETRESET;
	r.moves = true;
	ask("GET / HTTP/1.1\r\nto: a\r\n\r\n");
	assert_int_equal(r.nopen, 2);
	hear(up(1), "GET / HTTP/1.1\r\nto: a\r\n" XFF MARK("dev.a") "\r\n");
}

static void copies_have_it(void **state)
{
	(void)state;
	r.mark = "dev.none";
	ask("GET / HTTP/1.1\r\ncopy: c\r\n\r\n");
	hear(up(1),
	     "GET / HTTP/1.1\r\ncopy: c\r\n" XFF MARK("dev.none") "\r\n");
	hear(up(0),
	     "GET / HTTP/1.1\r\ncopy: c\r\n" XFF MARK(
		     "dev.none") "Connection: close\r\nkt-copy: 1\r\n\r\n");
}

static void upgrades(void **state)
{
	static const char answer[] = "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n"
				     "Connection: Upgrade\r\n\r\n";

	(void)state;
	/* an offer of h2c goes on without that, as ever */
	ask("GET / HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
	    "Connection: Upgrade, HTTP2-Settings\r\n\r\n");
	hear(up(0),
	     "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n" XFF
		     MARK("dev.a") "\r\n");
	rig_say(&r, up(0), OK2);
	hear(r.caller, OK2);
	/* a WebSocket's head gets one, what follows it does not */
	ask("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\n\r\n");
	hear(up(0), "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n"
		    "Connection: Upgrade\r\n" XFF MARK("dev.a") "\r\n");
	rig_say(&r, up(0), answer);
	hear(r.caller, answer);
	ask("GET / HTTP/1.1\r\n\r\n");
	hear(up(0), "GET / HTTP/1.1\r\n\r\n");
}

static void not_http(void **state)
{
	static const char *const texts[] = {
		"\x16\x03\x01\x02", "SSH-2.0-x\r\n", "GET /old\r\n",
		"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ask(texts[i]);
		hear(up(0), texts[i]);
		end(state);
		begin(state);
	}
}

/* the largest head that is taken has room for it, also the second time */
static void largest_head(void **state)
{
	static char text[HTTP1_MAX_HEAD];
	static const char start[] = "GET / HTTP/1.1\r\nto: a\r\nx: ";

	(void)state;
	memset(text, 'v', sizeof(text));
	memcpy(text, start, strlen(start));
	memcpy(text + sizeof(text) - 4, "\r\n\r\n", 4);
	r.refuse = -ENETRESET;
	r.moves = true;
	rig_write(&r, r.caller, text, sizeof(text));
	assert_int_equal(r.nopen, 2);
	rig_hear(&r, up(1), sizeof(text), got, sizeof(got));
	assert_int_equal(strlen(got), sizeof(text) + strlen(XFF MARK("dev.a")));
	assert_non_null(strstr(got, "v\r\n" XFF MARK("dev.a") "\r\n"));
}

static void most_fields(void **state)
{
	static char text[HTTP1_MAX_HEAD];
	size_t n = (size_t)snprintf(text, sizeof(text),
				    "GET / HTTP/1.1\r\nto: a\r\n");

	(void)state;
	for (size_t i = 1; i < HTTP1_MAX_FIELDS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "a: b\r\n");
	snprintf(text + n, sizeof(text) - n, "\r\n");
	r.refuse = -ENETRESET;
	r.moves = true;
	r.mark = "dev.none";
	ask(text);
	assert_int_equal(r.nopen, 2);
	rig_hear(&r, up(1), n, got, sizeof(got));
	assert_non_null(strstr(got, "b\r\n" XFF MARK("dev.none") "\r\n"));
}

/* two environments by turns on one connection: none gets the other's */
static void interleaved(void **state)
{
	char text[256], answer[256];

	(void)state;
	for (int i = 0; i < 200; i++) {
		unsigned int who = (unsigned int)(i * 7 % 11 % 3);
		static const char *const mark[] = { MARK("dev.a"),
						    MARK("dev.b"),
						    MARK("dev.x") };
		static unsigned int way[3];

		if (i == 0)
			memset(way, 0xff, sizeof(way));
		snprintf(text, sizeof(text), "GET /%d HTTP/1.1\r\n%s\r\n", i,
			 mark[who]);
		ask(text);
		if (way[who] == UINT32_MAX)
			way[who] = r.nopen - 1;
		assert_int_equal(r.open[way[who]].ref.id, (who + 1) % 3);
		snprintf(text, sizeof(text),
			 "GET /%d HTTP/1.1\r\n%s" XFF "\r\n", i, mark[who]);
		hear(up(way[who]), text);
		snprintf(answer, sizeof(answer),
			 "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n%06d", i);
		rig_say(&r, up(way[who]), answer);
		hear(r.caller, answer);
	}
	assert_int_equal(r.nopen, 3);
}

/* --- HTTP/2 --------------------------------------------------------------- */

static struct peer caller, backend, other;

static int begin2(void **state)
{
	begin(state);
	peer_large = peer_can_connect = false;
	peer_init(&caller, &r, r.caller, false);
	memset(&backend, 0, sizeof(backend));
	memset(&other, 0, sizeof(other));
	return 0;
}

static int end2(void **state)
{
	peer_fini(&caller);
	if (backend.rig)
		peer_fini(&backend);
	if (other.rig)
		peer_fini(&other);
	return end(state);
}

static int32_t ask2(const char *name, const char *value)
{
	const nghttp2_nv nv[] = {
		peer_field(":method", "GET"),
		peer_field(":scheme", "http"),
		peer_field(":authority", "web.t:80"),
		peer_field(":path", "/"),
		peer_field(name, value),
	};

	return nghttp2_submit_request(caller.ng, NULL, nv, ARRAY_SIZE(nv), NULL,
				      NULL);
}

#define HEAD2 ":method: GET\n:scheme: http\n:authority: web.t:80\n:path: /\n"

static void added_to_each_stream(void **state)
{
	int32_t one = ask2("x", "y");

	(void)state;
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(r.nopen, 1);
	assert_int_equal(r.open[0].ref.id, 1);
	peer_init(&backend, &r, up(0), true);
	ask2("baggage", "a=1");
	peer_turns(&caller, &backend, NULL);
	assert_string_equal(backend.s[1].head,
			    HEAD2 "x: y\nbaggage: kt-env=dev.a\n"
				  "x-forwarded-for: 10.9.8.7\n");
	assert_string_equal(backend.s[3].head,
			    HEAD2 "baggage: a=1\nbaggage: kt-env=dev.a\n"
				  "x-forwarded-for: 10.9.8.7\n");
	peer_answer(&backend, 1, "one", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, one, "one");
	assert_string_equal(told_env(), "+dev.a");
	assert_int_equal(told.proto, EVENT_HTTP2);
}

static void streams_from_outside(void **state)
{
	int32_t one;

	(void)state;
	r.env.outside = true;
	one = ask2("baggage", "kt-env=dev.b");
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(r.open[0].ref.id, 1);
	peer_init(&backend, &r, up(0), true);
	peer_turns(&caller, &backend, NULL);
	assert_string_equal(backend.s[1].head,
			    HEAD2 "baggage: kt-env=dev.a\n"
				  "x-forwarded-for: 10.9.8.7\n");
	peer_answer(&backend, 1, "one", true);
	peer_turns(&caller, &backend, NULL);
	peer_assert_body(&caller, one, "one");
	assert_non_null(
		strstr(caller.s[one].head, "cache-control: no-store\n"));
}

static void each_stream_its_environment(void **state)
{
	int32_t id[20];

	(void)state;
	for (int i = 0; i < 20; i++)
		id[i] = ask2("baggage",
			     i % 3 ? "kt-env=dev.b" : "kt-env=dev.a,q=1");
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(r.nopen, 2);
	assert_int_equal(r.open[0].ref.id, 1);
	assert_int_equal(r.open[1].ref.id, 2);
	peer_init(&backend, &r, up(0), true);
	peer_init(&other, &r, up(1), true);
	peer_turns(&caller, &backend, &other);
	for (int i = 19, a = 7, b = 13; i >= 0; i--) {
		struct peer *p = i % 3 ? &other : &backend;
		int32_t to = 2 * (i % 3 ? --b : --a) + 1;

		assert_string_equal(p->s[to].head,
				    i % 3 ? HEAD2 "baggage: kt-env=dev.b\n"
						  "x-forwarded-for: 10.9.8.7\n"
					  : HEAD2 "baggage: kt-env=dev.a,q=1\n"
						  "x-forwarded-for: "
						  "10.9.8.7\n");
		peer_answer(p, to, i % 3 ? "b" : "a", true);
		peer_turns(&caller, &backend, &other);
		peer_assert_body(&caller, id[i], i % 3 ? "b" : "a");
		assert_string_equal(told_env(), i % 3 ? "dev.b" : "dev.a");
	}
}

static void kept_for_the_second_way(void **state)
{
	(void)state;
	r.refuse = -ENETRESET;
	r.moves = true;
	ask2("to", "a");
	peer_turns(&caller, NULL, NULL);
	assert_int_equal(r.nopen, 2);
	peer_init(&backend, &r, up(1), true);
	peer_turns(&caller, &backend, NULL);
	assert_string_equal(backend.s[1].head,
			    HEAD2 "to: a\nbaggage: kt-env=dev.a\n"
				  "x-forwarded-for: 10.9.8.7\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define T2(f) cmocka_unit_test_setup_teardown(f, begin2, end2)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(added_to_each_request),
		T(events_say_whose_it_was),
		T(not_where_there_is_one),
		T(by_the_field_that_was_chosen),
		T(from_outside),
		T(baggage_of_others_is_kept),
		T(not_twice),
		T(copies_have_it),
		T(upgrades),
		T(not_http),
		T(largest_head),
		T(most_fields),
		T(interleaved),
		T2(added_to_each_stream),
		T2(streams_from_outside),
		T2(each_stream_its_environment),
		T2(kept_for_the_second_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
