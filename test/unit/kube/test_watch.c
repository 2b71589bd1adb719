/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "fake.h"

#include "base/mem.h"
#include "kube/rest.h"
#include "kube/watch.h"

#include <string.h>

struct seen {
	char text[1024];
	int synced, stop_after; /* events; 0: never */
	int n;
	bool done, failed;
	struct kube_watch *watch;
	const char *until; /* done when @text ends like this */
	struct kt_error why;
};

static void on_event(void *user, enum kube_event type, json_t *object)
{
	struct seen *s = user;
	size_t n = strlen(s->text);
	const char *name = json_str(object, "metadata", "name", NULL);

	snprintf(s->text + n, sizeof(s->text) - n, "%c%s ", "AMDS"[type],
		 name ? name : "");
	if (object) {
		assert_string_equal(json_str(object, "kind", NULL), "Pod");
		assert_string_equal(json_str(object, "apiVersion", NULL), "v1");
	}
	if (++s->n == s->stop_after) {
		kube_watch_stop(s->watch);
		s->watch = NULL;
		s->done = true;
	}
	if (s->until && strstr(s->text, s->until))
		s->done = true;
}

static void on_failed(void *user, const struct kt_error *why)
{
	struct seen *s = user;

	s->failed = s->done = true;
	s->why = *why;
}

static const struct kube_watch_handler handler = { on_event, on_failed };

static void run(struct world *w, struct seen *s)
{
	s->watch = kube_watch_start(w->kube, "/pods", "labelSelector=a",
				    &handler, s);
	assert_int_equal(loop_run_until(w->loop, &s->done, 10 * NS_SEC), 0);
	kube_watch_stop(s->watch);
}

/* A list of "name/version" words. */
static void reply_list(struct fake_conn *c, const char *version,
		       const char *items)
{
	auto_strv struct strv words = strv_split(items, ' ');
	json_t *arr = json_array(), *list;
	char *text;

	for (size_t i = 0; i < words.n; i++) {
		char *slash = strchr(words.v[i], '/');

		*slash = '\0';
		json_array_append_new(
			arr, json_pack("{s:{s:s,s:s,s:s}}", "metadata", "name",
				       words.v[i], "uid", words.v[i],
				       "resourceVersion", slash + 1));
	}
	list = json_pack("{s:s,s:s,s:{s:s},s:o}", "kind", "PodList",
			 "apiVersion", "v1", "metadata", "resourceVersion",
			 version, "items", arr);
	text = json_dumps(list, 0);
	fake_reply(c, 200, "", text);
	free(text);
	json_decref(list);
}

static void begin_stream(struct fake_conn *c)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";

	fake_write(c, head, sizeof(head) - 1);
}

static void event(struct fake_conn *c, const char *type, const char *name,
		  const char *version)
{
	auto_free char *text = xasprintf(
		"{\"type\":\"%s\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":"
		"\"v1\",\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\","
		"\"resourceVersion\":\"%s\"}}}\n",
		type, name, name, version);

	fake_write(c, text, strlen(text));
}

/* --- a list, then changes; the stream ends and is resumed ----------------- */

static void answer_plain(struct fake_conn *c, const char *request)
{
	assert_non_null(strstr(request, "labelSelector=a"));
	if (!strstr(request, "watch=1")) {
		reply_list(c, "10", "one/5 two/6");
		return;
	}
	assert_non_null(strstr(request, "allowWatchBookmarks=true"));
	begin_stream(c);
	if (strstr(request, "resourceVersion=10")) {
		event(c, "ADDED", "three", "11");
		event(c, "MODIFIED", "one", "12");
		event(c, "BOOKMARK", "", "20");
		fake_close(c);
	} else if (strstr(request, "resourceVersion=20")) {
		event(c, "DELETED", "two", "21");
	}
}

static void lists_then_watches_and_resumes(void **state)
{
	struct seen s = { .until = "Dtwo" };
	struct world w;

	(void)state;
	world_init(&w, answer_plain);
	run(&w, &s);
	assert_string_equal(s.text, "Aone Atwo S Athree Mone Dtwo ");
	world_fini(&w);
}

/* --- 410 in its three forms ----------------------------------------------- */

static int gone_form;

