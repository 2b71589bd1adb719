/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define WEB "/api/v1/namespaces/n/services/web"
#define NOW 1000

/* The Service is locked since @at by @owner (NULL: it is not said) */
static void put_web(struct store *s, const char *at, const char *owner)
{
	auto_free char *who = owner ? xasprintf("%s@%s", owner, at) : NULL;

	store_put(s, WEB,
		  json_pack("{s:s,s:{s:s,s:{s:s*,s:s*}},s:{s:{s:s}}}", "kind",
			    "Service", "metadata", "name", "web", "annotations",
			    KT_ANNOTATION_LOCK, at, KT_ANNOTATION_LOCK_OWNER,
			    who, "spec", "selector", "app", "web"));
}

static bool is_dead(void *user, const char *owner)
{
	(void)user;
	return strcmp(owner, "dead") == 0;
}

/* 0: taken at once; else what it says after it has waited in vain */
static int try_lock(struct store *s, int64_t since, bool *waited)
{
	struct update_lock l = {
		.now = NOW, .owner = "me", .dead = is_dead, .since = since
	};
	struct kt_error err = { 0 };
	int rc = update_lock(s->w.kube, "n", "web", &l, &err);

	/* one read, one write; else it looked again */
	*waited = s->w.fake.requests > 2;
	if (rc == 0) {
		auto_free char *owner = service_lock_owner(store_get(s, WEB));

		assert_string_equal(owner, "me");
		assert_true(l.since >= NOW);
	}
	return rc;
}

static void at_once(void **state)
{
	static const struct {
		const char *at, *owner;
		int64_t since;
	} row[] = {
		{ NULL, NULL, 0 },     /* it is not locked */
		{ "995", "dead", 0 },  /* by one that was killed here */
		{ "995", "me", 0 },    /* our own: the unlock got no answer */
		{ "995", NULL, 995 },  /* the same without a token */
		{ "800", "other", 0 }, /* too old */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct store s;
		bool waited;

		store_init(&s);
		put_web(&s, row[i].at, row[i].owner);
		assert_int_equal(try_lock(&s, row[i].since, &waited), 0);
		assert_false(waited);
		store_fini(&s);
	}
}

/* It is dropped at the second look */
static bool drop_it(struct store *s, struct fake_conn *c, const char *method,
		    const char *path, const json_t *body)
{
	(void)c;
	(void)method;
	(void)path;
	(void)body;
	if (s->w.fake.requests == 2)
		put_web(s, NULL, NULL);
	return false;
}

static void others_are_waited_for(void **state)
{
	static const char *const owner[] = { "other", NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(owner); i++) {
		struct store s;
		bool waited;

		store_init(&s);
		put_web(&s, "995", owner[i]);
		s.before = drop_it;
		assert_int_equal(try_lock(&s, 0, &waited), 0);
		assert_true(waited);
		store_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_once),
		cmocka_unit_test(others_are_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
