/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "fake.h"

#include "base/mem.h"
#include "kube/authz.h"
#include "kube/rest.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

static char seen[4096]; /* the last request */

static void note(const char *request)
{
	snprintf(seen, sizeof(seen), "%s", request);
}

static int get(struct world *w, json_t **out, struct kt_error *err)
{
	*err = (struct kt_error){ 0 };
	return kube_get(w->kube, "/api/x", out, err);
}

/* --- good answers --------------------------------------------------------- */

static void answer_ok(struct fake_conn *c, const char *request)
{
	note(request);
	fake_reply(c, 200, "Date: Thu, 01 Jan 2032 00:00:00 GMT\r\n",
		   "{\"a\":{\"b\":\"c\"}}");
}

static void sends_identity_and_reads_json(void **state)
{
	char token[] = "secret", as[] = "boss";
	struct kt_error err;
	struct world w;
	json_t *out;

	(void)state;
	world_init(&w, answer_ok);
	w.cfg.token = token;
	w.cfg.as = as;
	strv_add(&w.cfg.as_groups, "g1");
	w.cfg.as_extra = json_pack("{s:[s]}", "k/x", "v");
	assert_int_equal(get(&w, &out, &err), 0);
	assert_string_equal(json_str(out, "a", "b", NULL), "c");
	json_decref(out);
	assert_non_null(strstr(seen, "GET /base/api/x HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, "Authorization: Bearer secret\r\n"));
	assert_non_null(strstr(seen, "Impersonate-User: boss\r\n"));
	assert_non_null(strstr(seen, "Impersonate-Group: g1\r\n"));
	assert_non_null(strstr(seen, "Impersonate-Extra-k%2Fx: v\r\n"));
	/* the cluster's clock is the Date's */
	assert_true(kube_cluster_time(w.kube) - 1956528000 < 5);
	assert_true(kube_clock_skew(w.kube) > 1000000);
	strv_fini(&w.cfg.as_groups);
	json_decref(w.cfg.as_extra);
	world_fini(&w);
}

static void posts_and_patches(void **state)
{
	json_t *obj = json_pack("{s:s}", "kind", "X");
	struct kt_error err = { 0 };
	struct world w;

	(void)state;
	world_init(&w, answer_ok);
	assert_int_equal(kube_create(w.kube, "/p", obj, NULL, &err), 0);
	assert_non_null(strstr(seen, "POST /base/p "));
	assert_non_null(strstr(seen, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(seen, "\r\n\r\n{\"kind\":\"X\"}"));
	assert_int_equal(kube_patch(w.kube, "/p", obj, NULL, &err), 0);
	assert_non_null(strstr(seen, "PATCH /base/p "));
	assert_non_null(strstr(seen, "application/merge-patch+json\r\n"));
	assert_int_equal(kube_delete(w.kube, "/p", 0, &err), 0);
	assert_non_null(strstr(seen, "DELETE /base/p "));
	assert_non_null(strstr(seen, "\"gracePeriodSeconds\":0"));
	json_decref(obj);
	world_fini(&w);
}

static void answer_pages(struct fake_conn *c, const char *request)
{
	if (strstr(request, "continue=next%2F1"))
		fake_reply(c, 200, "",
			   "{\"metadata\":{},\"items\":[{\"n\":3}]}");
	else
		fake_reply(c, 200, "",
			   "{\"metadata\":{\"continue\":\"next/1\"},"
			   "\"items\":[{\"n\":1},{\"n\":2}]}");
}

static void lists_page_by_page(void **state)
{
	struct kt_error err = { 0 };
	struct world w;
	json_t *out;

	(void)state;
	world_init(&w, answer_pages);
	assert_int_equal(kube_list(w.kube, "/l", "a=b", &out, &err), 0);
	assert_int_equal(json_array_size(json_object_get(out, "items")), 3);
	json_decref(out);
	world_fini(&w);
}

/* --- refusals ------------------------------------------------------------- */

static void answer_forbidden(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 403, "",
		   "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":"
		   "\"pods is forbidden: User \\\"u\\\" cannot list resource "
		   "\\\"pods\\\" in API group \\\"\\\" in the namespace "
		   "\\\"n\\\"\"}");
}

static void shows_status_verbatim(void **state)
{
	struct kt_error err;
	struct world w;
	json_t *out;

	(void)state;
	world_init(&w, answer_forbidden);
	assert_int_equal(get(&w, &out, &err), -EPERM);
	assert_null(out);
	assert_int_equal(err.http_status, 403);
	assert_string_equal(err.reason, "Forbidden");
	assert_string_equal(err.msg,
			    "pods is forbidden: User \"u\" cannot list "
			    "resource \"pods\" in API group \"\" in the "
			    "namespace \"n\"");
	assert_string_equal(err.hint, "a Role in namespace n must allow 'list' "
				      "on 'pods'");
	world_fini(&w);
}

static void answer_anonymous(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 403, "",
		   "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":"
		   "\"pods is forbidden: User \\\"system:anonymous\\\" cannot "
		   "list resource \\\"pods\\\" in API group \\\"\\\" in the "
		   "namespace \\\"n\\\"\"}");
}

static void gives_anonymous_no_right(void **state)
{
	struct kt_error err;
	struct world w;
	json_t *out;

	(void)state;
	world_init(&w, answer_anonymous);
	assert_int_equal(get(&w, &out, &err), -EPERM);
	assert_non_null(strstr(err.hint, "you are not logged in"));
	assert_null(authz_role_for(&err));
	world_fini(&w);
}

static const char *odd_body, *odd_fields;

static void answer_odd(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 200, odd_fields, odd_body);
}