static void say_gone(struct fake_conn *c)
{
	static const char line[] = "{\"type\":\"ERROR\",\"object\":{\"code\":"
				   "410,\"reason\":\"Expired\"}}\n";

	switch (gone_form) {
	case 0:
		fake_reply(c, 410, "", "{}");
		break;
	case 1:
		begin_stream(c);
		fake_write(c, line, sizeof(line) - 1);
		break;
	default:
		begin_stream(c);
		fake_write(c, "garbage\n", 8);
		break;
	}
}

static void answer_gone(struct fake_conn *c, const char *request)
{
	static int lists;

	if (c->number == 1)
		lists = 0;
	if (strstr(request, "watch=1"))
		say_gone(c);
	else if (!lists++)
		reply_list(c, "10", "same/1 changes/2 goes/3");
	else
		reply_list(c, "30", "same/1 changes/22 comes/23");
}

static void makes_up_what_was_missed(void **state)
{
	(void)state;
	for (gone_form = 0; gone_form < 3; gone_form++) {
		struct seen s = { .until = "Dgoes S" };
		struct world w;

		world_init(&w, answer_gone);
		run(&w, &s);
		assert_string_equal(s.text, "Asame Achanges Agoes S "
					    "Mchanges Acomes Dgoes S ");
		world_fini(&w);
	}
}

/* --- the rest ------------------------------------------------------------- */

static void answer_forbidden(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 403, "", "{\"kind\":\"Status\",\"message\":\"no\"}");
}

static void ends_when_forbidden(void **state)
{
	struct seen s = { 0 };
	struct world w;

	(void)state;
	world_init(&w, answer_forbidden);
	run(&w, &s);
	assert_true(s.failed);
	assert_int_equal(s.why.http_status, 403);
	world_fini(&w);
}

static void stops_inside_its_own_event(void **state)
{
	(void)state;
	for (int at = 1; at <= 6; at++) {
		struct seen s = { .stop_after = at };
		struct world w;

		world_init(&w, answer_plain);
		run(&w, &s);
		assert_int_equal(loop_sleep(w.loop, 5 * NS_MS), 0);
		assert_int_equal(s.n, at);
		world_fini(&w);
	}
}

static void answer_pages(struct fake_conn *c, const char *request)
{
	if (strstr(request, "watch=1"))
		begin_stream(c);
	else if (strstr(request, "continue="))
		reply_list(c, "10", "two/2");
	else
		fake_reply(c, 200, "",
			   "{\"kind\":\"PodList\",\"apiVersion\":\"v1\","
			   "\"metadata\":{\"continue\":\"x\"},\"items\":[{"
			   "\"metadata\":{\"name\":\"one\"}}]}");
}

static void takes_pages(void **state)
{
	struct seen s = { .until = "S" };
	struct world w;

	(void)state;
	world_init(&w, answer_pages);
	run(&w, &s);
	assert_string_equal(s.text, "Aone Atwo S ");
	world_fini(&w);
}

static void answer_flaky(struct fake_conn *c, const char *request)
{
	if (c->number == 1)
		fake_close(c);
	else if (c->number == 3)
		fake_reply(c, 500, "", "");
	else
		answer_plain(c, request);
}

static void lives_through_faults(void **state)
{
	struct seen s = { .until = "Dtwo" };
	struct world w;

	(void)state;
	world_init(&w, answer_flaky);
	run(&w, &s);
	assert_string_equal(s.text, "Aone Atwo S Athree Mone Dtwo ");
	world_fini(&w);
}

static void answer_expired(struct fake_conn *c, const char *request)
{
	if (c->number == 2 || c->number == 3)
		fake_reply(c, 401, "", "{}");
	else
		answer_plain(c, request);
}

static void answer_unknown(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 401, "", "{}");
}

/* A token that runs out comes back; one that was never good does not. */
static void lives_through_a_passing_401(void **state)
{
	struct seen s = { .until = "Dtwo" }, never = { 0 };
	struct world w;

	(void)state;
	world_init(&w, answer_expired);
	run(&w, &s);
	assert_false(s.failed);
	assert_string_equal(s.text, "Aone Atwo S Athree Mone Dtwo ");
	world_fini(&w);
	world_init(&w, answer_unknown);
	run(&w, &never);
	assert_true(never.failed);
	assert_int_equal(never.why.http_status, 401);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_then_watches_and_resumes),
		cmocka_unit_test(makes_up_what_was_missed),
		cmocka_unit_test(ends_when_forbidden),
		cmocka_unit_test(stops_inside_its_own_event),
		cmocka_unit_test(takes_pages),
		cmocka_unit_test(lives_through_faults),
		cmocka_unit_test(lives_through_a_passing_401),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
