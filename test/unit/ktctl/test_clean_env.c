/* SPDX-License-Identifier: Apache-2.0 */
/* clean, and what environments have: one of them, `dev`, has a member for the
 * Service web, whose router has no user of its own. As join makes them: neither
 * the router nor the Service for the origin has a heartbeat. */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/job.h"
#include "env/share_after.h"
#include "ktctl/clean_plan.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <stdio.h>
#include <string.h>

#define NOW 1000000
#define AGE 900	    /* clean's threshold */
#define LONG_AGO -1 /* older than any threshold */
#define ENDED -60   /* a ttl */
#define LIVES 3600

struct scene {
	json_t *jobs; /* NULL: may not be listed */
	json_t *services, *deployments;
};

static void scene_made(json_t *obj, int64_t age)
{
	char at[RFC3339_STRLEN];

	rfc3339_format(age == LONG_AGO ? 1 : NOW - age, at);
	json_object_set_new(json_object_get(obj, "metadata"),
			    "creationTimestamp", json_string(at));
}

static void scene_init(struct scene *s, int64_t router_age)
{
	s->jobs = json_array();
	s->services = json_quoted(
		"[{'metadata': {'name': 'web', 'annotations': {'kt-selector': "
		"'{\\'app\\':\\'web\\'}'}}, 'spec': {'selector': {'kt-role': "
		"'router', 'kt-target': 'R'}}},"
		"{'metadata': {'name': 'web-kt-stuntman', 'labels': "
		"{'control-by': 'kt'}, 'annotations': {'kt-user': 'ann'}}, "
		"'spec': {'selector': {'app': 'web'}}}]");
	s->deployments = json_quoted(
		"[{'metadata': {'name': 'web-kt-router', 'labels': "
		"{'control-by': 'kt', 'kt-role': 'router', 'kt-target': 'R'}, "
		"'annotations': {'kt-config': 'service=web'}}, 'spec': "
		"{'template': {'metadata': {'labels': {'kt-role': 'router', "
		"'kt-target': 'R'}}, 'spec': {'volumes': [{'configMap': "
		"{'name': 'kt-env'}}]}}}}]");
	scene_made(json_array_get(s->deployments, 0), router_age);
	scene_made(json_array_get(s->services, 1), router_age);
}

/* An environment that ends @ttl seconds from now */
static void scene_env(struct scene *s, const char *name, int64_t ttl)
{
	const struct env_spec spec = { .name = name, .now = NOW, .ttl = ttl };
	json_t *job = env_job_make(&spec);

	json_object_set_new(json_object_get(job, "metadata"), "uid",
			    json_string(name));
	json_array_append_new(s->jobs, job);
}

/* Its member for web */
static void scene_member(struct scene *s, const char *env, int64_t ttl)
{
	char name[64], expires[24];

	snprintf(name, sizeof(name), "web-kt-mesh-%s", env);
	snprintf(expires, sizeof(expires), "%lld", NOW + (long long)ttl);
	json_array_append_new(
		s->services,
		json_pack("{s:{s:s,s:{s:s,s:s,s:s},s:{s:s}},s:{s:{s:s}}}",
			  "metadata", "name", name, "labels", "control-by",
			  "kt", "kt-role", "shadow-mesh", "kt-env", env,
			  "annotations", KT_ANNOTATION_EXPIRES, expires, "spec",
			  "selector", "app", "copy"));
}

static void put(char *dst, size_t size, const json_t *list)
{
	size_t n = strlen(dst), i;
	const json_t *obj;

	n += (size_t)snprintf(dst + n, size - n, "/");
	json_array_foreach (list, i, obj)
		n += (size_t)snprintf(dst + n, size - n, " %s",
				      object_name(obj));
}

/* @want: "recover/ jobs/ deployments/ services" */
static void expect(struct scene *s, const char *want)
{
	const struct clean_input in = { .pods = NULL,
					.deployments = s->deployments,
					.services = s->services,
					.jobs = s->jobs,
					.now = NOW,
					.age = AGE };
	struct clean_plan p;
	char got[256] = "";

	clean_plan_make(&p, &in);
	put(got, sizeof(got), p.recover);
	put(got, sizeof(got), p.jobs);
	put(got, sizeof(got), p.deployments);
	put(got, sizeof(got), p.services);
	assert_string_equal(got, want);
	assert_int_equal(clean_plan_empty(&p), strcmp(want, "////") == 0);
	clean_plan_fini(&p);
	json_decref(s->jobs);
	json_decref(s->services);
	json_decref(s->deployments);
}

/* No heartbeat of anybody's is young, and nothing is touched */
static void alive(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, LONG_AGO);
	scene_env(&s, "dev", LIVES);
	scene_member(&s, "dev", LIVES);
	expect(&s, "////");
}

/* What says that an environment has ended goes when its own time is over, and
 * what is to be done at the end of its members is done */
