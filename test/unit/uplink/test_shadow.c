/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"
#include "uplink/replace.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define NS "n"
#define SHARED "/api/v1/namespaces/" NS "/pods/" KT_SHARED_SHADOW

struct rig {
	struct store store;
	struct pod_options pod;
	struct shadow_pod *shadow;
};

/* A shared shadow that runs, with @refs users */
static void put_shared(struct store *s, const char *refs)
{
	store_put(s, SHARED,
		  json_pack("{s:s,s:s,s:{s:s,s:s,s:{s:s},s:{s:s}},"
			    "s:{s:[{s:s,s:[s]}]},"
			    "s:{s:s,s:s,s:[{s:s,s:b,s:{s:{}}}]}}",
			    "kind", "Pod", "apiVersion", "v1", "metadata",
			    "name", KT_SHARED_SHADOW, "namespace", NS, "labels",
			    KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
			    "annotations", KT_ANNOTATION_REFS, refs, "spec",
			    "containers", "name", "standalone", "args",
			    "--listen", "status", "phase", "Running", "podIP",
			    "10.0.0.9", "containerStatuses", "name",
			    "standalone", "ready", 1, "state", "running"));
}

static void rig_init(struct rig *r)
{
	struct shadow_config cfg = { .ns = NS, .pod = &r->pod, .share = true };
	struct kt_error err = { 0 };

	*r = (struct rig){ .pod = { .image = (char *)(uintptr_t) "i",
				    .creation_timeout = 10 } };
	store_init(&r->store);
	put_shared(&r->store, "1");
	cfg.kube = r->store.w.kube;
	r->shadow = shadow_new(&cfg);
	assert_int_equal(shadow_ensure(r->shadow, &err), 0);
}

static void rig_fini(struct rig *r)
{
	shadow_free(r->shadow);
	store_fini(&r->store);
}

static const char *refs(const struct rig *r)
{
	return object_annotation(store_get(&r->store, SHARED),
				 KT_ANNOTATION_REFS);
}

static void one_of_two_leaves(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };

	(void)state;
	rig_init(&r);
	assert_string_equal(refs(&r), "2");
	assert_int_equal(shadow_remove(r.shadow, &err), 0);
	assert_string_equal(refs(&r), "1");
	assert_int_equal(store_logged(&r.store, "DELETE"), 0);
	rig_fini(&r);
}

static void the_last_removes_it(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };

	(void)state;
	rig_init(&r);
	put_shared(&r.store, "1"); /* the other has left */
	assert_int_equal(shadow_remove(r.shadow, &err), 0);
	assert_null(store_get(&r.store, SHARED));
	rig_fini(&r);
}

/* Somebody joins between the look at the count and the DELETE */
static bool join_first(struct store *s, struct fake_conn *c, const char *method,
		       const char *path, const json_t *body)
{
	(void)c;
	(void)path;
	(void)body;
	if (strcmp(method, "DELETE") == 0 && store_logged(s, "DELETE") == 1)
		put_shared(s, "2");
	return false;
}

static void not_under_who_joins(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };

	(void)state;
	rig_init(&r);
	put_shared(&r.store, "1");
	r.store.before = join_first;
	assert_int_equal(shadow_remove(r.shadow, &err), 0);
	assert_non_null(store_get(&r.store, SHARED));
	assert_string_equal(refs(&r), "1");
	rig_fini(&r);
}

/* It has ended, and nobody has removed it */
static void end_shared(struct store *s)
{
	json_t *pod = json_deep_copy(store_get(s, SHARED));

	json_object_set_new(json_object_get(pod, "status"), "phase",
			    json_string("Succeeded"));
	store_put(s, SHARED, pod);
}

/* Who is made runs at once */
static bool run_what_is_made(struct store *s, struct fake_conn *c,
			     const char *method)
{
	if (strcmp(method, "POST") != 0)
		return false;
	put_shared(s, "1");
	fake_reply(c, 201, "Content-Type: application/json\r\n", "{}");
	return true;
}

/* It ends when it has been joined, before anybody looks whether it runs */
static bool end_when_joined(struct store *s, struct fake_conn *c,
			    const char *method, const char *path,
			    const json_t *body)
{
	(void)path;
	(void)body;
	if (strcmp(method, "GET") == 0 && store_logged(s, "PATCH") >= 1 &&
	    store_logged(s, "DELETE") == 0 &&
	    str_eq(json_str(store_get(s, SHARED), "status", "phase", NULL),
		   "Running"))
		end_shared(s);
	return run_what_is_made(s, c, method);
}

