/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "fake.h"

#include "base/mem.h"
#include "kube/rest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char seen[4096]; /* the last request */

static void note(const char *request)
{
	snprintf(seen, sizeof(seen), "%s", request);
}

static int get(struct world *w, json_t **out, struct kt_error *err)
{
	*err = (struct kt_error){ 0 };
	*out = NULL;
	return kube_get(w->kube, "/api/x", out, err);
}

/* the same, where only the end counts */
static int get_rc(struct world *w)
{
	struct kt_error err;
	json_t *out;
	int rc = get(w, &out, &err);

	json_decref(out);
	return rc;
}

/* --- credentials ---------------------------------------------------------- */

static void answer_token(struct fake_conn *c, const char *request)
{
	note(request);
	if (strstr(request, "Bearer good"))
		fake_reply(c, 200, "", "{}");
	else
		fake_reply(c, 401, "", "{}");
}

static void put(const char *path, const char *text)
{
	auto_fclose FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
}

static void rereads_a_token_file(void **state)
{
	char path[] = "/tmp/ktctl-token-XXXXXX";
	struct kt_error err;
	struct world w;
	json_t *out = NULL;

	(void)state;
	close(mkstemp(path));
	world_init(&w, answer_token);
	w.cfg.token_file = path;
	put(path, "old\n");
	assert_int_equal(get(&w, &out, &err), -EACCES);
	assert_true(err.hint[0]);
	put(path, "good\n");
	assert_int_equal(get(&w, &out, &err), 0);
	assert_int_equal(w.fake.requests, 4); /* each 401 is tried once more */
	json_decref(out);
	unlink(path);
	world_fini(&w);
}

#define EXEC_API "client.authentication.k8s.io/v1"

/* A plugin that counts its runs in a file and says what @script prints. */
struct plugin {
	struct kube_exec exec;
	char dir[32];
};

static void plugin_init(struct plugin *p, const char *script)
{
	auto_free char *path = NULL, *text = NULL;

	*p = (struct plugin){ .dir = "/tmp/ktctl-plugin-XXXXXX" };
	assert_non_null(mkdtemp(p->dir));
	path = xasprintf("%s/plugin", p->dir);
	text = xasprintf("#!/bin/sh\ncd %s\necho run >>runs\n"
			 "n=$(wc -l <runs)\n%s\n",
			 p->dir, script);
	put(path, text);
	chmod(path, 0700);
	p->exec.api_version = xstrdup(EXEC_API);
	p->exec.command = steal_ptr(&path);
}

static int plugin_runs(const struct plugin *p)
{
	auto_free char *path = xasprintf("%s/runs", p->dir);
	struct stat st;

	return stat(path, &st) == 0 ? (int)(st.st_size / 4) : 0;
}

static void plugin_fini(struct plugin *p)
{
	auto_free char *a = xasprintf("%s/runs", p->dir);
	auto_free char *b = xasprintf("%s/plugin", p->dir);

	unlink(a);
	unlink(b);
	rmdir(p->dir);
	free(p->exec.api_version);
	free(p->exec.command);
	free(p->exec.install_hint);
	strv_fini(&p->exec.args);
	strv_fini(&p->exec.env);
}

#define CRED(status)                                                           \
	"echo '{\"apiVersion\":\"" EXEC_API "\",\"kind\":\"ExecCredential\","  \
	"\"status\":{" status "}}'"

static void runs_a_plugin_once_while_fresh(void **state)
{
	struct plugin p;
	struct kt_error err;
	struct world w;
	json_t *out = NULL;

	(void)state;
	plugin_init(&p, "[ \"$K\" = v ] && [ \"$1\" = arg ] || exit 9\n"
			"case $KUBERNETES_EXEC_INFO in "
			"*ExecCredential*) ;; *) exit 8;; esac\n" CRED(
				"\"token\":\"good\",\"expirationTimestamp\":"
				"\"2099-01-01T00:00:00Z\""));
	strv_add(&p.exec.args, "arg");
	strv_add(&p.exec.env, "K=v");
	world_init(&w, answer_token);
	w.cfg.exec = &p.exec;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(get(&w, &out, &err), 0);
		json_decref(out);
	}
	assert_int_equal(plugin_runs(&p), 1);
	world_fini(&w);
	plugin_fini(&p);
}

