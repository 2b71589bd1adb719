/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "cli/app.h"
#include "cluster/object_watch.h"
#include "inbound/job.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define WEB "/api/v1/namespaces/n/services/web"

static void expect_text(const char *typed, const char *text)
{
	static const char service[] =
		"{\"metadata\": {\"name\": \"web\"}, \"spec\": {\"ports\": ["
		"{\"name\": \"http\", \"port\": 80, \"targetPort\": 8080},"
		"{\"name\": \"dns\", \"port\": 53, \"targetPort\": 5353, "
		"\"protocol\": \"UDP\"}]}}";
	auto_json json_t *web = json_loads(service, 0, NULL);
	struct inbound_options opt = { .skip_port_checking = true };
	struct job job = { .opt = &opt, .service = web };
	struct kt_error err = { 0 };
	auto_free char *got = NULL;

	assert_int_equal(expose_parse(&opt.expose, typed, &err), 0);
	assert_int_equal(service_ports_make(&job.ports, web, NULL, &err), 0);
	assert_int_equal(job_map(&job, &err), 0);
	got = job_text(&job);
	assert_string_equal(got, text);
	service_ports_fini(&job.ports);
	expose_fini(&opt.expose);
	free(job.local);
}

static void says_what_was_typed(void **state)
{
	(void)state;
	expect_text("8080", "8080 to localhost:8080");
	expect_text("80", "80 to localhost:80");
	expect_text("8000:80", "80 to localhost:8000");
	expect_text("8000:8080", "8080 to localhost:8000");
	expect_text("8000:http", "http to localhost:8000");
	expect_text("8000:80,9053:53/udp",
		    "80 to localhost:8000, 53/udp to localhost:9053");
}

/* Service web as its owner has it */
static void put_web(struct store *s, const char *uid)
{
	store_put(s, WEB,
		  json_pack("{s:s,s:{s:s,s:s},s:{s:{s:s}}}", "kind", "Service",
			    "metadata", "name", "web", "uid", uid, "spec",
			    "selector", "app", "web"));
}

/* The shadow's Pod is gone, and the Service is not ours any more: @uid is that
 * of the Service that is there then */
static void expect_end(const char *uid, const char *says)
{
	struct store s;
	struct app app = { 0 };
	struct job job = { .app = &app, .ns = "n", .name = "web" };
	struct kt_error err = { 0 };

	store_init(&s);
	app.loop = s.w.loop;
	job.kube = s.w.kube;
	job.selector = json_pack("{s:s}", "kt-target", "x");
	put_web(&s, "first");
	assert_int_equal(job_read(&job, &err), 0);
	assert_int_equal(job_take(&job, &err), 0);
	assert_int_equal(job.renew(job.change_user, &err), 0); /* ours */

	put_web(&s, uid);
	assert_int_equal(job.renew(job.change_user, &err), -ECANCELED);
	assert_non_null(strstr(err.msg, says));

	object_watch_stop(job.watch);
	json_decref(job.selector);
	json_decref(job.service);
	json_decref(job.original);
	store_fini(&s);
}

static void says_how_it_was_lost(void **state)
{
	(void)state;
	expect_end("first", "was recovered by somebody else");
	expect_end("second", "was deleted and made anew");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_was_typed),
		cmocka_unit_test(says_how_it_was_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
