/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/asleep.h"
#include "env/idle.h"
#include "env/job.h"
#include "env/spec.h"
#include "env/view.h"
#include "json.h"
#include "kube/rest.h"
#include "test.h"

#include <errno.h>
#include <string.h>

#define COPY                                                                   \
	"{'metadata':{'name':'web-dev-a-1','uid':'u1','labels':{'kt-env':"     \
	"'dev.a','kt-env-of':'web'}},'spec':{'template':{'spec':{"             \
	"'containers':[{'ports':[{'name':'http','containerPort':8080},"        \
	"{'name':'low','containerPort':80}]}]}}}}"

static void plan(struct idle *i, struct env_copy *c, const char *ports, int rc)
{
	struct kt_error err = { 0 };

	*c = (struct env_copy){
		.deployment = json_quoted(COPY),
		.selector = json_quoted("{'kt-target':'T'}"),
		.ports = json_quoted(ports),
	};
	assert_int_equal(idle_plan(i, c, &err), rc);
}

static void unplan(struct idle *i, struct env_copy *c)
{
	idle_fini(i);
	copy_fini(c);
}

static void same(json_t *got, const char *want)
{
	auto_json json_t *w = json_quoted(want);

	if (!json_equal(got, w))
		fail_msg("%s", json_dumps(got, JSON_COMPACT));
	json_decref(got);
}

/* As the Pods', unless that is not allowed, or taken */
static void ports_are_the_pods_own(void **state)
{
	struct env_copy c;
	struct idle i;

	(void)state;
	plan(&i, &c,
	     "[{'name':'a','port':80,'targetPort':'http'},"
	     "{'name':'b','port':81,'targetPort':'low','protocol':'TCP'},"
	     "{'name':'c','port':82,'targetPort':8080},"
	     "{'name':'d','port':53,'protocol':'UDP'},"
	     "{'name':'e','port':9000},"
	     "{'name':'f','port':83,'targetPort':'nobody'}]",
	     0);
	assert_string_equal(i.serve, "8080=a,20000=b,20001=c,9000=e,20002=f");
	assert_int_equal(i.health, 20003);
	same(json_incref(i.ports),
	     "[{'name':'a','port':80,'targetPort':8080},"
	     "{'name':'b','port':81,'targetPort':20000,'protocol':'TCP'},"
	     "{'name':'c','port':82,'targetPort':20001},"
	     "{'name':'e','port':9000,'targetPort':9000},"
	     "{'name':'f','port':83,'targetPort':20002}]");
	same(json_incref(json_array_get(i.behind, 0)),
	     "{'name':'a','port':80,'targetPort':'http'}");
	unplan(&i, &c);
	plan(&i, &c, "[{'port':80,'targetPort':8080}]", 0);
	assert_string_equal(i.serve, "8080");
	unplan(&i, &c);
	plan(&i, &c, "[{'port':53,'protocol':'UDP'}]", -E2BIG);
	unplan(&i, &c);
}

static void names_are_of_one_join(void **state)
{
	struct env_copy c, d;
	struct idle i, k;
	struct kt_error err = { 0 };

	(void)state;
	plan(&i, &c, "[{'port':80}]", 0);
	plan(&k, &d, "[{'port':80}]", 0);
	assert_string_equal(i.name, k.name);
	assert_string_not_equal(i.name, object_name(c.deployment));
	idle_fini(&k);
	json_object_set_new(d.selector, "kt-target", json_string("U"));
	assert_int_equal(idle_plan(&k, &d, &err), 0);
	assert_string_not_equal(i.name, k.name);
	same(json_incref(k.selector),
	     "{'kt-role':'env-sleep','kt-target':'U'}");
	unplan(&i, &c);
	unplan(&k, &d);
}