static void runs_a_plugin_again_when_refused_or_expired(void **state)
{
	struct plugin p, q;
	struct kt_error err;
	struct world w;
	json_t *out = NULL;

	(void)state;
	plugin_init(&p, "[ $n = 1 ] && t=bad || t=good\n"
			"echo '{\"apiVersion\":\"" EXEC_API "\","
			"\"kind\":\"ExecCredential\",\"status\":{\"token\":"
			"\"'$t'\"}}'");
	world_init(&w, answer_token);
	w.cfg.exec = &p.exec;
	assert_int_equal(get(&w, &out, &err), 0);
	assert_int_equal(plugin_runs(&p), 2);
	json_decref(out);
	plugin_init(&q, CRED("\"token\":\"good\",\"expirationTimestamp\":"
			     "\"2001-01-01T00:00:00Z\""));
	w.cfg.exec = &q.exec;
	world_client(&w);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(get(&w, &out, &err), 0);
		json_decref(out);
	}
	assert_int_equal(plugin_runs(&q), 2);
	world_fini(&w);
	plugin_fini(&p);
	plugin_fini(&q);
}

static void plugin_error(const char *script, const char *want)
{
	struct plugin p;
	struct kt_error err;
	struct world w;
	json_t *out;

	plugin_init(&p, script);
	p.exec.install_hint = xstrdup("get it at x");
	world_init(&w, answer_token);
	w.cfg.exec = &p.exec;
	assert_true(get(&w, &out, &err) < 0);
	assert_non_null(strstr(err.msg, want));
	world_fini(&w);
	plugin_fini(&p);
}

static void tells_what_a_plugin_did_wrong(void **state)
{
	char missing[] = "ktctl-no-such-plugin";
	struct kube_exec exec = { .command = missing };
	char api[] = EXEC_API, hint[] = "get it at x";
	struct kt_error err;
	struct world w;
	json_t *out;

	(void)state;
	plugin_error("echo first; echo last words >&2; exit 4",
		     "exit status 4: last words");
	plugin_error("echo nonsense", "no ExecCredential");
	plugin_error(CRED(""), "neither a token");
	plugin_error("echo '{\"apiVersion\":\"v9\",\"kind\":"
		     "\"ExecCredential\"}'",
		     "apiVersion v9");
	world_init(&w, answer_token);
	exec.api_version = api;
	exec.install_hint = hint;
	w.cfg.exec = &exec;
	assert_int_equal(get(&w, &out, &err), -ENOENT);
	assert_non_null(strstr(err.msg, missing));
	assert_string_equal(err.hint, hint);
	world_fini(&w);
}

/* --- tokens -------------------------------------------------------------- */

static void refuses_a_token_file_that_is_none(void **state)
{
	char path[] = "/tmp/ktctl-token-XXXXXX", user[] = "ann";
	struct kt_error err;
	struct world w;
	json_t *out = NULL;

	(void)state;
	close(mkstemp(path));
	world_init(&w, answer_token);
	w.cfg.token_file = path;
	w.cfg.user = user;
	put(path, "go\nod\n");
	assert_int_equal(get(&w, &out, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "user 'ann'"));
	assert_non_null(strstr(err.msg, "line break"));
	put(path, " \n");
	assert_int_equal(get(&w, &out, &err), -EACCES);
	assert_non_null(strstr(err.msg, "is empty"));
	put(path, "\n good \n");
	assert_int_equal(get(&w, &out, &err), 0);
	json_decref(out);
	unlink(path); /* the last good one */
	assert_int_equal(get_rc(&w), 0);
	world_client(&w);
	assert_int_equal(get(&w, &out, &err), -EACCES);
	assert_non_null(strstr(err.msg, "No such file"));
	world_fini(&w);
}

static void cuts_blanks_off_a_plugins_token(void **state)
{
	struct plugin p;
	struct world w;

	(void)state;
	plugin_init(&p, CRED("\"token\":\" good\\\\n\""));
	world_init(&w, answer_token);
	w.cfg.exec = &p.exec;
	assert_int_equal(get_rc(&w), 0);
	assert_non_null(strstr(seen, "Authorization: Bearer good\r\n"));
	world_fini(&w);
	plugin_fini(&p);
	plugin_error(CRED("\"token\":\"go\\\\nod\""), "line break");
}

/* --- stderr, caught ------------------------------------------------------ */

struct caught {
	int saved, fd;
	char text[4096];
};

