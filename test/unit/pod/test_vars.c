/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/loop.h"
#include "base/mem.h"
#include "pod/vars.h"

#include <errno.h>
#include <string.h>

static char *joined(const struct strv *v)
{
	return v->n ? strv_join(v, ";") : xstrdup("");
}

static void a_block_is_taken_apart_and_put_together(void **state)
{
	static const char block[] = "A=1\0EMPTY=\0NO\0=x\0B=two\nlines=3\0A=2";
	struct strv v = { 0 };
	char *text;
	size_t n;

	(void)state;
	vars_parse(&v, block, sizeof(block) - 1);
	text = joined(&v);
	assert_string_equal(text, "A=2;EMPTY=;B=two\nlines=3");
	free(text);
	assert_string_equal(vars_get(&v, "A"), "2");
	assert_string_equal(vars_get(&v, "EMPTY"), "");
	assert_null(vars_get(&v, "EMPT"));
	assert_null(vars_get(&v, "NO"));
	text = vars_block(&v, &n);
	assert_int_equal(n, sizeof("A=2\0EMPTY=\0B=two\nlines=3"));
	assert_memory_equal(text, "A=2\0EMPTY=\0B=two\nlines=3", n);
	free(text);
	strv_fini(&v);
}

/* In seconds; more of them would be a test of realloc(), which ASan makes copy
 */
static void a_pod_has_very_many(void **state)
{
	const size_t many = 40000;
	char *block = xmalloc(many * 16), *p = block;
	int64_t began = clock_ns();
	struct strv v = { 0 };

	(void)state;
	for (size_t i = 0; i < many; i++)
		p += snprintf(p, 16, "V%zu=%zu", i % (many / 2), i) + 1;
	vars_parse(&v, block, (size_t)(p - block));
	assert_int_equal(v.n, many / 2);
	assert_string_equal(v.v[0], "V0=20000");
	assert_string_equal(v.v[many / 2 - 1], "V19999=39999");
	assert_true(clock_ns() - began < 10 * NS_SEC);
	strv_fini(&v);
	free(block);
}

