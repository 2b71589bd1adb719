/* SPDX-License-Identifier: Apache-2.0 */
#include "control/feed.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "control/eventjson.h"
#include "control/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define FEED_OUT (64 * 1024)
#define FEED_FULL (32 * 1024) /* a line more than that fits */
#define FEED_NAME_MAX 64

struct feed_kept {
	struct event event;
	char ns[FEED_NAME_MAX], service[FEED_NAME_MAX];
	uint16_t port;
	uint64_t missed; /* before it */
};

struct feed {
	struct loop *loop;
	const char *session;
	void (*watch)(void *user, bool on);
	void *user;
	struct feed_kept *ring;
	uint64_t n; /* so far */
	struct list followers;
	size_t nfollowers;
	bool pumping; /* feed_deferred_pump() comes */
};

struct feed_follower {
	struct list node;
	struct feed *feed;
	struct watch watch;
	int fd;
	uint64_t next;	  /* in the ring */
	uint64_t dropped; /* and not told yet */
	int64_t since;	  /* microseconds since 1970 */
	struct buf out;
};

struct feed *feed_new(struct loop *loop, const char *session,
		      void (*watch)(void *user, bool on), void *user)
{
	struct feed *f = xcalloc(1, sizeof(*f));

	f->loop = loop;
	f->session = session;
	f->watch = watch;
	f->user = user;
	list_init(&f->followers);
	return f;
}

/* --- followers ------------------------------------------------------------ */

static void feed_drop(struct feed_follower *w)
{
	struct feed *f = w->feed;

	loop_watch_stop(&w->watch);
	close(w->fd);
	buf_fini(&w->out);
	list_del(&w->node);
	loop_defer_free(f->loop, w);
	if (--f->nfollowers == 0 && f->watch)
		f->watch(f->user, false);
}

static void feed_put(struct feed_follower *w, const char *name, json_t *value)
{
	auto_free char *line = message_line(name, value);

	/* there is room: FEED_FULL */
	if (buf_put(&w->out, line, strlen(line)) < 0)
		w->dropped++;
}

/* The next of the ring; what is older than it is to be goes by */
static void feed_put_next(struct feed_follower *w)
{
	struct feed *f = w->feed;
	const struct feed_kept *k;

	if (f->n - w->next > FEED_KEPT) {
		w->dropped += f->n - FEED_KEPT - w->next;
		w->next = f->n - FEED_KEPT;
	}
	k = &f->ring[w->next++ % FEED_KEPT];
	if (k->event.when < w->since)
		return;
	w->dropped += k->missed;
	if (w->dropped)
		feed_put(w, "event",
			 eventjson_dropped(f->session, k->event.when,
					   w->dropped));
	w->dropped = 0;
	feed_put(w, "event",
		 eventjson_make(&k->event,
				&(struct event_place){ .session = f->session,
						       .ns = k->ns,
						       .service = k->service,
						       .port = k->port }));
}

static void feed_pump(struct feed_follower *w)
{
	ssize_t n;

	do {
		while (w->next < w->feed->n && w->out.len < FEED_FULL)
			feed_put_next(w);
		n = w->out.len ? send(w->fd, buf_data(&w->out), w->out.len,
				      MSG_NOSIGNAL | MSG_DONTWAIT)
			       : 0;
		if (n > 0)
			buf_take(&w->out, (size_t)n);
	} while (n > 0);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		feed_drop(w);
		return;
	}
	if (!w->out.len)
		buf_fini(&w->out);
	loop_watch_mod(&w->watch, w->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Whoever follows says nothing more: that is its end */
static void feed_on_event(struct watch *watch, uint32_t events)
{
	struct feed_follower *w =
		container_of(watch, struct feed_follower, watch);

	if (events & ~(uint32_t)EPOLLOUT)
		feed_drop(w);
	else
		feed_pump(w);
}

/* It takes a line that its connection has room for, as nothing was written to
 * it yet */
static bool feed_refuse(int fd, const char *why)
{
	auto_free char *line = message_line("error", json_string(why));

	if (send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control socket: the follower has gone");
	close(fd);
	return false;
}

/* Where the ring begins; if what it has lost may be of the time that is asked
 * for, it is told of as dropped: the number is an upper bound */
static void feed_begin(struct feed_follower *w)
{
	const struct feed *f = w->feed;

	if (f->n <= FEED_KEPT)
		return;
	w->next = f->n - FEED_KEPT;
	if (f->ring[w->next % FEED_KEPT].event.when > w->since)
		w->dropped = w->next;
}

bool feed_follow(struct feed *f, int fd, int64_t since)
{
	struct feed_follower *w;

	if (f->nfollowers >= FEED_FOLLOWERS)
		return feed_refuse(fd, "too many follow it already");
	w = xcalloc(1, sizeof(*w));
	w->feed = f;
	w->fd = fd;
	w->since = eventjson_now() - since * 1000000;
	feed_begin(w);
	buf_init(&w->out, FEED_OUT);
	if (loop_watch_start(f->loop, &w->watch, fd, EPOLLIN, feed_on_event) <
	    0) {
		buf_fini(&w->out);
		free(w);
		return feed_refuse(fd, "it cannot take one more that follows");
	}
	list_add_tail(&f->followers, &w->node);
	feed_put(w, "following", json_true());
	if (f->nfollowers++ == 0 && f->watch)
		f->watch(f->user, true);
	feed_pump(w);
	return true;
}

/* --- events --------------------------------------------------------------- */

static void feed_deferred_pump(void *user)
{
	struct feed *f = user;
	struct list *n, *tmp;

	f->pumping = false;
	list_for_each_safe (n, tmp, &f->followers) {
		struct feed_follower *w =
			container_of(n, struct feed_follower, node);

		if (!w->out.len) /* else its socket is full */
			feed_pump(w);
	}
}

void feed_add(struct feed *f, const struct event *ev,
	      const struct event_place *at, uint64_t missed)
{
	struct feed_kept *k;

	if (!f->ring)
		f->ring = xcalloc(FEED_KEPT, sizeof(*f->ring));
	k = &f->ring[f->n++ % FEED_KEPT];
	k->event = *ev;
	k->missed = missed;
	k->port = at->port;
	snprintf(k->ns, sizeof(k->ns), "%s", at->ns ? at->ns : "");
	snprintf(k->service, sizeof(k->service), "%s",
		 at->service ? at->service : "");
	if (!f->nfollowers || f->pumping)
		return;
	f->pumping = true;
	loop_defer(f->loop, feed_deferred_pump, f);
}

void feed_fail(struct feed *f, const char *why)
{
	while (!list_empty(&f->followers)) {
		struct feed_follower *w = container_of(
			f->followers.next, struct feed_follower, node);

		feed_put(w, "error", json_string(why));
		if (send(w->fd, buf_data(&w->out), w->out.len,
			 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			w->dropped++; /* it does not read */
		feed_drop(w);
	}
}

void feed_end(struct feed *f)
{
	while (!list_empty(&f->followers))
		feed_drop(container_of(f->followers.next, struct feed_follower,
				       node));
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	f->watch = NULL;
	feed_end(f);
	loop_defer_free(f->loop, f->ring);
	loop_defer_free(f->loop, f);
}
