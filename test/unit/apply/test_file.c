/* SPDX-License-Identifier: Apache-2.0 */
/* A file becomes command lines, or one message with its line */
#include "test.h"

#include "apply/file.h"
#include "apply/reader.h"
#include "apply/sessions.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/parse.h"

#include <errno.h>
#include <string.h>

#define V "apiVersion: ktctl/v1\n"

static int file_parse(struct apply_file *f, const char *text, size_t len,
		      const struct given *flags, size_t nflags,
		      struct kt_error *err)
{
	const struct apply_source src = { .shown = "f.yaml",
					  .name = "dir",
					  .dir = "/work",
					  .here = "/home",
					  .flags = flags,
					  .nflags = nflags };

	return apply_file_parse(f, text, len, &src, err);
}

static char *file_join(char *text, const char *prefix, const struct strv *v)
{
	for (size_t i = 0; i < v->n; i++) {
		char *more = xasprintf("%s%s%s", text, prefix, v->v[i]);

		free(text);
		text = more;
	}
	return text;
}

/* "forward --namespace=a | web 80; ...": returned, caller frees */
static char *file_lines(const struct apply_file *f)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < f->n; i++) {
		char *more = xasprintf("%s%s%s", text, i ? "; " : "",
				       f->item[i].command->name);

		free(text);
		text = file_join(more, " ", &f->item[i].flags);
		text = file_join(text, " | ", &f->item[i].args);
	}
	return text;
}

static const struct good_case {
	const char *text, *lines;
} good_cases[] = {
	{ V, "" },
	{ V "connect: true\n", "connect" },
	{ V "connect: yes\n", "connect" },
	{ V "connect: false\n", "" },
	{ V "connect: {}\n", "connect" },
	{ V "connect: {shareShadow: true, dnsPort: 5353}\n",
	  "connect --shareShadow=true --dnsPort=5353" },
	/* the order of keys is none of commands, nor of flags */
	{ V "forward: [web 80]\nconnect: {dnsPort: 1, mode: sshuttle}\n",
	  "connect --mode=sshuttle --dnsPort=1; forward | web | 80" },
	{ V "connect: {fault: [db refuse, 'web:80 latency=1s']}\n",
	  "connect --fault=db refuse --fault=web:80 latency=1s" },
	{ V "connect: {fault: db refuse}\n", "connect --fault=db refuse" },
	{ V "forward:\n- {target: db.prod, ports: [\"5432\", 1:2/udp]}\n",
	  "forward | db.prod | 5432 | 1:2/udp" },
	{ V "forward:\n- {ports: 5432, target: db.prod}\n",
	  "forward | db.prod | 5432" },
	{ V "forward:\n- web 8080:80   db.prod 5432\n",
	  "forward | web | 8080:80 | db.prod | 5432" },
	{ V "exchange:\n- {service: orders, expose: 8080:80}\n",
	  "exchange --expose=8080:80 | orders" },
	{ V "mesh:\n- {service: web, expose: [3000:80, 9/udp], versionMark: "
	    "me}\n",
	  "mesh --expose=3000:80,9/udp --versionMark=me | web" },
	{ V
	  "preview:\n- {service: new, expose: 80, withLabel: {a: b, c: ''}}\n",
	  "preview --withLabel=a=b,c= --expose=80 | new" },
	/* global flags are everybody's; a job's own one wins */
	{ V "namespace: shop\ncontext: dev\nforward:\n- web 80\n"
	    "- {target: b, namespace: other}\n",
	  "forward --namespace=shop --context=dev | web | 80; "
	  "forward --namespace=other --context=dev | b" },
	{ V "kubeconfig: a:/b:~/c\nforward: [web]\n",
	  "forward --kubeconfig=/work/a:/b:~/c | web" },
	{ "{\"apiVersion\": \"ktctl/v1\", \"forward\": [\"web 80\"]}",
	  "forward | web | 80" },
	{ V "# nothing\n---\n", NULL }, /* two documents */
};

static void good_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good_cases); i++) {
		const struct good_case *c = &good_cases[i];
		auto_free char *lines = NULL;
		struct kt_error err = { 0 };
		struct apply_file f;
		int rc =
			file_parse(&f, c->text, strlen(c->text), NULL, 0, &err);

		if (!c->lines) {
			assert_int_equal(rc, -EINVAL);
			apply_file_fini(&f);
			continue;
		}
		if (rc < 0)
			fail_msg("%s: %s", c->text, err.msg);
		lines = file_lines(&f);
		assert_string_equal(lines, c->lines);
		assert_string_equal(f.name, "dir");
		apply_file_fini(&f);
	}
}