static void what_stays_local_is_a_list(void **state)
{
	static const char *const local[] = {
		"PATH", "HOME",	  "USER",	   "SHELL",    "PWD",	 "TERM",
		"LANG", "TMPDIR", "SSH_AGENT_PID", "XDG_DATA", "DISPLAY"
	};
	static const char *const not [] = { "PATHS", "OLDPWD",	 "LC_ALL",
					    "SSH",   "HOSTNAME", "ADISPLAY" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		assert_true(vars_is_local(local[i]));
	for (size_t i = 0; i < ARRAY_SIZE(not ); i++)
		assert_false(vars_is_local(not [i]));
	assert_true(vars_matches("*", ""));
	assert_true(vars_matches("A*B*", "AxxBy"));
	assert_true(vars_matches("*B", "ABB"));
	assert_false(vars_matches("*B", "ABC"));
	assert_false(vars_matches("A", "AB"));
}

static void made(const char *wanted, const struct strv *pod,
		 const struct vars_rules *r)
{
	struct strv local = { 0 }, out = { 0 };
	char *text;

	strv_add(&local, "PATH=/mine");
	strv_add(&local, "JAVA_HOME=/java");
	strv_add(&local, "X=mine");
	vars_make(&out, pod, &local, r);
	text = joined(&out);
	assert_string_equal(text, wanted);
	free(text);
	strv_fini(&local);
	strv_fini(&out);
}

static void rules_say_what_the_program_gets(void **state)
{
	struct pair pair = { (char *)(uintptr_t) "X", (char *)(uintptr_t) "s" };
	struct pairs set = { &pair, 1 };
	struct strv pod = { 0 }, include = { 0 }, exclude = { 0 }, java = { 0 },
		    file = { 0 };

	(void)state;
	strv_add(&pod, "PATH=/pod");
	strv_add(&pod, "X=pod");
	strv_add(&pod, "Y=pod");
	made("X=pod;Y=pod;PATH=/mine", &pod, &(struct vars_rules){ 0 });
	made("PATH=/mine;JAVA_HOME=/java;X=mine", NULL,
	     &(struct vars_rules){ 0 });
	strv_add(&exclude, "X*");
	made("Y=pod;PATH=/mine", &pod,
	     &(struct vars_rules){ .exclude = &exclude });
	strv_add(&java, "JAVA_*");
	made("X=pod;Y=pod;PATH=/mine;JAVA_HOME=/java", &pod,
	     &(struct vars_rules){ .local = &java });
	strv_add(&include, "PATH");
	made("PATH=/pod", &pod, &(struct vars_rules){ .include = &include });
	strv_add(&include, "*");
	made("PATH=/pod;Y=pod", &pod,
	     &(struct vars_rules){ .include = &include, .exclude = &exclude });
	strv_add(&file, "X=f");
	strv_add(&file, "Z=f");
	made("X=s;Y=pod;PATH=/mine;Z=f", &pod,
	     &(struct vars_rules){ .file = &file, .set = &set });
	strv_fini(&pod);
	strv_fini(&include);
	strv_fini(&exclude);
	strv_fini(&java);
	strv_fini(&file);
}

static void a_file_is_dockers(void **state)
{
	struct strv v = { 0 }, local = { 0 };
	struct kt_error err = { 0 };
	char *text;

	(void)state;
	strv_add(&local, "MINE=1");
	assert_int_equal(vars_read_file(&v,
					"# c\n\n A=\"q\" # no comment\r\n"
					"B=\nMINE\nNOBODY\nC=a=b",
					"f", &local, &err),
			 0);
	text = joined(&v);
	assert_string_equal(text, "A=\"q\" # no comment;B=;MINE=1;C=a=b");
	free(text);
	assert_int_equal(
		vars_read_file(&v, "A=1\nNOT A NAME=2", "f", &local, &err),
		-EINVAL);
	assert_string_equal(err.msg, "f:2: 'NOT A NAME' is no name of a "
				     "variable");
	assert_int_equal(vars_read_file(&v, "=1", "f", &local, &err), -EINVAL);
	strv_fini(&v);
	strv_fini(&local);
}

static void written(const struct strv *v, enum vars_syntax syntax,
		    const char *wanted, const char *wanted_left)
{
	struct strv left = { 0 };
	size_t n;
	char *text = vars_write(v, syntax, &left, &n), *names = joined(&left);

	assert_string_equal(text, wanted);
	assert_int_equal(n, strlen(wanted));
	assert_string_equal(names, wanted_left);
	free(text);
	free(names);
	strv_fini(&left);
}

static void each_syntax_says_what_it_can(void **state)
{
	struct strv v = { 0 }, none = { 0 };

	(void)state;
	strv_add(&v, "Q=it's \"$x\" \\");
	strv_add(&v, "A.B=dots");
	strv_add(&v, "BYTE=\xff");
	strv_add(&v, "L=1\n2");
	written(&v, VARS_SH,
		"export BYTE='\xff'\nexport L='1\n2'\n"
		"export Q='it'\\''s \"$x\" \\'\n",
		"A.B");
	written(&v, VARS_DOCKER, "A.B=dots\nQ=it's \"$x\" \\\n", "BYTE;L");
	written(&v, VARS_COMPOSE, "L=\"1\\n2\"\nQ=\"it's \\\"\\$x\\\" \\\\\"\n",
		"A.B;BYTE");
	written(&v, VARS_JSON,
		"{\n  \"A.B\": \"dots\",\n  \"L\": \"1\\n2\",\n"
		"  \"Q\": \"it's \\\"$x\\\" \\\\\"\n}\n",
		"BYTE");
	written(&none, VARS_SH, "", "");
	written(&none, VARS_JSON, "{}\n", "");
	strv_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_has_very_many),
		cmocka_unit_test(a_block_is_taken_apart_and_put_together),
		cmocka_unit_test(what_stays_local_is_a_list),
		cmocka_unit_test(rules_say_what_the_program_gets),
		cmocka_unit_test(a_file_is_dockers),
		cmocka_unit_test(each_syntax_says_what_it_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
