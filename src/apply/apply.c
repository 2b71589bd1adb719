/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl apply: what a file says this machine wants, and nothing of it twice */
#include "apply/run.h"

#include "apply/reader.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/options.h"
#include "kube/kubeconfig.h"
#include "local/home.h"
#include "local/signals.h"
#include "net/capture.h"
#include "net/netns.h"
#include "wire/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <sys/file.h>

struct apply {
	struct app *app;
	const struct apply_options *opt;
	char *shown;	/* the file as it was named, for messages */
	char *identity; /* sessions.h */
	char *dir;	/* of the file; NULL: here */
	struct apply_file file;
	struct apply_sessions sessions;
	struct apply_plan plan;
	int lock;
};

/* --- the file ------------------------------------------------------------- */

static const char *const apply_names[] = { "ktctl.yaml", ".ktctl.yaml" };

static int apply_choose(struct apply *a, struct kt_error *err)
{
	if (a->opt->file) {
		a->shown = xstrdup(a->opt->file);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(apply_names); i++)
		if (access(apply_names[i], F_OK) == 0) {
			a->shown = xstrdup(apply_names[i]);
			return 0;
		}
	kt_hint(err, "name one with -f FILE; man ktctl-apply shows what stands "
		     "in it");
	return kt_fail(err, ENOENT, "there is no %s and no %s here",
		       apply_names[0], apply_names[1]);
}

static bool apply_is_stdin(const struct apply *a)
{
	return strcmp(a->shown, "-") == 0;
}

/* The same file has the same path, whatever it was called */
static int apply_identify(struct apply *a, struct kt_error *err)
{
	char path[PATH_MAX];
	char *slash;

	if (apply_is_stdin(a))
		return 0;
	if (!realpath(a->shown, path))
		return kt_fail(err, errno, "open %s: %s", a->shown,
			       strerror(errno));
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return kt_fail(err, EINVAL,
				       "%s: a control character in its path",
				       a->shown);
	a->identity = xstrdup(path);
	slash = strrchr(path, '/');
	*(slash == path ? slash + 1 : slash) = '\0';
	a->dir = xstrdup(path);
	return 0;
}

/* The file's text; returned (caller frees), NULL with @err */
static char *apply_text(const struct apply *a, size_t *len,
			struct kt_error *err)
{
	char *text = file_read(apply_is_stdin(a) ? "/dev/stdin" : a->shown,
			       READER_MAX_SIZE, len);

	if (text)
		return text;
	if (errno == EFBIG)
		kt_fail(err, EFBIG, "%s is larger than %zu KiB", a->shown,
			READER_MAX_SIZE >> 10);
	else
		kt_fail(err, errno, "read %s: %s", a->shown, strerror(errno));
	return NULL;
}

static char *apply_default_name(const struct apply *a)
{
	const char *base = a->dir ? strrchr(a->dir, '/') + 1 : "";

	return xstrdup(*base ? base : a->dir ? "/" : "stdin");
}

static int apply_parse(struct apply *a, const char *text, size_t len,
		       struct kt_error *err)
{
	const struct options *o = a->app->options;
	auto_free char *here = getcwd(NULL, 0);
	auto_free char *name = apply_default_name(a);
	struct apply_source src = {
		.shown = apply_is_stdin(a) ? "stdin" : a->shown,
		.name = name,
		.dir = a->dir ? a->dir
		       : here ? here
			      : ".",
		.here = here ? here : ".",
		.flags = o->given,
		.nflags = o->ngiven,
	};
	struct config cfg;
	int rc;

	/* main() has told of a damaged one */
	if (config_load(&cfg, a->app->home, "", "config", NULL) == 0)
		src.cfg = &cfg;
	rc = apply_file_parse(&a->file, text, len, &src, err);
	config_fini(&cfg);
	if (rc == 0 && !a->identity) {
		if (strcmp(a->file.name, name) == 0) {
			kt_hint(err, "for instance name: shop");
			return kt_fail(err, EINVAL,
				       "stdin: a name is needed, by which the "
				       "jobs are found again");
		}
		a->identity = xasprintf("-:%s", a->file.name);
	}
	return rc;
}

/* A file that is wrong by now must not keep anybody from ending its jobs */
static int apply_load(struct apply *a, struct kt_error *err)
{
	auto_free char *text = NULL;
	size_t len = 0;
	int rc;

	if (a->opt->remove && a->identity)
		return 0;
	text = apply_text(a, &len, err);
	if (!text)
		return -err->code;
	rc = apply_parse(a, text, len, err);
	if (rc < 0 || !a->opt->remove)
		return rc;
	apply_file_fini(&a->file);
	return 0;
}