/* Another user finds it ended as well, and is quicker */
static bool make_it_first(struct store *s, struct fake_conn *c,
			  const char *method, const char *path,
			  const json_t *body)
{
	(void)path;
	(void)body;
	if (strcmp(method, "DELETE") == 0 && store_logged(s, "DELETE") == 1)
		put_shared(s, "1");
	return run_what_is_made(s, c, method);
}

/* @ended: before somebody comes */
static void meet_ended(bool (*before)(struct store *s, struct fake_conn *c,
				      const char *method, const char *path,
				      const json_t *body),
		       bool ended, int deleted, int made, const char *count)
{
	struct shadow_config cfg = { .ns = NS, .share = true };
	struct kt_error err = { 0 };
	struct rig r;

	rig_init(&r);
	shadow_free(r.shadow);
	r.store.log[0] = '\0';
	put_shared(&r.store, "1");
	if (ended)
		end_shared(&r.store);
	r.store.before = before;
	cfg.kube = r.store.w.kube;
	cfg.pod = &r.pod;
	r.shadow = shadow_new(&cfg);
	assert_int_equal(shadow_ensure(r.shadow, &err), 0);
	assert_string_equal(shadow_pod_name(r.shadow), KT_SHARED_SHADOW);
	assert_int_equal(store_logged(&r.store, "DELETE"), deleted);
	assert_int_equal(store_logged(&r.store, "POST"), made);
	assert_string_equal(refs(&r), count);
	rig_fini(&r);
}

static void one_that_ends_while_it_is_joined_is_made_anew(void **state)
{
	(void)state;
	meet_ended(end_when_joined, false, 1, 1, "1");
}

static void one_that_has_ended_makes_room_once(void **state)
{
	(void)state;
	meet_ended(make_it_first, true, 1, 0, "2");
}

/* What of the new Pod's arguments comes after @name */
static const char *argument(const json_t *pod, const char *name)
{
	const json_t *args = json_object_get(
		json_array_get(json_at(pod, "spec", "containers", NULL), 0),
		"args");
	size_t i;
	json_t *v;

	json_array_foreach (args, i, v)
		if (str_eq(json_string_value(v), name))
			return json_string_value(json_array_get(args, i + 1));
	return "";
}

struct made {
	char listen[8], health[8], clients[8], name[64];
	json_int_t probed;
	bool seen;
};

/* The Pod that is made, as the API server sees it; it will not run */
static bool note_made(struct store *s, struct fake_conn *c, const char *method,
		      const char *path, const json_t *body)
{
	struct made *m = s->user;
	const json_t *probe = json_at(
		json_array_get(json_at(body, "spec", "containers", NULL), 0),
		"readinessProbe", "httpGet", "port", NULL);

	(void)path;
	if (strcmp(method, "POST") != 0)
		return false;
	snprintf(m->listen, sizeof(m->listen), "%s",
		 argument(body, "--listen"));
	snprintf(m->health, sizeof(m->health), "%s",
		 argument(body, "--health"));
	snprintf(m->clients, sizeof(m->clients), "%s",
		 argument(body, "--ready-clients"));
	snprintf(m->name, sizeof(m->name), "%s", object_name(body));
	m->probed = json_integer_value(probe);
	m->seen = true;
	fake_reply(c, 403, "", "enough seen");
	return true;
}

static void expect_ports(const char *serve, const char *listen,
			 const char *health)
{
	struct store store;
	struct pod_options pod = { .image = (char *)(uintptr_t) "i" };
	struct shadow_face face = { .prefix = "p-",
				    .role = KT_ROLE_EXCHANGE,
				    .serve = serve };
	struct shadow_config cfg = { .ns = NS, .pod = &pod, .face = &face };
	struct made m = { 0 };
	uint16_t probed;
	struct kt_error err = { 0 };
	struct shadow_pod *shadow;

	store_init(&store);
	store.before = note_made;
	store.user = &m;
	cfg.kube = store.w.kube;
	shadow = shadow_new(&cfg);
	assert_true(shadow_ensure(shadow, &err) < 0);
	assert_true(m.seen);
	assert_string_equal(m.listen, listen);
	assert_string_equal(m.health, health);
	assert_int_equal(str_to_port(health, &probed), 0);
	assert_int_equal(m.probed, probed);
	shadow_free(shadow);
	store_fini(&store);
}

/* The Service's ports are not its own */
static void makes_room_for_the_services_ports(void **state)
{
	(void)state;
	expect_ports(NULL, "7070", "7071");
	expect_ports("8080=10.0.0.1:80", "7070", "7071");
	expect_ports("7070=10.0.0.1:80~tcp", "7071", "7072");
	expect_ports("80,7071", "7070", "7072");
	expect_ports("7071=[fd00::1]:7072,7070", "7072", "7073");
	expect_ports("7070/udp,17070,70", "7070", "7071");
}

