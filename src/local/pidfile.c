/* SPDX-License-Identifier: Apache-2.0 */
#include "local/pidfile.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "local/home.h"
#include "local/signals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

struct pidfile {
	struct watch watch;
	struct signals *signals;
	char *name;
	int dir;     /* ~/.kt/pid */
	int inotify; /* both closed by pidfile_free() */
	ino_t ino;
};

/* --- whose is a pid ------------------------------------------------------- */

/* The target of /proc/@pid/@what, or -errno */
static int proc_link(pid_t pid, const char *what, char dst[PATH_MAX])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	n = readlink(path, dst, PATH_MAX - 1);
	if (n < 0)
		return -errno;
	dst[n] = '\0';
	return 0;
}

static bool name_is_ours(pid_t pid)
{
	char exe[PATH_MAX], path[64];
	auto_free char *comm = NULL;
	const char *base;

	if (proc_link(pid, "exe", exe) == 0) {
		base = strrchr(exe, '/');
		return strstr(base ? base : exe, "ktctl");
	}
	/* a process of another user shows at least its name */
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	comm = file_read(path, 4096, NULL);
	return comm && strstr(comm, "ktctl");
}

static bool pidfile_is_alive(pid_t pid)
{
	return (kill(pid, 0) == 0 || errno == EPERM) && name_is_ours(pid);
}

bool pidfile_same_network(pid_t pid)
{
	char ours[PATH_MAX], theirs[PATH_MAX];

	if (proc_link(getpid(), "ns/net", ours) < 0 ||
	    proc_link(pid, "ns/net", theirs) < 0)
		return true; /* not ours to see: better too careful */
	return strcmp(ours, theirs) == 0;
}

/* "connect-123.pid" to 123, or 0; @component NULL: any */
static pid_t pid_of_name(const char *name, const char *component)
{
	const char *dash = strrchr(name, '-');
	char digits[16];
	size_t n;
	long pid;

	if (!dash || !str_ends(name, ".pid"))
		return 0;
	if (component && (strlen(component) != (size_t)(dash - name) ||
			  memcmp(component, name, strlen(component)) != 0))
		return 0;
	n = strlen(dash + 1) - 4;
	if (!n || n >= sizeof(digits))
		return 0;
	memcpy(digits, dash + 1, n);
	digits[n] = '\0';
	return str_to_long(digits, &pid) == 0 && pid > 0 && pid <= INT_MAX
		       ? (pid_t)pid
		       : 0;
}

/* --- the directory -------------------------------------------------------- */

struct scan {
	const char *component; /* NULL: all */
	bool remove;	       /* files of dead processes */
	int stale;
	bool any;    /* one lives */
	pid_t alive; /* one that lives in this network namespace */
};

static void scan_entry(struct scan *s, int dir, const char *name)
{
	pid_t pid = pid_of_name(name, s->component);

	if (!pid || pid == getpid())
		return;
	if (!pidfile_is_alive(pid)) {
		s->stale++;
		if (s->remove)
			unlinkat(dir, name, 0);
		return;
	}
	s->any = true;
	if (pidfile_same_network(pid))
		s->alive = pid;
}

static void scan_dir(struct scan *s, const struct home *h)
{
	int fd = home_open_dir(h, "pid", 0, NULL);
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return;
	}
	while ((e = readdir(d)))
		scan_entry(s, dirfd(d), e->d_name);
	closedir(d);
}

static void scan_homes(struct scan *s, const struct home *h)
{
	struct home root;

	scan_dir(s, h);
	if (!home_init_root(&root, h))
		return;
	scan_dir(s, &root);
	home_fini(&root);
}

pid_t pidfile_alive(const struct home *h, const char *component)
{
	struct scan s = { .component = component, .remove = true };

	scan_homes(&s, h);
	return s.alive;
}

bool pidfile_any(const struct home *h, const char *component)
{
	struct scan s = { .component = component };

	scan_homes(&s, h);
	return s.any;
}

int pidfile_sweep(const struct home *h, int dry_run)
{
	struct scan s = { .remove = !dry_run };

	scan_homes(&s, h);
	return s.stale;
}

/* --- our own file * ------------------------------------------------------- */

static bool still_there(const struct pidfile *p)
{
	struct stat st;

	return fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == p->ino;
}

static void pidfile_on_change(struct watch *w, uint32_t events)
{
	struct pidfile *p = container_of(w, struct pidfile, watch);
	char junk[4096];

	(void)events;
	while (read(p->inotify, junk, sizeof(junk)) > 0)
		;
	if (still_there(p))
		return;
	log_info("pid file %s was removed: leaving", p->name);
	loop_watch_stop(w);
	signals_leave(p->signals, SIGTERM);
}

static int watch_file(struct pidfile *p, struct loop *l)
{
	char path[PATH_MAX];

	p->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (p->inotify < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", p->dir, p->name);
	if (inotify_add_watch(p->inotify, path,
			      IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF) < 0)
		return -errno;
	return loop_watch_start(l, &p->watch, p->inotify, EPOLLIN,
				pidfile_on_change);
}

static int write_file(struct pidfile *p, const struct home *h,
		      struct kt_error *err)
{
	char text[16];
	struct stat st;
	int rc;

	snprintf(text, sizeof(text), "%d", (int)getpid());
	rc = home_write(h, "pid", p->name, text, strlen(text), 0644, err);
	if (rc < 0)
		return rc;
	p->dir = home_open_dir(h, "pid", 0, err);
	if (p->dir < 0)
		return p->dir;
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return kt_fail(err, errno, "read %s/pid/%s: %s", h->dir,
			       p->name, strerror(errno));
	p->ino = st.st_ino;
	return 0;
}

struct pidfile *pidfile_new(struct loop *l, const struct home *h,
			    const char *component, struct signals *s,
			    struct kt_error *err)
{
	struct pidfile *p = xcalloc(1, sizeof(*p));
	int rc;

	p->signals = s;
	p->dir = p->inotify = -1;
	p->name = xasprintf("%s-%d.pid", component, (int)getpid());
	if (write_file(p, h, err) < 0) {
		pidfile_free(p);
		return NULL;
	}
	rc = watch_file(p, l);
	if (rc < 0) /* out of inotify watches: the rest works without */
		log_warn("pid file %s is not watched: %s", p->name,
			 strerror(-rc));
	return p;
}

struct pidfile *pidfile_try(struct loop *l, const struct home *h,
			    const char *component, struct signals *s)
{
	struct kt_error err = { 0 };
	struct pidfile *p = pidfile_new(l, h, component, s, &err);

	if (!p)
		log_warn("%s; goes on without a pid file: another ktctl on "
			 "this machine does not see this one%s%s%s",
			 err.msg, err.hint[0] ? " (" : "", err.hint,
			 err.hint[0] ? ")" : "");
	return p;
}

void pidfile_free(struct pidfile *p)
{
	if (!p)
		return;
	loop_watch_stop(&p->watch);
	if (p->dir >= 0 && still_there(p))
		unlinkat(p->dir, p->name, 0);
	if (p->dir >= 0)
		close(p->dir);
	if (p->inotify >= 0)
		close(p->inotify);
	free(p->name);
	free(p);
}
