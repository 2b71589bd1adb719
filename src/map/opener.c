/* SPDX-License-Identifier: Apache-2.0 */
#include "map/opener.h"

#include "base/caller.h"
#include "base/fdlimit.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>

static bool opener_has_screen(void)
{
	static const char *const vars[] = { "DISPLAY", "WAYLAND_DISPLAY" };

	for (size_t i = 0; i < ARRAY_SIZE(vars); i++) {
		const char *v = getenv(vars[i]);

		if (v && *v)
			return true;
	}
	return false;
}

/* sudo has left out what a screen is reached by */
static void opener_set_runtime(uid_t uid)
{
	auto_free char *dir = xasprintf("/run/user/%u", (unsigned int)uid);

	setenv("XDG_RUNTIME_DIR", dir, 0);
}

/* A browser must not be root's */
static int opener_become(const struct caller *as)
{
	int rc = caller_enter(as);

	if (rc == 0)
		opener_set_runtime(as->uid);
	return rc;
}

/* In the grandchild; nobody waits for it */
static void opener_exec(const char *url, const struct caller *as)
{
	char *const argv[] = { (char *)(uintptr_t) "xdg-open",
			       (char *)(uintptr_t)url, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	fdlimit_restore();
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			_exit(126);
	if (as && opener_become(as) < 0)
		_exit(126);
	execvp(argv[0], argv);
	_exit(127);
}

/* A session of its own: Ctrl-C in the terminal is not the browser's */
static void opener_child(const char *url, const struct caller *as)
{
	pid_t pid;

	setsid();
	pid = fork();
	if (pid == 0)
		opener_exec(url, as);
	_exit(pid < 0 ? 1 : 0);
}

static int opener_start(const char *url, const struct caller *as)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		opener_child(url, as);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
}

int opener_open(const char *url)
{
	struct caller as;
	bool sudo;
	int rc;

	if (!opener_has_screen())
		return -ENOTTY;
	sudo = caller_get(&as);
	if (!sudo && geteuid() == 0)
		return -ENOTTY;
	rc = opener_start(url, sudo ? &as : NULL);
	if (sudo)
		caller_fini(&as);
	return rc;
}