static const struct bad_case {
	const char *text, *msg, *hint;
} bad_cases[] = {
	{ "", "f.yaml is empty", "" },
	{ "# only this\n", "f.yaml is empty", "" },
	{ "connect: true\n", "f.yaml:1: 'apiVersion: ktctl/v1' is missing",
	  "" },
	{ "apiVersion: v1\n", "f.yaml:1: apiVersion: 'v1' is not ktctl/v1",
	  "" },
	{ "- a\n", "f.yaml:1: a mapping is wanted, and this is none", "" },
	{ "text\n", "f.yaml:1: a mapping is wanted, and this is none", "" },
	{ V "forwards: []\n", "f.yaml:2: unknown key: forwards",
	  "did you mean forward?" },
	{ V "conext: dev\n", "f.yaml:2: unknown key: conext",
	  "did you mean context?" },
	{ V "connect:\n  share_shadow: true\n",
	  "f.yaml:3: unknown key: share_shadow", "did you mean shareShadow?" },
	{ V "connect: {background: true}\n",
	  "f.yaml:2: unknown key: background", "" },
	{ V "connect: {applied: x}\n", "f.yaml:2: unknown key: applied", "" },
	{ V "mesh:\n- servce: web\n", "f.yaml:3: unknown key: servce",
	  "did you mean service?" },
	{ V "<<: {a: b}\n", "f.yaml:2: unknown key: <<", "" },
	{ V V, "f.yaml:2: apiVersion is there twice, first in line 1", "" },
	{ V "mesh:\n- service: a\n  expose: 1\n  service: b\n",
	  "f.yaml:5: service is there twice, first in line 3", "" },
	{ V "forward: [web 80, web 80]\n",
	  "f.yaml:2: forward web 80 is there twice, first in line 2", "" },
	/* types */
	{ V "connect: [a]\n", "f.yaml:2: connect takes one value, not a list",
	  "" },
	{ V "connect: maybe\n",
	  "f.yaml:2: connect: 'maybe' is neither true nor false, nor are "
	  "there flags",
	  "" },
	{ V "connect:\n", "f.yaml:2: connect has no value", "" },
	{ V "namespace: ~\n", "f.yaml:2: namespace has no value", "" },
	{ V "namespace: {a: b}\n",
	  "f.yaml:2: namespace takes one value, not a mapping", "" },
	{ V "forward: {target: web}\n",
	  "f.yaml:2: forward is a list: each entry begins with '- '", "" },
	{ V "forward: web 80\n",
	  "f.yaml:2: forward is a list: each entry begins with '- '", "" },
	{ V "forward:\n- [web, 80]\n",
	  "f.yaml:3: forward takes one value, not a list", "" },
	{ V "forward:\n- ports: [80]\n", "f.yaml:3: forward: target is missing",
	  "" },
	{ V "forward: ['']\n", "f.yaml:2: forward has no value", "" },
	{ V "run: npm run dev\n",
	  "f.yaml:2: run is a list of the command's words",
	  "for instance run: [npm, run, dev]; a shell is run: [sh, -c, "
	  "\"...\"]" },
	{ V "run: []\n", "f.yaml:2: run names no command", "" },
	{ V "run: [[a]]\n", "f.yaml:2: run takes one value, not a list", "" },
	{ V "name: a/b\n",
	  "f.yaml:2: name: 'a/b' is not 1 to 63 letters, digits, '-', '_' and "
	  "'.'",
	  "" },
	/* values: the command line's own validators */
	{ V "connect:\n  proxyPort: 70000\n",
	  "f.yaml:3: proxyPort: 70000 is not in 1 to 65535", "" },
	{ V "connect: {mode: fast}\n",
	  "f.yaml:2: mode: 'fast' is none of: tun2socks, sshuttle", "" },
	{ V "namespace: Shop\n",
	  "f.yaml:2: namespace: 'Shop' is no name: lower-case letters, "
	  "digits, '-' and '.'",
	  "" },
	{ V "connect: {includeIps: [10.0.0.0/8, '1,2']}\n",
	  "f.yaml:2: includeIps: '1,2' is not one entry of a list", "" },
	{ V "connect: {includeIps: {a: b}}\n",
	  "f.yaml:2: includeIps takes one value, not a mapping", "" },
	{ V "withLabel: {a=b: c}\n",
	  "f.yaml:2: withLabel: 'a=b' is not one entry of a list", "" },
	{ V "image: \"a\\nb\"\n",
	  "f.yaml:2: image: the value has a control character", "" },
	{ V "image: \"a\\0b\"\n", "f.yaml:2: image: a NUL byte in a value",
	  "" },
	/* the whole command line */
	{ V "connect:\n  dnsMode: podDNS\n",
	  "f.yaml:2: connect: --dnsMode podDNS does not work with --mode "
	  "tun2socks",
	  "use --dnsMode localDNS, or --mode sshuttle" },
	{ V "forward: ['web 80:70000']\n",
	  "f.yaml:2: forward web 80:70000: ", NULL },
	{ V "forward: [--help]\n", "f.yaml:2: forward --help: ", NULL },
	{ V "mesh: [{service: a b, expose: 1}]\n",
	  "f.yaml:2: mesh a b: ", NULL },
	{ V "exchange: [web]\n", "f.yaml:2: exchange web: --expose is missing",
	  NULL },
	{ V "exchange: [web x]\n",
	  "f.yaml:2: exchange web x: exchange: too many arguments: x", NULL },
	/* YAML */
	{ V "a: [\n", "f.yaml:3: ", "" },
	{ V "connect:\n\tmode: x\n",
	  "f.yaml:3: ", "YAML is indented with blanks, not with tabs" },
	{ V "image: a\x01\n", "f.yaml:2: control characters are not allowed",
	  "" },
	{ V "image: \xff\n", "f.yaml:2: ", "" },
	{ V "image: \xc3\x28\n", "f.yaml:2: ", "" },
	{ V "context: &a x\nimage: *a\n",
	  "f.yaml:3: aliases (*name) are not taken: write it twice", NULL },
	{ V "image: *a\n", "f.yaml:2: found undefined alias", "" },
	{ V "image: !!binary aGk=\n", "f.yaml:2: tags (!name) are not taken",
	  "" },
	{ V "? [a]\n: b\n", "f.yaml:2: a key that is no plain text", "" },
	{ V "---\nb: c\n", "f.yaml:3: a second document; one is taken", "" },
	{ "a: &a [*a]\n", "f.yaml:1: ", "" },
	{ "&a a: *a\n", "f.yaml:1: ", "" },
};

