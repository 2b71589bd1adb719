/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define BATCH 256

struct deferred {
	defer_fn fn;
	void *user;
};

struct loop {
	int epfd;
	int64_t now;
	bool interrupted;

	struct epoll_event batch[BATCH];
	int nbatch, pos; /* events of the batch being served */

	struct timer **heap;
	size_t ntimers, cap_timers;

	struct deferred *defer;
	size_t ndefer, cap_defer;
};

int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_SEC + ts.tv_nsec;
}

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		free(l);
		return NULL;
	}
	l->now = clock_ns();
	return l;
}

static void run_deferred(struct loop *l)
{
	/* callbacks may defer more: those run in this round as well */
	for (size_t i = 0; i < l->ndefer; i++) {
		struct deferred d = l->defer[i];

		d.fn(d.user);
	}
	l->ndefer = 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	run_deferred(l);
	close(l->epfd);
	free(l->heap);
	free(l->defer);
	free(l);
}

int64_t loop_now(const struct loop *l)
{
	return l->now;
}

/* --- watches -------------------------------------------------------------- */

int loop_watch_start(struct loop *l, struct watch *w, int fd, uint32_t events,
		     watch_fn fn)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	w->loop = l;
	w->fd = fd;
	w->events = events;
	w->fn = fn;
	return 0;
}

void loop_watch_mod(struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (!w->loop || w->events == events)
		return;
	w->events = events;
	epoll_ctl(w->loop->epfd, EPOLL_CTL_MOD, w->fd, &ev);
}

void loop_watch_stop(struct watch *w)
{
	struct loop *l = w->loop;

	if (!l)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = l->pos + 1; i < l->nbatch; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
	w->loop = NULL;
}

/* --- timers: a binary heap, smallest due time first ----------------------- */

static void heap_put(struct loop *l, size_t i, struct timer *t)
{
	l->heap[i] = t;
	t->slot = i;
}

static void heap_up(struct loop *l, size_t i)
{
	struct timer *t = l->heap[i];

	while (i && l->heap[(i - 1) / 2]->due > t->due) {
		heap_put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
	struct timer *t = l->heap[i];

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= l->ntimers)
			break;
		if (c + 1 < l->ntimers && l->heap[c + 1]->due < l->heap[c]->due)
			c++;
		if (l->heap[c]->due >= t->due)
			break;
		heap_put(l, i, l->heap[c]);
		i = c;
	}
	heap_put(l, i, t);
}

void loop_timer_stop(struct timer *t)
{
	struct loop *l = t->loop;
	struct timer *last;
	size_t i = t->slot;

	if (!l)
		return;
	t->loop = NULL;
	last = l->heap[--l->ntimers];
	if (last == t)
		return;
	heap_put(l, i, last);
	heap_up(l, i);
	heap_down(l, last->slot);
}

void loop_timer_start(struct loop *l, struct timer *t, int64_t delay_ns,
		      timer_fn fn)
{
	loop_timer_stop(t);
	if (l->ntimers == l->cap_timers) {
		l->cap_timers = l->cap_timers ? 2 * l->cap_timers : 32;
		l->heap = xrealloc(l->heap, l->cap_timers * sizeof(*l->heap));
	}
	t->loop = l;
	t->fn = fn;
	t->due = clock_ns() + delay_ns;
	heap_put(l, l->ntimers++, t);
	heap_up(l, t->slot);
}

static void run_timers(struct loop *l)
{
	while (l->ntimers && l->heap[0]->due <= l->now) {
		struct timer *t = l->heap[0];

		loop_timer_stop(t);
		t->fn(t);
	}
}

/* --- deferred work -------------------------------------------------------- */

void loop_defer(struct loop *l, defer_fn fn, void *user)
{
	if (l->ndefer == l->cap_defer) {
		l->cap_defer = l->cap_defer ? 2 * l->cap_defer : 32;
		l->defer = xrealloc(l->defer, l->cap_defer * sizeof(*l->defer));
	}
	l->defer[l->ndefer++] = (struct deferred){ fn, user };
}

void loop_defer_free(struct loop *l, void *mem)
{
	loop_defer(l, free, mem);
}

/* --- the loop ------------------------------------------------------------- */

static int wait_ms(const struct loop *l, int64_t timeout_ns)
{
	int64_t ns = timeout_ns;

	if (l->ndefer)
		return 0;
	if (l->ntimers) {
		int64_t left = MAX(l->heap[0]->due - clock_ns(), 0);

		ns = ns < 0 ? left : MIN(ns, left);
	}
	if (ns < 0)
		return -1;
	return (int)MIN((ns + NS_MS - 1) / NS_MS, 1000 * 3600);
}

int loop_once(struct loop *l, int64_t timeout_ns)
{
	int n = epoll_wait(l->epfd, l->batch, BATCH, wait_ms(l, timeout_ns));

	if (n < 0 && errno != EINTR)
		return -errno;
	l->now = clock_ns();
	l->nbatch = MAX(n, 0);
	for (l->pos = 0; l->pos < l->nbatch; l->pos++) {
		struct watch *w = l->batch[l->pos].data.ptr;

		if (w)
			w->fn(w, l->batch[l->pos].events);
	}
	l->nbatch = 0;
	run_timers(l);
	run_deferred(l);
	return 0;
}

int loop_run_until(struct loop *l, const bool *done, int64_t timeout_ns)
{
	int64_t end = timeout_ns < 0 ? -1 : clock_ns() + timeout_ns;

	while (!*done) {
		int64_t left = end < 0 ? -1 : end - clock_ns();
		int rc;

		if (l->interrupted)
			return -EINTR;
		if (end >= 0 && left <= 0)
			return -ETIMEDOUT;
		rc = loop_once(l, left);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int loop_sleep(struct loop *l, int64_t ns)
{
	const bool never = false;
	int rc = loop_run_until(l, &never, ns);

	return rc == -ETIMEDOUT ? 0 : rc;
}

void loop_interrupt(struct loop *l)
{
	l->interrupted = true;
}

void loop_resume(struct loop *l)
{
	l->interrupted = false;
}

bool loop_interrupted(const struct loop *l)
{
	return l->interrupted;
}
