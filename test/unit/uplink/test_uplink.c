/* SPDX-License-Identifier: Apache-2.0 */
/* A way to the API server that lets no port-forward through: it ends, in time,
 * with the words of who said no. */
#include "home.h"

#include "fake.h"

#include "base/mem.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>

static struct home home;

struct case_ {
	struct world w;
	struct shadow_pod *shadow;
	struct uplink *up;
	struct timer limit;
	struct kt_error err;
	int64_t took;
	int rc;
};

static int set_up(void **state)
{
	(void)state;
	return own_home(&home, "uplink");
}

static int tear_down(void **state)
{
	(void)state;
	rmdir(home.user); /* nothing worked: nothing is remembered */
	home_fini(&home);
	return 0;
}

static void on_limit(struct timer *t)
{
	loop_interrupt(container_of(t, struct case_, limit)->w.loop);
}

static void try(struct case_ *c, int64_t timeout, int carrier,
		void (*answer)(struct fake_conn *c, const char *request))
{
	static char token[] = "tok";
	const struct pod_options pod = { 0 };
	struct shadow_config sc = { .ns = "ns", .pod = &pod };
	struct uplink_config uc = { .ns = "ns",
				    .open_timeout_ns = timeout,
				    .home = &home,
				    .carrier = carrier };

	*c = (struct case_){ 0 };
	world_init(&c->w, answer);
	c->w.cfg.token = token;
	world_client(&c->w);
	sc.kube = c->w.kube;
	c->shadow = shadow_new(&sc);
	shadow_adopt(c->shadow, "pod", "shadow", 7070);
	uc.loop = c->w.loop;
	uc.kube = c->w.kube;
	uc.shadow = c->shadow;
	c->up = uplink_new(&uc);
	loop_timer_start(c->w.loop, &c->limit, timeout + 3 * NS_SEC, on_limit);
	c->took = clock_ns();
	c->rc = uplink_connect(c->up, &c->err);
	c->took = clock_ns() - c->took;
	loop_timer_stop(&c->limit);
	loop_resume(c->w.loop);
}

static void finish(struct case_ *c)
{
	uplink_free(c->up);
	shadow_free(c->shadow);
	world_fini(&c->w);
}

static bool is_post(const char *request)
{
	return strncmp(request, "POST ", 5) == 0;
}

static void answer_405(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 405, "Allow: GET\r\n", "no such method, says squid");
}

static void answer_503(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 503, "", "no way through, says nginx");
}

/* a proxy that takes the Upgrade away: the API server's own words */
static void answer_stripped(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 400, "Content-Type: application/json\r\n",
		   "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":400,"
		   "\"message\":\"Upgrade request required\"}");
}

static void answer_nothing(struct fake_conn *c, const char *request)
{
	(void)c;
	(void)request;
}

static void answer_post_only(struct fake_conn *c, const char *request)
{
	if (is_post(request))
		answer_405(c, request);
}

static void cut(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_close(c);
}

static void ends_at_once_when_all_are_refused(void **state)
{
	static const struct {
		void (*answer)(struct fake_conn *c, const char *request);
		const char *words;
	} cases[] = { { answer_405, "no such method, says squid" },
		      { answer_503, "no way through, says nginx" },
		      { answer_stripped, "Upgrade request required" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int forced = 0; forced < 2; forced++) {
			struct case_ c;

			try(&c, 20 * NS_SEC,
			    forced ? CARRIER_SPDY : CARRIER_AUTO,
			    cases[i].answer);
			assert_int_equal(c.rc, -EPERM);
			assert_true(c.took < 5 * NS_SEC);
			assert_non_null(strstr(c.err.msg, cases[i].words));
			assert_non_null(
				strstr(c.err.hint,
				       forced ? "--carrier" : "HTTP Upgrade"));
			assert_int_equal(c.w.fake.requests, forced ? 1 : 3);
			finish(&c);
		}
}

static void ends_in_time_when_nobody_answers(void **state)
{
	struct case_ c;

	(void)state;
	try(&c, 1500 * NS_MS, CARRIER_AUTO, answer_nothing);
	assert_int_equal(c.rc, -ETIMEDOUT);
	assert_in_range(c.took / NS_MS, 1400, 2500);
	assert_non_null(strstr(c.err.hint, "HTTP Upgrade"));
	assert_int_equal(c.w.fake.requests, 3); /* each had its share */
	finish(&c);
}

static void ends_in_time_when_all_are_cut(void **state)
{
	struct case_ c;

	(void)state;
	try(&c, 1500 * NS_MS, CARRIER_AUTO, cut);
	assert_int_equal(c.rc, -ETIMEDOUT);
	assert_in_range(c.took / NS_MS, 1400, 2500);
	assert_non_null(strstr(c.err.hint, "HTTP Upgrade"));
	finish(&c);
}

/* what one form was told says more than that the others were not answered */
static void passes_on_the_words_of_the_one(void **state)
{
	struct case_ c;

	(void)state;
	try(&c, 1500 * NS_MS, CARRIER_AUTO, answer_post_only);
	assert_int_equal(c.rc, -ETIMEDOUT);
	assert_in_range(c.took / NS_MS, 1400, 2500);
	assert_non_null(strstr(c.err.msg, "says squid"));
	finish(&c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(ends_at_once_when_all_are_refused),
		T(ends_in_time_when_nobody_answers),
		T(ends_in_time_when_all_are_cut),
		T(passes_on_the_words_of_the_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
