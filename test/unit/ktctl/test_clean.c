/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "cluster/takeover.h"
#include "inbound/scale_list.h"
#include "ktctl/clean_local.h"
#include "ktctl/clean_plan.h"
#include "kube/rest.h"

#include <string.h>

#define NOW 1000000
#define OLD "999000"   /* 1000 s ago */
#define FRESH "999990" /* 10 s ago */

struct fixture {
	json_t *pods, *deployments, *configmaps, *services;
	struct clean_plan plan;
};

static bool is_dead(void *user, const char *owner)
{
	(void)user;
	return strcmp(owner, "dead") == 0;
}

static void plan(struct fixture *f, const char *pods, const char *deployments,
		 const char *configmaps, const char *services)
{
	struct clean_input in = { .now = NOW, .age = 300, .dead = is_dead };

	in.pods = f->pods = json_quoted(pods);
	in.deployments = f->deployments = json_quoted(deployments);
	in.configmaps = f->configmaps = json_quoted(configmaps);
	in.services = f->services = json_quoted(services);
	clean_plan_make(&f->plan, &in);
}

static void plan_fini(struct fixture *f)
{
	clean_plan_fini(&f->plan);
	json_decref(f->pods);
	json_decref(f->deployments);
	json_decref(f->configmaps);
	json_decref(f->services);
}

/* The names in @list, separated by blanks */
static void expect(const json_t *list, const char *names)
{
	char got[256] = "";
	const json_t *obj;
	size_t i, n = 0;

	json_array_foreach (list, i, obj)
		n += (size_t)snprintf(
			got + n, sizeof(got) - n, "%s%s", i ? " " : "",
			json_string_value(json_object_get(
				json_object_get(obj, "metadata"), "name")));
	assert_string_equal(got, names);
}

#define OBJECT(name, role, beat, more)                                         \
	"{'metadata': {'name': '" name "', 'labels': {'control-by': 'kt', "    \
	"'kt-role': '" role "', 'kt-target': 'T" name "'}, "                   \
	"'annotations': {'kt-last-heart-beat': '" beat "'" more "}}}"
#define TAKEN(name, role, target, more)                                        \
	"{'metadata': {'name': '" name "', 'annotations': {"                   \
	"'kt-selector': '{\\'app\\':\\'" name "\\'}'" more "}}, "              \
	"'spec': {'selector': {'kt-role': '" role "', 'kt-target': '" target   \
	"'}}}"

static void connect_shadows(void **state)
{
	struct fixture f;

	(void)state;
	plan(&f,
	     "[" OBJECT("old", "shadow-connect", OLD, "") "," OBJECT(
		     "new", "shadow-connect", FRESH,
		     "") ","
			 "{'metadata': {'name': 'silent', "
			 "'labels': {'control-by': 'kt'}}},"
			 "{'metadata': {'name': 'odd', 'annotations': "
			 "{'kt-last-heart-beat': 'x'}}},"
			 "{'metadata': {'name': 'going', 'deletionTimestamp': "
			 "'2026-01-01T00:00:00Z', 'annotations': "
			 "{'kt-last-heart-beat': '1'}}}]",
	     "[" OBJECT("dep", "shadow-connect", OLD, "") "]",
	     "[" OBJECT("old", "shadow-connect", OLD,
			"") "," OBJECT("new", "shadow-connect", OLD, "") "]",
	     "[{'metadata': {'name': 'web'}, "
	     "'spec': {'selector': {'app': 'w'}}},"
	     "{'metadata': {'name': 'none'}, 'spec': {}}]");
	expect(f.plan.pods, "old");
	expect(f.plan.deployments, "dep");
	expect(f.plan.configmaps, "old"); /* that of a live Pod stays */
	expect(f.plan.services, "");
	expect(f.plan.recover, "");
	plan_fini(&f);
}

/* Its laptop may be away for longer than the threshold; not when all goes */
static void kept_shadows(void **state)
{
	static const char pods[] =
		"[" OBJECT("hour", "shadow-connect", OLD, ", 'kt-keep': '3600'") "," OBJECT(
			"short", "shadow-connect", OLD,
			", 'kt-keep': '600'") "," OBJECT("odd",
							 "shadow-connect", OLD,
							 ", 'kt-keep': "
							 "'-5'") "]";
	struct clean_input in = { .now = NOW, .dead = is_dead };
	struct clean_plan all;
	struct fixture f;

	(void)state;
	plan(&f, pods, "[]", "[]", "[]");
	expect(f.plan.pods, "short odd");
	in.pods = f.pods;
	clean_plan_make(&all, &in);
	expect(all.pods, "hour short odd");
	clean_plan_fini(&all);
	plan_fini(&f);
}