/* --- the difference ------------------------------------------------------- */

/* A connect that this file has not started, whoever has */
static const struct apply_session *apply_other_connect(const struct apply *a)
{
	for (size_t i = 0; i < a->sessions.n; i++) {
		const struct apply_session *s = &a->sessions.v[i];

		if (!s->digest && s->captures && !s->unsettled &&
		    strcmp(s->command, "connect") == 0)
			return s;
	}
	return NULL;
}

static bool apply_has_connect(const struct apply *a)
{
	for (size_t i = 0; i < a->sessions.n; i++)
		if (a->sessions.v[i].digest &&
		    strcmp(a->sessions.v[i].command, "connect") == 0)
			return true;
	return false;
}

/* The context that @item would be started with: that it names, else the current
 * one of its files; returned (caller frees), NULL with @err */
static char *apply_context_of(const struct apply *a,
			      const struct apply_item *item,
			      struct kt_error *err)
{
	const struct kube_config_source src = { .files = item->kubeconfig };
	struct kt_error why = { 0 };
	struct kube_config *cfg;
	char *context;

	if (item->context)
		return xstrdup(item->context);
	if (kube_config_load(&cfg, &src, &why) < 0) {
		kt_fail(err, why.code, "%s:%d: %s: %s", a->shown, item->line,
			item->label, why.msg);
		return NULL;
	}
	context = xstrdup(cfg->context ? cfg->context : "");
	kube_config_free(cfg);
	return context;
}

/* What runs is what @item would be, if it leads into the same cluster; 0, or
 * -errno with @err */
static int apply_check_context(const struct apply *a,
			       const struct apply_item *item,
			       const struct apply_session *s,
			       struct kt_error *err)
{
	auto_free char *context = NULL;

	if (!s->context) /* not known: it does not answer, which is told */
		return 0;
	context = apply_context_of(a, item, err);
	if (!context)
		return -err->code;
	if (strcmp(context, s->context) == 0)
		return 0;
	kt_hint(err, "ktctl disconnect %s; or name the context in the file",
		s->id);
	return kt_fail(err, EEXIST,
		       "%s:%d: %s runs on this machine, for context '%s', not "
		       "'%s'",
		       a->shown, item->line, s->id, s->context, context);
}

/* There is one capture per machine: another's will do, if it leads into the
 * same cluster */
static int apply_is_served(const struct apply *a, const struct apply_item *item,
			   bool *served, struct kt_error *err)
{
	const struct apply_session *other = apply_other_connect(a);

	*served = false;
	if (!item->captures || apply_has_connect(a))
		return 0;
	/* another user's cannot be asked, but the device is seen */
	*served = other || if_nametoindex(CAPTURE_IFNAME);
	return other ? apply_check_context(a, item, other, err) : 0;
}

/* The session that does what step @s wants to be done; NULL: none does, or one
 * that cannot be asked */
static const struct apply_session *apply_kept(const struct apply *a,
					      const struct apply_step *s)
{
	if (s->act != APPLY_KEEP)
		return NULL;
	return s->have == APPLY_NONE ? apply_other_connect(a)
				     : &a->sessions.v[s->have];
}

/* The current context may be another one by now than when it was started */
static int apply_check_kept(const struct apply *a, struct kt_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < a->plan.n; i++) {
		const struct apply_step *s = &a->plan.v[i];
		const struct apply_session *kept = apply_kept(a, s);

		if (kept && s->have != APPLY_NONE)
			rc = apply_check_context(a, &a->file.item[s->want],
						 kept, err);
	}
	return rc;
}

static int apply_make_plan(struct apply *a, struct kt_error *err)
{
	const struct apply_file *f = &a->file;
	auto_free struct apply_want *want = xcalloc(f->n + 1, sizeof(*want));
	auto_free struct apply_have *have = NULL;
	auto_free size_t *place = NULL;
	size_t n = 0;
	int rc = 0;

	apply_plan_fini(&a->plan);
	apply_sessions_fini(&a->sessions);
	rc = apply_sessions_find(&a->sessions, a->app->loop, a->app->home,
				 a->identity, err);
	for (size_t i = 0; rc == 0 && i < f->n; i++) {
		want[i].key = f->item[i].key;
		want[i].digest = f->item[i].digest;
		rc = apply_is_served(a, &f->item[i], &want[i].served, err);
	}
	if (rc < 0)
		return rc;
	have = xcalloc(a->sessions.n + 1, sizeof(*have));
	place = xcalloc(a->sessions.n + 1, sizeof(*place));
	for (size_t i = 0; i < a->sessions.n; i++) {
		const struct apply_session *s = &a->sessions.v[i];

		if (!s->digest)
			continue;
		place[n] = i;
		have[n++] =
			(struct apply_have){ s->key, s->digest, s->unsettled };
	}
	apply_plan_make(&a->plan, want, f->n, have, n);
	for (size_t i = 0; i < a->plan.n; i++)
		if (a->plan.v[i].have != APPLY_NONE)
			a->plan.v[i].have = place[a->plan.v[i].have];
	return apply_check_kept(a, err);
}

