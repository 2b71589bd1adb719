/* SPDX-License-Identifier: Apache-2.0 */
/* An environment as a file: what it says, what it may not say, and what is
 * done to make it so. */
#include "json.h"
#include "schema.h"

#include "apply/env_file.h"
#include "cli/command.h"
#include "env/spec.h"
#include "kube/rest.h"
#include "kube/yamltree.h"

#include <errno.h>
#include <string.h>

#define HEAD "apiVersion: ktctl/v1\nenvironment: dev.pr-42\n"

static void same_json(const json_t *got, const char *want)
{
	auto_json json_t *w = json_quoted(want);
	auto_free char *text = json_dumps(got, JSON_ENCODE_ANY);

	if (!json_equal(got, w))
		fail_msg("%s, not %s", text ? text : "nothing", want);
}

static void parse_ok(struct env_file *f, const char *text)
{
	struct kt_error err = { 0 };

	if (env_file_parse(f, text, strlen(text), "e.yaml", &err) < 0)
		fail_msg("%s", err.msg);
}

static void what_it_says(void **state)
{
	struct env_file f;

	(void)state;
	parse_ok(&f, HEAD "ttl: 2d\nstrict: yes\nmembers:\n"
			  "  orders:\n    image: r/orders:2\n"
			  "    set: {TOPIC: 'o-{{env}}', A: 1}\n"
			  "    envFrom: [secret/s, configmap/c]\n"
			  "    replicas: 2\n"
			  "  plain: {replicas: 1, image: app=r/p}\n"
			  "  web: {selector: {app: web, track: canary}}\n"
			  "  api: {service: api-next}\n");
	assert_string_equal(f.name, "dev.pr-42");
	assert_string_equal(f.ttl, "2d");
	assert_true(f.strict);
	same_json(f.members,
		  "{'orders':{'image':'r/orders:2','set':{'TOPIC':'o-{{env}}',"
		  "'A':'1'},'envFrom':['secret/s','configmap/c'],'replicas':2},"
		  "'plain':{'image':'app=r/p'},'web':{'selector':{'app':'web',"
		  "'track':'canary'}},'api':{'service':'api-next'}}");
	same_json(f.flags,
		  "{'orders':['--image=r/"
		  "orders:2','--set=TOPIC=o-{{env}}','--set=A=1',"
		  "'--envFrom=secret/s,configmap/c','--replicas=2'],'plain':["
		  "'--image=app=r/p','--replicas=1'],'web':['--selector="
		  "app=web,track=canary'],'api':['--service=api-next']}");
	env_file_fini(&f);
	/* however a time is written, it is the same */
	parse_ok(&f, HEAD
		 "members:\n  o: {image: r, idle: 90m, wakeTimeout: 120}"
		 "\n  p: {image: r, idle: 5400s, wakeTimeout: 60}\n"
		 "  q: {image: r, idle: 0}\n  s: {image: r, idle: 7200}\n");
	same_json(f.members,
		  "{'o':{'image':'r','idle':'90m','wakeTimeout':'2m'},"
		  "'p':{'image':'r','idle':'90m'},'q':{'image':'r'},"
		  "'s':{'image':'r','idle':'2h'}}");
	env_file_fini(&f);
	/* a value is all that is written */
	parse_ok(&f, HEAD "members:\n  o: {image: r, set: {A: 'x, y=1;z ', "
			  "B: ''}}\n  p: {image: r, set: ['A=b,c']}\n");
	same_json(f.members,
		  "{'o':{'image':'r','set':{'A':'x, y=1;z ','B':''}},"
		  "'p':{'image':'r','set':{'A':'b,c'}}}");
	same_json(f.flags, "{'o':['--image=r','--set=A=x, y=1;z ','--set=B='],"
			   "'p':['--image=r','--set=A=b,c']}");
	env_file_fini(&f);
	parse_ok(&f, HEAD "members:\n  o: {image: r, set: {}}\n"
			  "  p: {image: r, set: []}\n");
	same_json(f.flags, "{'o':['--image=r'],'p':['--image=r']}");
	env_file_fini(&f);
	parse_ok(&f, HEAD);
	assert_null(f.ttl);
	assert_false(f.strict);
	assert_int_equal(json_object_size(f.members), 0);
	env_file_fini(&f);
}