#define NOON "1970-01-12T12:00:00Z"  /* before NOW, 13:46:40 */
#define LATER "1970-01-12T13:45:00Z" /* 100 s ago */
#define PROGRAM(name, made)                                                    \
	"{'metadata': {'name': '" name "', 'creationTimestamp': '" made        \
	"', 'labels': {'control-by': 'kt', 'kt-role': 'shadow-program'}}}"
#define MOUNTS(name, beat, program)                                            \
	"{'metadata': {'name': '" name "', 'labels': {'control-by': 'kt', "    \
	"'kt-role': 'shadow-connect'}, 'annotations': {'kt-last-heart-beat': " \
	"'" beat "'}}, 'spec': {'volumes': [{'configMap': {'name': '" program  \
	"'}}]}}"

/* A shadow's program has no heartbeat: whoever mounts it keeps it, and who is
 * removed does not mount it any more. */
static void programs(void **state)
{
	static const char *const maps[] = {
		PROGRAM("used", NOON),
		PROGRAM("left", NOON),
		PROGRAM("none", NOON),
		PROGRAM("young", LATER),
	};
	auto_free char *configmaps =
		xasprintf("[%s,%s,%s,%s]", maps[0], maps[1], maps[2], maps[3]);
	auto_free char *pods =
		xasprintf("[%s,%s]", MOUNTS("live", FRESH, "used"),
			  MOUNTS("dead", OLD, "left"));
	struct fixture f;

	(void)state;
	plan(&f, pods, "[]", configmaps, "[]");
	expect(f.plan.pods, "dead");
	expect(f.plan.configmaps, "left none");
	plan_fini(&f);
}

/* Who was killed on this machine is known to be gone, heartbeat or not */
static void dead_owner(void **state)
{
	struct fixture f;

	(void)state;
	plan(&f,
	     "[" OBJECT("mine", "shadow-connect", FRESH,
			", 'kt-owner': 'dead'") "," OBJECT("hers",
							   "shadow-connect",
							   FRESH,
							   ", 'kt-owner': "
							   "'alive'") "]",
	     "[]", "[]",
	     "[{'metadata': {'name': 'web', 'annotations': {"
	     "'kt-lock': '" FRESH "', 'kt-lock-owner': 'dead@" FRESH "'}}},"
	     "{'metadata': {'name': 'other', 'annotations': {"
	     "'kt-lock': '" FRESH "', 'kt-lock-owner': 'alive@" FRESH "'}}}]");
	expect(f.plan.pods, "mine");
	expect(f.plan.unlock, "web");
	plan_fini(&f);
}

/* A threshold below the life of a lock is meant for locks, too */
static void threshold_of_locks(void **state)
{
	auto_json json_t *services =
		json_quoted("[{'metadata': {'name': 'web', 'annotations': {"
			    "'kt-lock': '" FRESH "'}}}]");
	struct clean_input in = { .now = NOW, .age = 300 };
	struct clean_plan p;

	(void)state;
	in.services = services;
	clean_plan_make(&p, &in);
	expect(p.unlock, "");
	clean_plan_fini(&p);
	in.age = 0;
	clean_plan_make(&p, &in);
	expect(p.unlock, "web");
	clean_plan_fini(&p);
}

/* A threshold of 0 leaves nothing out, not even what is of this second, or of
 * a clock that is ahead */
static void threshold_of_nothing(void **state)
{
	auto_json json_t *services =
		json_quoted("[{'metadata': {'name': 'web', 'annotations': {"
			    "'kt-lock': '1000000'}}},"
			    "{'metadata': {'name': 'other', 'annotations': {"
			    "'kt-lock': '1000060'}}}]");
	auto_json json_t *pods = json_quoted(
		"[" OBJECT("p", "shadow-connect", "1000000", "") "]");
	struct clean_input in = { .now = NOW, .pods = pods };
	struct clean_plan p;

	(void)state;
	in.services = services;
	clean_plan_make(&p, &in);
	expect(p.unlock, "web other");
	expect(p.pods, "p");
	clean_plan_fini(&p);
}

