/* SPDX-License-Identifier: Apache-2.0 */
#include "net/nft.h"

#include "base/fdlimit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/**
 * DOC: nft as a child
 *
 * "nft -i" reads commands line by line and keeps its netlink socket, so the
 * tables that it owns live as long as it: until nft_free(), or until we are
 * gone and its stdin ends. One line is one transaction. It says nothing when
 * all went well, so a command behind it that always fails, and is repeated in
 * its complaint, marks the end of what belongs to it:
 *
 *     Error: Could not process rule: File exists
 *     create table inet ktctl { flags owner; }
 *                       ^^^^^
 *     Error: No such file or directory
 *     list table inet kt_end_7
 *                     ^^^^^^^^
 */

#define NFT_TIMEOUT_MS 10000
#define NFT_NOT_FOUND 127 /* as a shell has it */
#define NFT_SAID_MAX 32768
#define NFT_RESTARTS 10
#define NFT_GIVEN_MAX 4096

struct nft {
	pid_t pid; /* 0: there is none */
	int fd;	   /* its stdin */
	int err;   /* its stderr */
	unsigned int round;
	char mark[40];	     /* behind what it was given last */
	struct loop *served; /* while it is waited for; or NULL */
	size_t len;
	char said[NFT_SAID_MAX];
	/* of nft_follow() */
	struct loop *loop; /* or NULL */
	struct watch watch;
	struct strv given; /* and accepted */
	unsigned int restarts;
};

/* --- the child ------------------------------------------------------------ */

/* Another user than root who has the capability (setcap, or a service's
 * ambient ones) would lose it with exec(). Whoever lacks it is told by nft. */
static void nft_keep_capability(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return;
	data[0].inheritable |= data[0].permitted & (1U << CAP_NET_ADMIN);
	if (syscall(SYS_capset, &head, data) == 0)
		(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN,
			    0, 0);
}

/*
 * A session of its own: Ctrl-C is for us, who need the tables until the end.
 * HOME: it would keep a history of its commands. AT_SECURE: we have more rights
 * than our caller, whose PATH must not say who gets them.
 */
static _Noreturn void nft_exec(int in, int err)
{
	char name[] = "nft", flag[] = "-i";
	char locale[] = "LC_ALL=C", home[] = "HOME=/dev/null";
	char *argv[] = { name, flag, NULL }, *env[] = { locale, home, NULL };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	fdlimit_restore();
	if (null < 0 || dup2(in, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(err, 2) < 0)
		_exit(126);
	nft_keep_capability();
	if (!getauxval(AT_SECURE))
		execvpe(name, argv, env);
	execve("/usr/sbin/nft", argv, env);
	execve("/sbin/nft", argv, env);
	_exit(NFT_NOT_FOUND);
}

static int nft_start(struct nft *n)
{
	int in[2], err[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, err) < 0) {
		close(in[0]);
		close(in[1]);
		return -ENFILE;
	}
	n->pid = fork();
	if (n->pid == 0)
		nft_exec(in[1], err[1]);
	close(in[1]);
	close(err[1]);
	if (n->pid < 0) {
		n->pid = 0;
		close(in[0]);
		close(err[0]);
		return -EAGAIN;
	}
	n->fd = in[0];
	n->err = err[0];
	return 0;
}