static void caught_begin(struct caught *c)
{
	int fds[2];

	*c = (struct caught){ .saved = dup(2) };
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	fflush(stderr);
	dup2(fds[1], 2);
	close(fds[1]);
	c->fd = fds[0];
}

/* What has come until now */
static const char *caught_text(struct caught *c)
{
	size_t n = strlen(c->text);
	ssize_t got = read(c->fd, c->text + n, sizeof(c->text) - 1 - n);

	if (got > 0)
		c->text[n + (size_t)got] = '\0';
	return c->text;
}

static void caught_end(struct caught *c)
{
	caught_text(c);
	dup2(c->saved, 2);
	close(c->saved);
	close(c->fd);
}

static int count(const char *text, const char *word)
{
	int n = 0;

	while ((text = strstr(text, word))) {
		text += strlen(word);
		n++;
	}
	return n;
}

static void told(void *user, const struct kube_reply *reply)
{
	assert_null(reply->err);
	*(bool *)user = true;
}

static void passes_a_plugins_words_on_at_once(void **state)
{
	const struct kube_request req = { .method = "GET", .path = "/" };
	struct caught c;
	struct plugin p;
	struct world w;
	bool done = false;

	(void)state;
	plugin_init(&p, "printf 'open \\033]0;x\\007page\\nenter: ' >&2\n"
			"until [ -e go ]; do sleep 0.02; done; rm go\n" CRED(
				"\"token\":\"good\""));
	auto_free char *go = xasprintf("%s/go", p.dir);

	world_init(&w, answer_token);
	w.cfg.exec = &p.exec;
	caught_begin(&c);
	kube_request_start(w.kube, &req, told, &done);
	for (int i = 0; i < 500 && !strstr(caught_text(&c), "enter: "); i++)
		(void)!loop_sleep(w.loop, 10 * NS_MS);
	put(go, "");
	(void)!loop_run_until(w.loop, &done, 10 * NS_SEC);
	caught_end(&c);
	assert_true(done);
	assert_string_equal(c.text, "open ?]0;x?page\nenter: \n");
	world_fini(&w);
	plugin_fini(&p);
}

/* --- the terminal -------------------------------------------------------- */

/* In a session of its own with a terminal: 0, or how it failed */
static int in_terminal(int slave_of, struct plugin *p)
{
	struct kt_error err;
	struct world w;
	json_t *out;
	int fd, rc;

	if (setsid() < 0)
		return 1;
	fd = open(ptsname(slave_of), O_RDWR);
	if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0 || dup2(fd, 0) < 0 ||
	    dup2(fd, 2) < 0)
		return 2;
	world_init(&w, answer_token);
	w.cfg.exec = &p->exec;
	rc = get(&w, &out, &err);
	json_decref(out);
	world_fini(&w);
	return rc ? 3 : 0;
}

static int run_in_terminal(struct plugin *p)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
	pid_t pid;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	pid = fork();
	if (pid == 0)
		_exit(in_terminal(master, p));
	assert_int_equal(write(master, "good\n", 5), 5);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(master);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void gives_the_terminal_to_who_wants_it(void **state)
{
	struct plugin p;

	(void)state;
	plugin_init(&p, "case $KUBERNETES_EXEC_INFO in "
			"*'\"interactive\":true'*) ;; *) exit 8;; esac\n"
			"[ -t 0 ] && [ -t 2 ] || exit 7\n"
			"read -r t\n"
			"echo '{\"apiVersion\":\"" EXEC_API "\","
			"\"kind\":\"ExecCredential\",\"status\":{\"token\":"
			"\"'$t'\"}}'");
	p.exec.interactive = KUBE_EXEC_IF_AVAILABLE;
	assert_int_equal(run_in_terminal(&p), 0);
	p.exec.interactive = KUBE_EXEC_ALWAYS;
	assert_int_equal(run_in_terminal(&p), 0);
	p.exec.interactive = KUBE_EXEC_NEVER;
	assert_int_equal(run_in_terminal(&p), 3);
	plugin_fini(&p);
	plugin_init(&p, "case $KUBERNETES_EXEC_INFO in "
			"*'\"interactive\":false'*) ;; *) exit 8;; esac\n"
			"[ ! -t 0 ] && [ ! -t 2 ] || exit 7\n" CRED(
				"\"token\":\"good\""));
	assert_int_equal(run_in_terminal(&p), 0);
	plugin_fini(&p);
}