#define ENDING(name, role)                                                     \
	"{'metadata': {'name': '" name "', 'deletionTimestamp': 'x', "         \
	"'labels': {'control-by': 'kt', 'kt-role': '" role "'}, "              \
	"'annotations': {'kt-last-heart-beat': '" OLD "'}}}"

/* What is removed already is not removed again */
static void ending(void **state)
{
	struct fixture f;

	(void)state;
	plan(&f, "[" ENDING("p", "router") "]", "[]",
	     "[" ENDING("c", "router") "]", "[" ENDING("s", "x") "]");
	expect(f.plan.pods, "");
	expect(f.plan.configmaps, "");
	expect(f.plan.services, "");
	plan_fini(&f);
}

static void nothing(void **state)
{
	struct clean_input in = { .now = NOW, .age = 300 };
	struct clean_plan p;

	(void)state;
	clean_plan_make(&p, &in); /* nothing may be listed */
	assert_true(clean_plan_empty(&p));
	clean_plan_fini(&p);
}

/* A Service is recovered when what took it over is dead or gone */
static void exchanged(void **state)
{
	/* clang-format off */
	static const char pods[] = "["
		OBJECT("dead", "shadow-exchange", OLD,
		       ", 'kt-config': 'service=a'") ","
		OBJECT("live", "shadow-exchange", FRESH, "") "]";
	static const char services[] = "["
		TAKEN("a", "shadow-exchange", "Tdead", "") ","
		TAKEN("b", "shadow-exchange", "Tgone", "") ","
		TAKEN("c", "shadow-exchange", "Tlive", "") ","
		/* being changed at this moment */
		TAKEN("d", "shadow-exchange", "Tgone2",
		      ", 'kt-lock': '" FRESH "'") "]";
	/* clang-format on */
	struct fixture f;

	(void)state;
	plan(&f, pods, "[]", "[]", services);
	expect(f.plan.recover, "a b");
	expect(f.plan.pods, "dead");
	expect(f.plan.unlock, "");
	plan_fini(&f);
}

/* What a Service leads to is not removed when the way back is not known */
static void stuck(void **state)
{
	struct fixture f;

	(void)state;
	plan(&f,
	     "[" OBJECT("dead", "shadow-exchange", OLD,
			"") "," OBJECT("dead2", "shadow-exchange", OLD, "") "]",
	     "[]", "[]",
	     "[{'metadata': {'name': 'a'}, 'spec': {'selector': "
	     "{'kt-role': 'shadow-exchange', 'kt-target': 'Tdead'}}},"
	     "{'metadata': {'name': 'b', 'annotations': {'kt-selector': '['}},"
	     "'spec': {'selector': {'kt-role': 'shadow-exchange', "
	     "'kt-target': 'Tdead2'}}}]");
	expect(f.plan.recover, "");
	expect(f.plan.pods, "");
	assert_int_equal(json_array_size(f.plan.kept), 2);
	plan_fini(&f);
}

/* The router's creator is gone, but a user of the mesh is there */
static void mesh_in_use(void **state)
{
	static const char services[] = "[" TAKEN(
		"web", "router", "Tweb-kt-router",
		"") ","
		    "{'metadata': {'name': 'web-kt-stuntman', 'labels': "
		    "{'control-by': 'kt'}, 'annotations': "
		    "{'kt-last-heart-beat': '" OLD "'}}, "
		    "'spec': {'selector': {'app': 'web'}}},"
		    "{'metadata': {'name': 'web-kt-mesh-b', 'labels': "
		    "{'control-by': 'kt'}, 'annotations': "
		    "{'kt-last-heart-beat': '" OLD "'}}, 'spec': {'selector': "
		    "{'kt-role': 'shadow-mesh', "
		    "'kt-target': 'Tweb-kt-mesh-b'}}}]";
	struct fixture f;

	(void)state;
	plan(&f,
	     "[" OBJECT(
		     "web-kt-router", "router", OLD,
		     ", 'kt-config': 'service=web'") "," OBJECT("web-kt-mesh-b",
								"shadow-mesh",
								FRESH, "") "]",
	     "[]", "[]", services);
	assert_true(clean_plan_empty(&f.plan));
	plan_fini(&f);

	plan(&f,
	     "[" OBJECT(
		     "web-kt-router", "router", OLD,
		     ", 'kt-config': 'service=web'") "," OBJECT("web-kt-mesh-b",
								"shadow-mesh",
								OLD, "") "]",
	     "[]", "[]", services);
	expect(f.plan.recover, "web");
	expect(f.plan.pods, "web-kt-router web-kt-mesh-b");
	expect(f.plan.services, "web-kt-stuntman web-kt-mesh-b");
	plan_fini(&f);
}