/* No object but these two, nothing but that */
static void the_role_is_narrow(void **state)
{
	struct env_copy c;
	struct idle i;
	struct idle_object o = { .idle = &i, .env = "dev.a", .user = "ann" };
	auto_json json_t *owner = NULL, *role = NULL, *binding = NULL;

	(void)state;
	plan(&i, &c, "[{'port':80}]", 0);
	free(i.name);
	i.name = xstrdup("n");
	owner = idle_owner(c.deployment);
	o.copy = c.deployment;
	o.owner = owner;
	role = idle_role(&o);
	same(json_incref(json_object_get(role, "rules")),
	     "[{'apiGroups':['apps'],'resources':['deployments/scale'],"
	     "'resourceNames':['web-dev-a-1'],'verbs':['get','patch']},"
	     "{'apiGroups':[''],'resources':['endpoints'],"
	     "'resourceNames':['n'],'verbs':['get']}]");
	same(json_incref(json_at(role, "metadata", "ownerReferences", NULL)),
	     "[{'apiVersion':'apps/v1','kind':'Deployment','name':"
	     "'web-dev-a-1','uid':'u1'}]");
	binding = idle_binding(&o, "ns1");
	same(json_incref(json_object_get(binding, "subjects")),
	     "[{'kind':'ServiceAccount','name':'n','namespace':'ns1'}]");
	unplan(&i, &c);
}

static void spans(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} all[] = {
		{ 90 * NS_SEC, "90s" },
		{ 120 * NS_SEC, "2m" },
		{ 7200 * NS_SEC, "2h" },
		{ 1, "1s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		auto_json json_t *v = env_spec_span(all[i].ns);

		assert_string_equal(json_string_value(v), all[i].text);
	}
}

#define LOOK_JOB                                                               \
	"[{'metadata':{'name':'kt-env-dev-a','uid':'j','labels':{'kt-env':"    \
	"'dev.a','kt-role':'env'},'annotations':{'kt-expires':'0'}}}]"
#define LOOK_RECORD                                                            \
	"[{'metadata':{'name':'web-kt-mesh-x','labels':{'kt-env':'dev.a'},"    \
	"'annotations':{'kt-env-member':'image r'}},'spec':{'selector':"       \
	"{'kt-role':'env-sleep','kt-target':'T'}}}]"
#define LOOK_POD                                                               \
	"[{'metadata':{'labels':{'kt-role':'env-sleep','kt-target':'T'}},"     \
	"'status':{'conditions':[{'type':'Ready','status':'%s'}]}}]"
#define LOOK_COPIES                                                            \
	"[{'metadata':{'labels':{'kt-env-of':'web'}},'spec':{'replicas':1,"    \
	"'template':{'metadata':{'labels':{'kt-role':'env-sleep',"             \
	"'kt-target':'T'}}}},'status':{'readyReplicas':1}},"                   \
	"{'metadata':{'labels':{'kt-env-of':'web'}},'spec':{'replicas':%d,"    \
	"'template':{'metadata':{'labels':{'kt-target':'T'}}}},"               \
	"'status':{'readyReplicas':%d}}]"

static void shows(const char *ready, int replicas, int pods, const char *want)
{
	auto_free char *pod = xasprintf(LOOK_POD, ready);
	auto_free char *copy = xasprintf(LOOK_COPIES, replicas, pods);
	auto_json json_t *jobs = json_quoted(LOOK_JOB);
	auto_json json_t *records = json_quoted(LOOK_RECORD);
	auto_json json_t *all = json_quoted(pod), *copies = json_quoted(copy);
	struct env_look look = { .ns = "n",
				 .now = 1000,
				 .jobs = jobs,
				 .records = records,
				 .pods = all,
				 .copies = replicas < 0 ? NULL : copies };
	struct env_info info = { 0 };
	auto_json json_t *view = NULL;
	const json_t *members;

	assert_int_equal(env_info_read(&info, json_array_get(jobs, 0)), 0);
	view = env_view_show(&look, &info);
	members = json_at(view, "environment", "members", NULL);
	assert_string_equal(json_str(json_array_get(members, 0), "state", NULL),
			    want);
	env_info_fini(&info);
}