static void wants_a_terminal_in_vain(void **state)
{
	int saved = dup(0), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct kt_error err;
	struct plugin p;
	struct world w;
	json_t *out;

	(void)state;
	plugin_init(&p, CRED("\"token\":\"good\""));
	world_init(&w, answer_token);
	w.cfg.exec = &p.exec;
	dup2(null, 0);
	close(null);
	p.exec.interactive = KUBE_EXEC_ALWAYS;
	assert_int_equal(get(&w, &out, &err), -ENOTTY);
	assert_int_equal(plugin_runs(&p), 0);
	world_client(&w);
	p.exec.interactive = KUBE_EXEC_IF_AVAILABLE;
	assert_int_equal(get_rc(&w), 0);
	dup2(saved, 0);
	close(saved);
	world_fini(&w);
	plugin_fini(&p);
}

/* --- sudo ---------------------------------------------------------------- */

static void runs_a_plugin_as_the_caller_of_sudo(void **state)
{
	const char *home = getenv("HOME");
	auto_free char *before = xstrdup(home ? home : "/");
	struct plugin p;
	struct world w;

	(void)state;
	if (geteuid() != 0)
		skip();
	plugin_init(&p,
		    "t=\"$(id -u)/$(id -G)$HOME/$USER/$LOGNAME/$SUDO_UID\"\n"
		    "echo '{\"apiVersion\":\"" EXEC_API "\","
		    "\"kind\":\"ExecCredential\",\"status\":{\"token\":"
		    "\"'$t'\"}}'");
	assert_int_equal(chown(p.dir, 65534, 65534), 0);
	chmod(p.exec.command, 0755);
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65534", 1);
	setenv("HOME", "/root", 1);
	world_init(&w, answer_token);
	w.cfg.exec = &p.exec;
	get_rc(&w);
	assert_non_null(strstr(seen, "Bearer 65534/65534/nonexistent/nobody/"
				     "nobody/\r\n"));
	w.cfg.of_root = true; /* root's own kubeconfig */
	world_client(&w);
	get_rc(&w);
	assert_non_null(strstr(seen, "Bearer 0/"));
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	setenv("HOME", before, 1);
	world_fini(&w);
	plugin_fini(&p);
}

static void names_the_path_where_a_plugin_was_looked_for(void **state)
{
	char missing[] = "ktctl-no-such-plugin", api[] = EXEC_API;
	struct kube_exec exec = { .command = missing, .api_version = api };
	struct kt_error err;
	struct world w;
	json_t *out;

	(void)state;
	world_init(&w, answer_token);
	w.cfg.exec = &exec;
	assert_int_equal(get(&w, &out, &err), -ENOENT);
	assert_non_null(strstr(err.msg, missing));
	assert_non_null(strstr(err.msg, getenv("PATH")));
	assert_true(err.hint[0]);
	if (geteuid() == 0) {
		setenv("SUDO_UID", "65534", 1);
		world_client(&w);
		assert_int_equal(get(&w, &out, &err), -ENOENT);
		assert_non_null(strstr(err.hint, "sudo env \"PATH=$PATH\""));
		unsetenv("SUDO_UID");
	}
	world_fini(&w);
}

/* --- a 401 that passes --------------------------------------------------- */

static bool night; /* the server takes nobody */

static void answer_by_day(struct fake_conn *c, const char *request)
{
	if (night)
		fake_reply(c, 401, "", "{}");
	else
		answer_token(c, request);
}

static void outlives_a_passing_401(void **state)
{
	char token[] = "good", user[] = "ann";
	struct caught c;
	struct world w;

	(void)state;
	world_init(&w, answer_by_day);
	w.cfg.token = token;
	w.cfg.user = user;
	caught_begin(&c);
	night = true; /* never accepted: the command's own error says it */
	assert_int_equal(get_rc(&w), -EACCES);
	assert_false(kube_was_accepted(w.kube));
	assert_string_equal(caught_text(&c), "");
	night = false;
	assert_int_equal(get_rc(&w), 0);
	night = true;
	for (int i = 0; i < 5; i++)
		assert_int_equal(get_rc(&w), -EACCES);
	assert_true(kube_was_accepted(w.kube));
	night = false;
	assert_int_equal(get_rc(&w), 0);
	assert_int_equal(get_rc(&w), 0);
	caught_end(&c);
	assert_int_equal(count(c.text, "user 'ann' any more"), 1);
	assert_int_equal(count(c.text, "user 'ann' again"), 1);
	assert_int_equal(count(c.text, "\n"), 2);
	world_fini(&w);
}

