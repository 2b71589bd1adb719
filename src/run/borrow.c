/* SPDX-License-Identifier: Apache-2.0 */
#include "run/borrow.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"
#include "cli/options.h"
#include "pod/environ.h"
#include "pod/files.h"
#include "pod/specenv.h"
#include "pod/vars.h"
#include "run/engine.h"
#include "run/keeper.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define BORROW_FILE_MAX ((size_t)4 << 20)

static void borrow_own(struct strv *out)
{
	for (char **p = environ; *p; p++)
		strv_add(out, *p);
}

static int borrow_read_file(struct borrow *b, struct kt_error *err)
{
	const char *name = b->opt->run.pod.file;
	auto_strv struct strv own = { 0 };
	auto_free char *text = file_read(name, BORROW_FILE_MAX, NULL);

	if (!text)
		return kt_fail(err, EINVAL, "read %s: %s", name,
			       strerror(errno));
	borrow_own(&own);
	return vars_read_file(&b->file, text, name, &own, err);
}

/* Where the program is that PATH finds (returned, caller frees), or NULL */
static char *borrow_program(const char *name)
{
	const char *path = getenv("PATH");
	auto_strv struct strv dirs = words_cut(path ? path : "", ':');
	char *real = NULL;

	if (strchr(name, '/'))
		return realpath(name, NULL);
	for (size_t i = 0; !real && i < dirs.n; i++) {
		auto_free char *file =
			xasprintf("%s/%s", *dirs.v[i] ? dirs.v[i] : ".", name);

		if (access(file, X_OK) == 0)
			real = realpath(file, NULL);
	}
	return real;
}

int borrow_init(struct borrow *b, const struct options *o, struct kt_error *err)
{
	int rc = 0;

	*b = (struct borrow){ .opt = o };
	if (o->nbefore)
		b->workload = o->args[0];
	b->cwd = getcwd(NULL, 0);
	b->program = borrow_program(engine_program(o) ? engine_program(o)
						      : o->args[o->nbefore]);
	if (b->workload)
		rc = pod_find_check(b->workload, err);
	if (rc == 0 && !b->workload && o->run.pod.container)
		rc = kt_fail(err, EINVAL,
			     "--container: which workload's? It stands before "
			     "\"--\"");
	if (rc == 0 && o->run.pod.file)
		rc = borrow_read_file(b, err);
	return rc;
}

/* What stays local, for the engine too, which obeys some itself */
static void borrow_local(const struct borrow *b, struct strv *out)
{
	const struct strv *asked = &b->opt->run.pod.local;

	for (size_t i = 0; i < asked->n; i++)
		strv_add(out, asked->v[i]);
	if (engine_program(b->opt))
		for (const char *const *p = engine_local(); *p; p++)
			strv_add(out, *p);
}

static void borrow_make_vars(struct borrow *b, const struct strv *pod)
{
	const struct pod_env_options *o = &b->opt->run.pod;
	auto_strv struct strv own = { 0 }, local = { 0 };
	const struct strv none = { 0 };
	const struct vars_rules rules = {
		.include = &o->include,
		.exclude = &o->exclude,
		.local = &local,
		.file = &b->file,
		.set = &o->set,
	};

	if (!pod && !b->file.n && !o->set.n)
		return;
	borrow_local(b, &local);
	borrow_own(&own);
	vars_make(&b->vars, pod, &own, &rules);
	vars_make(&b->given, pod ? pod : &none, &none, &rules);
	b->has_vars = true;
}

int borrow_look(struct borrow *b, struct kube *k, const char *ns,
		const struct files_far *far, struct kt_error *err)
{
	int rc;

	if (!b->workload)
		return 0;
	rc = pod_find(&b->found, k, ns, b->workload, b->opt->run.pod.container,
		      err);
	if (rc == -ENOENT && !b->opt->run.in_pod &&
	    (b->opt->run.exchange || b->opt->run.mesh)) {
		/* its callers come here all the same */
		log_warn("the environment is this machine's: %s", err->msg);
		*err = (struct kt_error){ 0 };
		b->workload = NULL;
		return 0;
	}
	if (rc < 0)
		return rc;
	b->sources = (struct pod_sources){ .kube = k, .ns = b->found.ns };
	rc = environ_read(&b->pod, k, &b->found, &b->sources, err);
	if (rc < 0)
		return rc;
	log_debug("%zu variables of Pod %s/%s", b->pod.n, b->found.ns,
		  b->found.name);
	if (b->opt->run.no_files)
		return 0;
	b->files = pod_files_read(k, &b->found, &b->sources, &b->pod, far, err);
	return b->files ? 0 : -err->code;
}

void borrow_far(const struct borrow *b, struct strv *names)
{
	if (b->files)
		pod_files_far(b->files, names);
}

static int borrow_put(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t k = write(fd, data, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		data += k;
		n -= (size_t)k;
	}
	return 0;
}

/* In a file without a name */
static int borrow_keep(struct keeper *k, enum keeper_given what,
		       const char *data, size_t n, struct kt_error *err)
{
	auto_close int fd = memfd_create("ktctl", MFD_CLOEXEC);
	int rc = fd < 0 ? -errno : borrow_put(fd, data, n);

	if (rc < 0)
		return kt_fail(err, -rc, "keep what is a Pod's in memory: %s",
			       strerror(-rc));
	keeper_give(k, what, steal_fd(&fd));
	return 0;
}

/* --- files ---------------------------------------------------------------- */

/* @dir is above @path, or is it */
static bool borrow_covers(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	if (n == 1)
		return true;
	return path && strncmp(dir, path, n) == 0 &&
	       (!path[n] || path[n] == '/');
}

