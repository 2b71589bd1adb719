/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "cluster/objects.h"
#include "inbound/recover_plan.h"
#include "kube/rest.h"

#include <string.h>

#define SERVICE(annotations, selector)                                         \
	"{'metadata': {'name': 'web', 'annotations': {" annotations            \
	"}}, 'spec': {'selector': {" selector "}}}"
#define ORIGINAL "'kt-selector': '{\\'app\\':\\'web\\'}'"
#define OURS(name, role, labels, annotations)                                  \
	"{'metadata': {'name': '" name "', 'labels': {'control-by': 'kt', "    \
	"'kt-role': '" role "'" labels "}, 'annotations': {" annotations "}}}"

/* @texts: service, pods, services, configmaps, deployments, statefulsets.
 * @want: "restore|unlock|stuck" scale / pods / deployments / services / maps */
static void put(char *dst, size_t size, const json_t *list)
{
	const json_t *obj;
	size_t i;

	strncat(dst, "/", size - strlen(dst) - 1);
	json_array_foreach (list, i, obj) {
		strncat(dst, " ", size - strlen(dst) - 1);
		strncat(dst, object_name(obj), size - strlen(dst) - 1);
	}
}

static void plan(const char *const texts[6], const char *want)
{
	json_t *v[6] = { NULL, NULL, NULL, NULL, NULL, NULL };
	struct recover_input in = { 0 };
	struct recover_plan p;
	const char *name;
	json_t *value;
	char got[512] = "";

	for (int i = 0; i < 6; i++)
		v[i] = texts[i] ? json_quoted(texts[i]) : NULL;
	in = (struct recover_input){ v[0], v[1], v[2], v[3], v[4], v[5] };
	recover_plan_make(&p, &in);
	snprintf(got, sizeof(got), "%s%s%s", p.restore ? "restore" : "",
		 p.unlock ? "unlock" : "", p.stuck ? "stuck" : "");
	json_object_foreach (p.also, name, value) {
		strncat(got, "also ", sizeof(got) - strlen(got) - 1);
		strncat(got, name, sizeof(got) - strlen(got) - 1);
	}
	put(got, sizeof(got), p.scale);
	put(got, sizeof(got), p.pods);
	put(got, sizeof(got), p.deployments);
	put(got, sizeof(got), p.services);
	put(got, sizeof(got), p.configmaps);
	assert_string_equal(got, want);
	assert_int_equal(recover_plan_empty(&p),
			 strcmp(want, "/////") == 0 ||
				 strcmp(want, "stuck/////") == 0);
	recover_plan_fini(&p);
	for (int i = 0; i < 6; i++)
		json_decref(v[i]);
}

static void clean(void **state)
{
	const char *const texts[6] = {
		SERVICE("'x': 'y'", "'app': 'web'"),
		"[" OURS("kt-connect-shadow-abcde", "shadow-connect", "",
			 "") "," OURS("other-kt-exchange-abcde",
				      "shadow-exchange", ", 'kt-target': 'z'",
				      "'kt-config': 'service=other'") "]",
		"[" OURS("other-kt-stuntman", "x", "", "") "]",
	};

	(void)state;
	plan(texts, "/////");
}

/* As KT Connect leaves it: no kt-config that we would need, a ConfigMap */
static void exchanged(void **state)
{
	const char *const texts[6] = {
		SERVICE(ORIGINAL ", 'kt-lock': '1'",
			"'kt-role': 'shadow-exchange', 'kt-target': 'T'"),
		"[" OURS("web-kt-exchange-abcde", "shadow-exchange",
			 ", 'kt-target': 'T'",
			 "") "," OURS("x-kt-exchange-a", "shadow-exchange",
				      ", 'kt-target': 'U'", "") "]",
		"[" OURS("web-kt-stuntman", "x", "", "") "]",
		"[" OURS("web-kt-exchange-abcde", "shadow-exchange", "",
			 "") "," OURS("x-kt-exchange-a", "shadow-exchange", "",
				      "") "]",
	};

	(void)state;
	plan(texts, "restore// web-kt-exchange-abcde// web-kt-stuntman/ "
		    "web-kt-exchange-abcde");
}

/* Two users of a router, one of them KT Connect's with a shadow of its own */
static void meshed(void **state)
{
	const char *const texts[6] = {
		SERVICE(ORIGINAL, "'kt-role': 'router', 'kt-target': 'R'"),
		"[" OURS(
			"web-kt-router", "router", ", 'kt-target': 'R'",
			"'kt-config': 'service=web'") "," OURS("web-kt-mesh-v1",
							       "shadow-mesh",
							       ", 'kt-target': "
							       "'A'",
							       "'kt-config': "
							       "'service=web-"
							       "kt-mesh-v1'") "]",
		"[" OURS("web-kt-stuntman", "x", "", "") "," OURS(
			"web-kt-mesh-v1", "shadow-mesh", "",
			"") "," OURS("web-kt-mesh-v2", "shadow-mesh", "",
				     "") "," OURS("webx-kt-mesh-v2",
						  "shadow-mesh", "", "") "]",
	};

	(void)state;
	plan(texts, "restore// web-kt-router web-kt-mesh-v1// web-kt-mesh-v1 "
		    "web-kt-mesh-v2 web-kt-stuntman/");
}

