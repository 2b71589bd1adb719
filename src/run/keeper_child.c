/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's own side; see keeper.h */
#include "run/keeper_impl.h"

#include "base/fdlimit.h"
#include "base/mem.h"
#include "net/nlmsg.h"
#include "net/sockdiag.h"
#include "run/etc.h"
#include "run/filter.h"
#include "run/mounts.h"
#include "run/namespaces.h"
#include "run/offspring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct keeper_child {
	const struct keeper_config *cfg;
	char *const *argv; /* the program */
	int sock;
	int signals;	   /* SIGCHLD */
	int room;	   /* mounts.h, or -1 */
	int etc;	   /* namespaces_watch(), or -1 */
	int listens;	   /* keeper_listen_take(), or -1 */
	char *resolv_conf; /* of a supervised program, or NULL */
	pid_t program;	   /* 0: not begun, or gone */
	struct keeper_message message;
};

/* --- the namespaces ------------------------------------------------------- */

/* What ktctl has open is ktctl's: its locks, the terminal's log. What our
 * caller left open for the program has no such mark. */
static void keeper_child_close_others(int sock)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd = (int)strtol(e->d_name, NULL, 10);

		if (fd > STDERR_FILENO && fd != sock && fd != dirfd(d) &&
		    fcntl(fd, F_GETFD) & FD_CLOEXEC)
			close(fd);
	}
	if (d)
		closedir(d);
}

/* What connect would advise is for connect: its flags, and to be root */
static void keeper_child_hint(struct kt_error *err)
{
	static const char tun[] = "/dev/net/tun";
	bool no_nft = str_starts(err->hint, "install the package nftables");

	if (strstr(err->hint, "--") || strstr(err->hint, "root"))
		err->hint[0] = '\0';
	if (access(tun, F_OK) < 0)
		kt_hint(err, "load the module (sudo modprobe tun); in a "
			     "container pass --device /dev/net/tun");
	else if (access(tun, R_OK | W_OK) < 0)
		kt_hint(err, "everybody may open it as udev has it: sudo chmod "
			     "666 /dev/net/tun");
	else if (no_nft)
		kt_hint(err, "install the package nftables");
	else if (strstr(err->msg, ": nftables: "))
		kt_hint(err, "the kernel needs nf_tables with nft_tproxy and "
			     "nft_socket (in every Debian kernel)");
	else if (err->code == EROFS)
		kt_hint(err, "/proc/sys is read-only, as in an unprivileged "
			     "container: run ktctl outside of it");
	else
		namespaces_hint(err, "/proc/sys");
}

static int keeper_child_set_up(struct keeper_made *made, struct nlsock *diag,
			       struct kt_error *err)
{
	static const struct capture_config cfg = { .ipv6 = true };
	int rc = namespaces_enter(err);

	if (rc < 0)
		return rc;
	rc = capture_link_open(&made->capture, NULL, &cfg, err);
	if (rc == 0)
		rc = loopback_link_open(&made->loopback, err);
	if (rc < 0) {
		keeper_child_hint(err);
		return rc;
	}
	rc = nlsock_open(diag, NETLINK_SOCK_DIAG);
	if (rc < 0)
		return kt_fail(err, -rc, "open sock_diag: %s", strerror(-rc));
	made->ends = sockdiag_ends_open(); /* without it they are counted */
	made->room = mounts_open(err);
	return made->room < 0 ? made->room : 0;
}

/* A descriptor that is not there goes as a copy of another: its bit says so */
static int keeper_child_pass(struct keeper_child *k,
			     const struct keeper_made *made)
{
	struct keeper_message *m = &k->message;

	m->type = KEEPER_MADE;
	m->len = sizeof(*made);
	memcpy(m->data, made, sizeof(*made));
	capture_link_pass(&made->capture, m->fds);
	memcpy(m->fds + CAPTURE_LINK_FDS, made->loopback.fds,
	       sizeof(made->loopback.fds));
	m->fds[KEEPER_MADE_ENDS] = made->ends;
	m->fds[KEEPER_MADE_DIAG] = made->diag;
	m->fds[KEEPER_MADE_ROOM] = made->room;
	for (int i = 0; i < KEEPER_MADE_FDS; i++) {
		if (m->fds[i] >= 0)
			m->number |= 1 << i;
		else
			m->fds[i] = made->diag;
	}
	m->nfds = KEEPER_MADE_FDS;
	return keeper_send(k->sock, m);
}