#define OUR_ROUTER(beat)                                                       \
	"{'metadata': {'name': 'web-kt-router', 'labels': {'control-by': "     \
	"'kt', 'kt-role': 'router', 'kt-target': 'R'}, 'annotations': "        \
	"{'kt-last-heart-beat': '" beat                                        \
	"', 'kt-config': 'service=web'}}, 'spec': {'containers': [{'name': "   \
	"'standalone', 'args': ['--listen', '18022']}]}}"
#define RECORD(owner)                                                          \
	"{'metadata': {'name': 'web-kt-mesh-a', 'labels': {'control-by': "     \
	"'kt', 'kt-role': 'shadow-mesh'}, 'annotations': "                     \
	"{'kt-last-heart-beat': '" FRESH "', 'kt-owner': '" owner              \
	"'}}, 'spec': {'selector': {'kt-role': 'shadow-mesh', 'kt-target': "   \
	"'nowhere'}}}"

/* Whoever was killed a moment ago leaves a router that is nobody's. It is alive
 * as long as somebody has a record, or the lock. */
static void router_of_a_dead_one(void **state)
{
	static const char own[] = "{'metadata': {'name': 'web'}, 'spec': "
				  "{'selector': {'app': 'web'}}}";
	static const char locked[] =
		"{'metadata': {'name': 'web', 'annotations': {'kt-lock': "
		"'" FRESH "'}}, 'spec': {'selector': {'app': 'web'}}}";
	struct fixture f;
	char services[1200];

	(void)state;
	/* after the switch, */
	plan(&f, "[" OUR_ROUTER(FRESH) "]", "[]", "[]",
	     "[" TAKEN("web", "router", "R", "") "," RECORD("dead") "]");
	expect(f.plan.recover, "web");
	expect(f.plan.pods, "web-kt-router");
	expect(f.plan.services, "web-kt-mesh-a");
	plan_fini(&f);

	/* before it, */
	snprintf(services, sizeof(services), "[%s,%s]", own, RECORD("dead"));
	plan(&f, "[" OUR_ROUTER(FRESH) "]", "[]", "[]", services);
	expect(f.plan.recover, "");
	expect(f.plan.pods, "web-kt-router");
	plan_fini(&f);

	/* and without a record, in whatever form */
	snprintf(services, sizeof(services), "[%s]", own);
	plan(&f, "[]", "[" OUR_ROUTER(FRESH) "]", "[]", services);
	expect(f.plan.deployments, "web-kt-router");
	plan_fini(&f);

	/* another one's record; the lock of who is about to write one */
	plan(&f, "[" OUR_ROUTER(FRESH) "]", "[]", "[]",
	     "[" TAKEN("web", "router", "R", "") "," RECORD("another") "]");
	assert_true(clean_plan_empty(&f.plan));
	plan_fini(&f);
	snprintf(services, sizeof(services), "[%s]", locked);
	plan(&f, "[" OUR_ROUTER(FRESH) "]", "[]", "[]", services);
	assert_true(clean_plan_empty(&f.plan));
	plan_fini(&f);

	/* KT Connect's is known by its heartbeat only */
	snprintf(services, sizeof(services), "[%s]", own);
	plan(&f,
	     "[" OBJECT("web-kt-router", "router", FRESH,
			", 'kt-config': 'service=web'") "]",
	     "[]", "[]", services);
	assert_true(clean_plan_empty(&f.plan));
	plan_fini(&f);
}

#define STUNTMAN(owner)                                                        \
	"{'metadata': {'name': 'web-kt-stuntman', 'labels': {'control-by': "   \
	"'kt'}, 'annotations': {'kt-last-heart-beat': '" FRESH                 \
	"', 'kt-owner': '" owner "'}}, 'spec': {'selector': {'app': 'web'}}}"

/* An exchange was killed a moment ago; its origin goes with all else, or before
 * the Service was taken over, not while another is served */
