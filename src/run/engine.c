/* SPDX-License-Identifier: Apache-2.0 */
#include "run/engine.h"

#include "base/fdlimit.h"
#include "base/mem.h"
#include "cli/options.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENGINE_CMDLINE_MAX ((size_t)4 << 20)
/* set by "podman unshare" */
#define ENGINE_ENTERED "_CONTAINERS_USERNS_CONFIGURED"

const char *engine_program(const struct options *o)
{
	return o->run.engine == RUN_ENGINE_PODMAN ? "podman" : NULL;
}

int engine_check(const struct options *o, struct kt_error *err)
{
	if (o->run.engine == RUN_ENGINE_DOCKER) {
		kt_hint(err, "sudo ktctl connect: then they reach the cluster "
			     "by name as they are; or --engine podman");
		return kt_fail(err, EINVAL,
			       "--engine docker: its containers are started by "
			       "its daemon, in the daemon's network");
	}
	if (engine_program(o) && o->run.capture == RUN_SECCOMP)
		return kt_fail(err, EINVAL,
			       "--engine needs a namespace: not with --capture "
			       "seccomp");
	if (engine_program(o) && o->session.background)
		return kt_fail(err, EINVAL, "--engine: not with --background");
	return 0;
}

const char *const *engine_local(void)
{
	static const char *const names[] = {
		"LD_*",	     "CONTAINER_*", "CONTAINERS_*", "_CONTAINERS_*",
		"STORAGE_*", "GODEBUG",	    "HTTP_PROXY",   "HTTPS_PROXY",
		"NO_PROXY",  NULL,
	};

	return names;
}

/* --- its user namespace --------------------------------------------------- */

/* Our own command line behind @out's words */
static int engine_own_words(struct strv *out)
{
	size_t n;
	auto_free char *text =
		file_read("/proc/self/cmdline", ENGINE_CMDLINE_MAX, &n);

	if (!text || !n)
		return -EIO;
	for (size_t at = strlen(text) + 1; at < n; at += strlen(text + at) + 1)
		strv_add(out, text + at);
	return 0;
}

int engine_enter(const struct options *o, struct kt_error *err)
{
	const char *engine = engine_program(o);
	auto_free char *self = realpath("/proc/self/exe", NULL);
	auto_strv struct strv words = { 0 };
	sigset_t none;

	if (!engine || geteuid() == 0)
		return 0;
	if (getenv(ENGINE_ENTERED))
		return kt_fail(err, EPERM,
			       "'%s unshare' does not make us root of its user "
			       "namespace",
			       engine);
	strv_add(&words, engine);
	strv_add(&words, "unshare");
	strv_add(&words, self ? self : "ktctl");
	if (engine_own_words(&words) < 0)
		return kt_fail(err, EIO, "read /proc/self/cmdline");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fdlimit_restore();
	execvp(engine, words.v);
	if (errno == ENOENT)
		kt_hint(err, "install the package podman");
	return kt_fail(err, errno, "run %s: %s", engine, strerror(errno));
}

/* --- its command line ----------------------------------------------------- */

void engine_words(struct strv *out, const struct options *o,
		  const struct strv *names, const struct strv *mounts,
		  char *const *args)
{
	strv_add(out, engine_program(o));
	strv_add(out, "run");
	strv_add(out, "--network=host");
	for (size_t i = 0; i < names->n; i++) /* a star means more of them */
		if (!strchr(names->v[i], '*'))
			strv_take(out, xasprintf("--env=%s", names->v[i]));
	for (size_t i = 0; i + 1 < mounts->n; i += 2)
		strv_take(out, xasprintf("--volume=%s:%s:%s", mounts->v[i],
					 mounts->v[i],
					 *mounts->v[i + 1] == 'r' ? "ro"
								  : "rw"));
	for (; *args; args++)
		strv_add(out, *args);
}