static int nft_end(struct nft *n)
{
	int status = 0;

	if (n->pid <= 0)
		return 0;
	close(n->fd);
	close(n->err);
	kill(n->pid, SIGKILL);
	while (waitpid(n->pid, &status, 0) < 0 && errno == EINTR)
		;
	n->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* --- a command and what is said to it ------------------------------------- */

static int nft_send(struct nft *n, const char *text, size_t len)
{
	while (len) {
		ssize_t done = send(n->fd, text, len, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		text += done;
		len -= (size_t)done;
	}
	return 0;
}

static int64_t nft_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * (int64_t)1000 + ts.tv_nsec / 1000000;
}

/* The system's words for an error, as nft repeats them, back to the number */
static int nft_errno(const char *why)
{
	static const int known[] = {
		EPERM,	EACCES,	    EEXIST,	  EBUSY,	  ENOENT,
		ENOMEM, EOPNOTSUPP, EAFNOSUPPORT, EPROTONOSUPPORT
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_starts(why, strerrordesc_np(known[i])))
			return known[i];
	return str_starts(why, "Resource busy") ? EBUSY : EINVAL; /* musl */
}

/* It could not read what there is: -errno; 0: it says nothing of it */
static int nft_refused(const struct nft *n)
{
	static const char words[] = "cache initialization failed: ";
	const char *p = strstr(n->said, words);

	return p && strchr(p, '\n') ? -nft_errno(p + sizeof(words) - 1) : 0;
}

/* What it has said by now; 1: all of it, up to the mark, which is cut off with
 * the complaint it stands in */
static int nft_hear(struct nft *n)
{
	char *at, *p;
	ssize_t got;

	got = recv(n->err, n->said + n->len, NFT_SAID_MAX - 1 - n->len,
		   MSG_DONTWAIT);
	if (got == 0)
		return n->len + 1 == NFT_SAID_MAX ? -ENOBUFS : -EPIPE;
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		return -EPIPE;
	n->len += got > 0 ? (size_t)got : 0;
	n->said[n->len] = '\0';
	if (nft_refused(n))
		return nft_refused(n);
	at = strstr(n->said, n->mark);
	if (!at || !strchr(at, '\n'))
		return 0;
	*at = '\0';
	for (p = at; p > n->said && !str_starts(p, "Error: ");)
		p--;
	*p = '\0';
	return 1;
}

static void nft_on_said(struct watch *w, uint32_t events);

/** struct nft_waiter - for an nft that speaks, in the loop */
struct nft_waiter {
	struct nft *nft;
	struct watch watch;
	bool done;
	int rc; /* of nft_hear() */
};

static void nft_on_heard(struct watch *w, uint32_t events)
{
	struct nft_waiter *a = container_of(w, struct nft_waiter, watch);

	(void)events;
	a->rc = nft_hear(a->nft);
	if (!a->rc)
		return;
	a->done = true;
	loop_watch_stop(w);
}

static int nft_wait_serving(struct nft *n)
{
	struct nft_waiter a = { .nft = n };
	bool followed = n->watch.loop;
	int rc, again = 0;

	loop_watch_stop(&n->watch);
	rc = loop_watch_start(n->served, &a.watch, n->err, EPOLLIN,
			      nft_on_heard);
	if (rc == 0)
		rc = loop_run_until(n->served, &a.done, NFT_TIMEOUT_MS * NS_MS);
	loop_watch_stop(&a.watch);
	if (rc == 0)
		rc = MIN(a.rc, 0);
	if (followed && rc != -EPIPE)
		again = loop_watch_start(n->loop, &n->watch, n->err, EPOLLIN,
					 nft_on_said);
	return rc < 0 ? rc : again;
}

/* Until the mark is there */
static int nft_wait(struct nft *n)
{
	int64_t end = nft_now() + NFT_TIMEOUT_MS;
	int rc;

	if (n->served)
		return nft_wait_serving(n);
	do {
		struct pollfd pfd = { .fd = n->err, .events = POLLIN };
		int64_t left = end - nft_now();

		if (left <= 0 || poll(&pfd, 1, (int)left) == 0)
			return -ETIMEDOUT;
		rc = nft_hear(n);
	} while (rc == 0);
	return MIN(rc, 0);
}

/* "Error: Could not process rule: reason" -> "reason"; "": none */
static void nft_complaint(const char *said, char *out, size_t size)
{
	static const char error[] = "Error: ", rule[] = "process rule: ";
	const char *p = strstr(said, error), *end;

	*out = '\0';
	if (!p)
		return;
	p += sizeof(error) - 1;
	end = p + strcspn(p, "\n");
	if (strstr(p, rule) && strstr(p, rule) < end)
		p = strstr(p, rule) + sizeof(rule) - 1;
	snprintf(out, size, "%.*s", (int)(end - p), p);
}

/* 0: also when it has ended, since it may have said why */
static int nft_tell(struct nft *n, const char *text)
{
	auto_free char *line = NULL;
	int rc;

	snprintf(n->mark, sizeof(n->mark), "list table inet kt_end_%u",
		 n->round++);
	line = xasprintf("%s\n%s\n", text, n->mark);
	/* a line is a command: what parts commands inside it is a ';' */
	for (char *p = line; p < line + strlen(text); p++)
		if (*p == '\n')
			*p = ';';
	n->len = 0;
	n->said[0] = '\0';
	if (!n->pid)
		return -EPIPE;
	rc = nft_send(n, line, strlen(line));
	return rc == -EPIPE ? 0 : rc;
}

static int nft_ask(struct nft *n, const char *text)
{
	int rc = nft_tell(n, text);

	return rc < 0 ? rc : nft_wait(n);
}

/* What it said last is why it has ended */
static int nft_fail(const struct nft *n, int rc, const char *what,
		    struct kt_error *err)
{
	const char *why = rc == -EPIPE ? "it has ended" : strerror(-rc);
	int len = rc == -EPIPE ? (int)strcspn(n->said, "\n") : 0;

	if (len)
		return kt_fail(err, -rc, "%s: nft: %.*s", what, len, n->said);
	return kt_fail(err, -rc, "%s: nft: %s", what, why);
}

/* It has said all */
static int nft_judge(const struct nft *n, const char *text, const char *what,
		     struct kt_error *err)
{
	char why[200];

	nft_complaint(n->said, why, sizeof(why));
	if (!why[0])
		return 0;
	log_debug("nft refused:\n%s%s", text, n->said);
	return kt_fail(err, nft_errno(why), "%s: nftables: %s", what, why);
}

static int nft_run_once(struct nft *n, const char *text, const char *what,
			struct kt_error *err)
{
	int rc = nft_ask(n, text);

	if (rc < 0)
		return nft_fail(n, rc, what, err);
	return nft_judge(n, text, what, err);
}

/* --- one that was killed -------------------------------------------------- */

/* Its tables went with its socket, before it could be waited for */
static int nft_again(struct nft *n, struct kt_error *err)
{
	int rc;

	loop_watch_stop(&n->watch);
	nft_end(n);
	if (n->restarts++ == NFT_RESTARTS)
		return kt_fail(err, EPIPE, "nft: it ends again and again");
	rc = nft_start(n);
	if (rc == 0)
		rc = nft_ask(n, "");
	if (rc == 0)
		rc = loop_watch_start(n->loop, &n->watch, n->err, EPOLLIN,
				      nft_on_said);
	if (rc < 0)
		return nft_fail(n, rc, "start it again", err);
	for (size_t i = 0; i < n->given.n && rc == 0; i++)
		rc = nft_run_once(n, n->given.v[i], "make its rules again",
				  err);
	if (rc == 0)
		log_warn("the program nft was ended by somebody; its rules are "
			 "in force again");
	return rc;
}

/* Between commands it says nothing, but for the end of what it said last */
static void nft_on_said(struct watch *w, uint32_t events)
{
	struct nft *n = container_of(w, struct nft, watch);
	struct kt_error err = { 0 };
	ssize_t got;

	(void)events;
	got = recv(n->err, n->said, NFT_SAID_MAX - 1, MSG_DONTWAIT);
	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (nft_again(n, &err) < 0)
		log_warn("the program nft was ended by somebody, and its rules "
			 "are gone: %s; leave, and connect again",
			 err.msg);
}

int nft_follow(struct nft *n, struct loop *l)
{
	int rc = loop_watch_start(l, &n->watch, n->err, EPOLLIN, nft_on_said);

	if (rc == 0)
		n->loop = l;
	return rc;
}

/* Half of what it was given would be other rules */
static void nft_remember(struct nft *n, const char *text)
{
	if (n->given.n < NFT_GIVEN_MAX) {
		strv_add(&n->given, text);
		return;
	}
	log_debug("nft is not followed any more: it was given too much");
	loop_watch_stop(&n->watch);
	n->loop = NULL;
}

int nft_run(struct nft *n, const char *text, const char *what,
	    struct kt_error *err)
{
	int rc = nft_run_once(n, text, what, err);

	if (rc == -EPIPE && n->loop && n->pid) {
		*err = (struct kt_error){ 0 };
		rc = nft_again(n, err);
		if (rc == 0)
			rc = nft_run_once(n, text, what, err);
	}
	if (rc == 0 && n->loop)
		nft_remember(n, text);
	return rc;
}

/* --- life ----------------------------------------------------------------- */

/* It has not begun, or ended before it said anything of rules */
static int nft_not_there(struct nft *n, int rc, struct kt_error *err)
{
	int status;

	nft_fail(n, rc, "open nftables", err);
	status = n->pid ? nft_end(n) : 0;
	if (status != NFT_NOT_FOUND)
		return rc;
	kt_hint(err, "install the package nftables; "
		     "--disableTunDevice works without (SOCKS5)");
	return kt_fail(err, ENOENT,
		       "open nftables: the program nft is not on this machine");
}

int nft_begin(struct nft **out, struct loop *loop, struct kt_error *err)
{
	struct nft *n = xcalloc(1, sizeof(*n));
	int rc = nft_start(n);

	n->served = loop;
	if (rc < 0) {
		rc = nft_not_there(n, rc, err);
		free(n);
		return rc;
	}
	*out = n;
	return 0;
}

int nft_give(struct nft *n, const char *text, struct kt_error *err)
{
	int rc = nft_tell(n, text);

	return rc < 0 ? nft_not_there(n, rc, err) : 0;
}

int nft_await(struct nft *n, const char *what, struct kt_error *err)
{
	int rc = nft_wait(n);

	if (rc == -EINTR)
		return kt_fail(err, EINTR, "interrupted");
	return rc < 0 ? nft_not_there(n, rc, err) : nft_judge(n, "", what, err);
}

void nft_serve_none(struct nft *n)
{
	n->served = NULL;
}

int nft_new(struct nft **out, struct kt_error *err)
{
	struct nft *n = NULL;
	int rc = nft_begin(&n, NULL, err);

	if (rc == 0)
		rc = nft_ask(n, "");
	if (rc == 0) {
		*out = n;
		return 0;
	}
	if (n)
		rc = nft_not_there(n, rc, err);
	free(n);
	return rc;
}

void nft_free(struct nft *n)
{
	if (!n)
		return;
	loop_watch_stop(&n->watch);
	nft_end(n);
	strv_fini(&n->given);
	free(n);
}

/* A rule that asks for a state keeps tracking on; no packet meets it. In the
 * same transaction, so that it is never off. */
static int nft_leave_tracking(struct nft *n, const char *table)
{
	auto_free char *text =
		xasprintf("delete table inet %s\n"
			  "create table inet %s { flags owner; }\n"
			  "table inet %s {\nflags owner\n"
			  "chain last {\n"
			  "type filter hook output priority 0; policy accept;\n"
			  "ct state invalid accept\n}\n}\n",
			  table, table, table);
	struct kt_error err = { 0 };
	int rc = nft_run_once(n, text, "leave connection tracking on", &err);

	if (rc < 0)
		log_debug("%s", err.msg);
	return rc;
}

void nft_free_last(struct nft *n, const char *table, struct nft_last *last)
{
	if (!n)
		return;
	loop_watch_stop(&n->watch);
	if (last && last->n < ARRAY_SIZE(last->v) &&
	    nft_leave_tracking(n, table) == 0)
		last->v[last->n++] = n;
	else
		nft_free(n);
}

void nft_last_free(struct nft_last *last)
{
	while (last->n)
		nft_free(last->v[--last->n]);
}