static void stuntman_of_a_dead_one(void **state)
{
	static const char taken[] = "[" TAKEN("web", "shadow-exchange", "Tx",
					      "") "," STUNTMAN("dead") "]";
	struct fixture f;

	(void)state;
	plan(&f,
	     "[" OBJECT("x", "shadow-exchange", FRESH,
			", 'kt-owner': 'dead'") "]",
	     "[]", "[]", taken);
	expect(f.plan.recover, "web");
	expect(f.plan.services, "web-kt-stuntman");
	plan_fini(&f);

	plan(&f, "[]", "[]", "[]",
	     "[{'metadata': {'name': 'web'}, 'spec': {'selector': "
	     "{'app': 'web'}}}," STUNTMAN("dead") "]");
	expect(f.plan.services, "web-kt-stuntman");
	plan_fini(&f);

	plan(&f, "[" OBJECT("x", "shadow-exchange", FRESH, "") "]", "[]", "[]",
	     taken);
	assert_true(clean_plan_empty(&f.plan));
	plan_fini(&f);

	plan(&f, "[]", "[]", "[]",
	     "[{'metadata': {'name': 'web'}, 'spec': {'selector': "
	     "{'app': 'web'}}}," STUNTMAN("another") "]");
	assert_true(clean_plan_empty(&f.plan));
	plan_fini(&f);

	/* somebody is about to use it */
	plan(&f, "[]", "[]", "[]",
	     "[{'metadata': {'name': 'web', 'annotations': {'kt-lock': '" FRESH
	     "'}}, 'spec': {'selector': {'app': 'web'}}}," STUNTMAN(
		     "dead") "]");
	expect(f.plan.services, "");
	plan_fini(&f);
}

#define DEPLOYMENT(name, replicas, annotations)                                \
	"{'metadata': {'name': '" name "', 'annotations': {" annotations       \
	"}}, 'spec': {'replicas': " replicas                                   \
	", 'selector': {'matchLabels': {'app': '" name "'}}}}"
#define EXCHANGE(name, beat, config)                                           \
	OBJECT(name, "shadow-exchange", beat, ", 'kt-config': '" config "'")

/* The plan's list of workloads, as it is shown: those that are scaled, or those
 * that lose a note */
static void expect_scale(const struct fixture *f, bool scaled,
			 const char *const *want)
{
	json_t *got = scale_list_part(f->plan.scale, scaled);
	size_t n = 0;

	for (; want[n]; n++)
		assert_string_equal(json_string_value(json_array_get(got, n)),
				    want[n]);
	assert_int_equal(json_array_size(got), n);
	json_decref(got);
}

static void scaled(void **state)
{
	static const char *const web[] = { "Deployment web to 3", NULL };
	static const char *const none[] = { NULL };
	struct fixture f;

	(void)state;
	plan(&f,
	     "[" EXCHANGE("e1", OLD, "app=web,replicas=3") "," EXCHANGE(
		     "e2", FRESH, "app=db,replicas=1") "," EXCHANGE("e3", OLD,
								    "app=x,"
								    "replicas="
								    "0") ","
	     /* there is no such thing any more */
	     EXCHANGE("e4", OLD, "app=gone,replicas=2") "]",
	     "[" DEPLOYMENT("web", "0", "") "," DEPLOYMENT(
		     "db", "0", "") "," DEPLOYMENT("x", "0", "") "]",
	     "[]",
	     "[{'metadata': {'name': 's', 'annotations': {'kt-lock': "
	     "'" OLD "'}}, 'spec': {'selector': {'app': 'web'}}}]");
	expect_scale(&f, true, web);
	expect_scale(&f, false, none);
	expect(f.plan.pods, "e1 e3 e4");
	expect(f.plan.unlock, "s");
	plan_fini(&f);
}

/* The largest number counts; what is not done is not planned */
static void scaled_records(void **state)
{
	static const char *const up[] = { "Deployment web to 2",
					  "Deployment db to 4", NULL };
	static const char *const notes[] = { "Deployment stale", NULL };
	struct fixture f;

	(void)state;
	plan(&f,
	     "[" EXCHANGE("e1", OLD, "app=web,replicas=2") "," EXCHANGE(
		     "e2", OLD, "app=db,replicas=1") "," EXCHANGE("e3", OLD,
								  "app=own,"
								  "replicas="
								  "2") "]",
	     "[" DEPLOYMENT("web", "0", "'kt-replicas': '0'") "," DEPLOYMENT(
		     "db", "0",
		     "'kt-replicas': '4'") "," DEPLOYMENT("stale", "3",
							  "'kt-"
							  "replicas'"
							  ": '2'") ","
	     /* its owner has given it back */
	     DEPLOYMENT("own", "1", "") "]",
	     "[]", "[]");
	expect_scale(&f, true, up);
	expect_scale(&f, false, notes);
	expect(f.plan.pods, "e1 e2 e3");
	plan_fini(&f);
}

