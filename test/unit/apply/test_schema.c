/* SPDX-License-Identifier: Apache-2.0 */
/* docs/schema/apply.json is the option table in other words. After a change of
 * the table: KT_WRITE_SCHEMA=1 test-apply_schema writes it anew. */
#include "test.h"

#include "schema.h"

#include "apply/file.h"
#include "base/mem.h"
#include "cli/command.h"
#include "kube/yamltree.h"

#include <string.h>

static const char *const schema_commands[] = { "connect", "forward", "exchange",
					       "mesh", "preview" };

static char *schema_path(void)
{
	const char *dir = getenv("KT_SCHEMA_DIR");

	return xasprintf("%s/apply.json", dir ? dir : "docs/schema");
}

/* --- from the table ------------------------------------------------------- */

static json_t *schema_choices(const struct option *opt)
{
	json_t *list = json_array();

	for (size_t i = 0; opt->choices[i]; i++)
		json_array_append_new(list, json_string(opt->choices[i]));
	return list;
}

static json_t *schema_list(const char *type)
{
	return json_pack("{s:[s,s,s],s:{s:[s,s]}}", "type", "string", type,
			 "array", "items", "type", "string", "integer");
}

static json_t *schema_of_type(const struct option *opt)
{
	switch (opt->type) {
	case VALUE_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case VALUE_INT:
		return json_pack("{s:s,s:I,s:I}", "type", "integer", "minimum",
				 (json_int_t)opt->min, "maximum",
				 (json_int_t)opt->max);
	case VALUE_PORT:
		return json_pack("{s:s,s:i,s:i}", "type", "integer", "minimum",
				 1, "maximum", 65535);
	case VALUE_FAMILY:
		return json_pack("{s:[i,i]}", "enum", 4, 6);
	case VALUE_CHOICE:
		return json_pack("{s:o}", "enum", schema_choices(opt));
	case VALUE_LABELS:
	case VALUE_PAIRS:
		return schema_list("object");
	case VALUE_STRINGS:
	case VALUE_DOMAINS:
	case VALUE_PREFIXES:
	case VALUE_QUOTA:
	case VALUE_EXPOSE:
	case VALUE_FAULTS:
		return schema_list("integer");
	default:
		return json_pack("{s:[s,s]}", "type", "string", "integer");
	}
}

static bool schema_is_key(const struct option *opt)
{
	return !opt->hidden && strcmp(opt->name, "background") != 0 &&
	       strcmp(opt->name, "with") != 0;
}

static json_t *schema_flag(const struct option *opt)
{
	json_t *flag = json_pack("{s:s}", "description", opt->summary);
	json_t *type = schema_of_type(opt);

	json_object_update(flag, type);
	json_decref(type);
	return flag;
}

static void schema_globals(json_t *props)
{
	const struct option *opt;

	for_each_option (opt, global_option_table)
		if (schema_is_key(opt)) {
			char ref[80];

			snprintf(ref, sizeof(ref), "#/$defs/flag-%s",
				 opt->name);
			json_object_set_new(props, opt->name,
					    json_pack("{s:s}", "$ref", ref));
		}
}

static json_t *schema_command(const char *name)
{
	const struct command *c = command_find(name);
	const bool forward = strcmp(name, "forward") == 0;
	const bool connect = strcmp(name, "connect") == 0;
	const char *first = forward ? "target" : "service";
	json_t *props = json_object(), *s;
	const struct option *opt;

	if (!connect)
		json_object_set_new(props, first,
				    json_pack("{s:s,s:s}", "description",
					      "as on the command line", "type",
					      "string"));
	if (forward)
		json_object_set_new(props, "ports", schema_list("integer"));
	for_each_option (opt, c->options)
		if (schema_is_key(opt))
			json_object_set_new(props, opt->name, schema_flag(opt));
	schema_globals(props);
	s = json_pack("{s:s,s:[s,s]}", "description", c->summary, "type",
		      connect ? "boolean" : "string", "object");
	if (!connect)
		json_object_set_new(s, "required", json_pack("[s]", first));
	json_object_set_new(s, "additionalProperties", json_false());
	json_object_set_new(s, "properties", props);
	return s;
}