static void says_what_came_in_place_of_json(void **state)
{
	static const char *const bodies[] = { "", "\"text\"", "[1]", "null",
					      "{\"cut\":" };
	struct kt_error err;
	struct world w;
	json_t *out;

	(void)state;
	world_init(&w, answer_odd);
	odd_fields = "Content-Type: text/html\r\n";
	odd_body = "<html>\n<head><TITLE>\n Log\033 in</TITLE>";
	assert_int_equal(get(&w, &out, &err), -EPROTO);
	assert_null(out);
	assert_string_equal(err.msg,
			    "GET /api/x: HTTP status 200, but the answer is no "
			    "JSON object, it is text/html: Log  in");
	assert_non_null(strstr(err.hint, "proxy"));
	assert_int_equal(err.http_status, 0); /* who knows what was done */
	odd_fields = "";
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		odd_body = bodies[i];
		assert_int_equal(get(&w, &out, &err), -EPROTO);
	}
	world_fini(&w);
}

static int code; /* what answer_code() says */

static void answer_code(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, code, "", "<html>\nno\n</html>");
}

static void maps_codes(void **state)
{
	static const int codes[][2] = { { 400, EINVAL }, { 401, EACCES },
					{ 404, ENOENT }, { 409, EBUSY },
					{ 410, ESTALE }, { 422, EINVAL } };
	struct kt_error err;
	struct world w;
	json_t *out;

	(void)state;
	world_init(&w, answer_code);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		code = codes[i][0];
		assert_int_equal(get(&w, &out, &err), -codes[i][1]);
		assert_int_equal(err.http_status, code);
		assert_non_null(strstr(err.msg, "GET /api/x: HTTP status"));
		assert_null(strstr(err.msg, "<html>"));
	}
	code = 404; /* what is gone need not be deleted */
	assert_int_equal(kube_delete(w.kube, "/p", -1, &err), 0);
	world_fini(&w);
}

/* --- busy servers --------------------------------------------------------- */

static void answer_third(struct fake_conn *c, const char *request)
{
	(void)request;
	if (c->number < 3)
		fake_reply(c, code, "", "busy");
	else
		fake_reply(c, 200, "", "{}");
}