static bool apply_is_done(const struct apply *a)
{
	return apply_plan_count(&a->plan, APPLY_KEEP) == a->plan.n;
}

/* What ends may have to be put back, as the user whose it is */
static int apply_check_restart(const struct apply *a,
			       const struct apply_session *s,
			       struct kt_error *err)
{
	struct kt_error why = { 0 };

	if (s->uid != geteuid() && (geteuid() || s->uid != a->app->home->uid))
		kt_fail(&why, EPERM, "it is of user %u, and this is user %u",
			(unsigned int)s->uid, (unsigned int)geteuid());
	/* where there is no device it is a proxy, by configuration */
	else if (strcmp(s->command, "connect") != 0 || !s->captures ||
		 !if_nametoindex(CAPTURE_IFNAME) ||
		 netns_check(true, &why) == 0)
		return 0;
	kt_hint(err, "ktctl disconnect %s ends it for good", s->id);
	return kt_fail(err, why.code,
		       "%s would end, and could not be put back if another job "
		       "failed: %s",
		       s->id, why.msg);
}

/* With --delete nothing is put back */
static int apply_check_restarts(const struct apply *a, struct kt_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && !a->opt->remove && i < a->plan.n; i++) {
		const struct apply_step *s = &a->plan.v[i];

		if (s->act == APPLY_END || s->act == APPLY_CHANGE)
			rc = apply_check_restart(a, &a->sessions.v[s->have],
						 err);
	}
	return rc;
}

/* Before anything is made, or ended */
static int apply_check_rights(const struct apply *a, struct kt_error *err)
{
	for (size_t i = 0; i < a->plan.n; i++) {
		const struct apply_step *s = &a->plan.v[i];
		const struct apply_item *item =
			s->want == APPLY_NONE ? NULL : &a->file.item[s->want];
		struct kt_error why = { 0 };

		if ((s->act != APPLY_START && s->act != APPLY_CHANGE) ||
		    !item->captures || netns_check(item->device, &why) == 0)
			continue;
		kt_hint(err,
			"sudo ktctl apply; or let root connect first (sudo "
			"ktctl connect --background), which counts; or "
			"connect: {disableTunDevice: true}, a SOCKS5 proxy; "
			"the other jobs need no root");
		return kt_fail(err, why.code, "%s:%d: connect: %s", a->shown,
			       item->line, why.msg);
	}
	return apply_check_restarts(a, err);
}

/* --- one at a time -------------------------------------------------------- */

static int apply_lock_busy(const struct apply *a, int fd, struct kt_error *err)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[MAX(n, 0)] = '\0';
	kt_hint(err,
		"wait until it has ended, or end it with Ctrl-C in its "
		"terminal, or kill %s",
		pid);
	return kt_fail(err, EBUSY,
		       "another ktctl apply of %s is at work (pid %s)",
		       a->shown, pid);
}

/* The kernel takes it away with the last process that has it: ours, or a job's
 * that is not up yet. A home that cannot be written to is no reason to stop. */
static int apply_take_lock(struct apply *a, struct kt_error *err)
{
	struct kt_error why = { 0 };
	struct sha256 sum;
	char hex[SHA256_HEX], name[32], pid[16];
	auto_close int dir = home_open_dir(a->app->home, "lock", 1, &why);
	auto_close int fd = -1;
	int n;

	if (dir < 0) {
		log_warn("%s: two 'ktctl apply' at the same time would not "
			 "see each other",
			 why.msg);
		return 0;
	}
	sha256_init(&sum);
	sha256_add(&sum, a->identity, strlen(a->identity));
	sha256_end(&sum, hex);
	snprintf(name, sizeof(name), "apply-%.16s", hex);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return kt_fail(err, errno, "open %s/lock/%s: %s",
			       a->app->home->dir, name, strerror(errno));
	home_own(a->app->home, fd);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return apply_lock_busy(a, fd, err);
	n = snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		log_debug("write %s: %s", name, strerror(errno));
	a->lock = steal_fd(&fd);
	return 0;
}

/* --- doing it ------------------------------------------------------------- */

static struct apply_view apply_view_of(const struct apply *a)
{
	return (struct apply_view){
		.name = a->file.name,
		.identity = a->identity,
		.file = &a->file,
		.sessions = &a->sessions,
		.plan = &a->plan,
	};
}

