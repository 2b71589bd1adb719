/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/resolvconf_follow.h"

#include "base/log.h"
#include "base/mem.h"
#include "dns/resolvconf_file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>

#define SETTLE (100 * NS_MS) /* a file is written in several steps */
#define LINKS_MAX 8
#define OF_FOLDER                                                              \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE)
#define OF_FILE (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)

struct resolvconf_follow {
	struct loop *loop;
	char *path;
	resolvconf_follow_fn fn;
	void *user;
	struct watch watch;
	struct timer settle;
	int fd;
	struct resolvconf now;
};

static void follow_folder(int fd, const char *path)
{
	auto_free char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash)
		return;
	slash[slash == dir] = '\0';
	if (inotify_add_watch(fd, dir, OF_FOLDER | IN_ONLYDIR) < 0)
		log_debug("follow %s: %s", dir, strerror(errno));
}

/* The next name of a chain of links; NULL at its end. */
static char *follow_link(const char *path)
{
	char to[PATH_MAX];
	ssize_t n = readlink(path, to, sizeof(to) - 1);
	const char *slash = strrchr(path, '/');

	if (n <= 0)
		return NULL;
	to[n] = '\0';
	if (to[0] == '/' || !slash)
		return xstrdup(to);
	return xasprintf("%.*s/%s", (int)(slash - path), path, to);
}

static void follow_watch(const struct resolvconf_follow *f)
{
	auto_free char *path = xstrdup(f->path);

	for (int i = 0; i < LINKS_MAX; i++) {
		char *next = follow_link(path);

		follow_folder(f->fd, path);
		if (!next)
			break;
		free(path);
		path = next;
	}
	/* a mount of its own is not seen in its folder */
	if (inotify_add_watch(f->fd, path, OF_FILE) < 0)
		log_debug("follow %s: %s", path, strerror(errno));
	if (f->now.stub)
		follow_folder(f->fd, RESOLVCONF_REAL);
}

static bool follow_same(const struct resolvconf *a, const struct resolvconf *b)
{
	bool same = a->nservers == b->nservers && a->search.n == b->search.n &&
		    a->ndots == b->ndots && a->stub == b->stub;

	for (size_t i = 0; same && i < a->nservers; i++)
		same = ipport_eq(&a->servers[i], &b->servers[i]) &&
		       a->servers[i].scope == b->servers[i].scope;
	for (size_t i = 0; same && i < a->search.n; i++)
		same = str_eq(a->search.v[i], b->search.v[i]);
	return same;
}

static void on_follow_event(struct watch *w, uint32_t events);

static int follow_open(struct resolvconf_follow *f)
{
	int rc;

	f->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->fd < 0)
		return -errno;
	rc = loop_watch_start(f->loop, &f->watch, f->fd, EPOLLIN,
			      on_follow_event);
	if (rc < 0) {
		close(f->fd);
		f->fd = -1;
		return rc;
	}
	follow_watch(f);
	return 0;
}

static void follow_close(struct resolvconf_follow *f)
{
	loop_watch_stop(&f->watch);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* First the new watches, then the look: nothing is missed in between. */
static void on_follow_settled(struct timer *t)
{
	struct resolvconf_follow *f =
		container_of(t, struct resolvconf_follow, settle);
	struct kt_error err = { 0 };
	struct resolvconf fresh;

	follow_close(f);
	if (follow_open(f) < 0)
		log_debug("follow %s: no more", f->path);
	if (resolvconf_load(&fresh, f->path, &err) < 0) {
		log_debug("%s", err.msg);
		return;
	}
	if (follow_same(&fresh, &f->now)) {
		resolvconf_fini(&fresh);
		return;
	}
	resolvconf_fini(&f->now);
	f->now = fresh;
	f->fn(f->user, &f->now);
}

static void on_follow_event(struct watch *w, uint32_t events)
{
	struct resolvconf_follow *f =
		container_of(w, struct resolvconf_follow, watch);
	uint8_t junk[4096];

	(void)events;
	while (read(w->fd, junk, sizeof(junk)) > 0)
		;
	loop_timer_start(f->loop, &f->settle, SETTLE, on_follow_settled);
}

int resolvconf_follow_start(struct resolvconf_follow **out, struct loop *l,
			    const char *path, resolvconf_follow_fn fn,
			    void *user)
{
	struct resolvconf_follow *f = xcalloc(1, sizeof(*f));
	int rc;

	f->loop = l;
	f->path = xstrdup(path ? path : RESOLVCONF_PATH);
	f->fn = fn;
	f->user = user;
	f->fd = -1;
	rc = resolvconf_load(&f->now, f->path, NULL);
	if (rc == 0)
		rc = follow_open(f);
	if (rc < 0) {
		resolvconf_follow_stop(f);
		return rc;
	}
	*out = f;
	return 0;
}

void resolvconf_follow_stop(struct resolvconf_follow *f)
{
	if (!f)
		return;
	follow_close(f);
	loop_timer_stop(&f->settle);
	resolvconf_fini(&f->now);
	free(f->path);
	loop_defer_free(f->loop, f);
}