static void what_it_may_not_say(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "e.yaml is empty" },
		{ "- a", "e.yaml:1: a mapping is wanted" },
		{ "environment: a", "'apiVersion: ktctl/v1' is missing" },
		{ "apiVersion: ktctl/v1", "'environment: NAME' is missing" },
		{ "apiVersion: ktctl/v2", "e.yaml:1: apiVersion: 'ktctl/v2'" },
		{ "apiVersion: ktctl/v1\nenvironment: A_b", "e.yaml:2: " },
		{ HEAD "member: {}", "e.yaml:3: unknown key: member" },
		{ HEAD "ttl: soon", "e.yaml:3: ttl: 'soon' is not a time" },
		{ HEAD "strict: maybe", "e.yaml:3: strict: " },
		{ HEAD "header: Host", "e.yaml:3: header: " },
		{ HEAD "members: 3", "e.yaml:3: " },
		{ HEAD "members: [a]", "members: a mapping of Services" },
		{ HEAD "members: {o: r/o}", "members: a mapping of Services" },
		{ HEAD "members:\n  A_b: {image: r}",
		  "e.yaml:4: members: 'A_b' is no name of a Service" },
		{ HEAD "members:\n  o: {}",
		  "e.yaml:4: one of image, selector and service" },
		{ HEAD "members:\n  o: {image: r, service: s}",
		  "one of image, selector and service" },
		{ HEAD "members:\n  o: {service: s, replicas: 2}",
		  "set, envFrom, replicas, idle, wakeTimeout, onJoin and" },
		{ HEAD "members:\n  o: {service: s, idle: 30m}",
		  "set, envFrom, replicas, idle, wakeTimeout, onJoin and" },
		{ HEAD "members:\n  o: {image: r, wakeTimeout: 30s}",
		  "wakeTimeout is for a member with idle" },
		{ HEAD "members:\n  o: {image: r, idle: soon}",
		  "e.yaml:4: idle: " },
		{ HEAD "members:\n  o: {image: 'a b'}",
		  "e.yaml:4: image: 'a b' is no image" },
		{ HEAD "members:\n  o: {image: r, set: {A: \"b\\nc\"}}",
		  "set: 'A' is not one entry of a list" },
		{ HEAD "members:\n  o: {image: r, set: {a/b: c}}",
		  "'a/b=c' cannot be a variable" },
		{ HEAD "members:\n  o: {image: r, replicas: 0}",
		  "e.yaml:4: replicas: " },
		{ HEAD "members:\n  o: {image: r, envFrom: [pod/x]}",
		  "neither configmap/NAME nor secret/NAME" },
		{ HEAD "members:\n  o: {local: 8080}",
		  "local: a program of somebody's machine" },
		{ HEAD "members:\n  o: {imag: r}", "unknown key: imag" },
		{ HEAD "members:\n  o: {force: true, image: r}",
		  "unknown key: force" },
		{ HEAD "members:\n  o: {image: r}\n  o: {image: r}",
		  "e.yaml:5: o is there twice" },
		{ HEAD "members:\n  o: &x {image: r}\n  p: *x",
		  "aliases (*name) are not taken" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kt_error err = { 0 };
		struct env_file f;
		int rc = env_file_parse(&f, rows[i].text, strlen(rows[i].text),
					"e.yaml", &err);

		if (rc != -EINVAL || !strstr(err.msg, rows[i].why))
			fail_msg("row %zu: %d %s", i, rc, err.msg);
		env_file_fini(&f);
	}
}

/* --- the schema ----------------------------------------------------------- */

static bool fits(struct schema *s, const char *text)
{
	struct kt_error err = { 0 };
	json_t *tree = yaml_parse(text, strlen(text), "e.yaml", &err);
	bool ok;

	if (!tree)
		fail_msg("%s", err.msg);
	ok = schema_fits(s, tree, s->root);
	json_decref(tree);
	return ok;
}