static int apply_show(const struct apply *a)
{
	const struct apply_view view = apply_view_of(a);
	auto_free char *text = NULL;
	json_t *all;

	if (a->opt->output == OUTPUT_TEXT) {
		apply_show_text(&view);
		return EXIT_OK;
	}
	all = apply_show_json(&view);
	text = json_dumps(all, JSON_INDENT(2));
	json_decref(all);
	print_text(stdout, text, strlen(text));
	return EXIT_OK;
}

static void apply_say_kept(const struct apply *a)
{
	const struct apply_view view = apply_view_of(a);

	for (size_t i = 0; i < a->plan.n; i++)
		if (a->plan.v[i].act == APPLY_KEEP)
			apply_show_line(&view, &a->plan.v[i]);
}

static void apply_say_done(const struct apply *a, bool changed)
{
	if (a->opt->remove)
		print_line(stdout,
			   changed ? "All of %s has ended"
				   : "Nothing of %s runs",
			   a->identity);
	else if (!a->file.run.n)
		print_line(stdout, "%s: %s", a->file.name,
			   changed ? "all is up" : "all is up already");
}

/* What is left as it is has to be up; all that are not are named */
static int apply_check_up(const struct apply *a, struct kt_error *err)
{
	size_t down = 0;

	for (size_t i = 0; i < a->plan.n; i++) {
		const struct apply_session *s = apply_kept(a, &a->plan.v[i]);

		if (!s || !s->down)
			continue;
		print_line(stderr, "ktctl: %s is %s", s->id, s->down);
		down++;
	}
	if (!down)
		return 0;
	kt_hint(err, "ktctl status says why; ktctl disconnect ends one, and "
		     "ktctl apply starts it anew");
	return kt_fail(err, ENOTCONN,
		       "not all is up that runs already: nothing was changed");
}

/* The jobs stay as long as the command runs */
static int apply_run_and_end(struct apply *a, struct apply_run *r)
{
	struct kt_error err = { 0 }, why = { 0 };
	int status = apply_run_command(r, &err);

	if (status < 0)
		status = app_fail(a->app, status, &err);
	signals_clean_up(a->app->signals);
	if (apply_run_end(r, &why) < 0) {
		kt_hint(&why, "ktctl apply --delete");
		app_fail(a->app, -why.code, &why);
		return status ? status : EXIT_FAILED;
	}
	return status;
}

static int apply_do(struct apply *a)
{
	struct apply_run r = {
		.app = a->app,
		.view = apply_view_of(a),
		.dir = a->dir,
		.lock = a->lock,
		.tie = a->file.run.n,
		.remove = a->opt->remove,
	};
	struct kt_error err = { 0 };
	bool changed = !apply_is_done(a);
	int rc;

	apply_say_kept(a);
	rc = apply_check_up(a, &err);
	if (rc < 0)
		return app_fail(a->app, rc, &err);
	rc = apply_run_steps(&r, &err);
	if (rc < 0) {
		app_fail(a->app, -ECANCELED, &err); /* also of a signal */
		return r.status;
	}
	apply_say_done(a, changed);
	return a->file.run.n ? apply_run_and_end(a, &r) : EXIT_OK;
}

static int apply_prepare(struct apply *a, struct kt_error *err)
{
	int rc = apply_make_plan(a, err);

	if (rc < 0 || a->opt->dry_run || (apply_is_done(a) && !a->file.run.n))
		return rc;
	rc = apply_take_lock(a, err);
	/* what another one has done until now counts */
	if (rc == 0)
		rc = apply_make_plan(a, err);
	return rc < 0 ? rc : apply_check_rights(a, err);
}

int command_apply(struct app *app, const struct options *o)
{
	struct apply a = { .app = app, .opt = &o->apply, .lock = -1 };
	struct kt_error err = { 0 };
	int status, rc = apply_choose(&a, &err);

	if (rc == 0)
		rc = apply_identify(&a, &err);
	if (rc == 0)
		rc = apply_load(&a, &err);
	if (rc == -EINVAL || rc == -EFBIG) {
		status = app_usage(app, &err);
	} else {
		if (rc == 0)
			rc = apply_prepare(&a, &err);
		if (rc < 0)
			status = app_fail(app, rc, &err);
		else
			status = o->apply.dry_run ? apply_show(&a)
						  : apply_do(&a);
	}
	apply_plan_fini(&a.plan);
	apply_sessions_fini(&a.sessions);
	apply_file_fini(&a.file);
	if (a.lock >= 0)
		close(a.lock);
	free(a.shown);
	free(a.identity);
	free(a.dir);
	return status;
}