static bool is_refused(const struct bad_case *c)
{
	size_t n = strlen(c->msg);
	struct kt_error err = { 0 };
	struct apply_file f;
	int rc = file_parse(&f, c->text, strlen(c->text), NULL, 0, &err);

	apply_file_fini(&f);
	/* a part, where others' words follow */
	if (rc == -EINVAL && !strchr(err.msg, '\n') &&
	    strncmp(err.msg, c->msg, n) == 0 &&
	    (c->msg[n - 1] == ' ' || strlen(err.msg) == n) &&
	    (!c->hint || strcmp(err.hint, c->hint) == 0))
		return true;
	print_error("%s: %d '%s' '%s'\n  not '%s' '%s'\n", c->text, rc, err.msg,
		    err.hint, c->msg, c->hint ? c->hint : "");
	return false;
}

static void bad_files(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_cases); i++)
		wrong += !is_refused(&bad_cases[i]);
	assert_int_equal(wrong, 0);
}

static char *file_repeat(const char *head, const char *line, size_t n)
{
	size_t len = strlen(head), one = strlen(line);
	char *text = xmalloc(len + n * one + 1);

	memcpy(text, head, len + 1);
	for (size_t i = 0; i < n; i++)
		memcpy(text + len + i * one, line, one + 1);
	return text;
}

static void assert_refused(const char *text, const char *msg)
{
	struct kt_error err = { 0 };
	struct apply_file f;

	assert_true(file_parse(&f, text, strlen(text), NULL, 0, &err) < 0);
	if (!strstr(err.msg, msg))
		fail_msg("'%s', not '%s'", err.msg, msg);
	apply_file_fini(&f);
}

static void large_files(void **state)
{
	auto_free char *huge = file_repeat(V, "# a comment, again\n", 4000);
	auto_free char *keys = file_repeat(V "forward:\n", "- web 80\n", 300);
	auto_free char *deep = file_repeat(V "image: ", "[", 3000);
	auto_free char *jobs = xstrdup(V "forward:\n");

	(void)state;
	assert_refused(huge, "f.yaml is larger than 64 KiB");
	assert_refused(keys, "f.yaml:3: more than 256 entries");
	assert_refused(deep, "f.yaml:");
	for (int i = 0; i <= APPLY_ITEMS_MAX; i++) {
		char *more = xasprintf("%s- web %d\n", jobs, 8000 + i);

		free(jobs);
		jobs = more;
	}
	assert_refused(jobs, "f.yaml:67: more than 64 jobs");
}