/* What answered for it in environments goes, too; not another Service's */
static void in_environments(void **state)
{
	const char *const texts[6] = {
		SERVICE(ORIGINAL, "'kt-role': 'router', 'kt-target': 'R'"),
		"[]",
		"[" OURS("web-kt-mesh-dev", "shadow-mesh", ", 'kt-env': 'dev'",
			 "") "]",
		"[" OURS("kt-env", "env-table", "", "") "]",
		"[" OURS(
			"web-kt-router", "router", ", 'kt-target': 'R'",
			"'kt-config': 'service=web'") "," OURS("web-dev",
							       "env-member",
							       ", 'kt-env': "
							       "'dev', "
							       "'kt-env-of': "
							       "'web'",
							       "") "," OURS("db"
									    "-d"
									    "e"
									    "v",
									    "en"
									    "v-"
									    "me"
									    "mb"
									    "e"
									    "r",
									    ", "
									    "'k"
									    "t-"
									    "en"
									    "v'"
									    ": "
									    "'d"
									    "ev"
									    "',"
									    " '"
									    "kt"
									    "-e"
									    "nv"
									    "-o"
									    "f'"
									    ": "
									    "'d"
									    "b"
									    "'",
									    "") "]",
	};

	(void)state;
	plan(texts, "restore/// web-kt-router web-dev/ web-kt-mesh-dev/");
}

/* Manual mesh: a Pod with the Service's own labels */
static void by_hand(void **state)
{
	const char *const texts[6] = {
		SERVICE("", "'app': 'web'"),
		"[" OURS("web-kt-mesh-v1", "shadow-mesh",
			 ", 'app': 'web', 'version': 'v1'", "") "]",
	};

	(void)state;
	plan(texts, "// web-kt-mesh-v1///");
}

static void scaled(void **state)
{
	const char *const texts[6] = {
		SERVICE("", "'app': 'web'"),
		"[" OURS("web-kt-exchange-abcde", "shadow-exchange",
			 ", 'app': 'web'",
			 "'kt-config': 'app=web,replicas=2'") "]",
		NULL,
		NULL,
		"[{'metadata': {'name': 'web', 'labels': {'app': 'web'}}, "
		"'spec': {'replicas': 0, 'template': {'metadata': {'labels': "
		"{'app': 'web'}}}}}]",
		"[{'metadata': {'name': 'db', 'annotations': {'kt-replicas': "
		"'1'}}, 'spec': {'template': {'metadata': {'labels': "
		"{'app': 'web'}}}}}, {'metadata': {'name': 'no', "
		"'annotations': {'kt-replicas': '1'}}}]",
	};

	(void)state;
	plan(texts, "/ web db/ web-kt-exchange-abcde///");
}

/* Its Pods are scaled away by the exchange of another Service */
static void scaled_by_other(void **state)
{
	const char *const texts[6] = {
		SERVICE("", "'app': 'web'"),
		"[" OURS("web-kt-exchange-abcde", "shadow-exchange",
			 ", 'app': 'web'",
			 "'kt-config': 'app=web,replicas=2,service=web2'") "]",
		NULL,
		NULL,
		"[{'metadata': {'name': 'web'}, 'spec': {'replicas': 0, "
		"'template': {'metadata': {'labels': {'app': 'web'}}}}}]",
	};

	(void)state;
	plan(texts, "also web2/ web////");
}

static void half(void **state)
{
	const char *const locked[6] = { SERVICE("'kt-lock': '5'",
						"'app': 'web'") };
	/* killed between the write that restored it and the one after that */
	const char *const managers[6] = { SERVICE("'kt-managers': '[]'",
						  "'app': 'web'") };
	const char *const scaled[6] = {
		SERVICE("", "'app': 'web'"),
		NULL,
		NULL,
		NULL,
		"[{'metadata': {'name': 'web', 'annotations': {'kt-managers': "
		"'[]'}}, 'spec': {'template': {'metadata': {'labels': "
		"{'app': 'web'}}}}}]",
	};
	const char *const stuck[6] = { SERVICE("", "'kt-role': 'router'") };

	(void)state;
	plan(locked, "unlock/////");
	plan(managers, "unlock/////");
	plan(scaled, "/ web////");
	plan(stuck, "stuck/////");
}

#define ENDING(name, role)                                                     \
	"{'metadata': {'name': '" name "', 'deletionTimestamp': 'x', "         \
	"'labels': {'control-by': 'kt', 'kt-role': '" role "'}}}"

/* What is removed already is not removed, nor told, again */
static void ending(void **state)
{
	const char *const texts[6] = {
		SERVICE("'x': 'y'", "'app': 'web'"),
		"[" ENDING("web-kt-mesh-a", "shadow-mesh") "]",
		"[" ENDING("web-kt-mesh-a", "x") "," ENDING("web-kt-stuntman",
							    "x") "]",
	};

	(void)state;
	plan(texts, "/////");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),	   cmocka_unit_test(exchanged),
		cmocka_unit_test(meshed),	   cmocka_unit_test(by_hand),
		cmocka_unit_test(in_environments), cmocka_unit_test(scaled),
		cmocka_unit_test(scaled_by_other), cmocka_unit_test(half),
		cmocka_unit_test(ending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