static void outlives(void **state)
{
	static const struct {
		int64_t env, after;
		bool hooks;
		const char *want;
	} cases[] = {
		{ LIVES, LIVES + 60, false, "////" },
		{ ENDED, ENDED + 120, true, "// kt-env-dev//" },
		{ ENDED, ENDED + 30, true, "// kt-env-dev kt-entry-x//" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct env_info info = {
			.name = "dev",
			.expires = NOW + cases[i].env,
			.uid = (char *)(uintptr_t) "dev"
		};
		auto_json json_t *hook = json_quoted(
			"{'metadata': {'name': 'h', 'labels': {'kt-role':"
			" 'env-hook', 'kt-env': 'dev', 'kt-env-of': 'web'},"
			" 'annotations': {'kt-env-uid': 'dev', 'kt-env-hook':"
			" 'onDelete /drop'}}, 'spec': {'parallelism': 0}}");
		struct clean_input in = { .now = NOW, .age = AGE };
		struct clean_plan p;
		char got[256] = "";
		struct scene s;

		scene_init(&s, 10);
		scene_env(&s, "dev", cases[i].env);
		json_array_append_new(
			s.jobs,
			share_after_job("kt-entry-x", &info, "h", "ann",
					cases[i].after - cases[i].env, NOW));
		json_array_append(s.jobs, hook);
		in.jobs = s.jobs;
		clean_plan_make(&p, &in);
		put(got, sizeof(got), p.recover);
		put(got, sizeof(got), p.jobs);
		put(got, sizeof(got), NULL);
		put(got, sizeof(got), NULL);
		assert_string_equal(got, cases[i].want);
		assert_int_equal(json_array_size(p.hooks), cases[i].hooks);
		if (cases[i].hooks)
			assert_string_equal(
				json_string_value(json_array_get(p.hooks, 0)),
				"onDelete /drop of the member web of "
				"environment dev, which is over");
		clean_plan_fini(&p);
		json_decref(s.jobs);
		json_decref(s.services);
		json_decref(s.deployments);
	}
}

static void over(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, LONG_AGO);
	scene_env(&s, "dev", ENDED);
	scene_member(&s, "dev", ENDED);
	expect(&s, "/ web/ kt-env-dev/ web-kt-router/ web-kt-stuntman "
		   "web-kt-mesh-dev");
}

/* The cluster has removed the Job just now, and not yet what it owns */
static void job_gone(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, LONG_AGO);
	scene_member(&s, "dev", LIVES);
	expect(&s, "/ web// web-kt-router/ web-kt-stuntman web-kt-mesh-dev");
}

/* And another of its name is there */
static void made_anew(void **state)
{
	json_t *member;
	struct scene s;

	(void)state;
	scene_init(&s, LONG_AGO);
	scene_member(&s, "dev", LIVES);
	scene_env(&s, "dev", LIVES);
	member = json_array_get(s.services, 2);
	json_object_set_new(json_object_get(member, "metadata"),
			    "ownerReferences",
			    json_pack("[{s:s,s:s,s:s}]", "kind", "Job", "name",
				      "kt-env-dev", "uid", "former"));
	expect(&s, "/ web// web-kt-router/ web-kt-stuntman web-kt-mesh-dev");
}

/* Whoever may not list Jobs goes by what the record says */
static void jobs_unseen(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, LONG_AGO);
	json_decref(s.jobs);
	s.jobs = NULL;
	scene_member(&s, "dev", LIVES);
	expect(&s, "////");
	scene_init(&s, LONG_AGO);
	json_decref(s.jobs);
	s.jobs = NULL;
	scene_member(&s, "dev", ENDED);
	expect(&s, "/ web// web-kt-router/ web-kt-stuntman web-kt-mesh-dev");
}

/* The last environment was removed by the cluster, with its member: no process
 * is there to give the Service back, and the threshold is for processes */
static void nobody_left(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, 200);
	expect(&s, "/ web// web-kt-router/ web-kt-stuntman");
	/* somebody joins in this moment */
	scene_init(&s, 10);
	expect(&s, "////");
}

/* Killed between making them and the switch, or after giving the Service back:
 * it leads to its own Pods */
static void not_taken(struct scene *s, int64_t age, int64_t lock)
{
	json_t *web;
	char text[24];

	scene_init(s, age);
	web = json_array_get(s->services, 0);
	json_object_clear(json_object_get(json_object_get(web, "metadata"),
					  "annotations"));
	json_object_set_new(json_object_get(web, "spec"), "selector",
			    json_pack("{s:s}", "app", "web"));
	if (lock < 0)
		return;
	snprintf(text, sizeof(text), "%lld", NOW - (long long)lock);
	json_object_set_new(json_object_get(json_object_get(web, "metadata"),
					    "annotations"),
			    "kt-lock", json_string(text));
}

static void left_over(void **state)
{
	struct scene s;

	(void)state;
	not_taken(&s, 200, -1);
	expect(&s, "/// web-kt-router/ web-kt-stuntman");
	not_taken(&s, 10, -1);
	expect(&s, "////");
	/* they are of yesterday, and somebody takes them at this moment */
	not_taken(&s, LONG_AGO, 5);
	expect(&s, "////");
	not_taken(&s, LONG_AGO, -1);
	scene_env(&s, "dev", LIVES);
	scene_member(&s, "dev", LIVES);
	expect(&s, "////");
	/* not known whether there is a router */
	not_taken(&s, LONG_AGO, -1);
	json_decref(s.deployments);
	s.deployments = NULL;
	expect(&s, "////");
}

static void another_lives(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s, LONG_AGO);
	scene_env(&s, "dev", ENDED);
	scene_env(&s, "qa", LIVES);
	scene_member(&s, "dev", ENDED);
	scene_member(&s, "qa", LIVES);
	expect(&s, "// kt-env-dev// web-kt-mesh-dev");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alive),	 cmocka_unit_test(over),
		cmocka_unit_test(outlives),	 cmocka_unit_test(job_gone),
		cmocka_unit_test(jobs_unseen),	 cmocka_unit_test(nobody_left),
		cmocka_unit_test(another_lives), cmocka_unit_test(left_over),
		cmocka_unit_test(made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