/* Command line over file, a job over both; --debug is how much is said */
static void command_line_wins(void **state)
{
	const struct option *ns = option_find(global_option_table, "namespace",
					      9),
			    *debug = option_find(global_option_table, "debug",
						 5),
			    *kubeconfig = option_find(global_option_table,
						      "kubeconfig", 10);
	const struct given flags[] = { { ns, "mine" },
				       { debug, "true" },
				       { kubeconfig, "./k" } };
	const char text[] = V "namespace: shop\nforward:\n- web 80\n"
			      "- {target: b, namespace: other}\n";
	auto_free char *lines = NULL;
	struct kt_error err = { 0 };
	struct apply_file f;

	(void)state;
	assert_int_equal(file_parse(&f, text, strlen(text), flags, 3, &err), 0);
	lines = file_lines(&f);
	assert_string_equal(
		lines,
		"forward --namespace=mine --kubeconfig=/home/./k | web | 80; "
		"forward --namespace=other --kubeconfig=/home/./k | b");
	apply_file_fini(&f);
}

/* The digest tells every difference that counts, and no other */
static void digests(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{ "web 80", "{target: web, ports: 80}", true },
		{ "web 80", "{ports: [80], target: web} # x", true },
		{ "web 80", "web 81", false },
		{ "web 80 81", "{target: web, ports: ['80 81']}", false },
		{ "web 80", "{target: web, ports: 80, namespace: a}", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		auto_free char *a = xasprintf(V "forward:\n- %s\n", pairs[i].a);
		auto_free char *b = xasprintf(V "forward:\n- %s\n", pairs[i].b);
		struct kt_error err = { 0 };
		struct apply_file f, g;

		assert_int_equal(file_parse(&f, a, strlen(a), NULL, 0, &err),
				 0);
		/* a port with a blank is refused anyway */
		if (file_parse(&g, b, strlen(b), NULL, 0, &err) == 0)
			assert_int_equal(
				strcmp(f.item[0].digest, g.item[0].digest) == 0,
				pairs[i].same);
		else
			assert_false(pairs[i].same);
		apply_file_fini(&f);
		apply_file_fini(&g);
	}
}

/* What a session's command line says of it is what it was started with */
static void session_round_trip(void **state)
{
	static const char text[] =
		V "mesh:\n- {service: web, expose: 1, namespace: a}\n";
	struct kt_error err = { 0 };
	struct apply_file f;

	(void)state;
	assert_int_equal(file_parse(&f, text, strlen(text), NULL, 0, &err), 0);
	for (int i = 0; i < 4; i++) {
		const struct apply_item *item = &f.item[0];
		struct apply_session s = { .command = xstrdup("mesh") };
		struct apply_sessions all = { &s, 1 };
		auto_strv struct strv argv = { 0 };
		char line[1024];
		size_t len = 0;

		apply_session_argv(&argv, "mesh", item->digest, "/a b:c,d.yaml",
				   i & 1 ? 42 : 0, i & 2, &item->flags,
				   &item->args);
		for (size_t k = 0; k < argv.n; k++)
			len += 1 + (size_t)snprintf(line + len,
						    sizeof(line) - len, "%s",
						    argv.v[k]);
		assert_false(apply_session_read(&s, line, len, "/a b:c"));
		assert_true(apply_session_read(&s, line, len, "/a b:c,d.yaml"));
		assert_string_equal(s.digest, item->digest);
		assert_string_equal(s.key, item->key);
		assert_string_equal(s.label, item->label);
		assert_int_equal(s.flags.n, 2);
		assert_string_equal(s.flags.v[0], "--namespace=a");
		assert_int_equal(s.args.n, 1);
		all.v = xmalloc(sizeof(s));
		*all.v = s;
		apply_sessions_fini(&all);
	}
	apply_file_fini(&f);
}

#define LINE(text)                                                             \
	{                                                                      \
		text, sizeof(text)                                             \
	}

static void foreign_sessions(void **state)
{
	static const struct {
		const char *line;
		size_t len;
	} lines[] = {
		{ "", 0 },
		{ "a", 1 }, /* without an end */
		LINE("\0\0\0\0"),
		LINE("ktctl\0mesh\0web"),
		LINE("ktctl\0mesh\0--background\0"
		     "--applied=0123456789abcdef:/f"),
		LINE("ktctl\0mesh\0--background\0--applied=:/f\0--\0web"),
		LINE("ktctl\0forward\0--background\0"
		     "--applied=0123456789abcdef:/f\0--\0web"),
		LINE("ktctl\0mesh\0--applied=0123456789abcdef:/f\0"
		     "--background\0--"),
	};
	struct apply_session s = { .command = xstrdup("mesh") };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_false(apply_session_read(&s, lines[i].line, lines[i].len,
						"/f"));
	free(s.command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(large_files),
		cmocka_unit_test(command_line_wins),
		cmocka_unit_test(digests),
		cmocka_unit_test(session_round_trip),
		cmocka_unit_test(foreign_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