static void tries_again_when_busy(void **state)
{
	json_t *obj = json_object(), *out = NULL;
	struct kt_error err;
	struct world w;

	(void)state;
	world_init(&w, answer_third);
	code = 503;
	assert_int_equal(get(&w, &out, &err), 0);
	assert_int_equal(w.fake.requests, 3);
	json_decref(out);
	w.fake.requests = 0; /* a POST may have been done already */
	assert_int_equal(kube_create(w.kube, "/p", obj, NULL, &err), -EIO);
	assert_int_equal(w.fake.requests, 1);
	code = 429; /* but not this one */
	w.fake.requests = 0;
	assert_int_equal(kube_create(w.kube, "/p", obj, NULL, &err), 0);
	json_decref(obj);
	world_fini(&w);
}

static void answer_retry_after(struct fake_conn *c, const char *request)
{
	(void)request;
	if (c->number == 1)
		fake_reply(c, 429, "Retry-After: 1\r\n", "later");
	else
		fake_reply(c, 200, "", "{}");
}

static void honours_retry_after(void **state)
{
	struct kt_error err;
	struct world w;
	json_t *out = NULL;
	int64_t start = clock_ns();

	(void)state;
	world_init(&w, answer_retry_after);
	assert_int_equal(get(&w, &out, &err), 0);
	assert_true(clock_ns() - start >= NS_SEC);
	json_decref(out);
	world_fini(&w);
}

static void answer_cut(struct fake_conn *c, const char *request)
{
	(void)request;
	if (c->number < 2)
		fake_write(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
			   40);
	else if (c->number == 2)
		fake_reply(c, 200, "", "{}");
	if (c->number != 2)
		fake_close(c);
}

static void survives_a_lost_connection(void **state)
{
	struct kt_error err;
	struct world w;
	json_t *out = NULL;

	(void)state;
	world_init(&w, answer_cut);
	assert_int_equal(get(&w, &out, &err), 0);
	json_decref(out);
	assert_int_equal(get(&w, &out, &err), -ECONNRESET); /* for good */
	assert_non_null(strstr(err.msg, w.server));
	world_fini(&w);
}

static void tells_an_unreachable_server(void **state)
{
	struct kt_error err;
	struct world w;
	json_t *out;
	int64_t start = clock_ns();

	(void)state;
	world_init(&w, answer_ok);
	snprintf(w.server, sizeof(w.server), "http://127.0.0.1:1");
	world_client(&w);
	assert_int_equal(get(&w, &out, &err), -ECONNREFUSED);
	assert_string_equal(err.msg, "API server http://127.0.0.1:1 cannot be "
				     "reached: connection refused");
	assert_true(err.hint[0]);
	assert_true(clock_ns() - start < 3 * NS_SEC);
	snprintf(w.server, sizeof(w.server), "http://no.such.host.invalid");
	world_client(&w);
	assert_true(get(&w, &out, &err) < 0);
	assert_non_null(strstr(err.msg, "no.such.host.invalid"));
	world_fini(&w);
}

static void answer_nothing(struct fake_conn *c, const char *request)
{
	(void)c;
	(void)request;
}

static void ends_when_time_is_up_or_interrupted(void **state)
{
	const struct kube_request req = { .method = "GET",
					  .path = "/",
					  .timeout_ns = 100 * NS_MS };
	struct kt_error err = { 0 };
	struct world w;

	(void)state;
	world_init(&w, answer_nothing);
	assert_int_equal(kube_call(w.kube, &req, NULL, &err), -ETIMEDOUT);
	loop_interrupt(w.loop);
	assert_int_equal(kube_call(w.kube, &req, NULL, &err), -EINTR);
	loop_resume(w.loop);
	world_fini(&w);
}

static void must_not_be_called(void *user, const struct kube_reply *reply)
{
	(void)user;
	(void)reply;
	fail();
}

