/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct pipe_in {
	struct watch watch;
	struct buf data;
	size_t max;
	struct run *run;
};

struct run {
	struct watch pid_watch;
	struct pipe_in out, err;
	bool exited, done, too_big;
};

static void check_done(struct run *r)
{
	r->done = r->too_big ||
		  (r->exited && !r->out.watch.loop && !r->err.watch.loop);
}

static void on_pipe(struct watch *w, uint32_t events)
{
	struct pipe_in *in = container_of(w, struct pipe_in, watch);
	char tmp[4096];
	ssize_t n = read(w->fd, tmp, sizeof(tmp));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		loop_watch_stop(w);
	else if (buf_put(&in->data, tmp, (size_t)n) < 0 && in == &in->run->out)
		in->run->too_big = true;
	check_done(in->run);
}

static void on_exit_event(struct watch *w, uint32_t events)
{
	struct run *r = container_of(w, struct run, pid_watch);

	(void)events;
	loop_watch_stop(w);
	r->exited = true;
	check_done(r);
}

static void child_exec(char *const argv[], char *const env[], int in, int out,
		       int errfd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(errfd, 2) < 0)
		_exit(127);
	for (size_t i = 0; env && env[i]; i++)
		putenv(env[i]);
	execvp(argv[0], argv);
	dprintf(2, "%s: %s", argv[0], strerror(errno));
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

static char *as_string(struct buf *b)
{
	char *s = xstrndup(b->len ? (char *)buf_data(b) : "", b->len);

	buf_fini(b);
	return s;
}

static int wait_child(struct loop *l, struct run *r, pid_t pid,
		      int64_t timeout_ns, int *status)
{
	int rc = loop_run_until(l, &r->done, timeout_ns);

	if (rc < 0 || r->too_big)
		kill(pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return rc < 0 ? rc : r->too_big ? -EFBIG : 0;
}

int process_run(struct loop *l, char *const argv[], char *const env[],
		const char *input, size_t max_out, int64_t timeout_ns,
		struct process_result *res, struct kt_error *err)
{
	auto_close int in = input_fd(input);
	int out[2] = { -1, -1 }, errp[2] = { -1, -1 };
	struct run r = { .out.run = &r, .err.run = &r };
	int rc, status = 0, pidfd;
	pid_t pid;

	*res = (struct process_result){ 0 };
	if (in < 0)
		return kt_fail(err, errno, "run %s: input: %s", argv[0],
			       strerror(errno));
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(errp, O_CLOEXEC) < 0) {
		rc = errno;
		if (out[0] >= 0) {
			close(out[0]);
			close(out[1]);
		}
		return kt_fail(err, rc, "run %s: pipe: %s", argv[0],
			       strerror(rc));
	}
	buf_init(&r.out.data, max_out);
	buf_init(&r.err.data, 4096);
	pid = fork();
	if (pid == 0)
		child_exec(argv, env, in, out[1], errp[1]);
	close(out[1]);
	close(errp[1]);
	pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
	rc = pid < 0 ? -EAGAIN : pidfd < 0 ? -errno : 0;
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(errp[0], F_SETFL, O_NONBLOCK);
	if (!rc)
		rc = loop_watch_start(l, &r.pid_watch, pidfd, EPOLLIN,
				      on_exit_event);
	if (!rc)
		rc = loop_watch_start(l, &r.out.watch, out[0], EPOLLIN,
				      on_pipe);
	if (!rc)
		rc = loop_watch_start(l, &r.err.watch, errp[0], EPOLLIN,
				      on_pipe);
	if (!rc)
		rc = wait_child(l, &r, pid, timeout_ns, &status);
	loop_watch_stop(&r.pid_watch);
	loop_watch_stop(&r.out.watch);
	loop_watch_stop(&r.err.watch);
	close(out[0]);
	close(errp[0]);
	if (pidfd >= 0)
		close(pidfd);
	res->out_len = r.out.data.len;
	res->out = as_string(&r.out.data);
	res->errout = as_string(&r.err.data);
	res->status = WIFEXITED(status) ? WEXITSTATUS(status)
					: 128 + WTERMSIG(status);
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