static void keeper_child_send_error(struct keeper_child *k,
				    const struct kt_error *err)
{
	struct keeper_message *m = &k->message;

	m->type = KEEPER_ERROR;
	m->len = sizeof(*err);
	m->nfds = 0;
	memcpy(m->data, err, sizeof(*err));
	(void)!keeper_send(k->sock, m);
}

static void keeper_child_make(struct keeper_child *k)
{
	struct keeper_message *m = &k->message;
	struct keeper_made made = { 0 };
	struct nlsock diag = { .fd = -1 };
	struct kt_error err = { 0 };

	if (k->cfg->supervised) {
		m->type = KEEPER_MADE;
		if (keeper_send(k->sock, m) < 0)
			_exit(1);
		return;
	}
	if (keeper_child_set_up(&made, &diag, &err) < 0) {
		keeper_child_send_error(k, &err);
		_exit(1);
	}
	made.diag = diag.fd;
	k->room = made.room;
	if (keeper_child_pass(k, &made) < 0)
		_exit(1);
	/* all but the room is ktctl's alone from now on, and goes with it */
	made.capture.ifindex = 0;
	capture_link_close(&made.capture);
	loopback_link_close(&made.loopback);
	nlsock_close(&diag);
	if (made.ends >= 0)
		close(made.ends);
}

/* --- the program ---------------------------------------------------------- */

static void keeper_child_send_number(struct keeper_child *k, int type,
				     int number)
{
	struct keeper_message *m = &k->message;

	m->type = type;
	m->number = number;
	m->len = m->nfds = 0;
	(void)!keeper_send(k->sock, m);
}

/* sendmsg() of the socket is not told to anybody, by this number */
#define FILTER_FREE_FD 900

static void keeper_child_filter_fail(struct keeper_child *k, int error)
{
	struct kt_error err = { 0 };

	kt_fail(&err, error, "supervise the program: seccomp: %s",
		strerror(error));
	if (error == EBUSY)
		kt_hint(&err, FILTER_BUSY);
	keeper_child_send_error(k, &err);
	_exit(126);
}

/* The program's system calls come to ktctl from here on */
static void keeper_child_filter(struct keeper_child *k)
{
	struct keeper_message *m = &k->message;
	int to = -1, fd;

	/* where so many are not allowed, a lower one */
	for (int n = FILTER_FREE_FD; to < 0 && n > STDERR_FILENO; n /= 2)
		to = fcntl(k->sock, F_DUPFD_CLOEXEC, n);
	fd = to < 0 ? -errno : filter_install(to);
	if (fd < 0)
		keeper_child_filter_fail(k, -fd);
	m->type = KEEPER_LISTENER;
	m->len = 0;
	m->fds[0] = fd;
	m->nfds = 1;
	if (keeper_send(to, m) < 0)
		_exit(126);
	close(fd);
	close(to);
}

/* What was changed for our own sake is as it was. SIGTERM: of a keeper that is
 * killed; @report: where the errno of a failure goes. */
static _Noreturn void keeper_child_exec(struct keeper_child *k, pid_t keeper,
					int report, int listens)
{
	sigset_t none;
	int error;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	fdlimit_restore();
	if (!k->cfg->keep) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != keeper)
			raise(SIGKILL);
	}
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (k->cfg->closed & 1U << fd)
			close(fd);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (k->cfg->supervised && !k->cfg->plain)
		keeper_child_filter(k);
	else if (!k->cfg->supervised)
		keeper_listen_give(listens);
	execvp(k->argv[0], k->argv);
	error = errno;
	(void)!write(report, &error, sizeof(error));
	_exit(error == ENOENT ? 127 : 126);
}

