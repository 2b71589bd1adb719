/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that were asked for ahead: each is asked for once, and what went wrong
 * is asked for again. */
#include "test.h"

#include "fake.h"

#include "base/mem.h"
#include "kube/ahead.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

static struct world w;
static bool broken; /* the server breaks connections off */

static void answer(struct fake_conn *c, const char *request)
{
	const char *name = strchr(request, '/') + strlen("/base/");
	char body[200];

	if (broken) {
		fake_close(c);
		return;
	}
	if (strstr(request, "GET /base/none")) {
		fake_reply(c, 404, "",
			   "{\"kind\":\"Status\",\"reason\":\"NotFound\","
			   "\"message\":\"no such thing\",\"code\":404}");
		return;
	}
	snprintf(body, sizeof(body), "{\"items\":[{\"n\":\"%.*s\"}]}",
		 (int)strcspn(name, "? "), name);
	fake_reply(c, 200, "", body);
}

static void ask(const struct ahead_want *want, size_t n)
{
	kube_ask_ahead(w.kube, want, n);
}

/* the list's name as the server was asked for it, or "" and *@rc */
static char *list(const char *path, int *rc)
{
	static char name[100];
	struct kt_error err = { 0 };
	json_t *out = NULL, *item;

	*rc = kube_list(w.kube, path, NULL, &out, &err);
	item = json_array_get(json_object_get(out, "items"), 0);
	snprintf(name, sizeof(name), "%s",
		 item ? json_str(item, "n", NULL) : "");
	if (*rc < 0)
		assert_int_equal(-*rc, err.code);
	json_decref(out);
	return name;
}

static void some_time(int requests)
{
	for (int i = 0; i < 1000 && w.fake.requests < requests; i++)
		loop_once(w.loop, 5 * NS_MS);
	for (int i = 0; i < 5; i++)
		loop_once(w.loop, NS_MS);
	assert_int_equal(w.fake.requests, requests);
}

static void each_is_asked_for_once(void **state)
{
	static const struct ahead_want want[] = { { .path = "/a" },
						  { .path = "/b",
						    .otherwise = true },
						  { .path = "/c" } };
	int rc;

	(void)state;
	world_init(&w, answer);
	ask(want, 3);
	/* one after the other; /a is there, so /b is not wanted */
	some_time(2);
	assert_string_equal(list("/c", &rc), "c");
	assert_string_equal(list("/a", &rc), "a");
	assert_int_equal(w.fake.requests, 2);
	/* given away */
	assert_string_equal(list("/a", &rc), "a");
	assert_int_equal(w.fake.requests, 3);
	/* nobody asked for it after all */
	assert_string_equal(list("/b", &rc), "b");
	assert_string_equal(list("/d", &rc), "d");
	assert_int_equal(w.fake.requests, 5);
	world_fini(&w);
}

/* An object and a list of the same path are two things */
static void an_object_is_no_list(void **state)
{
	static const struct ahead_want want[] = { { .path = "/a",
						    .object = true } };
	struct kt_error err = { 0 };
	json_t *out = NULL;
	int rc;

	(void)state;
	world_init(&w, answer);
	ask(want, 1);
	some_time(1);
	assert_string_equal(list("/a", &rc), "a");
	assert_int_equal(w.fake.requests, 2);
	assert_int_equal(kube_get(w.kube, "/a", &out, &err), 0);
	assert_int_equal(w.fake.requests, 2);
	json_decref(out);
	world_fini(&w);
}

static void one_that_is_coming_is_waited_for(void **state)
{
	static const struct ahead_want want[] = { { .path = "/a" },
						  { .path = "/c" } };
	int rc;

	(void)state;
	world_init(&w, answer);
	ask(want, 2);
	assert_string_equal(list("/c", &rc), "c");
	assert_string_equal(list("/a", &rc), "a");
	assert_int_equal(w.fake.requests, 2);
	/* freed while one is under way */
	ask(want, 2);
	loop_once(w.loop, 0);
	world_fini(&w);
}

static void a_refusal_is_an_answer(void **state)
{
	static const struct ahead_want want[] = {
		{ .path = "/none" }, { .path = "/b", .otherwise = true }
	};
	int rc;

	(void)state;
	world_init(&w, answer);
	ask(want, 2);
	some_time(2);
	list("/none", &rc);
	assert_int_equal(rc, -ENOENT);
	assert_string_equal(list("/b", &rc), "b");
	assert_int_equal(w.fake.requests, 2);
	world_fini(&w);
}

static void what_failed_is_asked_for_again(void **state)
{
	static const struct ahead_want want[] = { { .path = "/a" } };
	int rc;

	(void)state;
	world_init(&w, answer);
	broken = true;
	ask(want, 1);
	/* until its own tries are over */
	(void)!loop_sleep(w.loop, 4 * NS_SEC);
	broken = false;
	assert_string_equal(list("/a", &rc), "a");
	assert_int_equal(rc, 0);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_asked_for_once),
		cmocka_unit_test(an_object_is_no_list),
		cmocka_unit_test(one_that_is_coming_is_waited_for),
		cmocka_unit_test(a_refusal_is_an_answer),
		cmocka_unit_test(what_failed_is_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