/* What the program needs of this machine that would be covered; borrowed */
static const char *borrow_needs(const struct borrow *b, const char *dir)
{
	static const char *const needed[] = {
		"/proc/self",	    "/sys/class", "/dev/null",
		"/etc/resolv.conf", "/usr/bin",	  "/bin/sh",
		"/sbin/init",	    "/lib/ld",	  "/lib64/ld",
	};
	const char *home = getenv("HOME");

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (borrow_covers(dir, needed[i]))
			return needed[i];
	if (borrow_covers(dir, b->cwd))
		return b->cwd;
	if (borrow_covers(dir, home))
		return home;
	return borrow_covers(dir, b->program) ? b->program : NULL;
}

static bool borrow_wants(const struct borrow *b, const struct files_mount *m)
{
	auto_free char *real = realpath(m->path, NULL);
	const char *needed = borrow_needs(b, m->path);

	if (!needed && real)
		needed = borrow_needs(b, real);
	if (!needed)
		return true;
	log_warn("%s of the Pod is not there: it would cover %s of this "
		 "machine",
		 m->path, needed);
	return false;
}

static void borrow_put_layers(const struct borrow *b, struct strv *words)
{
	size_t n;
	auto_free struct files_layer *layer = pod_files_layers(b->files, &n);

	for (size_t i = 0; i < n; i++) {
		strv_add(words, layer[i].source);
		strv_add(words, layer[i].volume);
		strv_add(words, layer[i].empty ? "e" : "c");
	}
}

static int borrow_give_files(struct borrow *b, struct keeper *k,
			     struct kt_error *err)
{
	auto_strv struct strv words = { 0 };
	auto_free char *block = NULL;
	const struct files_mount *m;
	size_t count, n;

	borrow_put_layers(b, &words);
	m = pod_files_mounts(b->files, &count);
	for (size_t i = 0; i < count; i++) {
		bool ro = m[i].read_only && !b->opt->run.write;

		if (!borrow_wants(b, &m[i]))
			continue;
		strv_take(&words, xstrdup(m[i].source));
		strv_take(&words, xstrdup(m[i].path));
		strv_take(&words, xasprintf("%c%c",
					    m[i].look  ? '?'
					    : m[i].dir ? 'd'
						       : 'f',
					    ro ? 'r' : 'w'));
		strv_add(&b->mounts, m[i].path);
		strv_add(&b->mounts, ro ? "r" : "w");
	}
	if (!words.n)
		return 0;
	block = vars_block(&words, &n);
	return borrow_keep(k, KEEPER_FILES, block, n, err);
}

static int borrow_write_files(struct borrow *b, struct keeper *k, int room,
			      struct kt_error *err)
{
	int rc = pod_files_write(b->files, room, err);

	if (rc == 0)
		rc = borrow_give_files(b, k, err);
	if (rc == 0)
		pod_files_follow(b->files);
	return rc;
}

/* --- a container's command line ------------------------------------------- */

static int borrow_give_args(struct borrow *b, struct keeper *k,
			    struct kt_error *err)
{
	auto_strv struct strv names = { 0 }, words = { 0 };
	auto_free char *block = NULL;
	size_t n;

	if (!engine_program(b->opt))
		return 0;
	for (size_t i = 0; i < b->given.n; i++)
		strv_take(&names, vars_name(b->given.v[i]));
	engine_words(&words, b->opt, &names, &b->mounts,
		     b->opt->args + b->opt->nbefore);
	block = vars_block(&words, &n);
	return borrow_keep(k, KEEPER_ARGS, block, n, err);
}

/* --- all ------------------------------------------------------------------ */

/* In the place of those of the same names */
static void borrow_add(struct borrow *b, const struct strv *more)
{
	auto_strv struct strv before = b->vars;

	b->vars = (struct strv){ 0 };
	if (!b->has_vars)
		borrow_own(&before);
	for (size_t i = 0; i < before.n; i++) {
		size_t n = strcspn(before.v[i], "=");
		bool again = false;

		for (size_t j = 0; j < more->n; j++)
			again |= strncmp(before.v[i], more->v[j], n) == 0 &&
				 more->v[j][n] == '=';
		if (!again)
			strv_add(&b->vars, before.v[i]);
	}
	for (size_t j = 0; j < more->n; j++)
		strv_add(&b->vars, more->v[j]);
	b->has_vars = true;
}

int borrow_give(struct borrow *b, struct keeper *k, int room,
		const struct ipaddr *api, const struct strv *more,
		struct kt_error *err)
{
	auto_free char *block = NULL;
	char text[IPADDR_STRLEN];
	size_t n;
	int rc = 0;

	if (b->workload && !environ_has_api(&b->pod) && api->family)
		specenv_add_api(&b->pod, ipaddr_str(api, text));
	borrow_make_vars(b, b->workload ? &b->pod : NULL);
	if (more->n)
		borrow_add(b, more);
	if (b->has_vars) {
		block = vars_block(&b->vars, &n);
		rc = borrow_keep(k, KEEPER_ENV, block, n, err);
	}
	if (rc == 0 && b->files && room < 0)
		log_warn("what the Pod has mounted is not there: that needs a "
			 "mount namespace for the program");
	else if (rc == 0 && b->files)
		rc = borrow_write_files(b, k, room, err);
	return rc < 0 ? rc : borrow_give_args(b, k, err);
}

void borrow_stop(struct borrow *b)
{
	pod_files_free(steal_ptr(&b->files));
}

void borrow_fini(struct borrow *b)
{
	borrow_stop(b);
	pod_sources_fini(&b->sources);
	pod_found_fini(&b->found);
	strv_fini(&b->file);
	strv_fini(&b->pod);
	strv_fini(&b->vars);
	strv_fini(&b->given);
	strv_fini(&b->mounts);
	free(b->cwd);
	free(b->program);
}