/* -1: it may not be seen */
static void counts(int replicas, int want)
{
	auto_free char *copy = xasprintf(LOOK_COPIES, replicas, replicas);
	auto_json json_t *jobs = json_quoted(LOOK_JOB);
	auto_json json_t *records = json_quoted(LOOK_RECORD);
	auto_json json_t *copies = json_quoted(copy);
	const struct env_look look = { .ns = "n",
				       .now = 1000,
				       .jobs = jobs,
				       .records = records,
				       .copies = want < 0 ? NULL : copies };
	auto_json json_t *view = env_view_list(&look);
	const json_t *env =
		json_array_get(json_object_get(view, "environments"), 0);
	const json_t *asleep = json_object_get(env, "asleep");

	assert_true(env_view_has_sleepers(records));
	assert_int_equal(json_integer_value(json_object_get(env, "members")),
			 1);
	if (want < 0)
		assert_true(json_is_null(asleep));
	else
		assert_int_equal(json_integer_value(asleep), want);
}

static void the_list_counts_who_sleeps(void **state)
{
	(void)state;
	counts(0, 1);
	counts(1, 0);
	counts(0, -1);
}

static void states_are_those_of_the_copy(void **state)
{
	(void)state;
	shows("True", 1, 1, "answers");
	shows("True", 1, 0, "waking");
	shows("True", 0, 0, "asleep");
	shows("True", 0, 1, "asleep"); /* its last Pod ends */
	shows("False", 0, 0, "no ready Pod");
	shows("True", -1, 0, "unknown");
}

/* --- as it goes on -------------------------------------------------------- */

static void on_state(void *user, const json_t *copy, const char *state)
{
	char *text = user;
	size_t n = strlen(text);

	snprintf(text + n, 128 - n, "%s %s;", object_name(copy), state);
}

static const char *went(json_t *states, const char *wants, const char *has)
{
	static char text[128];
	auto_free char *all = xasprintf(
		"[{'metadata':{'name':'c','uid':'u1','labels':{'kt-env':'dev.a'"
		","
		"'kt-env-of':'web','kt-role':'env-member'}},"
		"'spec':{'replicas':%s},'status':{'readyReplicas':%s}},"
		"{'metadata':{'name':'s','uid':'u2','labels':{'kt-env':'dev.a',"
		"'kt-role':'env-sleep'},'ownerReferences':[{'uid':'u1'}]},"
		"'spec':{'replicas':1}},"
		/* has no sleeper; another environment's */
		"{'metadata':{'name':'d','uid':'u3','labels':{'kt-env':'dev.a',"
		"'kt-role':'env-member'}},'spec':{'replicas':0}},"
		"{'metadata':{'name':'e','uid':'u4','labels':{'kt-env':'dev2',"
		"'kt-role':'env-member'}},'spec':{'replicas':0}},"
		"{'metadata':{'name':'f','uid':'u5','labels':{'kt-env':'dev2',"
		"'kt-role':'env-sleep'},'ownerReferences':[{'uid':'u4'}]}}]",
		wants, has);
	auto_json json_t *list = json_quoted(all);

	text[0] = '\0';
	asleep_look(states, list, "dev", on_state, text);
	return text;
}

static void changes_are_told(void **state)
{
	auto_json json_t *states = json_object(), *none = json_array();

	(void)state;
	assert_string_equal(went(states, "1", "1"), "c awake;");
	assert_string_equal(went(states, "1", "1"), "");
	assert_string_equal(went(states, "0", "1"), "c asleep;");
	assert_string_equal(went(states, "0", "0"), "");
	assert_string_equal(went(states, "2", "0"), "c waking;");
	assert_string_equal(went(states, "2", "1"), "c awake;");
	asleep_look(states, none, "dev", on_state, NULL);
	assert_int_equal(json_object_size(states), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_the_pods_own),
		cmocka_unit_test(names_are_of_one_join),
		cmocka_unit_test(the_role_is_narrow),
		cmocka_unit_test(spans),
		cmocka_unit_test(states_are_those_of_the_copy),
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(the_list_counts_who_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