/* What an editor says by docs/schema/env-apply.json is what apply says */
static void the_schema_agrees(void **state)
{
	static const char *const good[] = {
		HEAD,
		HEAD "ttl: 2d\nstrict: true\nmembers:\n"
		     "  orders:\n    image: app=r/orders:2\n"
		     "    set: {TOPIC: 'o-{{env}}', A: 1, B: 'x,y'}\n"
		     "    envFrom: [secret/s, configmap/c]\n"
		     "    replicas: 2\n"
		     "  web: {selector: {app: web, track: canary}}\n"
		     "  api: {service: api-next}\n",
		HEAD "ttl: 0\nmembers:\n  o: {image: r, set: ['A=b,c']}\n",
		HEAD "members:\n  o: {image: r, idle: 30m, wakeTimeout: 90}\n",
	};
	static const char *const wrong[] = {
		"environment: a",
		"apiVersion: ktctl/v1",
		"apiVersion: ktctl/v2\nenvironment: a",
		"apiVersion: ktctl/v1\nenvironment: A_b",
		HEAD "member: {}",
		HEAD "members: 3",
		HEAD "members: {o: r/o}",
		HEAD "members: {o: {imag: r}}",
		HEAD "members: {o: {local: 8080}}",
		HEAD "members: {o: {image: r, replicas: 0}}",
		HEAD "members: {o: {image: r, envFrom: [pod/x]}}",
		HEAD "members: {o: {image: r, set: ['A']}}",
		HEAD "members: {o: {force: true, image: r}}",
	};
	const char *dir = getenv("KT_SCHEMA_DIR");
	auto_free char *path =
		xasprintf("%s/env-apply.json", dir ? dir : "docs/schema");
	struct kt_error err = { 0 };
	struct schema s;
	struct env_file f;

	(void)state;
	schema_load(&s, path);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		parse_ok(&f, good[i]);
		env_file_fini(&f);
		if (!fits(&s, good[i]))
			fail_msg("%s: %s", good[i], s.why);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (env_file_parse(&f, wrong[i], strlen(wrong[i]), "e", &err) ==
			    0 ||
		    fits(&s, wrong[i]))
			fail_msg("taken: %s", wrong[i]);
		env_file_fini(&f);
	}
	json_decref(s.root);
}

/* --- what is done --------------------------------------------------------- */

#define FILE_                                                                  \
	HEAD "ttl: 8h\nmembers:\n  a: {image: r/a:2}\n  b: {service: b2}\n"