/* The tunnel is where the Pod that was joined says, if an injected container
 * comes first or not */
static void finds_the_port_of_a_joined_one(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };
	struct shadow_config cfg = { .ns = NS, .share = true };
	json_t *pod, *containers;

	(void)state;
	rig_init(&r);
	assert_int_equal(shadow_port(r.shadow), 7070); /* it says nothing */
	pod = json_deep_copy(store_get(&r.store, SHARED));
	containers =
		json_object_get(json_object_get(pod, "spec"), "containers");
	json_array_clear(containers);
	json_array_append_new(containers,
			      json_pack("{s:s,s:[s,s]}", "name", "istio-proxy",
					"args", "--listen", "15001"));
	json_array_append_new(containers,
			      json_pack("{s:s,s:[s,s,s,s]}", "name",
					KT_CONTAINER, "args", "--health",
					"7072", "--listen", "7073"));
	store_put(&r.store, SHARED, pod);
	shadow_free(r.shadow);
	cfg.kube = r.store.w.kube;
	cfg.pod = &r.pod;
	r.shadow = shadow_new(&cfg);
	assert_int_equal(shadow_ensure(r.shadow, &err), 0);
	assert_int_equal(shadow_port(r.shadow), 7073);
	rig_fini(&r);
}

#define ROUTER "web-kt-router"
#define PODS "/api/v1/namespaces/" NS "/pods/"

static void put_router(struct store *s, const char *name, const char *refs,
		       bool ends)
{
	auto_free char *path = xasprintf(PODS "%s", name);
	json_t *pod = json_pack(
		"{s:s,s:s,s:{s:s,s:s,s:{s:s},s:{s:s}},"
		"s:{s:[{s:s,s:[s]}]},s:{s:s,s:s,s:[{s:s,s:b,s:{s:{}}}],"
		"s:[{s:s,s:s}]}}",
		"kind", "Pod", "apiVersion", "v1", "metadata", "name", name,
		"namespace", NS, "labels", KT_LABEL_CONTROL,
		KT_LABEL_CONTROL_VALUE, "annotations", KT_ANNOTATION_REFS, refs,
		"spec", "containers", "name", "standalone", "args", "--listen",
		"status", "phase", "Running", "podIP", "10.0.0.9",
		"containerStatuses", "name", "standalone", "ready", 1, "state",
		"running", "conditions", "type", "Ready", "status", "True");
	json_t *meta = json_object_get(pod, "metadata");

	if (ends) {
		json_object_set_new(meta, "deletionTimestamp",
				    json_string("2026-01-01T00:00:00Z"));
		json_object_set_new(meta, "deletionGracePeriodSeconds",
				    json_integer(30));
	}
	store_put(s, path, pod);
}

static struct shadow_pod *router_user(struct store *s,
				      const struct pod_options *pod,
				      const struct shadow_face *face)
{
	const struct shadow_config cfg = { .kube = s->w.kube,
					   .ns = NS,
					   .pod = pod,
					   .face = face,
					   .share = true };

	return shadow_new(&cfg);
}

static void expect_refs(const struct store *s, const char *name,
			const char *refs)
{
	auto_free char *path = xasprintf(PODS "%s", name);

	assert_string_equal(
		object_annotation(store_get(s, path), KT_ANNOTATION_REFS),
		refs);
}

static bool not_wanted(void *user)
{
	++*(int *)user;
	return true;
}

/* The node of the old one may be lost; and it is not waited for for ever */
static void a_second_is_on_another_node(void **state)
{
	const struct pod_options pod = { .image = (char *)(uintptr_t) "i",
					 .creation_timeout = 10 };
	const struct shadow_face face = { .name = ROUTER,
					  .role = KT_ROLE_ROUTER };
	struct shadow_pod *old, *next, *beside;
	int64_t begin = clock_ns();
	struct kt_error err = { 0 };
	const json_t *made;
	struct store s;
	int asked = 0;
	long left = 0;

	(void)state;
	store_init(&s);
	put_router(&s, ROUTER, "1", false);
	json_object_set_new(json_object_get(store_get(&s, PODS ROUTER), "spec"),
			    "nodeName", json_string("node-7"));
	old = router_user(&s, &pod, &face);
	assert_int_equal(shadow_ensure(old, &err), 0);
	put_router(&s, ROUTER, "1", true);
	assert_int_equal(shadow_successor(old, &next, &left, &err), 0);
	shadow_set_stop(next, not_wanted, &asked);
	assert_int_equal(shadow_ensure(next, &err), -ECANCELED);
	assert_int_equal(asked, 1);
	assert_true(clock_ns() - begin < 5 * NS_SEC);
	made = json_array_get(
		json_at(store_get(&s, PODS ROUTER "-b"), "spec", "affinity",
			"nodeAffinity",
			"preferredDuringSchedulingIgnoredDuringExecution",
			NULL),
		0);
	made = json_array_get(json_at(made, "preference", "matchFields", NULL),
			      0);
	assert_string_equal(json_str(made, "key", NULL), "metadata.name");
	assert_string_equal(json_str(made, "operator", NULL), "NotIn");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(made, "values"), 0)),
			    "node-7");
	/* so is a spare, and the first is on any */
	assert_null(
		json_at(store_get(&s, PODS ROUTER), "spec", "affinity", NULL));
	beside = shadow_beside(old);
	made = shadow_object(beside);
	assert_non_null(json_at(made, "spec", "affinity", NULL));
	json_decref((json_t *)(uintptr_t)made);
	shadow_free(beside);
	shadow_free(next);
	shadow_free(old);
	store_fini(&s);
}

