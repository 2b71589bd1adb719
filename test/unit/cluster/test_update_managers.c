/* SPDX-License-Identifier: Apache-2.0 */
/* The second write of each change, against a server that keeps one Service. */
#include "json.h"
#include "test.h"

#include "fake.h"

#include "base/mem.h"
#include "cluster/managers.h"
#include "cluster/objects.h"
#include "cluster/update.h"
#include "kube/rest.h"

#include <string.h>

#define WHOSE(who)                                                             \
	"[{'manager': '" who "', 'operation': 'Update', 'apiVersion': 'v1',"   \
	"'fieldsV1': {'f:spec': {'f:selector': {}}}}]"

struct server {
	json_t *now;
	int version, writes;
	int refuse;	/* this write is a conflict, and the version moves */
	bool forbidden; /* every write after the first */
};

static void set_managers(struct server *s, const char *text)
{
	json_object_set_new(json_object_get(s->now, "metadata"),
			    "managedFields", json_quoted(text));
}

static void set_version(struct server *s)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", ++s->version);
	json_object_set_new(json_object_get(s->now, "metadata"),
			    "resourceVersion", json_string(text));
}

static void reply_now(struct fake_conn *c, const struct server *s)
{
	auto_free char *text = json_dumps(s->now, 0);

	fake_reply(c, 200, "", text);
}

/* What changes a field is ours from then on, as the real one does it */
static void take(struct server *s, json_t *body)
{
	bool changed = !json_equal(json_at(body, "spec", NULL),
				   json_at(s->now, "spec", NULL));

	json_decref(s->now);
	s->now = body;
	if (changed)
		set_managers(s, WHOSE("ktctl"));
	set_version(s);
}

static void answer(struct fake_conn *c, const char *request)
{
	struct server *s = c->fake->user;
	json_t *body;

	if (strncmp(request, "PUT", 3) != 0) {
		reply_now(c, s);
		return;
	}
	body = json_loads(strstr(request, "\r\n\r\n") + 4, 0, NULL);
	assert_non_null(body);
	if (++s->writes == s->refuse)
		set_version(s);
	if (!str_eq(json_str(body, "metadata", "resourceVersion", NULL),
		    json_str(s->now, "metadata", "resourceVersion", NULL))) {
		json_decref(body);
		fake_reply(c, 409, "",
			   "{\"kind\":\"Status\",\"reason\":\"Conflict\"}");
	} else if (s->forbidden && s->writes > 1) {
		json_decref(body);
		fake_reply(c, 403, "",
			   "{\"kind\":\"Status\",\"reason\":\"Forbidden\"}");
	} else {
		take(s, body);
		reply_now(c, s);
	}
}

static json_t *turn(const json_t *service, void *arg)
{
	json_t *copy = json_deep_copy(service);

	(void)arg;
	json_object_set_new(json_object_get(copy, "spec"), "selector",
			    json_quoted("{'kt-role': 'router'}"));
	return copy;
}

static json_t *leave(const json_t *service, void *arg)
{
	(void)service;
	(void)arg;
	return NULL;
}

static void begin(struct world *w, struct server *s)
{
	s->now = json_quoted("{'metadata': {'name': 'web'},"
			     "'spec': {'selector': {'app': 'web'}}}");
	set_managers(s, WHOSE("helm"));
	set_version(s);
	world_init(w, answer);
	w->fake.user = s;
}

static void ends_as_helms(struct world *w, struct server *s, int writes)
{
	auto_json json_t *want = json_quoted(WHOSE("helm"));

	assert_true(json_equal(
		json_at(s->now, "metadata", "managedFields", NULL), want));
	assert_null(json_at(s->now, "metadata", "annotations", NULL));
	assert_int_equal(s->writes, writes);
	json_decref(s->now);
	world_fini(w);
}

static void gives_back(void **state)
{
	struct server s = { 0 };
	struct kt_error err = { 0 };
	struct world w;

	(void)state;
	begin(&w, &s);
	assert_int_equal(update_service(w.kube, "n", "web", turn, NULL, &err),
			 1);
	assert_string_equal(
		json_str(s.now, "spec", "selector", "kt-role", NULL), "router");
	ends_as_helms(&w, &s, 2);
}

static void reads_again_after_a_conflict(void **state)
{
	struct server s = { .refuse = 2 };
	struct kt_error err = { 0 };
	struct world w;

	(void)state;
	begin(&w, &s);
	assert_int_equal(update_service(w.kube, "n", "web", turn, NULL, &err),
			 1);
	ends_as_helms(&w, &s, 3);
}

/* It was changed all the same; the next one makes up for it, even one that has
 * nothing to change */
static void a_refusal_is_no_failure(void **state)
{
	struct server s = { .forbidden = true };
	struct kt_error err = { 0 };
	struct world w;

	(void)state;
	begin(&w, &s);
	assert_int_equal(update_service(w.kube, "n", "web", turn, NULL, &err),
			 1);
	assert_non_null(object_annotation(s.now, KT_ANNOTATION_MANAGERS));
	s.forbidden = false;
	assert_int_equal(update_service(w.kube, "n", "web", leave, NULL, &err),
			 0);
	ends_as_helms(&w, &s, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back),
		cmocka_unit_test(reads_again_after_a_conflict),
		cmocka_unit_test(a_refusal_is_no_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
