/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/pace.h"

#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>

/**
 * DOC: Theory of operation
 *
 * Latency: what came is a mark in a queue, so many bytes and when they are due.
 * Marks within a 256th of the latency are one, so the queue is short. A mark
 * that is due adds to the bytes that are released.
 *
 * Rate: each direction has the time from which on it is free again. A piece of
 * n bytes keeps it busy for n / rate; pieces are of at most a fiftieth of a
 * second. A timer that comes late is made good, up to a tenth of a second.
 */

#define MARKS 1024 /* a power of two; more than latency and jitter make */
#define ENDS 2	   /* marks at most: end of file, reset */
#define PARTS 256
#define LATE_MAX (100 * NS_MS)

struct pace_mark {
	int64_t due;
	size_t n; /* bytes; 0: the end */
};

struct pace {
	struct loop *loop;
	struct timer timer;
	void (*wake)(void *user);
	void *user;
	struct fault fault; /* a copy: the faults may end before */
	struct hash_key key;
	uint64_t draws;
	int64_t step; /* marks nearer than that are one */
	struct pace_mark mark[MARKS];
	size_t first, nmarks;
	size_t released;	    /* bytes */
	int64_t up_free, down_free; /* when the line is */
	bool up_waits;
	bool stuck; /* the program takes nothing: no timer helps */
};

int64_t pace_delay(const struct fault *f, uint64_t random)
{
	int64_t span = 2 * f->jitter + 1;

	return f->latency - f->jitter + (int64_t)(random % (uint64_t)span);
}

struct pace *pace_new(struct loop *loop, const struct fault *f, uint64_t seed)
{
	struct pace *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->loop = loop;
	p->fault = *f;
	p->key = (struct hash_key){ seed, ~seed };
	p->step = MAX((f->latency + f->jitter) / PARTS, NS_MS);
	return p;
}

void pace_start(struct pace *p, void (*wake)(void *user), void *user)
{
	p->wake = wake;
	p->user = user;
}

void pace_free(struct pace *p)
{
	if (!p)
		return;
	loop_timer_stop(&p->timer);
	loop_defer_free(p->loop, p);
}

bool pace_cuts(const struct pace *p)
{
	return p->fault.act == FAULT_RESET;
}

/* --- the timer ------------------------------------------------------------ */

static void pace_on_timer(struct timer *t)
{
	struct pace *p = container_of(t, struct pace, timer);

	p->up_waits = false;
	p->wake(p->user);
}

/* At the earliest of what is waited for; nothing: not at all */
static void pace_arm(struct pace *p)
{
	int64_t at = INT64_MAX, now = loop_now(p->loop);

	if (p->nmarks)
		at = p->mark[p->first].due;
	if (p->released && !p->stuck)
		at = MIN(at, p->down_free);
	if (p->up_waits)
		at = MIN(at, p->up_free);
	if (at == INT64_MAX)
		loop_timer_stop(&p->timer);
	else
		loop_timer_start(p->loop, &p->timer, MAX(at - now, 0),
				 pace_on_timer);
}

/* --- rate ----------------------------------------------------------------- */

static size_t pace_piece(const struct pace *p, int64_t free_at, size_t n)
{
	if (!p->fault.rate)
		return n;
	if (free_at > loop_now(p->loop))
		return 0;
	return MIN(n, MAX((size_t)(p->fault.rate / 50), 1));
}

static void pace_busy(const struct pace *p, int64_t *free_at, size_t n)
{
	int64_t from = MAX(*free_at, loop_now(p->loop) - LATE_MAX);

	if (p->fault.rate)
		*free_at = from + (int64_t)((double)n * (double)NS_SEC /
					    (double)p->fault.rate);
}

size_t pace_up(struct pace *p, size_t n)
{
	size_t most = pace_piece(p, p->up_free, n);

	if (!most) {
		p->up_waits = true;
		pace_arm(p);
	}
	return most;
}

void pace_up_took(struct pace *p, size_t n)
{
	pace_busy(p, &p->up_free, n);
}

/* --- latency -------------------------------------------------------------- */

static struct pace_mark *pace_last(struct pace *p)
{
	return p->nmarks ? &p->mark[(p->first + p->nmarks - 1) & (MARKS - 1)]
			 : NULL;
}

void pace_down_came(struct pace *p, size_t n)
{
	int64_t due = loop_now(p->loop) +
		      pace_delay(&p->fault, hash_keyed(&p->key, &p->draws,
						       sizeof(p->draws)));
	struct pace_mark *last = pace_last(p);

	p->draws++;
	if (last)
		due = MAX(due, last->due);
	if (n && last && last->n &&
	    (due - last->due < p->step || p->nmarks >= MARKS - ENDS)) {
		last->n += n;
	} else {
		p->nmarks++;
		*pace_last(p) = (struct pace_mark){ due, n };
	}
	pace_arm(p);
}

static void pace_release(struct pace *p)
{
	int64_t now = loop_now(p->loop);

	while (p->nmarks && p->mark[p->first].due <= now) {
		p->released += p->mark[p->first].n;
		p->first = (p->first + 1) & (MARKS - 1);
		p->nmarks--;
	}
}

size_t pace_down(struct pace *p)
{
	pace_release(p);
	return pace_piece(p, p->down_free, p->released);
}

void pace_down_took(struct pace *p, size_t n, bool more)
{
	p->released -= n;
	p->stuck = !more;
	pace_busy(p, &p->down_free, n);
	pace_arm(p);
}

bool pace_holds(const struct pace *p)
{
	return p->nmarks || p->released;
}