/* 0 when it runs, or the errno of its exec */
static int keeper_child_fork(struct keeper_child *k)
{
	pid_t self = getpid();
	int report[2], listens[2], error = 0;

	if (pipe2(report, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, listens) < 0)
		return errno;
	k->program = fork();
	if (k->program == 0)
		keeper_child_exec(k, self, report[1], listens[1]);
	close(report[1]);
	close(listens[1]);
	if (k->program > 0 && !k->cfg->supervised)
		k->listens = keeper_listen_take(listens[0]);
	close(listens[0]);
	if (k->program < 0)
		error = EAGAIN;
	else if (read(report[0], &error, sizeof(error)) != sizeof(error))
		error = 0;
	close(report[0]);
	return error;
}

/* The terminal and pipes are the program's alone: who is at their other ends
 * is to see when it lets go of them */
static void keeper_child_let_go(const struct keeper_child *k)
{
	const int kept[] = { k->sock, k->signals, k->room, k->etc, k->listens };
	int at = 0, next;

	do {
		next = INT_MAX;
		for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
			if (kept[i] >= at)
				next = MIN(next, kept[i]);
		if (next > at)
			close_range((unsigned int)at, (unsigned int)next - 1,
				    0);
		at = next + (next < INT_MAX);
	} while (next < INT_MAX);
}

static char *keeper_child_text(struct keeper_message *m, size_t *at)
{
	char *text = m->data + *at;
	size_t n = strnlen(text, m->len - *at);

	if (*at + n >= m->len)
		return NULL;
	*at += n + 1;
	return n ? text : NULL;
}

static int keeper_child_mount(struct keeper_child *k)
{
	struct keeper_message *m = &k->message;
	struct kt_error err = { 0 };
	struct etc_files files;
	size_t at = 0;

	files.resolv_conf = keeper_child_text(m, &at);
	files.hosts = keeper_child_text(m, &at);
	files.nsswitch = keeper_child_text(m, &at);
	if (k->cfg->supervised) {
		k->resolv_conf = files.resolv_conf && !k->cfg->plain
					 ? xstrdup(files.resolv_conf)
					 : NULL;
		return 0;
	}
	k->etc = namespaces_watch();
	if (namespaces_mount(&files, k->room, &err) == 0)
		return 0;
	keeper_child_send_error(k, &err);
	return -1;
}

/* What came along with the order to start */
static int keeper_child_take(struct keeper_child *k)
{
	struct keeper_message *m = &k->message;
	struct kt_error err = { 0 };
	size_t at = 0;
	int rc = 0;

	if (m->number & 1 << KEEPER_ENV && at < m->nfds)
		rc = keeper_take_env(m->fds[at++]);
	if (m->number & 1 << KEEPER_FILES && at < m->nfds && rc == 0)
		rc = keeper_take_files(k->sock, k->room, m->fds[at++]);
	if (m->number & 1 << KEEPER_ARGS && at < m->nfds && rc == 0) {
		k->argv = keeper_take_list(m->fds[at]);
		rc = k->argv && *k->argv ? 0 : -EIO;
	}
	while (m->nfds)
		close(m->fds[--m->nfds]);
	if (rc < 0) {
		kt_fail(&err, -rc, "take what the program has of the Pod: %s",
			strerror(-rc));
		keeper_child_send_error(k, &err);
	}
	return rc;
}

/* Who has ended: the program is told of, the others were its children. Ends
 * when there is nobody left. */
static void keeper_child_reap(struct keeper_child *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != k->program)
			continue;
		k->program = 0;
		keeper_child_send_number(k, KEEPER_EXITED, status);
	}
	if (pid < 0 && errno == ECHILD)
		_exit(0);
}