/* One that is gone knows a number that one alive does not */
static void scaled_twice(void **state)
{
	static const char *const none[] = { NULL };
	static const char live[] =
		"{'metadata': {'name': 'live', 'labels': {'control-by': 'kt', "
		"'kt-role': 'shadow-exchange', 'app': 'web'}, 'annotations': "
		"{'kt-last-heart-beat': '" FRESH "'}}}";
	char pods[1000];
	struct fixture f;

	(void)state;
	snprintf(pods, sizeof(pods), "[%s,%s]",
		 EXCHANGE("dead", OLD, "app=web,replicas=2"), live);
	plan(&f, pods, "[" DEPLOYMENT("web", "0", "'kt-replicas': '0'") "]",
	     "[]", "[]");
	expect_scale(&f, true, none);
	expect_scale(&f, false, none);
	expect(f.plan.pods, "");
	plan_fini(&f);

	plan(&f, pods, "[" DEPLOYMENT("web", "0", "'kt-replicas': '2'") "]",
	     "[]", "[]");
	expect_scale(&f, true, none);
	expect(f.plan.pods, "dead");
	plan_fini(&f);
}

/* Killed between the two writes: only whose the fields are is left to do */
static void managers_left(void **state)
{
	struct fixture f;

	(void)state;
	plan(&f, "[]", "[]", "[]",
	     "[{'metadata': {'name': 's', 'annotations': {'kt-managers': "
	     "'[]'}}, 'spec': {'selector': {'app': 'web'}}}]");
	expect(f.plan.recover, "");
	expect(f.plan.unlock, "s");
	plan_fini(&f);
}

static void recovered(void **state)
{
	json_t *s = json_quoted("{'metadata': {'name': 'a', 'annotations': "
				"{'kt-selector': '{\\'app\\':\\'x\\'}', "
				"'kt-lock': '1', 'mine': 'm'}}, "
				"'spec': {'selector': {'kt-role': 'router'}, "
				"'ports': [1]}, 'unknown': true}");
	json_t *want =
		json_quoted("{'metadata': {'name': 'a', 'annotations': "
			    "{'mine': 'm'}}, 'spec': {'selector': "
			    "{'app': 'x'}, 'ports': [1]}, 'unknown': true}");
	json_t *got = service_restored(s);

	(void)state;
	assert_true(json_equal(got, want));
	assert_null(service_restored(want));
	json_decref(s);
	json_decref(want);
	json_decref(got);
}

static void check_resolv(const char *old, const char *want)
{
	struct buf b;
	int rc;

	buf_init(&b, 65536);
	rc = resolvconf_restore(&b, old, strlen(old));
	assert_int_equal(rc, strcmp(old, want) != 0);
	assert_int_equal(b.len, strlen(want));
	assert_memory_equal(b.len ? (char *)buf_data(&b) : "", want, b.len);
	buf_fini(&b);
}

static void resolv_conf(void **state)
{
	(void)state;
	check_resolv("search a\n#nameserver 1.1.1.1 # Removed by KtConnect\n"
		     "# a comment\n"
		     "nameserver 127.0.0.1 # Added by KtConnect\n",
		     "search a\nnameserver 1.1.1.1\n# a comment\n");
	check_resolv("#nameserver 9.9.9.9 # Removed by KtConnect",
		     "nameserver 9.9.9.9");
	check_resolv("nameserver 1.1.1.1\n", "nameserver 1.1.1.1\n");
	check_resolv("", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_shadows),
		cmocka_unit_test(kept_shadows),
		cmocka_unit_test(programs),
		cmocka_unit_test(dead_owner),
		cmocka_unit_test(threshold_of_locks),
		cmocka_unit_test(threshold_of_nothing),
		cmocka_unit_test(ending),
		cmocka_unit_test(nothing),
		cmocka_unit_test(exchanged),
		cmocka_unit_test(stuck),
		cmocka_unit_test(mesh_in_use),
		cmocka_unit_test(router_of_a_dead_one),
		cmocka_unit_test(stuntman_of_a_dead_one),
		cmocka_unit_test(scaled),
		cmocka_unit_test(scaled_records),
		cmocka_unit_test(scaled_twice),
		cmocka_unit_test(recovered),
		cmocka_unit_test(managers_left),
		cmocka_unit_test(resolv_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