/* What the router's second user finds: the first has made the other one */
static void joins_the_other_name_while_one_ends(void **state)
{
	const struct pod_options pod = { .image = (char *)(uintptr_t) "i",
					 .creation_timeout = 10 };
	const struct shadow_face face = { .name = ROUTER,
					  .role = KT_ROLE_ROUTER };
	struct kt_error err = { 0 };
	struct shadow_pod *old, *next = NULL, *third;
	struct store s;
	long left = 0;

	(void)state;
	store_init(&s);
	put_router(&s, ROUTER, "1", false);
	old = router_user(&s, &pod, &face);
	assert_int_equal(shadow_ensure(old, &err), 0);
	assert_string_equal(shadow_pod_name(old), ROUTER);

	put_router(&s, ROUTER, "2", true);
	put_router(&s, ROUTER "-b", "1", false);
	assert_int_equal(shadow_successor(old, &next, &left, &err), 0);
	assert_int_equal(left, 30);
	assert_int_equal(shadow_ensure(next, &err), 0);
	assert_string_equal(shadow_pod_name(next), ROUTER "-b");
	expect_refs(&s, ROUTER "-b", "2");
	assert_int_equal(shadow_let_go(old, &err), 0);
	expect_refs(&s, ROUTER, "2"); /* others are in it still */
	assert_int_equal(store_logged(&s, "DELETE"), 0);

	/* and whoever comes later, also when the first name is free again */
	third = router_user(&s, &pod, &face);
	assert_int_equal(shadow_ensure(third, &err), 0);
	assert_string_equal(shadow_pod_name(third), ROUTER "-b");
	expect_refs(&s, ROUTER "-b", "3");

	/* the next one has the first name again */
	shadow_free(old);
	old = NULL;
	put_router(&s, ROUTER, "1", false);
	put_router(&s, ROUTER "-b", "3", true);
	assert_int_equal(shadow_successor(next, &old, &left, &err), 0);
	assert_int_equal(shadow_ensure(old, &err), 0);
	assert_string_equal(shadow_pod_name(old), ROUTER);
	shadow_free(third);
	shadow_free(next);
	shadow_free(old);
	store_fini(&s);
}

/* A proxy's, in the place of the API server's */
static bool say_404(struct store *s, struct fake_conn *c, const char *method,
		    const char *path, const json_t *body)
{
	(void)s;
	(void)method;
	(void)path;
	(void)body;
	fake_reply(c, 404, "Content-Type: application/json\r\n",
		   "{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\","
		   "\"message\":\"no way through\"}");
	return true;
}