static json_t *schema_top(void)
{
	json_t *props = json_pack(
		"{s:{s:s},s:{s:s,s:s,s:s},s:{s:s,s:s,s:{s:[s,s]}}}",
		"apiVersion", "const", APPLY_VERSION, "name", "description",
		"What it is called in messages; without it the file's "
		"directory.",
		"type", "string", "pattern", "^[A-Za-z0-9._-]{1,63}$", "run",
		"description",
		"The command to run when all is up; when it ends, all does.",
		"type", "array", "items", "type", "string", "integer");

	schema_globals(props);
	for (size_t i = 0; i < ARRAY_SIZE(schema_commands); i++) {
		char ref[32];

		snprintf(ref, sizeof(ref), "#/$defs/%s", schema_commands[i]);
		json_object_set_new(props, schema_commands[i],
				    i ? json_pack("{s:s,s:{s:s}}", "type",
						  "array", "items", "$ref", ref)
				      : json_pack("{s:s}", "$ref", ref));
	}
	return props;
}

static json_t *schema_make(void)
{
	json_t *defs = json_object();
	const struct option *opt;

	for (size_t i = 0; i < ARRAY_SIZE(schema_commands); i++)
		json_object_set_new(defs, schema_commands[i],
				    schema_command(schema_commands[i]));
	for_each_option (opt, global_option_table)
		if (schema_is_key(opt)) {
			char name[80];

			snprintf(name, sizeof(name), "flag-%s", opt->name);
			json_object_set_new(defs, name, schema_flag(opt));
		}
	return json_pack(
		"{s:s,s:s,s:s,s:s,s:[s],s:b,s:o,s:o}", "$schema",
		"https://json-schema.org/draft/2020-12/schema", "title",
		"ktctl.yaml", "description",
		"What this machine wants, for ktctl apply. A job's keys are "
		"its command's flags and the global ones. A string in place of "
		"a job is the words of its command line.",
		"type", "object", "required", "apiVersion",
		"additionalProperties", 0, "properties", schema_top(), "$defs",
		defs);
}

static void is_the_table(void **state)
{
	auto_free char *path = schema_path();
	json_t *want = schema_make();
	struct schema s;

	(void)state;
	if (getenv("KT_WRITE_SCHEMA"))
		assert_int_equal(json_dump_file(want, path, JSON_INDENT(2)), 0);
	schema_load(&s, path);
	if (!json_equal(want, s.root))
		fail_msg("%s is not what the option table says: "
			 "KT_WRITE_SCHEMA=1 writes it",
			 path);
	json_decref(want);
	json_decref(s.root);
}

/* --- against files -------------------------------------------------------- */

#define V "apiVersion: ktctl/v1\n"

/* What both take, and what both refuse */
static const struct schema_case {
	const char *text;
	bool good;
} schema_cases[] = {
	{ V, true },
	{ V "name: shop\ncontext: dev\nnamespace: shop\n"
	    "connect: {shareShadow: true, includeIps: [10.0.0.0/8]}\n"
	    "forward:\n- {target: db.prod, ports: [\"5432\", 80]}\n"
	    "- web 8080\n"
	    "exchange:\n- {service: orders, expose: \"8080:80\"}\n"
	    "mesh:\n- {service: web, expose: 3000, versionMark: me}\n"
	    "preview:\n- {service: new, expose: [80], withLabel: {a: b}}\n"
	    "run: [npm, run, dev]\n",
	  true },
	{ V "connect: false\n", true },
	{ "connect: true\n", false },
	{ V "conect: true\n", false },
	{ V "connect: {share: true}\n", false },
	{ V "connect: {background: true}\n", false },
	{ V "connect: {proxyPort: 70000}\n", false },
	{ V "connect: {mode: fast}\n", false },
	{ V "forward: web 80\n", false },
	{ V "forward: [{ports: [80]}]\n", false },
	{ V "run: npm\n", false },
	{ V "name: a/b\n", false },
};

static void says_what_is_taken(void **state)
{
	const struct apply_source src = {
		.shown = "f", .name = "n", .dir = "/work", .here = "/home"
	};
	auto_free char *path = schema_path();
	struct schema s;

	(void)state;
	schema_load(&s, path);
	for (size_t i = 0; i < ARRAY_SIZE(schema_cases); i++) {
		const struct schema_case *c = &schema_cases[i];
		size_t len = strlen(c->text);
		struct kt_error err = { 0 };
		json_t *tree = yaml_parse(c->text, len, "f", &err);
		struct apply_file f;
		int rc = apply_file_parse(&f, c->text, len, &src, &err);

		apply_file_fini(&f);
		if ((rc == 0) != c->good)
			fail_msg("%s: %s", c->text, err.msg);
		s.why[0] = '\0';
		if (schema_fits(&s, tree, s.root) != c->good)
			fail_msg("%s: %s", c->text, s.why);
		json_decref(tree);
	}
	json_decref(s.root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_table),
		cmocka_unit_test(says_what_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
