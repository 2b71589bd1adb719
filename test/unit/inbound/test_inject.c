/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "cli/app.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_container_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