static void cancels_at_any_time(void **state)
{
	const struct kube_request req = { .method = "GET", .path = "/" };
	struct kube_op *op;
	struct world w;

	(void)state;
	world_init(&w, answer_nothing);
	op = kube_request_start(w.kube, &req, must_not_be_called, NULL);
	kube_request_cancel(op);
	for (int turns = 0; turns < 6; turns++) {
		op = kube_request_start(w.kube, &req, must_not_be_called, NULL);
		for (int i = 0; i < turns / 2; i++)
			assert_int_equal(loop_once(w.loop, 0), 0);
		kube_request_cancel(op);
	}
	/* what is under way when the client ends is forgotten */
	kube_request_start(w.kube, &req, must_not_be_called, NULL);
	assert_int_equal(loop_sleep(w.loop, 20 * NS_MS), 0);
	kube_request_start(w.kube, &req, must_not_be_called, NULL);
	world_fini(&w);
}

/* --- sockets -------------------------------------------------------------- */

static int count_socket(void *user, int fd, const struct ipport *to)
{
	char text[IPADDR_STRLEN];

	assert_true(fd >= 0);
	assert_string_equal(ipaddr_str(&to->addr, text), "127.0.0.1");
	++*(int *)user;
	return 0;
}

static int refuse_socket(void *user, int fd, const struct ipport *to)
{
	(void)fd;
	(void)to;
	++*(int *)user;
	return -ENETUNREACH;
}

static void shows_sockets_and_addresses(void **state)
{
	struct kt_error err;
	struct ipaddr a[4];
	struct world w;
	json_t *out = NULL;
	int n = 0;
	char text[IPADDR_STRLEN];

	(void)state;
	world_init(&w, answer_ok);
	kube_set_sock_opt(w.kube, count_socket, &n);
	assert_int_equal(get(&w, &out, &err), 0);
	json_decref(out);
	assert_int_equal(get(&w, &out, &err), 0);
	json_decref(out);
	assert_int_equal(n, 1); /* one connection served both */
	assert_int_equal(kube_server_addrs(w.kube, a, 4, &err), 1);
	assert_string_equal(ipaddr_str(&a[0], text), "127.0.0.1");
	/* a socket that may not go there does not */
	n = 0;
	world_client(&w);
	kube_set_sock_opt(w.kube, refuse_socket, &n);
	assert_true(get(&w, &out, &err) < 0);
	assert_true(n > 0);
	world_fini(&w);
}

static void answer_huge(struct fake_conn *c, const char *request)
{
	static char block[1 << 20];

	(void)request;
	memset(block, ' ', sizeof(block));
	fake_write(c, "HTTP/1.1 200 OK\r\n\r\n", 19);
	for (int i = 0; i < 66; i++)
		fake_write(c, block, sizeof(block));
	fake_close(c);
}

/* The server side blocks, so it runs in a child. */
static void bounds_a_reply(void **state)
{
	struct kt_error err;
	struct world w;
	json_t *out;
	pid_t pid;

	(void)state;
	world_init(&w, answer_huge);
	pid = fork();
	if (pid == 0) {
		struct loop *l = loop_new();
		int fd = w.fake.watch.fd;

		/* the parent's epoll is not ours */
		w.fake.loop = l;
		w.fake.watch.loop = NULL;
		if (loop_watch_start(l, &w.fake.watch, fd, EPOLLIN,
				     w.fake.watch.fn) < 0)
			_exit(1);
		while (loop_once(l, -1) == 0)
			;
		_exit(0);
	}
	loop_watch_stop(&w.fake.watch);
	assert_int_equal(get(&w, &out, &err), -EFBIG);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_identity_and_reads_json),
		cmocka_unit_test(posts_and_patches),
		cmocka_unit_test(lists_page_by_page),
		cmocka_unit_test(shows_status_verbatim),
		cmocka_unit_test(gives_anonymous_no_right),
		cmocka_unit_test(says_what_came_in_place_of_json),
		cmocka_unit_test(maps_codes),
		cmocka_unit_test(tries_again_when_busy),
		cmocka_unit_test(honours_retry_after),
		cmocka_unit_test(survives_a_lost_connection),
		cmocka_unit_test(tells_an_unreachable_server),
		cmocka_unit_test(ends_when_time_is_up_or_interrupted),
		cmocka_unit_test(cancels_at_any_time),
		cmocka_unit_test(shows_sockets_and_addresses),
		cmocka_unit_test(bounds_a_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
