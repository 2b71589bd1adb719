/* SPDX-License-Identifier: Apache-2.0 */
/* A program of "ktctl run": when callers may come to it, and to which port. */
#include "test.h"

#include "base/mem.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "inbound/job.h"
#include "inbound/program.h"
#include "kube/rest.h"
#include "local/program_link.h"
#include "local/signals.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char web[] =
	"{\"metadata\": {\"name\": \"web\"}, \"spec\": {\"ports\": ["
	"{\"name\": \"http\", \"port\": 80, \"targetPort\": 8080}]}}";
static const char two[] =
	"{\"metadata\": {\"name\": \"web\"}, \"spec\": {\"ports\": ["
	"{\"name\": \"http\", \"port\": 80, \"targetPort\": 8080},"
	"{\"name\": \"grpc\", \"port\": 90, \"targetPort\": 9090}]}}";

struct rig {
	struct app app;
	struct global_options global;
	struct inbound_options opt;
	struct job job;
	int link; /* the end of run */
};

static void rig_init(struct rig *r, const char *service, const char *expose)
{
	struct kt_error err = { 0 };
	auto_json json_t *s = json_loads(service, 0, NULL);
	int pair[2];

	*r = (struct rig){ 0 };
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	r->link = pair[0];
	r->app.loop = loop_new();
	r->app.signals = signals_new(r->app.loop, &err);
	r->app.progress = progress_new(r->app.loop, stderr);
	assert_int_equal(expose_parse(&r->opt.expose, expose, &err), 0);
	r->opt.program = pair[1];
	r->job = (struct job){ .app = &r->app,
			       .global = &r->global,
			       .opt = &r->opt,
			       .service = json_incref(s) };
	assert_int_equal(service_ports_make(&r->job.ports, s, NULL, &err), 0);
}

static void rig_fini(struct rig *r)
{
	close(r->link);
	program_free(&r->job);
	loop_once(r->app.loop, 0);
	service_ports_fini(&r->job.ports);
	expose_fini(&r->opt.expose);
	json_decref(r->job.service);
	free(r->job.local);
	progress_free(r->app.progress);
	signals_free(r->app.signals);
	loop_free(r->app.loop);
}

static void says(const struct rig *r, int word, int number)
{
	const struct program_message m = { .word = word, .number = number };

	assert_int_equal(program_link_send(r->link, &m, -1), 0);
}

static void expect(struct rig *r, const char *text)
{
	struct kt_error err = { 0 };
	auto_free char *got = NULL;

	assert_int_equal(job_map(&r->job, &err), 0);
	got = job_text(&r->job);
	assert_string_equal(got, text);
	rig_fini(r);
}

/* What the Service does not have is the program's own business: a debugger */
static void takes_the_service_s_ports(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, web, "");
	says(&r, PROGRAM_LISTENS, 9229);
	says(&r, PROGRAM_LISTENS, 8080);
	expect(&r, "8080 to localhost:8080");
	rig_init(&r, two, "");
	says(&r, PROGRAM_LISTENS, 9090);
	says(&r, PROGRAM_LISTENS, 8080);
	expect(&r, "9090 to localhost:9090, 8080 to localhost:8080");
}

static void takes_any_port_for_the_only_one(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, web, "");
	says(&r, PROGRAM_LISTENS, 3000);
	expect(&r, "8080 to localhost:3000");
}

static void gone_is_gone(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, two, "");
	says(&r, PROGRAM_LISTENS, 8080);
	says(&r, PROGRAM_GONE, 8080);
	says(&r, PROGRAM_LISTENS, 9090);
	expect(&r, "9090 to localhost:9090");
}

static void waits_for_what_was_named(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, two, "3000:80,9090");
	says(&r, PROGRAM_LISTENS, 8080);
	says(&r, PROGRAM_LISTENS, 9090);
	says(&r, PROGRAM_LISTENS, 3000);
	expect(&r, "80 to localhost:3000, 9090 to localhost:9090");
}

/* It has ended, or was never begun */
static void ends_with_the_program(void **state)
{
	struct kt_error err = { 0 };
	struct rig r;

	(void)state;
	rig_init(&r, web, "");
	says(&r, PROGRAM_LISTENS, 9229);
	close(steal_fd(&r.link));
	assert_int_equal(job_map(&r.job, &err), -EINTR);
	assert_true(program_has_ended(&r.job));
	rig_fini(&r);
}

static void nobody_answers(void *call, int fd)
{
	(void)call;
	(void)fd;
}

/* A link that is full for a moment loses nobody */
static void asks_for_each_caller(void **state)
{
	static const int few = 1, calls = 40;
	struct inbound_spec spec = { 0 };
	struct kt_error err = { 0 };
	struct program_message m;
	struct rig r;
	int got = 0, fd;

	(void)state;
	rig_init(&r, web, "");
	says(&r, PROGRAM_LISTENS, 8080);
	assert_int_equal(job_map(&r.job, &err), 0);
	program_serve(&r.job, &spec);
	assert_int_equal(setsockopt(r.opt.program, SOL_SOCKET, SO_SNDBUF, &few,
				    sizeof(few)),
			 0);
	for (int i = 0; i < calls; i++)
		assert_non_null(spec.dialer->dial(spec.dialer_user, 8080,
						  nobody_answers, &r));
	for (int i = 0; i < 200 && got < calls; i++) {
		loop_once(r.app.loop, 5 * NS_MS);
		while (program_link_receive(r.link, &m, &fd) > 0)
			got += m.word == PROGRAM_CONNECT;
	}
	assert_int_equal(got, calls);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_service_s_ports),
		cmocka_unit_test(takes_any_port_for_the_only_one),
		cmocka_unit_test(gone_is_gone),
		cmocka_unit_test(waits_for_what_was_named),
		cmocka_unit_test(ends_with_the_program),
		cmocka_unit_test(asks_for_each_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
