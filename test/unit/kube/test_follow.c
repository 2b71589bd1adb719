/* SPDX-License-Identifier: Apache-2.0 */
/* The API server gets another address: the kubeconfig says which. */
#include "test.h"

#include "fake.h"

#include "base/mem.h"
#include "kube/rest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/ktctl-follow-XXXXXX";

static const char *asked_at; /* which of the two was asked last */

static void answer_old(struct fake_conn *c, const char *request)
{
	(void)request;
	asked_at = "old";
	fake_reply(c, 200, "", "{}");
}

static void answer_new(struct fake_conn *c, const char *request)
{
	asked_at = strstr(request, "Bearer new\r\n") ? "new" : "new, unknown";
	fake_reply(c, 200, "", "{}");
}

/* @more: of the cluster */
static void put_at(const char *host, unsigned int port, const char *token,
		   const char *more)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f,
		"current-context: x\n"
		"contexts:\n"
		"- {name: x, context: {cluster: x, user: x}}\n"
		"clusters:\n"
		"- {name: x, cluster: {server: 'http://%s:%u'%s}}\n"
		"users:\n- {name: x, user: {token: '%s'}}\n",
		host, port, more, token);
	assert_int_equal(fclose(f), 0);
}

static void put(unsigned int port, const char *token, const char *more)
{
	put_at("127.0.0.1", port, token, more);
}

struct two {
	struct world w; /* the old place */
	struct fake moved;
	struct kube_config *cfg;
	struct kube *kube;
};

static int set_up(void **state)
{
	static struct two t;
	const struct kube_config_source src = { .files = path };
	struct kt_error err = { 0 };

	t = (struct two){ 0 };
	snprintf(path + strlen(path) - 6, 7, "XXXXXX");
	close(mkstemp(path));
	world_init(&t.w, answer_old);
	fake_start(&t.moved, t.w.loop, answer_new);
	put(t.w.fake.port, "old", "");
	assert_int_equal(kube_config_load(&t.cfg, &src, &err), 0);
	assert_int_equal(kube_new(&t.kube, t.w.loop, t.cfg, &err), 0);
	*state = &t;
	return 0;
}

static int tear_down(void **state)
{
	struct two *t = *state;

	kube_free(t->kube);
	kube_config_free(t->cfg);
	fake_stop(&t->moved);
	fake_start(&t->w.fake, t->w.loop,
		   answer_old); /* world_fini() ends it */
	world_fini(&t->w);
	unlink(path);
	return 0;
}

static int get(struct two *t, struct kt_error *err)
{
	*err = (struct kt_error){ 0 };
	asked_at = "nowhere";
	return kube_get(t->kube, "/api/x", NULL, err);
}

static void another_server_is_followed(void **state)
{
	struct two *t = *state;
	struct kt_error err;

	assert_int_equal(get(t, &err), 0);
	assert_string_equal(asked_at, "old");
	/* as long as it is reached nobody reads the file */
	put(t->moved.port, "new", "");
	assert_int_equal(get(t, &err), 0);
	assert_string_equal(asked_at, "old");
	fake_stop(&t->w.fake);
	assert_int_equal(get(t, &err), 0);
	assert_string_equal(asked_at, "new");
	assert_non_null(strstr(kube_config_of(t->kube)->server, "127.0.0.1"));
	assert_int_equal(get(t, &err), 0);
	assert_string_equal(asked_at, "new");
}

static void the_same_server_is_not(void **state)
{
	struct two *t = *state;
	struct kt_error err;

	assert_int_equal(get(t, &err), 0);
	put(t->w.fake.port, "new", "");
	fake_stop(&t->w.fake);
	assert_int_equal(get(t, &err), -ECONNREFUSED);
	/* it may come later */
	put(t->moved.port, "new", "");
	assert_int_equal(loop_sleep(t->w.loop, 2100 * NS_MS), 0);
	assert_int_equal(get(t, &err), 0);
	assert_string_equal(asked_at, "new");
}

/* It may be another cluster that has the context's name now */
static void another_authority_is_not_believed(void **state)
{
	struct two *t = *state;
	struct kt_error err;

	assert_int_equal(get(t, &err), 0);
	put(t->moved.port, "new",
	    ", certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"
	    "Cg==");
	fake_stop(&t->w.fake);
	assert_int_equal(get(t, &err), -ECONNREFUSED);
	assert_string_equal(asked_at, "nowhere");
}

/* Of the system's authorities, or none, any name may be proven: this says
 * nothing about which cluster it is. The same name does. */
static void without_an_authority_the_name_counts(void **state)
{
	struct two *t = *state;
	struct kt_error err;

	assert_int_equal(get(t, &err), 0);
	put_at("localhost", t->moved.port, "new", "");
	fake_stop(&t->w.fake);
	assert_int_equal(get(t, &err), -ECONNREFUSED);
	assert_string_equal(asked_at, "nowhere");
	put_at("localhost", t->moved.port, "new",
	       ", tls-server-name: 127.0.0.1");
	assert_int_equal(loop_sleep(t->w.loop, 2100 * NS_MS), 0);
	assert_int_equal(get(t, &err), 0);
	assert_string_equal(asked_at, "new");
}

/* Nobody was accepted yet: the file that was loaded counts */
static void a_start_ends_with_what_it_began_with(void **state)
{
	struct two *t = *state;
	struct kt_error err;

	put(t->moved.port, "new", "");
	fake_stop(&t->w.fake);
	assert_int_equal(get(t, &err), -ECONNREFUSED);
	assert_string_equal(asked_at, "nowhere");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(another_server_is_followed),
		T(the_same_server_is_not),
		T(another_authority_is_not_believed),
		T(without_an_authority_the_name_counts),
		T(a_start_ends_with_what_it_began_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
