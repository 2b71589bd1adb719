/* SPDX-License-Identifier: Apache-2.0 */
#include "run/ways.h"

#include "base/mem.h"
#include "run/filter.h"
#include "run/keeper_impl.h"
#include "run/supervisor_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAYS_PATIENCE 3000 /* ms: of what takes some microseconds */
#define WAYS_WORD 0x6b746374

static char ways_name[] = "true";
static const int ways_word = WAYS_WORD; /* the child has it at the same place */

int ways_try_namespace(struct kt_error *err)
{
	static char *argv[] = { ways_name, NULL };
	const struct keeper_config cfg = { .argv = argv };
	struct keeper_made made = { 0 };
	struct keeper *k = NULL;
	int rc = keeper_start(&k, &cfg, &made, err);

	if (rc < 0)
		return rc;
	made.capture.ifindex = 0; /* all of it goes with its namespace */
	capture_link_close(&made.capture);
	loopback_link_close(&made.loopback);
	close(made.diag);
	close(made.room);
	keeper_free(k);
	return 0;
}

/* --- seccomp -------------------------------------------------------------- */

/* The child: told of is a socket that it makes */
static _Noreturn void ways_child(int sock)
{
	struct keeper_message *m = xcalloc(1, sizeof(*m));
	int fd = filter_install(sock);

	m->type = fd < 0 ? KEEPER_NOT_STARTED : KEEPER_LISTENER;
	m->number = fd < 0 ? -fd : 0;
	m->fds[0] = fd;
	m->nfds = fd >= 0;
	if (keeper_send(sock, m) < 0 || fd < 0)
		_exit(1);
	close(fd);
	_exit(socket(AF_INET, SOCK_STREAM, 0) < 0);
}

/* 0, or -errno with what was tried in *@act */
static int ways_answer(int listener, const char **act)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	struct seccomp_notif_addfd add = { .flags = SECCOMP_ADDFD_FLAG_SEND };
	struct seccomp_notif n;
	auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int word = 0, rc;

	memset(&n, 0, sizeof(n));
	*act = "wait for a system call";
	if (poll(&p, 1, WAYS_PATIENCE) <= 0)
		return -ETIMEDOUT;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return -errno;
	*act = "read the program's memory";
	rc = supervisor_read((pid_t)n.pid, (uintptr_t)&ways_word, &word,
			     sizeof(word));
	if (rc == 0 && word != WAYS_WORD)
		rc = -EFAULT;
	if (rc < 0)
		return rc;
	*act = "give it a descriptor";
	add.id = n.id;
	add.srcfd = (uint32_t)fd;
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 ? -errno
								    : 0;
}

static int ways_supervise(int sock, struct kt_error *err)
{
	struct keeper_message *m = xcalloc(1, sizeof(*m));
	const char *act = "";
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int rc = poll(&p, 1, WAYS_PATIENCE) > 0 ? keeper_receive(sock, m)
						: -ETIMEDOUT;

	if (rc > 0 && m->type == KEEPER_LISTENER && m->nfds == 1) {
		rc = ways_answer(m->fds[0], &act);
		close(m->fds[0]);
	} else if (rc >= 0) {
		rc = rc > 0 ? -m->number : -ECHILD;
	}
	free(m);
	if (rc == 0)
		return 0;
	if (rc == -EBUSY)
		kt_hint(err, FILTER_BUSY);
	else if (rc == -EPERM || rc == -EACCES)
		kt_hint(err, "may a program look at its children? "
			     "kernel.yama.ptrace_scope has to be 0 or 1; a "
			     "container's profile may forbid it, too");
	return kt_fail(err, -rc, "supervise a program: seccomp%s%s: %s",
		       *act ? ": " : "", act, strerror(-rc));
}

int ways_try_seccomp(struct kt_error *err)
{
	int pair[2], rc = filter_check(err);
	pid_t pid;

	if (rc < 0)
		return rc;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return kt_fail(err, errno, "make a socket: %s",
			       strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		ways_child(pair[1]);
	}
	close(pair[1]);
	rc = pid < 0 ? kt_fail(err, errno, "fork: %s", strerror(errno))
		     : ways_supervise(pair[0], err);
	close(pair[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return rc;
}