static void spaces_the_runs_of_a_plugin(void **state)
{
	struct plugin p;
	struct caught c;
	struct world w;

	(void)state;
	plugin_init(&p, "[ -e broken ] && { echo no >&2; exit 1; }\n" CRED(
				"\"token\":\"good\""));
	auto_free char *broken = xasprintf("%s/broken", p.dir);

	world_init(&w, answer_by_day);
	w.cfg.exec = &p.exec;
	caught_begin(&c);
	night = false;
	assert_int_equal(get_rc(&w), 0);
	assert_int_equal(plugin_runs(&p), 1);
	night = true;
	for (int i = 0; i < 10; i++)
		assert_int_equal(get_rc(&w), -EACCES);
	assert_int_equal(plugin_runs(&p), 3);
	night = false; /* by what it gave last, without another run */
	assert_int_equal(get_rc(&w), 0);
	assert_int_equal(plugin_runs(&p), 3);
	caught_end(&c);
	assert_int_equal(count(c.text, "any more"), 1);

	caught_begin(&c);
	night = true; /* and one that fails */
	put(broken, "");
	for (int i = 0; i < 10; i++)
		assert_int_equal(get_rc(&w), -EACCES);
	assert_int_equal(plugin_runs(&p), 4);
	caught_end(&c);
	assert_int_equal(count(c.text, "warning"), 1);
	assert_non_null(strstr(c.text, "exit status 1: no; it is run again in "
				       "30 s"));
	unlink(broken);
	world_fini(&w);
	plugin_fini(&p);
}

static void takes_what_somebody_wrote_into_the_kubeconfig(void **state)
{
	static const char text[] =
		"current-context: %s\ncontexts:\n"
		"- {name: x, context: {cluster: x, user: x}}\n"
		"- {name: y, context: {cluster: y, user: x}}\n"
		"clusters:\n- {name: x, cluster: {server: '%s'}}\n"
		"- {name: y, cluster: {server: 'http://y'}}\n"
		"users:\n- {name: x, user: {token: '%s'}}\n";
	char path[] = "/tmp/ktctl-kubeconfig-XXXXXX";
	const struct kube_config_source src = { .files = path };
	struct kube_config *cfg = NULL;
	struct kt_error err = { 0 };
	struct world w;
	struct kube *k;
	json_t *out = NULL;

	(void)state;
	close(mkstemp(path));
	world_init(&w, answer_token);
	auto_free char *before = xasprintf(text, "x", w.server, "bad");
	/* another context is the current one by now */
	auto_free char *after = xasprintf(text, "y", w.server, "good");

	put(path, before);
	assert_int_equal(kube_config_load(&cfg, &src, &err), 0);
	assert_int_equal(kube_new(&k, w.loop, cfg, &err), 0);
	put(path, after);
	assert_int_equal(kube_get(k, "/x", &out, &err), 0);
	json_decref(out);
	kube_free(k);
	kube_config_free(cfg);
	unlink(path);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rereads_a_token_file),
		cmocka_unit_test(refuses_a_token_file_that_is_none),
		cmocka_unit_test(runs_a_plugin_once_while_fresh),
		cmocka_unit_test(runs_a_plugin_again_when_refused_or_expired),
		cmocka_unit_test(tells_what_a_plugin_did_wrong),
		cmocka_unit_test(cuts_blanks_off_a_plugins_token),
		cmocka_unit_test(passes_a_plugins_words_on_at_once),
		cmocka_unit_test(gives_the_terminal_to_who_wants_it),
		cmocka_unit_test(wants_a_terminal_in_vain),
		cmocka_unit_test(runs_a_plugin_as_the_caller_of_sudo),
		cmocka_unit_test(names_the_path_where_a_plugin_was_looked_for),
		cmocka_unit_test(outlives_a_passing_401),
		cmocka_unit_test(spaces_the_runs_of_a_plugin),
		cmocka_unit_test(takes_what_somebody_wrote_into_the_kubeconfig),
	};

	unsetenv("SUDO_UID");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