/* Streams are given up for a Pod that is gone, not for a word that passes */
static void gone_is_what_the_api_server_does_not_find(void **state)
{
	const struct pod_options pod = { .image = (char *)(uintptr_t) "i" };
	struct shadow_config cfg = { .ns = NS, .pod = &pod };
	struct kt_error err = { 0 };
	struct shadow_pod *shadow;
	struct store s;

	(void)state;
	store_init(&s);
	cfg.kube = s.w.kube;
	shadow = shadow_new(&cfg);
	shadow_adopt(shadow, "one", "standalone", 1);
	put_router(&s, "one", "1", false);
	assert_int_equal(shadow_check(shadow, &err), 1);
	s.before = say_404;
	assert_int_equal(shadow_check(shadow, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no way through"));
	s.before = NULL;
	assert_int_equal(shadow_check(shadow, &err), 1);
	json_object_del(s.objects, PODS "one");
	assert_int_equal(shadow_check(shadow, &err), 0);
	/* one that has its time to end serves what is open in it */
	put_router(&s, "one", "1", true);
	assert_int_equal(shadow_check(shadow, &err), 2);
	json_object_set_new(
		json_object_get(json_object_get(s.objects, PODS "one"),
				"metadata"),
		"deletionGracePeriodSeconds", json_integer(1));
	assert_int_equal(shadow_check(shadow, &err), 0);
	shadow_free(shadow);
	store_fini(&s);
}

/* As long as the Pod says, and one that is deleted by force says nothing */
static void a_second_beside_an_own_one(void **state)
{
	const struct pod_options pod = { .image = (char *)(uintptr_t) "i" };
	struct shadow_config cfg = { .ns = NS, .pod = &pod };
	const struct {
		int grace;
		long left;
	} rows[] = { { 0, 294 }, { 120, 120 }, { 3600, 294 } };
	struct kt_error err = { 0 };
	struct shadow_pod *old, *next;
	struct store s;
	long left = 0;

	(void)state;
	store_init(&s);
	cfg.kube = s.w.kube;
	old = shadow_new(&cfg);
	shadow_adopt(old, "one", "standalone", 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].grace)
			store_put(&s, "/api/v1/namespaces/" NS "/pods/one",
				  json_pack("{s:{s:s,s:s,s:i}}", "metadata",
					    "name", "one", "deletionTimestamp",
					    "2030-01-01T00:00:00Z",
					    "deletionGracePeriodSeconds",
					    rows[i].grace));
		assert_int_equal(shadow_successor(old, &next, &left, &err), 0);
		assert_int_equal(left, rows[i].left);
		shadow_free(next);
	}
	shadow_free(old);
	store_fini(&s);
}

