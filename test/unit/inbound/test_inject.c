/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "carrier/carriers.h"
#include "cli/app.h"
#include "cluster/ephemeral.h"
#include "inbound/inject.h"
#include "inbound/job.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define PODS "/api/v1/namespaces/n/pods"
#define WEB PODS "/web-1"

/* The container that was asked for has ended at once */
static bool end_it(struct store *s, struct fake_conn *c, const char *method,
		   const char *path, const json_t *body)
{
	const json_t *asked =
		json_at(body, "spec", "ephemeralContainers", NULL);
	json_t *pod = store_get(s, WEB), *all, *ended, *one;

	if (strcmp(method, "PATCH") != 0)
		return false;
	assert_string_equal(path, WEB "/ephemeralcontainers");
	one = json_array_get(asked, 0);
	all = json_at(pod, "spec", "ephemeralContainers", NULL);
	ended = json_at(pod, "status", "ephemeralContainerStatuses", NULL);
	json_array_append(all, one);
	json_array_append_new(ended,
			      json_pack("{s:O,s:{s:{s:i}}}", "name",
					json_object_get(one, "name"), "state",
					"terminated", "exitCode", 1));
	fake_reply(c, 200, "Content-Type: application/json\r\n", "{}");
	store_event(s, "MODIFIED", pod);
	return true;
}

static void put_pod(struct store *s)
{
	store_put(s, WEB,
		  json_pack("{s:s,s:s,s:{s:s,s:s,s:{s:s}},"
			    "s:{s:[{s:s}],s:[]},s:{s:s,s:s,s:[]}}",
			    "kind", "Pod", "apiVersion", "v1", "metadata",
			    "name", "web-1", "namespace", "n", "labels", "app",
			    "web", "spec", "containers", "name", "web",
			    "ephemeralContainers", "status", "phase", "Running",
			    "podIP", "10.0.0.9", "ephemeralContainerStatuses"));
}

struct patience {
	struct timer timer;
	struct loop *loop;
};

static void stop(struct timer *t)
{
	loop_interrupt(container_of(t, struct patience, timer)->loop);
}

/* Nobody can take a container out of the Pod again: a few, never one more */
static void no_container_for_ever(void **state)
{
	struct store s;
	struct global_options global = {
		.pod = { .image = (char *)(uintptr_t) "i",
			 .creation_timeout = 10 }
	};
	struct inbound_options opt = { 0 };
	struct app app = { 0 };
	struct job in = { .app = &app,
			  .global = &global,
			  .opt = &opt,
			  .ns = "n",
			  .name = "web" };
	struct injector *x;
	struct patience patience = { 0 };
	struct kt_error err = { 0 };

	(void)state;
	store_init(&s);
	s.before = end_it;
	put_pod(&s);
	app.loop = s.w.loop;
	in.kube = s.w.kube;
	in.original = json_pack("{s:s}", "app", "web");
	in.service = json_pack("{s:{s:s},s:{s:[{s:i,s:i,s:s}]}}", "metadata",
			       "name", "web", "spec", "ports", "port", 80,
			       "targetPort", 8080, "protocol", "TCP");
	x = injector_new(&in);
	assert_int_equal(injector_start(x, &err), -EIO);
	assert_int_equal(store_logged(&s, "PATCH"), 4);

	/* the same while it serves: it ends, or waits */
	patience.loop = s.w.loop;
	loop_timer_start(s.w.loop, &patience.timer, 2 * NS_SEC, stop);
	store_event(&s, "MODIFIED", store_get(&s, WEB));
	err = (struct kt_error){ 0 };
	assert_int_equal(injector_serve(x, &err), -EIO);
	assert_non_null(strstr(err.msg, "no Pod leads here any more"));
	assert_int_equal(store_logged(&s, "PATCH"), 4);
	loop_timer_stop(&patience.timer);

	injector_free(x);
	json_decref(in.original);
	json_decref(in.service);
	store_fini(&s);
}

static int tried; /* to open a tunnel */

struct news {
	struct timer timer;
	struct store *store;
};

static void tell_ended(struct timer *t)
{
	struct store *s = container_of(t, struct news, timer)->store;
	json_t *pod = store_get(s, WEB);
	json_t *one = json_array_get(
		json_at(pod, "status", "ephemeralContainerStatuses", NULL), 0);

	if (!tried || !s->stream) {
		loop_timer_start(s->w.loop, t, 50 * NS_MS, tell_ended);
		return;
	}
	json_object_set_new(
		one, "state",
		json_pack("{s:{s:i}}", "terminated", "exitCode", 0));
	store_event(s, "MODIFIED", pod);
}

static bool no_tunnel(struct store *s, struct fake_conn *c, const char *method,
		      const char *path, const json_t *body)
{
	if (strcmp(path, WEB "/portforward") != 0)
		return end_it(s, c, method, path, body);
	tried++;
	fake_reply(c, 500, "Content-Type: application/json\r\n", "{}");
	return true;
}

/* One that has left just now, which the node has not told yet, is no reason to
 * wait for its tunnel until the time is over: another one is added */
static void one_that_only_seems_to_run(void **state)
{
	struct store s;
	struct global_options global = {
		.port_forward_timeout = 60,
		.carrier = CARRIER_SPDY,
		.pod = { .image = (char *)(uintptr_t) "i",
			 .creation_timeout = 90 }
	};
	struct inbound_options opt = { 0 };
	struct app app = { 0 };
	struct job in = { .app = &app,
			  .global = &global,
			  .opt = &opt,
			  .ns = "n",
			  .name = "web" };
	struct news news = { .store = &s };
	auto_json json_t *pods = NULL;
	auto_free char *serve = NULL;
	struct service_ports ports;
	struct injector *x;
	struct kt_error err = { 0 };
	int64_t begin = clock_ns();

	(void)state;
	store_init(&s);
	s.before = no_tunnel;
	put_pod(&s);
	in.service = json_pack("{s:{s:s},s:{s:[{s:i,s:i,s:s}]}}", "metadata",
			       "name", "web", "spec", "ports", "port", 80,
			       "targetPort", 8080, "protocol", "TCP");
	pods = json_pack("[O]", store_get(&s, WEB));
	assert_int_equal(service_ports_make(&ports, in.service, pods, &err), 0);
	serve = ephemeral_serve(&ports, store_get(&s, WEB));
	service_ports_fini(&ports);
	json_array_append_new(json_at(store_get(&s, WEB), "spec",
				      "ephemeralContainers", NULL),
			      json_pack("{s:s,s:[s,s],s:[{s:s,s:s}]}", "name",
					"kt-exchange-aaaaa", "args", "--listen",
					"20001", "env", "name", "SHADOW_SERVE",
					"value", serve));
	json_array_append_new(json_at(store_get(&s, WEB), "status",
				      "ephemeralContainerStatuses", NULL),
			      json_pack("{s:s,s:{s:{}}}", "name",
					"kt-exchange-aaaaa", "state",
					"running"));
	app.loop = s.w.loop;
	in.kube = s.w.kube;
	in.original = json_pack("{s:s}", "app", "web");
	x = injector_new(&in);
	loop_timer_start(s.w.loop, &news.timer, 50 * NS_MS, tell_ended);
	assert_int_equal(injector_start(x, &err), -EIO);
	assert_int_equal(store_logged(&s, "PATCH"), 4);
	assert_true(tried > 0);
	assert_true(clock_ns() - begin < 50 * NS_SEC);
	loop_timer_stop(&news.timer);
	injector_free(x);
	json_decref(in.original);
	json_decref(in.service);
	store_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_container_for_ever),
		cmocka_unit_test(one_that_only_seems_to_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
