/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a probe, from what the routers saw: what a service passes on
 * (baggage, traceparent alone, nothing), and whose Pod it is (a member's, the
 * trunk's). */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "env/hops.h"
#include "env/routers.h"
#include "kube/rest.h"

#include <string.h>

#define TRACE EVENT_TRACE_PROBE "00000000000000ab"
#define PORT_TLS 443
#define BEGIN 1700000000000000
#define B_IP "10.0.0.2"	 /* a Pod of the trunk's b */
#define B_RED "10.0.0.3" /* of b's member in dev.red */
#define OTHER "10.0.0.9" /* of a Service that the probe does not meet */

/* as it is, taken, TLS, a record */
#define SERVICES                                                               \
	"[{'metadata': {'name': 'a'}, 'spec': {'selector': {'app': 'a'},"      \
	" 'ports': [{'port': 80}]}},"                                          \
	"{'metadata': {'name': 'b', 'annotations': {'kt-selector':"            \
	" '{\\'app\\':\\'b\\'}'}}, 'spec': {'selector': {'kt-role': "          \
	"'router'},"                                                           \
	" 'ports': [{'port': 80}]}},"                                          \
	"{'metadata': {'name': 'd'}, 'spec': {'selector': {'app': 'd'},"       \
	" 'ports': [{'port': 443, 'name': 'https'}]}},"                        \
	"{'metadata': {'name': 'b-kt-mesh-x', 'labels': {'kt-role':"           \
	" 'shadow-mesh'}}, 'spec': {'selector': {'app': 'b'}}},"               \
	"{'metadata': {'name': 'b-kt-stuntman', 'labels': {'control-by':"      \
	" 'kt'}}, 'spec': {'selector': {'app': 'b'}}}]"
#define PODS                                                                   \
	"[{'metadata': {'name': 'b-1', 'labels': {'app': 'b'}},"               \
	" 'status': {'podIP': '" B_IP "'}},"                                   \
	"{'metadata': {'name': 'b-red', 'labels': {'kt-env': 'dev.red',"       \
	" 'kt-env-of': 'b'}}, 'status': {'podIP': '" B_RED "'}},"              \
	"{'metadata': {'name': 'z-1', 'labels': {'app': 'z'}},"                \
	" 'status': {'podIP': '" OTHER "'}}]"

static struct hops_seen seen(const char *service, int64_t after,
			     const char *from, const char *env,
			     const char *trace)
{
	struct hops_seen s = { .service = (char *)(uintptr_t)service,
			       .port = 80,
			       .event = { .when = BEGIN + after,
					  .latency = 5,
					  .kind = EVENT_REQUEST,
					  .proto = EVENT_HTTP1,
					  .by = EVENT_ORIGIN,
					  .status = 200 } };

	assert_int_equal(ipaddr_parse(&s.event.from, from), 0);
	s.event.env_added = *env == '+';
	snprintf(s.event.env, sizeof(s.event.env), "%s", env + (*env == '+'));
	snprintf(s.event.trace, sizeof(s.event.trace), "%s", trace);
	return s;
}

/* "CALLER>SERVICE MARK" with '?' where it is not sure; and the sentence */
static const char *way(const char *entry, const struct hops_seen *v, size_t n,
		       const char **why)
{
	static char text[1024], said[512];
	auto_json json_t *p = json_quoted(PODS), *s = json_quoted(SERVICES);
	const struct hops_of of = { .env = "dev.red",
				    .trace = TRACE,
				    .entry = entry,
				    .port = PORT_TLS,
				    .tls = strcmp(entry, "d") == 0,
				    .begin = BEGIN,
				    .seen = v,
				    .nseen = n,
				    .pods = p,
				    .services = s };
	auto_json json_t *hops = hops_make(&of);
	auto_free char *about = NULL;
	const json_t *hop;
	size_t i;

	text[0] = said[0] = '\0';
	json_array_foreach (hops, i, hop) {
		size_t at = strlen(text);

		snprintf(text + at, sizeof(text) - at, "%s%s>%s %s%s",
			 i ? "; " : "", json_str(hop, "caller", NULL) ?: "",
			 json_str(hop, "service", NULL),
			 json_str(hop, "mark", NULL),
			 json_is_true(json_object_get(hop, "sure")) ? "" : "?");
	}
	if (hops_broken(hops)) {
		about = hops_why(hops_broken(hops));
		snprintf(said, sizeof(said), "%s", about);
	}
	*why = said;
	return text;
}

/* b calls c; c's router saw this */
static void propagation(void **state)
{
	static const struct {
		const char *from, *env, *trace, *way, *why;
	} rows[] = {
		/* the caller is the trunk's */
		{ B_IP, "dev.red", TRACE, "b>c arrived", "" },
		{ B_IP, "dev.red", "", "b>c arrived?", "" },
		{ B_IP, "", TRACE, "b>c lost",
		  "b calls c with the trace, but without the mark: it passes "
		  "on traceparent, and not baggage" },
		{ B_IP, "", "", "b>c lost?",
		  "b calls c with neither trace nor mark: it passes on "
		  "nothing" },
		/* it is a member: the router knows its Pod */
		{ B_RED, "dev.red", TRACE, "b>c arrived", "" },
		{ B_RED, "+dev.red", TRACE, "b>c added", "" },
		{ B_RED, "+dev.red", "", "b>c added?", "" },
		/* and what else can happen to it */
		{ B_IP, "dev.blue", TRACE, "b>c rewritten",
		  "b calls c with the mark of dev.blue" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct hops_seen v[] = {
			/* heard the other way round: c answered first */
			seen("c", 20, rows[i].from, rows[i].env, rows[i].trace),
			seen("b", 10, "10.0.0.77", "dev.red", TRACE),
		};
		char want[128];
		const char *why;

		snprintf(want, sizeof(want), ">b arrived; %s", rows[i].way);
		assert_string_equal(way("b", v, 2, &why), want);
		assert_string_equal(why, rows[i].why);
		/* b has no router: it is known to have been reached */
		assert_string_equal(way("b", v, 1, &why), rows[i].way);
		assert_string_equal(why, rows[i].why);
	}
}

/* Requests of others, and of before, are no hops */
static void others_are_left_out(void **state)
{
	struct hops_seen v[] = {
		seen("b", 10, "10.0.0.77", "dev.red", TRACE),
		seen("c", 12, OTHER, "", ""),
		seen("c", 13, B_IP, "dev.blue", ""),
		seen("c", -5, B_IP, "", ""),
		seen("c", 14, B_IP, "dev.red", TRACE),
		/* the trunk's own requests, while this one has its trace */
		seen("c", 11, B_IP, "", ""),
		seen("c", 15, B_IP, "", ""),
		seen("c", 16, B_IP, "", EVENT_TRACE_PROBE "ffffffffffffffff"),
	};
	const char *why;

	(void)state;
	assert_string_equal(way("b", v, ARRAY_SIZE(v), &why),
			    ">b arrived; b>c arrived");
	/* told once, however often it comes */
	v[4] = seen("c", 17, B_IP, "", "");
	assert_string_equal(way("b", v, ARRAY_SIZE(v), &why),
			    ">b arrived; b>c lost?");
}

static void connections_are_named(void **state)
{
	struct hops_seen v[] = {
		seen("b", 10, "10.0.0.77", "dev.red", TRACE),
		seen("c", 20, B_IP, "", ""),
		seen("d", 30, B_IP, "", ""),
	};
	const char *why;

	(void)state;
	v[1].event.kind = v[2].event.kind = EVENT_CONNECTION;
	v[2].port = 443;
	assert_string_equal(way("b", v, 3, &why),
			    ">b arrived; b>c not http?; b>d tls?");
	assert_string_equal(why, "b calls c by what is no HTTP: there is no "
				 "mark to see");
}

/* The probe itself, over TLS: nobody ends that before d */
static void a_probe_that_nobody_could_read(void **state)
{
	struct hops_seen v[] = {
		seen("d", 10, "10.0.0.77", "", ""),
		seen("d", 11, B_IP, "", ""), /* somebody else's */
	};
	const char *why;

	(void)state;
	v[0].event.kind = v[1].event.kind = EVENT_CONNECTION;
	assert_string_equal(way("d", v, 2, &why), "");
	v[0].port = v[1].port = PORT_TLS;
	assert_string_equal(way("d", v, 2, &why), ">d tls?");
	assert_string_equal(why, "the caller calls d by TLS, which nobody ends "
				 "before its Pods: there is no mark to see "
				 "(its router can end it: --tlsSecret)");
}

static bool has_b(const void *user, const char *service)
{
	(void)user;
	return strcmp(service, "b") == 0;
}

static void services_without_a_router(void **state)
{
	auto_json json_t *s = json_quoted(SERVICES);
	auto_json json_t *names = hops_without_router(s, has_b, NULL);
	auto_json json_t *want = json_pack("[s,s]", "a", "d");

	(void)state;
	assert_true(json_equal(names, want));
}

/* --- a router's Pod ------------------------------------------------------- */

static void a_router_says_whose_it_is(void **state)
{
	auto_json json_t *pod = json_pack(
		"{s:{s:[{s:s},{s:s,s:[s,s,s,s],s:[{s:s,s:s}]}]}}", "spec",
		"containers", "name", "sidecar", "name", "standalone", "args",
		"--listen", "7070", "--env-service", "web.shop", "env", "name",
		"SHADOW_SERVE", "value",
		"53/udp=o.svc:53,8080=web-kt-stuntman.shop.svc:80~http,"
		"9090=[fd00::1]:90~auto,7");
	auto_json json_t *none = json_pack("{s:{s:[]}}", "spec", "containers");
	auto_free char *service = env_router_service(pod);

	(void)state;
	assert_string_equal(service, "web");
	assert_null(env_router_service(none));
	assert_int_equal(env_router_port(pod, 8080), 80);
	assert_int_equal(env_router_port(pod, 9090), 90);
	assert_int_equal(env_router_port(pod, 53), 0);
	assert_int_equal(env_router_port(pod, 7), 0);
	assert_int_equal(env_router_port(none, 8080), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(propagation),
		cmocka_unit_test(others_are_left_out),
		cmocka_unit_test(connections_are_named),
		cmocka_unit_test(a_probe_that_nobody_could_read),
		cmocka_unit_test(services_without_a_router),
		cmocka_unit_test(a_router_says_whose_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
