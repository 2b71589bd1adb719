/* SPDX-License-Identifier: Apache-2.0 */
#include "run/engine.h"

#include "base/fdlimit.h"
#include "base/mem.h"
#include "cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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
	if (engine_program(o) && o->run.capture != RUN_AUTO &&
	    o->run.capture != RUN_NAMESPACE)
		return kt_fail(err, EINVAL,
			       "--engine needs a namespace: not with another "
			       "--capture");
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

/* What says to podman that it is there already */
static void engine_tell(uid_t uid, gid_t gid)
{
	auto_free char *u = xasprintf("%u", uid);
	auto_free char *g = xasprintf("%u", gid);

	setenv(ENGINE_ENTERED, "done", 1);
	setenv("_CONTAINERS_ROOTLESS_UID", u, 1);
	setenv("_CONTAINERS_ROOTLESS_GID", g, 1);
}

static void engine_exec_witness(const char *engine, int in, int out)
{
	/* $$ is the shell's, whose namespaces these are */
	const char *const words[] = { engine, "unshare",	 "sh",
				      "-c",   "echo $$; read x", NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execvp(engine, (char *const *)(uintptr_t)words);
	_exit(127);
}

/* A process in the engine's namespaces, which ends when @hold is closed; its
 * own pid, or 0 */
static pid_t engine_witness(const char *engine, int *hold, pid_t *child)
{
	int in[2], out[2];
	char text[16] = "";

	if (pipe2(in, O_CLOEXEC) < 0)
		return 0;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return 0;
	}
	*child = fork();
	if (*child == 0)
		engine_exec_witness(engine, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	for (size_t n = 0; n < sizeof(text) - 1; n++)
		if (read(out[0], text + n, 1) != 1 || text[n] == '\n')
			break;
	close(out[0]);
	*hold = in[1];
	return (pid_t)strtol(text, NULL, 10);
}

static int engine_join(pid_t witness, const char *ns)
{
	auto_free char *path = xasprintf("/proc/%d/ns/%s", witness, ns);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || setns(fd, 0) < 0 ? -errno : 0;
}

static int engine_join_all(const char *engine, struct kt_error *err)
{
	auto_free char *cwd = getcwd(NULL, 0);
	auto_close int hold = -1;
	pid_t child = 0, witness = engine_witness(engine, &hold, &child);
	int rc = witness > 0 ? engine_join(witness, "user") : -ECHILD;

	if (rc == 0)
		rc = engine_join(witness, "mnt");
	if (rc == 0 && (!cwd || chdir(cwd) < 0))
		rc = -errno;
	close(steal_fd(&hold));
	if (child > 0)
		waitpid(child, NULL, 0);
	if (rc == -ECHILD) {
		kt_hint(err, "'%s unshare true' says why", engine);
		return kt_fail(err, ECHILD, "'%s unshare' does not work",
			       engine);
	}
	return rc < 0 ? kt_fail(err, -rc, "enter %s's user namespace: %s",
				engine, strerror(-rc))
		      : 0;
}

/* Our own command line */
static int engine_own_words(struct strv *out)
{
	size_t n;
	auto_free char *text =
		file_read("/proc/self/cmdline", ENGINE_CMDLINE_MAX, &n);

	if (!text || !n)
		return -EIO;
	for (size_t at = 0; at < n; at += strlen(text + at) + 1)
		strv_add(out, text + at);
	return 0;
}

int engine_enter(const struct options *o, struct kt_error *err)
{
	const char *engine = engine_program(o);
	auto_free char *self = realpath("/proc/self/exe", NULL);
	auto_strv struct strv words = { 0 };
	uid_t uid = geteuid();
	gid_t gid = getegid();
	sigset_t none;
	int rc;

	if (!engine || uid == 0)
		return 0;
	if (!self || engine_own_words(&words) < 0)
		return kt_fail(err, EIO, "read /proc/self/cmdline");
	rc = engine_join_all(engine, err);
	if (rc < 0)
		return rc;
	if (geteuid() != 0)
		return kt_fail(err, EPERM,
			       "'%s unshare' does not make us root of its user "
			       "namespace",
			       engine);
	engine_tell(uid, gid);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fdlimit_restore();
	execvp(self, words.v);
	return kt_fail(err, errno, "run %s: %s", self, strerror(errno));
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
		strv_take(out,
			  xasprintf("--volume=%s:%s:%s", mounts->v[i],
				    mounts->v[i],
				    *mounts->v[i + 1] == 'r' ? "ro" : "rw"));
	for (; *args; args++)
		strv_add(out, *args);
}
