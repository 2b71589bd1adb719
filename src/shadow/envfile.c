/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/envfile.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

#define ENVFILE_POLL (5 * NS_SEC)
#define ENVFILE_SETTLE (20 * NS_MS) /* several events are one change */
#define ENVFILE_AGAIN (100 * NS_MS) /* it is not whole */
#define ENVFILE_STILL 10	    /* so often the same: it will not be */
#define ENVFILE_EVENTS                                                         \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE)

struct envfile {
	struct loop *loop;
	char *path, *dir;
	size_t max;
	void (*changed)(void *user, struct slice text);
	void *user;
	int fd; /* -1: no inotify, or no directory yet */
	struct watch watch;
	struct timer look;
	uint64_t sum;	   /* of what holds */
	uint64_t half;	   /* of what was not whole last time */
	unsigned int same; /* so often */
	bool told;
	int error; /* that was logged */
};

static void envfile_look(struct envfile *f);

static void envfile_on_look(struct timer *t)
{
	envfile_look(container_of(t, struct envfile, look));
}

static void envfile_close(struct envfile *f)
{
	loop_watch_stop(&f->watch);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

static void envfile_on_event(struct watch *w, uint32_t events)
{
	struct envfile *f = container_of(w, struct envfile, watch);
	char junk[4096]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	bool gone = false;
	ssize_t n;

	(void)events;
	while ((n = read(f->fd, junk, sizeof(junk))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *ev =
				(const void *)(junk + at);

			gone |= (ev->mask & IN_IGNORED) != 0;
			at += (ssize_t)(sizeof(*ev) + ev->len);
		}
	if (gone) /* the directory itself */
		envfile_close(f);
	loop_timer_start(f->loop, &f->look, ENVFILE_SETTLE, envfile_on_look);
}

/* without it there is the slow look */
static void envfile_follow(struct envfile *f)
{
	if (f->fd >= 0)
		return;
	f->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->fd < 0)
		return;
	if (inotify_add_watch(f->fd, f->dir, ENVFILE_EVENTS | IN_ONLYDIR) < 0 ||
	    loop_watch_start(f->loop, &f->watch, f->fd, EPOLLIN,
			     envfile_on_event) < 0) {
		close(f->fd);
		f->fd = -1;
	}
}

static void envfile_tell(struct envfile *f, struct slice text, uint64_t sum)
{
	f->same = 0;
	f->error = 0;
	if (f->told && f->sum == sum)
		return;
	f->told = true;
	f->sum = sum;
	f->changed(f->user, text);
}

/* it is whole, or will not be; false: look again soon */
static bool envfile_take(struct envfile *f, struct slice text)
{
	uint64_t sum = hash_bytes(text.p, text.n);

	if (text.n && text.p[text.n - 1] == '\n') {
		envfile_tell(f, text, sum);
		return true;
	}
	if (f->told && f->sum == sum)
		return true;
	f->same = f->half == sum ? f->same + 1 : 0;
	f->half = sum;
	if (f->same < ENVFILE_STILL)
		return false;
	envfile_tell(f, text, sum);
	return true;
}

static void envfile_cannot(struct envfile *f, int error)
{
	if (f->error != error)
		log_warn("%s: read: %s; what it said holds", f->path,
			 strerror(error));
	f->error = error;
}

static void envfile_look(struct envfile *f)
{
	auto_free char *text = NULL;
	bool whole = true;
	size_t n = 0;

	envfile_follow(f); /* first: what changes from now on is told */
	text = file_read(f->path, f->max, &n);
	if (text)
		whole = envfile_take(f, slice_make(text, n));
	else if (errno == ENOENT || errno == ENOTDIR)
		envfile_tell(f, slice_of(""), 0);
	else
		envfile_cannot(f, errno);
	loop_timer_start(f->loop, &f->look,
			 whole ? ENVFILE_POLL : ENVFILE_AGAIN, envfile_on_look);
}

struct envfile *envfile_new(struct loop *loop, const char *path, size_t max,
			    void (*changed)(void *user, struct slice text),
			    void *user)
{
	struct envfile *f = calloc(1, sizeof(*f));
	char *slash;

	if (!f)
		return NULL;
	f->loop = loop;
	f->path = xstrdup(path);
	f->dir = xstrdup(strchr(path, '/') ? path : "./");
	slash = strrchr(f->dir, '/');
	slash[slash == f->dir] = '\0';
	f->max = max;
	f->changed = changed;
	f->user = user;
	f->fd = -1;
	envfile_look(f);
	return f;
}

void envfile_free(struct envfile *f)
{
	if (!f)
		return;
	envfile_close(f);
	loop_timer_stop(&f->look);
	free(f->path);
	free(f->dir);
	loop_defer_free(f->loop, f);
}