static void keeper_child_start(struct keeper_child *k)
{
	struct keeper_message *m = &k->message;
	int error;

	if (k->program || keeper_child_mount(k) < 0 || keeper_child_take(k) < 0)
		_exit(1);
	etc_set_env(k->resolv_conf);
	error = keeper_child_fork(k);
	if (error) {
		keeper_child_send_number(k, KEEPER_NOT_STARTED, error);
		keeper_child_reap(k); /* its end is the last one's, if it was
					 begun at all */
		return;
	}
	m->type = KEEPER_STARTED;
	m->number = (int)k->program;
	m->len = 0;
	m->fds[0] = (int)syscall(SYS_pidfd_open, k->program, 0);
	m->nfds = m->fds[0] >= 0;
	(void)!keeper_send(k->sock, m);
	if (k->listens >= 0)
		keeper_child_send_number(k, KEEPER_LISTENS, 1);
	keeper_child_let_go(k);
}

/* --- meanwhile ------------------------------------------------------------ */

static void keeper_child_open_sockets(struct keeper_child *k)
{
	struct keeper_message *m = &k->message;
	int family = m->number == AF_INET6 ? AF_INET6 : AF_INET;

	m->type = KEEPER_SOCKETS;
	m->number = family;
	m->len = 0;
	for (m->nfds = 0; m->nfds < KEEPER_BATCH; m->nfds++) {
		int fd = socket(family,
				SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd < 0)
			break;
		m->fds[m->nfds] = fd;
	}
	(void)!keeper_send(k->sock, m);
	while (m->nfds)
		close(m->fds[--m->nfds]);
}

/* false: ktctl is gone */
static bool keeper_child_listen(struct keeper_child *k)
{
	if (keeper_receive(k->sock, &k->message) <= 0)
		return false;
	if (k->message.type == KEEPER_START)
		keeper_child_start(k);
	else if (k->message.type == KEEPER_MORE_SOCKETS)
		keeper_child_open_sockets(k);
	return true;
}

/* Once; without any there is nobody to wait for */
static void keeper_child_lost(struct keeper_child *k)
{
	if (!k->cfg->keep)
		offspring_signal(getpid(), SIGTERM);
	keeper_child_reap(k);
}

/* A file of /etc that is covered was perhaps replaced on this machine: then so
 * is what covers it */
static void keeper_child_on_etc(const struct keeper_child *k)
{
	char events[4096];

	while (read(k->etc, events, sizeof(events)) > 0)
		;
	namespaces_mount_again(k->room);
}

/* Nobody who could listen is left: it says so for ever */
static void keeper_child_on_listens(struct keeper_child *k, short events)
{
	if (events & POLLIN && keeper_listen_answer(k->listens))
		keeper_child_send_number(k, KEEPER_LISTENS, 0);
	else if (events & POLLHUP)
		close(steal_fd(&k->listens));
}

static void keeper_child_watch_children(struct keeper_child *k)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL); /* beside those of ktctl */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		_exit(1);
}

_Noreturn void keeper_main(int sock, const struct keeper_config *cfg)
{
	struct keeper_child *k = xcalloc(1, sizeof(*k));
	struct pollfd pfd[4] = { { .events = POLLIN },
				 { .events = POLLIN },
				 { .events = POLLIN },
				 { .events = POLLIN } };
	struct signalfd_siginfo info;
	bool died;

	k->cfg = cfg;
	k->argv = cfg->argv;
	k->sock = sock;
	k->etc = k->room = k->listens = -1;
	keeper_child_close_others(sock);
	keeper_child_make(k);
	keeper_child_watch_children(k);
	pfd[0].fd = sock;
	pfd[1].fd = k->signals;
	for (;;) {
		pfd[2].fd = k->etc;
		pfd[3].fd = k->listens;
		if (poll(pfd, 4, -1) < 0 && errno != EINTR)
			_exit(1);
		/* it may come after poll() has looked: who has read it reaps */
		died = pfd[1].revents;
		while (read(k->signals, &info, sizeof(info)) > 0)
			died = true;
		if (died)
			keeper_child_reap(k);
		if (k->etc >= 0 && pfd[2].revents)
			keeper_child_on_etc(k);
		if (k->listens >= 0 && pfd[3].revents)
			keeper_child_on_listens(k, pfd[3].revents);
		if (pfd[0].revents && !keeper_child_listen(k)) {
			keeper_child_lost(k);
			pfd[0].fd = -1;
		}
	}
}
