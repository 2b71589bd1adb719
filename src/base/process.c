/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include "base/buf.h"
#include "base/caller.h"
#include "base/fdlimit.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MAX_STDERR 4096
#define POLL_EXIT (10 * NS_MS)
#define REAP_UNKNOWN 1

struct pipe_in {
	struct watch watch;
	struct buf data;
	int fd;
	struct process *p;
};

struct process {
	struct loop *loop;
	pid_t pid;
	int pidfd;
	struct watch pid_watch;
	struct timer timer;
	struct timer poll; /* in place of pid_watch: no pidfd here */
	struct pipe_in out, err;
	bool exited;
	void (*errout)(void *user, const char *data, size_t len);
	process_fn fn;
	void *user;
};

/* Stops everything; the child, if it lives, is killed and waited for. One that
 * somebody else has waited for (ECHILD) has an end that nobody knows: a failure
 */
static int reap(struct process *p)
{
	int status = 0;
	pid_t got;

	loop_timer_stop(&p->timer);
	loop_timer_stop(&p->poll);
	loop_watch_stop(&p->pid_watch);
	loop_watch_stop(&p->out.watch);
	loop_watch_stop(&p->err.watch);
	if (!p->exited)
		kill(p->pid, SIGKILL);
	do
		got = waitpid(p->pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return REAP_UNKNOWN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void process_destroy(struct process *p)
{
	if (p->out.fd >= 0)
		close(p->out.fd);
	if (p->err.fd >= 0)
		close(p->err.fd);
	if (p->pidfd >= 0)
		close(p->pidfd);
	buf_fini(&p->out.data);
	buf_fini(&p->err.data);
	loop_defer_free(p->loop, p);
}

static char *as_string(const struct buf *b)
{
	return xstrndup(b->len ? (char *)buf_data(b) : "", b->len);
}

static void process_finish(struct process *p, int rc)
{
	struct process_result res = { .status = reap(p) };

	res.out = as_string(&p->out.data);
	res.out_len = p->out.data.len;
	res.errout = as_string(&p->err.data);
	p->fn(p->user, rc, &res);
	process_result_fini(&res);
	process_destroy(p);
}

static void check_done(struct process *p)
{
	if (p->exited && !p->out.watch.loop && !p->err.watch.loop)
		process_finish(p, 0);
}

/* Of what it says on stderr the end counts: programs fail with their last
 * words. */
static void process_keep_errout(struct process *p, const char *data, size_t n)
{
	struct buf *b = &p->err.data;

	if (b->len + n > MAX_STDERR)
		buf_take(b, MIN(b->len, b->len + n - MAX_STDERR));
	(void)!buf_put(b, data, n);
	if (p->errout)
		p->errout(p->user, data, n);
}

static void on_pipe(struct watch *w, uint32_t events)
{
	struct pipe_in *in = container_of(w, struct pipe_in, watch);
	struct process *p = in->p;
	char tmp[MAX_STDERR];
	ssize_t n = read(w->fd, tmp, sizeof(tmp));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		loop_watch_stop(w);
		check_done(p);
	} else if (in == &p->err) {
		process_keep_errout(p, tmp, (size_t)n);
	} else if (buf_put(&in->data, tmp, (size_t)n) < 0) {
		process_finish(p, -EFBIG);
	}
}

static void on_exit_event(struct watch *w, uint32_t events)
{
	struct process *p = container_of(w, struct process, pid_watch);

	(void)events;
	loop_watch_stop(w);
	p->exited = true;
	check_done(p);
}

static bool process_has_ended(pid_t pid)
{
	siginfo_t si = { 0 };

	if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
		return errno == ECHILD;
	return si.si_pid != 0;
}

static void process_on_poll(struct timer *t)
{
	struct process *p = container_of(t, struct process, poll);

	if (!process_has_ended(p->pid)) {
		loop_timer_start(p->loop, t, POLL_EXIT, process_on_poll);
		return;
	}
	p->exited = true;
	check_done(p);
}

static void process_on_timeout(struct timer *t)
{
	process_finish(container_of(t, struct process, timer), -ETIMEDOUT);
}

static void child_exec(const struct process_spec *spec, int in, int out,
		       int errfd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	fdlimit_restore(); /* it may use select() */
	if (dup2(out, 1) < 0 ||
	    (!spec->terminal && (dup2(in, 0) < 0 || dup2(errfd, 2) < 0)))
		_exit(127);
	if (spec->as && caller_become(spec->as) < 0) {
		dprintf(2, "run as %s: %s", spec->as->name, strerror(errno));
		_exit(127);
	}
	for (size_t i = 0; spec->env && spec->env[i]; i++)
		putenv(spec->env[i]);
	execvp(spec->argv[0], spec->argv);
	dprintf(2, "%s: %s", spec->argv[0], strerror(errno));
	_exit(127);
}

/* The input is small (a request object): it must fit the pipe. */
static int input_fd(const char *input)
{
	int fds[2];
	ssize_t n;

	if (!input)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	n = write(fds[1], input, strlen(input));
	close(fds[1]);
	if (n != (ssize_t)strlen(input)) {
		close(fds[0]);
		errno = E2BIG;
		return -1;
	}
	fcntl(fds[0], F_SETFL, 0);
	return fds[0];
}

/* Forks; the parent keeps the read ends. */
static int spawn(struct process *p, const struct process_spec *spec)
{
	auto_close int in = input_fd(spec->input);
	int out[2], errp[2];

	if (in < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	p->out.fd = out[0];
	if (pipe2(errp, O_CLOEXEC) < 0) {
		close(out[1]);
		return -errno;
	}
	p->err.fd = errp[0];
	p->pid = fork();
	if (p->pid == 0)
		child_exec(spec, in, out[1], errp[1]);
	close(out[1]);
	close(errp[1]);
	if (p->pid < 0)
		return -EAGAIN;
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(errp[0], F_SETFL, O_NONBLOCK);
	return 0;
}

/* By pidfd; where there is none (valgrind, some sandboxes) by asking. */
static int watch_exit(struct process *p)
{
	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (p->pidfd >= 0)
		return loop_watch_start(p->loop, &p->pid_watch, p->pidfd,
					EPOLLIN, on_exit_event);
	if (errno != ENOSYS && errno != EPERM)
		return -errno;
	loop_timer_start(p->loop, &p->poll, POLL_EXIT, process_on_poll);
	return 0;
}

static int watch_child(struct process *p)
{
	int rc = watch_exit(p);

	if (!rc)
		rc = loop_watch_start(p->loop, &p->out.watch, p->out.fd,
				      EPOLLIN, on_pipe);
	if (!rc)
		rc = loop_watch_start(p->loop, &p->err.watch, p->err.fd,
				      EPOLLIN, on_pipe);
	return rc;
}

int process_start(struct process **out, struct loop *l,
		  const struct process_spec *spec, process_fn fn, void *user)
{
	struct process *p = xcalloc(1, sizeof(*p));
	int rc;

	*p = (struct process){ .loop = l,
			       .pidfd = -1,
			       .out = { .p = p, .fd = -1 },
			       .err = { .p = p, .fd = -1 },
			       .errout = spec->errout,
			       .fn = fn,
			       .user = user };
	buf_init(&p->out.data, spec->max_out);
	buf_init(&p->err.data, MAX_STDERR);
	rc = spawn(p, spec);
	if (!rc) {
		rc = watch_child(p);
		if (rc < 0)
			reap(p);
	}
	if (rc < 0) {
		process_destroy(p);
		return rc;
	}
	if (spec->timeout_ns >= 0)
		loop_timer_start(l, &p->timer, spec->timeout_ns,
				 process_on_timeout);
	*out = p;
	return 0;
}

void process_cancel(struct process *p)
{
	if (!p)
		return;
	reap(p);
	process_destroy(p);
}

/* --- and wait for it ------------------------------------------------------ */

struct run {
	struct process_result *res;
	int rc;
	bool done;
};

static void run_done(void *user, int rc, const struct process_result *res)
{
	struct run *r = user;

	r->rc = rc;
	r->done = true;
	*r->res = (struct process_result){
		.status = res->status,
		.out = xstrndup(res->out, res->out_len),
		.out_len = res->out_len,
		.errout = xstrdup(res->errout),
	};
}

int process_run(struct loop *l, char *const argv[], char *const env[],
		const char *input, size_t max_out, int64_t timeout_ns,
		struct process_result *res, struct kt_error *err)
{
	const struct process_spec spec = {
		.argv = argv,
		.env = env,
		.input = input,
		.max_out = max_out,
		.timeout_ns = timeout_ns,
	};
	struct run r = { .res = res };
	struct process *p;
	int rc;

	*res = (struct process_result){ 0 };
	rc = process_start(&p, l, &spec, run_done, &r);
	if (rc < 0)
		return kt_fail(err, -rc, "run %s: %s", argv[0], strerror(-rc));
	rc = loop_run_until(l, &r.done, -1);
	if (rc < 0 && !r.done)
		process_cancel(p);
	if (r.done)
		rc = r.rc;
	if (rc < 0) {
		process_result_fini(res);
		return kt_fail(err, -rc, "run %s: %s", argv[0], strerror(-rc));
	}
	return 0;
}

void process_result_fini(struct process_result *res)
{
	free(res->out);
	free(res->errout);
	*res = (struct process_result){ 0 };
}