static void what_is_done(void **state)
{
	static const struct {
		const char *there; /* members, NULL: no environment */
		bool force;
		const char *plan;
		size_t notes;
	} rows[] = {
		{ NULL, false,
		  "[['env','create','dev.pr-42','--ttl=8h'],['env','join',"
		  "'dev.pr-42','a','--image=r/a:2'],['env','join','dev.pr-42',"
		  "'b','--service=b2']]",
		  0 },
		/* as it is: it only lives longer */
		{ "{'a':{'image':'r/a:2','user':'bob'},'b':{'service':'b2'}}",
		  false, "[['env','extend','dev.pr-42','--ttl=8h']]", 0 },
		{ "{'a':{'image':'r/a:1','user':'ann'},'b':{'service':'b2'}}",
		  false,
		  "[['env','extend','dev.pr-42','--ttl=8h'],['env','join',"
		  "'dev.pr-42','a','--image=r/a:2']]",
		  0 },
		{ "{'a':{'image':'r/a:2','set':{'X':'1'}},'b':{'service':"
		  "'b2'}}",
		  false,
		  "[['env','extend','dev.pr-42','--ttl=8h'],['env','join',"
		  "'dev.pr-42','a','--image=r/a:2']]",
		  0 },
		/* mine goes; somebody's, and one on a machine, does not */
		{ "{'a':{'image':'r/a:2'},'b':{'service':'b2'},'c':{'image':"
		  "'r/c','user':'ann'},'d':{'image':'r/d','user':'bob'},'e':{"
		  "'local':'ann@l','user':'ann'}}",
		  false,
		  "[['env','extend','dev.pr-42','--ttl=8h'],['env','leave',"
		  "'dev.pr-42','c']]",
		  2 },
		{ "{'a':{'image':'r/a:2'},'b':{'service':'b2'},'d':{'image':"
		  "'r/d','user':'bob'},'e':{'local':'bob@l','user':'bob'}}",
		  true,
		  "[['env','extend','dev.pr-42','--ttl=8h','--force'],['env',"
		  "'leave','dev.pr-42','d','--force']]",
		  1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_json json_t *there =
			rows[i].there ? json_quoted(rows[i].there) : NULL;
		const struct env_state s = { .exists = there != NULL,
					     .members = there,
					     .user = "ann",
					     .force = rows[i].force };
		struct kt_error err = { 0 };
		struct strv notes = { 0 };
		struct env_file f;
		json_t *plan;

		parse_ok(&f, FILE_);
		plan = env_file_plan(&f, &s, &notes, &err);
		same_json(plan, rows[i].plan);
		assert_int_equal(notes.n, rows[i].notes);
		json_decref(plan);
		strv_fini(&notes);
		env_file_fini(&f);
	}
}

static void without_a_time_it_keeps_its_own(void **state)
{
	struct env_state s = { .user = "ann" };
	struct kt_error err = { 0 };
	struct strv notes = { 0 };
	json_t *plan;
	struct env_file f;

	(void)state;
	parse_ok(&f, HEAD "strict: true\n");
	plan = env_file_plan(&f, &s, &notes, &err);
	same_json(plan, "[['env','create','dev.pr-42','--strict']]");
	json_decref(plan);
	s.exists = s.strict = true;
	plan = env_file_plan(&f, &s, &notes, &err);
	same_json(plan, "[]");
	json_decref(plan);
	s.strict = false; /* is said when it is made */
	assert_null(env_file_plan(&f, &s, &notes, &err));
	assert_int_equal(err.code, EEXIST);
	assert_non_null(strstr(err.msg, "is not strict"));
	env_file_fini(&f);
	/* so is its header; who does not say one takes any */
	parse_ok(&f, HEAD "header: X-Tenant\n");
	s.exists = false;
	plan = env_file_plan(&f, &s, &notes, &err);
	same_json(plan, "[['env','create','dev.pr-42','--header=X-Tenant']]");
	json_decref(plan);
	s.exists = true;
	assert_null(env_file_plan(&f, &s, &notes, &err));
	assert_non_null(strstr(err.msg, "its header is none"));
	snprintf(s.header, sizeof(s.header), "x-tenant");
	plan = env_file_plan(&f, &s, &notes, &err);
	same_json(plan, "[]");
	json_decref(plan);
	env_file_fini(&f);
	parse_ok(&f, HEAD);
	plan = env_file_plan(&f, &s, &notes, &err);
	same_json(plan, "[]");
	json_decref(plan);
	env_file_fini(&f);
}

/* --- there and back ------------------------------------------------------- */

static void what_is_exported_is_as_it_is(void **state)
{
	static const char records[] =
		"[{'metadata':{'labels':{'kt-env':'dev.pr-42'},'annotations':{"
		"'kt-config':'service=orders','kt-env-member':'image r/o:2',"
		"'kt-user':'ann'}}},{'metadata':{'labels':{'kt-env':"
		"'dev.pr-42'},'annotations':{'kt-config':'service=web',"
		"'kt-env-member':'selector app=web,track=canary'}}},{"
		"'metadata':{'annotations':{'kt-config':'service=api',"
		"'kt-env-member':'service api-next'}}},{'metadata':{"
		"'annotations':{'kt-config':'service=mine','kt-env-member':"
		"'local','kt-user':'ann','kt-machine':'laptop'}}},{"
		"'metadata':{'annotations':{'kt-config':'service=old',"
		"'kt-env-member':'image r/old:1'}}},{'metadata':{}},3]";
	struct env_info info = { .name = "dev.pr-42",
				 .header = "x-tenant",
				 .since = 1000,
				 .expires = 1000 + 28800,
				 .strict = true };
	struct env_state s = { .exists = true,
			       .strict = true,
			       .header = "x-tenant",
			       .user = "ann" };
	auto_json json_t *in = json_quoted(records), *all = NULL, *plan = NULL;
	auto_json json_t *copies = json_array();
	auto_free char *text = NULL;
	struct pair set = { (char[]){ "A" }, (char[]){ "x: {{env}} #\"" } };
	const struct pairs pairs = { &set, 1 };
	json_t *spec = env_spec_image("r/o:2", &pairs, NULL, 3);
	auto_free char *said = json_dumps(spec, JSON_COMPACT);
	struct kt_error err = { 0 };
	struct strv notes = { 0 };
	struct env_file f;

	(void)state;
	json_array_append_new(copies, json_pack("{s:{s:{s:s, s:s}, s:{s:s}}}",
						"metadata", "labels", "kt-env",
						"dev.pr-42", "kt-env-of",
						"orders", "annotations",
						KT_ANNOTATION_SPEC, said));
	all = env_spec_all(in, copies);
	assert_int_equal(json_object_size(all), 5);
	s.members = all;
	text = env_spec_yaml(&info, all);
	assert_non_null(strstr(text, "\nttl: 8h\nstrict: true\n"
				     "header: x-tenant\nmembers:\n"));
	assert_non_null(strstr(text, "  # mine: local, ann@laptop\n"));
	parse_ok(&f, text);
	plan = env_file_plan(&f, &s, &notes, &err);
	same_json(plan, "[['env','extend','dev.pr-42','--ttl=8h']]");
	same_json(json_object_get(f.members, "orders"),
		  "{'image':'r/o:2','set':{'A':'x: {{env}} #\\\"'},"
		  "'replicas':3}");
	assert_int_equal(notes.n, 1); /* mine */
	strv_fini(&notes);
	env_file_fini(&f);
	json_decref(spec);
}

/* What somebody writes into the record of his own member */
static void a_user_adds_no_member(void **state)
{
	struct env_info info = { .name = "a", .since = 7, .expires = 7 + 5400 };
	auto_json json_t *in = json_pack(
		"[{s:{s:{s:s,s:s,s:s,s:s}}}]", "metadata", "annotations",
		"kt-config", "service=web", "kt-env-member", "local", "kt-user",
		"x\n  orders:\n    image: evil", "kt-machine",
		"m\r\xc2\x85\xe2\x80\xa8");
	auto_json json_t *copies = json_array(), *all = NULL;
	auto_free char *text = NULL;
	struct env_file f;

	(void)state;
	all = env_spec_all(in, copies);
	assert_int_equal(json_object_size(all), 1);
	text = env_spec_yaml(&info, all);
	assert_non_null(strstr(text, "members: {}\n  # web: local, x\\n"));
	parse_ok(&f, text);
	assert_int_equal(json_object_size(f.members), 0);
	env_file_fini(&f);
}

static void an_empty_one(void **state)
{
	struct env_info info = { .name = "a", .since = 7, .expires = 7 + 5400 };
	auto_json json_t *none = json_object();
	auto_free char *text = env_spec_yaml(&info, none);
	struct env_file f;

	(void)state;
	assert_non_null(strstr(text, "ttl: 90m\nmembers: {}\n"));
	parse_ok(&f, text);
	assert_int_equal(json_object_size(f.members), 0);
	env_file_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_says),
		cmocka_unit_test(what_it_may_not_say),
		cmocka_unit_test(the_schema_agrees),
		cmocka_unit_test(what_is_done),
		cmocka_unit_test(without_a_time_it_keeps_its_own),
		cmocka_unit_test(what_is_exported_is_as_it_is),
		cmocka_unit_test(an_empty_one),
		cmocka_unit_test(a_user_adds_no_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