static void where_there_can_be_a_second(void **state)
{
	const struct {
		bool deployment, share;
		const char *given;
		bool can;
	} rows[] = { { false, false, NULL, true },
		     { true, false, NULL, true },
		     { false, true, NULL, false },
		     { true, true, NULL, true },
		     { false, false, "team-0", false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct pod_options pod = { .deployment =
							 rows[i].deployment };
		struct store s;
		struct shadow_config cfg = { .ns = NS,
					     .pod = &pod,
					     .share = rows[i].share,
					     .given = rows[i].given };
		struct shadow_pod *shadow;

		store_init(&s);
		cfg.kube = s.w.kube;
		shadow = shadow_new(&cfg);
		assert_int_equal(shadow_can_succeed(shadow), rows[i].can);
		shadow_free(shadow);
		store_fini(&s);
	}
}

/* The one that is made is not Ready before both users are in it */
static void waits_for_all_its_users(void **state)
{
	const struct pod_options pod = { .image = (char *)(uintptr_t) "i",
					 .creation_timeout = 10 };
	const struct shadow_face face = { .name = ROUTER,
					  .role = KT_ROLE_ROUTER,
					  .serve = "80" };
	struct kt_error err = { 0 };
	struct shadow_pod *old, *next = NULL;
	struct made m = { 0 };
	struct store s;
	long left = 0;

	(void)state;
	store_init(&s);
	put_router(&s, ROUTER, "1", false);
	old = router_user(&s, &pod, &face);
	assert_int_equal(shadow_ensure(old, &err), 0);
	put_router(&s, ROUTER, "2", true);
	s.before = note_made;
	s.user = &m;
	assert_int_equal(shadow_successor(old, &next, &left, &err), 0);
	assert_true(shadow_ensure(next, &err) < 0);
	assert_string_equal(m.name, ROUTER "-b");
	assert_string_equal(m.clients, "2");
	shadow_free(next);
	shadow_free(old);
	store_fini(&s);
}

/* --- one that stands for itself ------------------------------------------- */

#define DEPLOYMENTS "/apis/apps/v1/namespaces/" NS "/deployments/"

static const struct shadow_face standing = { .name = ROUTER,
					     .role = KT_ROLE_ROUTER,
					     .target = "T",
					     .serve = "80",
					     .standing = true,
					     .env_service = "web.n" };

static void put_deployment(struct store *s, const char *name, const char *pod)
{
	auto_free char *path = xasprintf(DEPLOYMENTS "%s", name);
	auto_free char *at = xasprintf(PODS "%s", pod);

	put_router(s, pod, "9", false);
	json_object_set_new(json_object_get(store_get(s, at), "metadata"),
			    "labels", json_pack("{s:s}", "kt-target", "T"));
	store_put(s, path,
		  json_pack("{s:s,s:{s:s},s:{s:{s:{s:s}},s:{s:{s:[{s:s,s:[s]}]}"
			    "}}}",
			    "kind", "Deployment", "metadata", "name", name,
			    "spec", "selector", "matchLabels", "kt-target", "T",
			    "template", "spec", "containers", "name",
			    "standalone", "args", "--listen"));
}

static void put_standing(struct store *s)
{
	put_deployment(s, ROUTER, ROUTER "-1");
}

/* Both are its Pods: who leaves while the second one is made is one user */
static void a_deployment_outlives_a_successor(void **state)
{
	const struct pod_options pod = { .image = (char *)(uintptr_t) "i",
					 .creation_timeout = 10,
					 .deployment = true };
	struct shadow_config cfg = { .ns = NS, .pod = &pod, .share = true };
	struct kt_error err = { 0 };
	struct replace r = { 0 };
	const char *left;
	struct store s;
	long left_s = 0;

	(void)state;
	store_init(&s);
	put_deployment(&s, KT_SHARED_SHADOW, "one");
	cfg.kube = s.w.kube;
	r.loop = s.w.loop;
	r.shadow = shadow_new(&cfg);
	assert_int_equal(shadow_ensure(r.shadow, &err), 0);
	assert_int_equal(
		shadow_successor(r.shadow, &r.next_shadow, &left_s, &err), 0);
	replace_remove(&r);
	assert_int_equal(store_logged(&s, "DELETE"), 0);
	left = object_annotation(store_get(&s, DEPLOYMENTS KT_SHARED_SHADOW),
				 KT_ANNOTATION_REFS);
	assert_string_equal(left, "1");
	replace_fini(&r);
	store_fini(&s);
}

static bool make_deployment(struct store *s, struct fake_conn *c,
			    const char *method, const char *path,
			    const json_t *body)
{
	(void)body;
	if (strcmp(method, "POST") != 0)
		return false;
	assert_true(str_ends(path, "/deployments"));
	put_deployment(s, KT_SHARED_SHADOW, "two");
	fake_reply(c, 201, "Content-Type: application/json\r\n", "{}");
	return true;
}

/* Who has made another one, and is given up, takes it away */
static void a_deployment_that_was_deleted_is_made_anew(void **state)
{
	const struct pod_options pod = { .image = (char *)(uintptr_t) "i",
					 .creation_timeout = 10,
					 .deployment = true };
	struct shadow_config cfg = { .ns = NS, .pod = &pod, .share = true };
	struct shadow_pod *one, *next = NULL;
	struct kt_error err = { 0 };
	struct store s;
	long left_s = 0;

	(void)state;
	store_init(&s);
	put_deployment(&s, KT_SHARED_SHADOW, "one");
	cfg.kube = s.w.kube;
	one = shadow_new(&cfg);
	assert_int_equal(shadow_ensure(one, &err), 0);
	assert_int_equal(shadow_successor(one, &next, &left_s, &err), 0);
	json_object_del(s.objects, DEPLOYMENTS KT_SHARED_SHADOW);
	s.before = make_deployment;
	assert_int_equal(shadow_ensure(next, &err), 0);
	assert_string_equal(shadow_pod_name(next), "two");
	assert_int_equal(shadow_give_up(next, &err), 0);
	assert_null(store_get(&s, DEPLOYMENTS KT_SHARED_SHADOW));
	shadow_free(next);
	shadow_free(one);
	store_fini(&s);
}

/* Nobody is counted in it, and nobody's heartbeat is its own */
static void a_standing_one_is_joined_without_a_write(void **state)
{
	const struct pod_options pod = { .image = (char *)(uintptr_t) "i",
					 .creation_timeout = 10 };
	struct kt_error err = { 0 };
	struct shadow_pod *one, *next = NULL;
	struct store s;
	long left = 0;

	(void)state;
	store_init(&s);
	put_standing(&s);
	one = router_user(&s, &pod, &standing);
	assert_int_equal(shadow_ensure(one, &err), 0);
	assert_string_equal(shadow_pod_name(one), ROUTER "-1");
	assert_int_equal(loop_sleep(s.w.loop, 50 * NS_MS), 0);
	assert_int_equal(shadow_successor(one, &next, &left, &err), 0);
	assert_int_equal(shadow_leave(next, false, &err), 0);
	shadow_free(next);
	assert_int_equal(shadow_leave(one, false, &err), 0);
	assert_string_equal(s.log, "");
	assert_int_equal(shadow_ensure(one, &err), 0);
	assert_int_equal(shadow_leave(one, true, &err), 0);
	assert_string_equal(s.log, "DELETE " DEPLOYMENTS ROUTER "\n");
	shadow_free(one);
	store_fini(&s);
}

/* What is made when there is none, or somebody has deleted it */
static bool note_standing(struct store *s, struct fake_conn *c,
			  const char *method, const char *path,
			  const json_t *body)
{
	json_t **made = s->user;

	if (strcmp(method, "POST") != 0)
		return false;
	assert_true(str_ends(path, "/deployments"));
	*made = json_incref((json_t *)(uintptr_t)body);
	fake_reply(c, 403, "", "enough seen");
	return true;
}

static void expect_standing(const json_t *made)
{
	const json_t *pod = json_at(made, "spec", "template", NULL);
	const json_t *volume =
		json_array_get(json_at(pod, "spec", "volumes", NULL), 0);

	assert_null(object_annotation(made, KT_ANNOTATION_HEARTBEAT));
	assert_null(object_annotation(made, KT_ANNOTATION_REFS));
	assert_string_equal(argument(pod, "--env-table"), "/kt-env/members");
	assert_string_equal(argument(pod, "--env-service"), "web.n");
	assert_string_equal(argument(pod, "--ready-clients"), "");
	assert_string_equal(json_str(volume, "configMap", "name", NULL),
			    "kt-env");
	assert_true(
		json_is_true(json_at(volume, "configMap", "optional", NULL)));
}

static void a_standing_one_is_made(void **state)
{
	const struct pod_options pod = { .image = (char *)(uintptr_t) "i",
					 .creation_timeout = 10 };
	json_t *made = NULL;
	struct kt_error err = { 0 };
	struct shadow_pod *one;
	struct store s;

	(void)state;
	store_init(&s);
	s.before = note_standing;
	s.user = &made;
	one = router_user(&s, &pod, &standing);
	assert_true(shadow_ensure(one, &err) < 0);
	expect_standing(made);
	json_decref(steal_ptr(&made));
	put_standing(&s);
	assert_int_equal(shadow_ensure(one, &err), 0);
	json_object_del(s.objects, DEPLOYMENTS ROUTER);
	assert_true(shadow_ensure(one, &err) < 0);
	expect_standing(made);
	json_decref(made);
	shadow_free(one);
	store_fini(&s);
}

/* Ours cannot be made: that is enough of it */
static bool refuse_to_make(struct store *s, struct fake_conn *c,
			   const char *method, const char *path,
			   const json_t *body)
{
	(void)s;
	(void)path;
	(void)body;
	if (strcmp(method, "POST") != 0)
		return false;
	fake_reply(c, 403, "", "{}");
	return true;
}

/* KT Connect's with the same name, whose heartbeat is @age seconds old */
static int meet_kt(struct rig *r, int age, struct kt_error *err)
{
	struct shadow_config cfg = {
		.ns = NS, .pod = &r->pod, .share = true, .use_local_time = true
	};
	auto_free char *beat = xasprintf("%lld", (long long)time(NULL) - age);

	*r = (struct rig){ .pod = { .image = (char *)(uintptr_t) "i",
				    .creation_timeout = 10 } };
	store_init(&r->store);
	r->store.before = refuse_to_make;
	store_put(&r->store, SHARED,
		  json_pack("{s:s,s:{s:s,s:{s:s,s:s,s:s}},s:{s:[{s:s,s:[s]},"
			    "{s:s,s:[]}]}}",
			    "kind", "Pod", "metadata", "name", KT_SHARED_SHADOW,
			    "annotations", KT_ANNOTATION_REFS, "1",
			    KT_ANNOTATION_USER, "ann", KT_ANNOTATION_HEARTBEAT,
			    beat, "spec", "containers", "name", "istio-proxy",
			    "args", "--listen", "name", "standalone", "args"));
	cfg.kube = r->store.w.kube;
	r->shadow = shadow_new(&cfg);
	return shadow_ensure(r->shadow, err);
}

static void kt_connect_is_not_joined(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(meet_kt(&r, 100, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "is KT Connect's"));
	assert_non_null(strstr(err.msg, "made by ann and is alive"));
	assert_non_null(strstr(err.hint, "without --shareShadow"));
	assert_string_equal(refs(&r), "1"); /* as it was */
	rig_fini(&r);
}

static void dead_kt_connect_makes_room(void **state)
{
	struct rig r;
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(meet_kt(&r, 400, &err), -EPERM);
	assert_null(store_get(&r.store, SHARED));
	assert_int_equal(store_logged(&r.store, "POST"), 1);
	rig_fini(&r);
}

/* --- one that somebody else made ------------------------------------------ */

static struct shadow_pod *given(struct store *s, const char *name)
{
	static const struct pod_options pod = { .creation_timeout = 10 };
	const struct shadow_config cfg = {
		.kube = s->w.kube, .ns = NS, .pod = &pod, .given = name
	};

	return shadow_new(&cfg);
}

/* Who may do nothing but a port-forward can use it */
static void nothing_is_asked_of_a_given_pod(void **state)
{
	static const char *const names[] = { "team-0", "pod/team-0" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct kt_error err = { 0 };
		struct shadow_pod *shadow;
		struct store s;

		store_init(&s);
		shadow = given(&s, names[i]);
		assert_int_equal(shadow_ensure(shadow, &err), 0);
		assert_string_equal(shadow_pod_name(shadow), "team-0");
		assert_int_equal(shadow_port(shadow), 7070);
		assert_string_equal(shadow_describe(shadow),
				    "shadow Pod team-0");
		assert_int_equal(shadow_check(shadow, &err), 1);
		assert_int_equal(shadow_remove(shadow, &err), 0);
		assert_int_equal(s.w.fake.requests, 0);
		shadow_free(shadow);
		store_fini(&s);
	}
}

static void put_replica(struct store *s, const char *name, const char *set,
			const char *ready, bool ends)
{
	auto_free char *path = xasprintf(PODS "%s", name);
	json_t *pod = json_pack(
		"{s:s,s:s,s:{s:s,s:s,s:{s:s},s:[{s:s,s:s}]},"
		"s:{s:[{s:s,s:[s,s]}]},s:{s:s,s:[{s:s,s:s}]}}",
		"kind", "Pod", "apiVersion", "v1", "metadata", "name", name,
		"namespace", NS, "labels", "pod-template-hash", "7f9",
		"ownerReferences", "kind", "ReplicaSet", "name", set, "spec",
		"containers", "name", KT_CONTAINER, "args", "--listen", "7075",
		"status", "phase", "Running", "conditions", "type", "Ready",
		"status", ready);

	if (ends)
		json_object_set_new(json_object_get(pod, "metadata"),
				    "deletionTimestamp",
				    json_string("2026-01-01T00:00:00Z"));
	store_put(s, path, pod);
}

static void a_ready_pod_of_a_given_deployment(void **state)
{
	struct kt_error err = { 0 };
	struct shadow_pod *shadow;
	struct store s;

	(void)state;
	store_init(&s);
	shadow = given(&s, "deployment/team");
	put_replica(&s, "a-other", "team-b-7f9", "True", false);
	put_replica(&s, "b-other", "team-7f8", "True", false);
	assert_int_equal(shadow_ensure(shadow, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "Deployment n/team has no Pods"));
	assert_non_null(strstr(err.hint, "shared-shadow.yaml"));
	put_replica(&s, "team-1", "team-7f9", "True", true);
	put_replica(&s, "team-2", "team-7f9", "False", false);
	err = (struct kt_error){ 0 };
	assert_int_equal(shadow_ensure(shadow, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "has no Pod that is ready"));
	put_replica(&s, "team-3", "team-7f9", "True", false);
	assert_int_equal(shadow_ensure(shadow, &err), 0);
	assert_string_equal(shadow_pod_name(shadow), "team-3");
	assert_int_equal(shadow_port(shadow), 7075);
	err = (struct kt_error){ 0 };
	assert_int_equal(shadow_check(shadow, &err), 1);
	put_replica(&s, "team-3", "team-7f9", "True", true);
	assert_int_equal(shadow_check(shadow, &err), 0);
	assert_int_equal(shadow_remove(shadow, &err), 0);
	assert_string_equal(s.log, "");
	shadow_free(shadow);
	store_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_leaves),
		cmocka_unit_test(the_last_removes_it),
		cmocka_unit_test(not_under_who_joins),
		cmocka_unit_test(one_that_ends_while_it_is_joined_is_made_anew),
		cmocka_unit_test(one_that_has_ended_makes_room_once),
		cmocka_unit_test(makes_room_for_the_services_ports),
		cmocka_unit_test(finds_the_port_of_a_joined_one),
		cmocka_unit_test(joins_the_other_name_while_one_ends),
		cmocka_unit_test(gone_is_what_the_api_server_does_not_find),
		cmocka_unit_test(a_second_beside_an_own_one),
		cmocka_unit_test(where_there_can_be_a_second),
		cmocka_unit_test(waits_for_all_its_users),
		cmocka_unit_test(a_deployment_outlives_a_successor),
		cmocka_unit_test(a_second_is_on_another_node),
		cmocka_unit_test(a_deployment_that_was_deleted_is_made_anew),
		cmocka_unit_test(a_standing_one_is_joined_without_a_write),
		cmocka_unit_test(a_standing_one_is_made),
		cmocka_unit_test(kt_connect_is_not_joined),
		cmocka_unit_test(dead_kt_connect_makes_room),
		cmocka_unit_test(nothing_is_asked_of_a_given_pod),
		cmocka_unit_test(a_ready_pod_of_a_given_deployment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
