/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges that change while they are used: new Service ranges, Nodes
 * that come and go, Pods where none was before. */
#include "test.h"

#include "store.h"

#include "cluster/cidr_follow.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define CIDRS "/apis/networking.k8s.io/v1/servicecidrs"
#define NODES "/api/v1/nodes"

struct rig {
	struct store s;
	struct cidr_result found;
	struct cidr_follow *follow;
	bool changed;
	int times;
};

static void on_changed(void *user)
{
	struct rig *r = user;

	r->changed = true;
	r->times++;
}

static json_t *service_cidr(const char *name, const char *cidr)
{
	return json_pack("{s:{s:s}, s:{s:[s]}}", "metadata", "name", name,
			 "spec", "cidrs", cidr);
}

static json_t *node(const char *name, const char *cidr)
{
	return json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", name, "spec",
			 "podCIDR", cidr);
}

static json_t *pod(const char *name, const char *ip, bool host)
{
	return json_pack("{s:{s:s,s:s}, s:{s:b}, s:{s:s,s:[{s:s}]}}",
			 "metadata", "name", name, "namespace", "ns", "spec",
			 "hostNetwork", host, "status", "podIP", ip, "podIPs",
			 "ip", ip);
}

static void rig_begin(struct rig *r, bool want_pods)
{
	const struct cidr_hints hints = { 0 };
	struct kt_error err = { 0 };

	if (cidr_discover(r->s.w.kube, "ns", &hints, want_pods, &r->found,
			  &err) < 0)
		fail_msg("%s", err.msg);
	r->follow = cidr_follow_start(r->s.w.kube, "ns", want_pods, &r->found,
				      on_changed, r);
	/* until the watch is there */
	while (!r->s.stream) {
		bool never = false;

		assert_int_equal(
			loop_run_until(r->s.w.loop, &never, 20 * NS_MS),
			-ETIMEDOUT);
	}
}

static void rig_end(struct rig *r)
{
	cidr_follow_stop(r->follow);
	cidr_fini(&r->found);
	store_fini(&r->s);
}

static void rig_event(struct rig *r, const char *type, json_t *obj)
{
	store_event(&r->s, type, obj);
	json_decref(obj);
}

static void expect_change(struct rig *r, const struct prefixset *s,
			  const char *want)
{
	char text[256] = "", one[IPPREFIX_STRLEN];

	r->changed = false;
	assert_int_equal(loop_run_until(r->s.w.loop, &r->changed, 10 * NS_SEC),
			 0);
	for (size_t i = 0; i < s->n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s ", ipprefix_str(&s->v[i], one));
	assert_string_equal(text, want);
}

/* nothing is told for longer than changes are gathered */
static void expect_nothing(struct rig *r)
{
	r->changed = false;
	assert_int_equal(loop_run_until(r->s.w.loop, &r->changed, 600 * NS_MS),
			 -ETIMEDOUT);
}

static void follows_service_ranges(void **state)
{
	struct rig r = { 0 };

	(void)state;
	store_init(&r.s);
	store_put(&r.s, CIDRS "/kubernetes",
		  service_cidr("kubernetes", "10.96.0.0/12"));
	rig_begin(&r, false);
	expect_nothing(&r); /* what is known already */
	rig_event(&r, "ADDED", service_cidr("more", "10.200.0.0/24"));
	expect_change(&r, &r.found.services, "10.96.0.0/12 10.200.0.0/24 ");
	rig_event(&r, "MODIFIED", service_cidr("more", "10.200.0.0/24"));
	expect_nothing(&r); /* its status, perhaps */
	rig_event(&r, "DELETED", service_cidr("more", "10.200.0.0/24"));
	expect_change(&r, &r.found.services, "10.96.0.0/12 ");
	/* a cluster always has one: it is being made anew */
	rig_event(&r, "DELETED", service_cidr("kubernetes", "10.96.0.0/12"));
	expect_nothing(&r);
	assert_int_equal(r.found.services.n, 1);
	rig_end(&r);
}

static void follows_nodes(void **state)
{
	struct rig r = { 0 };

	(void)state;
	store_init(&r.s);
	store_put(&r.s, NODES "/a", node("a", "10.244.0.0/24"));
	rig_begin(&r, true);
	rig_event(&r, "ADDED", node("b", "10.244.7.0/24"));
	rig_event(&r, "ADDED", node("c", "10.244.9.0/24"));
	expect_change(&r, &r.found.pods,
		      "10.244.0.0/24 10.244.7.0/24 10.244.9.0/24 ");
	assert_int_equal(r.times, 1); /* both at once */
	rig_event(&r, "DELETED", node("b", "10.244.7.0/24"));
	expect_change(&r, &r.found.pods, "10.244.0.0/24 10.244.9.0/24 ");
	rig_end(&r);
}

static void widens_a_guess(void **state)
{
	struct rig r = { 0 };

	(void)state;
	store_init(&r.s);
	store_put(&r.s, "/api/v1/pods/a", pod("a", "10.244.0.5", false));
	rig_begin(&r, true);
	assert_false(r.found.pods_of_nodes);
	rig_event(&r, "ADDED", pod("b", "10.244.0.9", false));
	rig_event(&r, "ADDED", pod("h", "192.168.1.9", true));
	expect_nothing(&r);
	/* of another node, and of another network */
	rig_event(&r, "ADDED", pod("c", "10.244.1.9", false));
	expect_change(&r, &r.found.pods, "10.244.0.0/16 ");
	rig_event(&r, "MODIFIED", pod("d", "10.9.1.9", false));
	expect_change(&r, &r.found.pods, "10.9.1.0/24 10.244.0.0/16 ");
	rig_event(&r, "DELETED", pod("d", "10.9.1.9", false));
	expect_nothing(&r);
	assert_int_equal(r.found.pods.n, 2);
	rig_end(&r);
}

static void guesses_no_more_than_so_many(void **state)
{
	struct rig r = { 0 };

	(void)state;
	store_init(&r.s);
	store_put(&r.s, "/api/v1/pods/a", pod("a", "10.0.0.5", false));
	rig_begin(&r, true);
	for (int i = 1; i < 200; i++) {
		char ip[32];

		snprintf(ip, sizeof(ip), "10.%d.0.5", i);
		rig_event(&r, "ADDED", pod(ip, ip, false));
	}
	r.changed = false;
	assert_int_equal(loop_run_until(r.s.w.loop, &r.changed, 10 * NS_SEC),
			 0);
	expect_nothing(&r);
	assert_int_equal(r.found.pods.n, 65);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_service_ranges),
		cmocka_unit_test(follows_nodes),
		cmocka_unit_test(widens_a_guess),
		cmocka_unit_test(guesses_no_more_than_so_many),
	};

	return cmocka_run_group_tests_name("cidr_follow", tests, NULL, NULL);
}
