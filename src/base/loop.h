/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_LOOP_H
#define KT_BASE_LOOP_H

#include "base/error.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/**
 * DOC: Event loop
 *
 * One thread, level-triggered epoll. Watches and timers are embedded in their
 * owner's structure. A handler may stop any watch, also one whose event is
 * later in the same batch: loop_watch_stop() marks it dead at once, no handler
 * runs for it again, and the owner's memory must stay valid until the batch is
 * over: free it with loop_defer_free() or from a loop_defer() callback.
 *
 * Sequential code (a command's top level) may wait with loop_run_until(); it
 * must never be called from inside a handler.
 */

struct loop;
struct watch;
struct timer;

typedef void (*watch_fn)(struct watch *w, uint32_t events);
typedef void (*timer_fn)(struct timer *t);
typedef void (*defer_fn)(void *user);

/** struct watch - interest in a descriptor; the fd stays the owner's */
struct watch {
	struct loop *loop; /* NULL when stopped */
	watch_fn fn;
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT, ...; 0 is allowed */
};

/** struct timer - one shot; may be re-armed in its own handler */
struct timer {
	struct loop *loop; /* NULL when stopped */
	timer_fn fn;
	int64_t due; /* CLOCK_MONOTONIC, ns */
	size_t slot; /* place in the heap */
};

struct loop *loop_new(void); /* NULL with errno */
void loop_free(struct loop *l);

/** loop_watch_start() - begin to watch @fd; 0 or -errno */
KT_CHECK int loop_watch_start(struct loop *l, struct watch *w, int fd,
			      uint32_t events, watch_fn fn);
/** loop_watch_mod() - change the events (cheap when they are the same) */
void loop_watch_mod(struct watch *w, uint32_t events);
/** loop_watch_stop() - safe on a stopped watch; call before close(fd) */
void loop_watch_stop(struct watch *w);

/** loop_timer_start() - run @fn once after @delay_ns; re-arms a running timer
 */
void loop_timer_start(struct loop *l, struct timer *t, int64_t delay_ns,
		      timer_fn fn);
void loop_timer_stop(struct timer *t);
static inline bool loop_timer_active(const struct timer *t)
{
	return t->loop;
}

/** loop_defer() - run @fn(user) once, after the present batch of events */
void loop_defer(struct loop *l, defer_fn fn, void *user);
/** loop_defer_free() - free(@mem) after the present batch of events */
void loop_defer_free(struct loop *l, void *mem);

/** loop_once() - wait at most @timeout_ns (< 0: for ever), run one batch */
int loop_once(struct loop *l, int64_t timeout_ns);

/**
 * loop_run_until() - serve events until *@done or loop_interrupted()
 * @timeout_ns: < 0 for no limit
 * Return: 0 when done, -ETIMEDOUT, or -EINTR when the loop was interrupted.
 */
KT_CHECK int loop_run_until(struct loop *l, const bool *done,
			    int64_t timeout_ns);
/** loop_sleep() - serve events for @ns; 0 or -EINTR */
KT_CHECK int loop_sleep(struct loop *l, int64_t ns);

/** loop_interrupt() - make every loop_run_until() return -EINTR from now on
 *  (a signal arrived); loop_resume() clears it so that clean-up may wait */
void loop_interrupt(struct loop *l);
void loop_resume(struct loop *l);
bool loop_interrupted(const struct loop *l);

/** loop_now() - CLOCK_MONOTONIC in ns, read once a batch */
int64_t loop_now(const struct loop *l);

#define NS_MS ((int64_t)1000000)
#define NS_SEC ((int64_t)1000000000)

/** clock_ns() - CLOCK_MONOTONIC in ns, read now */
int64_t clock_ns(void);

#endif
