/* SPDX-License-Identifier: Apache-2.0 */
#include "control/background.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "local/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_DIR "log"
#define LOG_TAIL 8192 /* in which the last error is looked for */
#define LOG_KEPT ((time_t)7 * 24 * 3600)
#define UP 'u'
#define BACKGROUND_FD 3 /* of the child, to its parent */

struct background {
	char *path;
	int log;
	int up; /* the parent waits for a byte */
};

/* A session holds its log (flock): one that says nothing for weeks needs it
 * still. A lock that cannot be asked for is nobody's. */
static bool background_is_held(int dir, const char *name)
{
	auto_close int fd = openat(
		dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

/* Those that nobody has written to for long */
static void background_sweep(int dir)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (str_ends(e->d_name, ".log") &&
		    fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    time(NULL) - st.st_mtime > LOG_KEPT &&
		    !background_is_held(dir, e->d_name))
			unlinkat(dir, e->d_name, 0);
	if (d)
		closedir(d);
	else if (copy >= 0)
		close(copy);
}

/* One of a process that had our pid before is replaced */
static int background_open_log(struct background *b, const struct home *h,
			       const char *command, struct kt_error *err)
{
	auto_free char *name =
		xasprintf(LOG_DIR "/%s-%d.log", command, (int)getpid());
	auto_close int dir = home_open_dir(h, LOG_DIR, 1, err);
	const char *base = name + strlen(LOG_DIR "/");

	if (dir < 0)
		return dir;
	background_sweep(dir);
	b->path = home_path(h, name);
	unlinkat(dir, base, 0);
	b->log = openat(dir, base,
			O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW |
				O_CLOEXEC,
			0600);
	if (b->log < 0)
		return kt_fail(err, errno, "make %s: %s", b->path,
			       strerror(errno));
	home_own(h, b->log);
	if (flock(b->log, LOCK_SH | LOCK_NB) < 0)
		log_debug("lock %s: %s", b->path, strerror(errno));
	return 0;
}

char *background_last_error(const struct home *h, const char *id, char **path)
{
	static const char mark[] = "\nktctl: ";
	char text[LOG_TAIL + 2] = "\n"; /* as if a line had ended before */
	auto_free char *name = xasprintf("%s.log", id);
	auto_free char *below = xasprintf(LOG_DIR "/%s", name);
	auto_close int dir = home_open_dir(h, LOG_DIR, 0, NULL);
	auto_close int fd = -1;
	const char *at = NULL;
	struct stat st;
	ssize_t n;

	*path = home_path(h, below);
	if (dir >= 0)
		fd = openat(dir, name,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_uid != h->uid)
		return NULL;
	n = pread(fd, text + 1, LOG_TAIL, MAX(st.st_size - LOG_TAIL, 0));
	text[1 + MAX(n, 0)] = '\0';
	for (const char *p = text; (p = strstr(p, mark));)
		at = p += strlen(mark);
	return at ? xstrndup(at, strcspn(at, "\n")) : NULL;
}

/* The child is up, or has ended: then its exit status */
static int background_await(pid_t pid, int fd)
{
	int status;
	char word = 0;

	while (read(fd, &word, 1) < 0 && errno == EINTR)
		;
	/* a byte is there once; the end of file, when the child has gone */
	if (word == UP)
		return 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the caller has open (a shell's locks) is not for one that stays. When
 * the parent is killed before all is up, so is the child told to leave. */
static int background_child(struct background **out, const struct home *h,
			    const char *command, int up, pid_t parent,
			    struct kt_error *err)
{
	struct background *b = xcalloc(1, sizeof(*b));

	b->log = -1;
	b->up = BACKGROUND_FD;
	*out = b;
	if (up != b->up && dup3(up, b->up, O_CLOEXEC) < 0)
		return kt_fail(err, errno, "go to the background: %s",
			       strerror(errno));
	close_range(BACKGROUND_FD + 1, ~0U, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		return kt_fail(err, ECANCELED, "interrupted");
	return background_open_log(b, h, command, err);
}

/* of the parent, which only waits */
static pid_t background_pid;

/* Told to leave, the parent tells the child and goes on waiting: so who waits
 * for the parent waits for the clean-up. What a terminal sends is for the whole
 * process group: the child has it already. */
static void background_pass(int signo, siginfo_t *si, void *context)
{
	(void)context;
	if (si->si_code != SI_KERNEL)
		kill(background_pid, signo);
}

static void background_listen(pid_t pid)
{
	struct sigaction pass = { .sa_sigaction = background_pass,
				  .sa_flags = SA_SIGINFO };
	struct sigaction was; /* of nohup */

	background_pid = pid;
	/* Ctrl-C is the child's: it cleans up, and its status is ours */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	sigaction(SIGTERM, &pass, NULL);
	if (sigaction(SIGHUP, NULL, &was) == 0 && was.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &pass, NULL);
}

int background_start(struct background **b, const struct home *h,
		     const char *command, int *status, struct kt_error *err)
{
	const pid_t self = getpid();
	int pair[2], rc;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return kt_fail(err, errno, "go to the background: %s",
			       strerror(errno));
	fflush(NULL); /* or it would be written twice */
	pid = fork();
	if (pid < 0) {
		rc = kt_fail(err, errno, "go to the background: %s",
			     strerror(errno));
		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	if (pid == 0) {
		close(pair[0]);
		return background_child(b, h, command, pair[1], self, err);
	}
	close(pair[1]);
	background_listen(pid);
	*status = background_await(pid, pair[0]);
	close(pair[0]);
	return 1;
}

const char *background_log(const struct background *b)
{
	return b ? b->path : NULL;
}

void background_detach(struct background *b)
{
	const char word = UP;
	int null;

	if (!b || b->up < 0)
		return;
	fflush(NULL);
	prctl(PR_SET_PDEATHSIG, 0);
	setsid();
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(b->log, STDOUT_FILENO);
	dup2(b->log, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	while (write(b->up, &word, 1) < 0 && errno == EINTR)
		;
	close(b->up);
	b->up = -1;
}

void background_free(struct background *b)
{
	if (!b)
		return;
	if (b->log >= 0)
		close(b->log);
	if (b->up >= 0)
		close(b->up);
	free(b->path);
	free(b);
}
