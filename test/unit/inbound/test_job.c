/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "inbound/job.h"
#include "kube/rest.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_was_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
