/* SPDX-License-Identifier: Apache-2.0 */
#include "control/control.h"

#include "base/caller.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/print.h"
#include "control/eventjson.h"
#include "control/feed.h"
#include "control/message.h"
#include "control/place.h"
#include "local/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PEERS_MAX 32
#define REQUEST_LIMIT (5 * NS_SEC)
#define PROBE_LIMIT (2 * NS_SEC)
#define PROBE_POLL (10 * NS_MS)
#define ACCEPT_PAUSE (100 * NS_MS)

struct control_peer {
	struct list node;
	struct control *control;
	struct watch watch;
	struct timer timer;
	int fd;
	int64_t asked; /* the pings for its answer; 0: no question yet */
	bool leave;    /* waits for the end */
	size_t len;
	char line[MESSAGE_REQUEST_MAX];
};

struct control {
	struct loop *loop;
	struct signals *signals;
	const struct home *home;
	bool needed;
	struct watch watch;
	struct timer pause; /* no descriptor for who waits to be accepted */
	int dir, fd;
	uid_t owner; /* may ask, beside root and our own user */
	char name[PLACE_NAME_MAX], command[PLACE_COMMAND_MAX];
	char *id, *target, *context, *ns, *log;
	char since[32];
	const struct control_source *source;
	void *user;
	bool ready;
	struct list peers;
	size_t npeers;
	struct feed *feed;
};

/* --- what is answered ----------------------------------------------------- */

const char *control_state(const struct control_report *r, int64_t asked)
{
	if (!r->up)
		return "lost";
	if (r->answered < asked)
		return "silent";
	return r->up < r->tunnels ? "partial" : "up";
}

static void control_time(char dst[32], time_t t)
{
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(dst, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		dst[0] = '\0';
}

/* What others wrote may be in it */
static json_t *control_text(const char *text)
{
	char clean[1024];

	if (!text)
		return json_null();
	print_clean(clean, sizeof(clean), text, strlen(text));
	return json_string(clean);
}

static json_t *control_loss(const struct control_report *r)
{
	char at[32];

	if (!r->when_lost)
		return json_null();
	control_time(at, (time_t)r->when_lost);
	return json_pack("{s:o,s:s}", "reason", control_text(r->why), "at", at);
}

static json_t *control_probe(const struct control_report *r)
{
	if (!r->answered)
		return json_null();
	return json_pack("{s:I,s:I}", "age_us",
			 (json_int_t)(MAX(clock_ns() - r->answered, 0) / 1000),
			 "latency_us", (json_int_t)(r->latency / 1000));
}

static json_t *control_copies(const struct control_report *r)
{
	if (!r->copying)
		return json_null();
	return json_pack("{s:I,s:I}", "sent", (json_int_t)r->copies_sent,
			 "dropped", (json_int_t)r->copies_dropped);
}

static json_t *control_faults(const struct control_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->nfaults; i++)
		json_array_append_new(
			list, json_pack("{s:o,s:I}", "fault",
					control_text(r->faults[i].text), "hits",
					(json_int_t)r->faults[i].hits));
	return list;
}

static json_t *control_session(struct control *c, int64_t asked)
{
	struct control_report r = { 0 };
	const char *state = "starting";
	json_t *s;

	if (c->source)
		c->source->report(c->user, &r);
	if (signals_seen(c->signals))
		state = "leaving";
	else if (c->ready)
		state = control_state(&r, asked);
	s = message_session(c->command, getpid(), state);
	json_object_set_new(s, "target", control_text(c->target));
	json_object_set_new(s, "context", control_text(c->context));
	json_object_set_new(s, "namespace", control_text(c->ns));
	json_object_set_new(s, "since", json_string(c->since));
	json_object_set_new(s, "probe", control_probe(&r));
	json_object_set_new(s, "bytes_in",
			    json_integer((json_int_t)r.bytes_in));
	json_object_set_new(s, "bytes_out",
			    json_integer((json_int_t)r.bytes_out));
	json_object_set_new(s, "streams", json_integer((json_int_t)r.streams));
	json_object_set_new(s, "reconnects", json_integer(r.reconnects));
	json_object_set_new(s, "last_loss", control_loss(&r));
	json_object_set_new(s, "copies", control_copies(&r));
	json_object_set_new(s, "faults", control_faults(&r));
	json_object_set_new(s, "log", control_text(c->log));
	return s;
}

/* --- peers ---------------------------------------------------------------- */

static void control_peer_free(struct control_peer *p)
{
	loop_watch_stop(&p->watch);
	loop_timer_stop(&p->timer);
	close(p->fd);
	list_del(&p->node);
	p->control->npeers--;
	loop_defer_free(p->control->loop, p);
}

/* An answer fits into the socket's buffer: who does not read gets none */
static void control_say(const struct control_peer *p, const char *name,
			json_t *value)
{
	auto_free char *line = message_line(name, value);
	ssize_t n = send(p->fd, line, strlen(line), MSG_NOSIGNAL);

	if (n < 0 || (size_t)n < strlen(line))
		log_debug("control socket: the asker has gone");
}

static void control_on_probed(struct timer *t)
{
	struct control_peer *p = container_of(t, struct control_peer, timer);
	struct control *c = p->control;
	struct control_report r = { 0 };

	if (c->source && c->ready && !signals_seen(c->signals))
		c->source->report(c->user, &r);
	if (r.up && r.answered < p->asked &&
	    clock_ns() - p->asked < PROBE_LIMIT) {
		loop_timer_start(c->loop, t, PROBE_POLL, control_on_probed);
		return;
	}
	control_say(p, "session", control_session(c, p->asked));
	control_peer_free(p);
}

static void control_leave(struct control_peer *p)
{
	struct control *c = p->control;

	p->leave = true;
	loop_timer_stop(&p->timer);
	control_say(p, "leaving", json_true());
	/* a second one would hurry the clean-up */
	if (!signals_seen(c->signals))
		signals_leave(c->signals, SIGTERM);
}

/* From here on it is the feed's */
static void control_follow(struct control_peer *p, int64_t since)
{
	struct control *c = p->control;
	int fd = -1;

	if (!c->source || !c->source->watch) {
		auto_free char *why = xasprintf(
			"%s tells of no requests%s", c->id,
			c->source ? "" : ": it is not up yet, or it ends");

		control_say(p, "error", json_string(why));
	} else {
		fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			control_say(p, "error",
				    json_string("it has no descriptor left"));
	}
	control_peer_free(p);
	if (fd >= 0)
		feed_follow(c->feed, fd, since);
}

static void control_on_watch(void *user, bool on)
{
	struct control *c = user;

	if (c->source && c->source->watch)
		c->source->watch(c->user, on);
}

static void control_take(struct control_peer *p, size_t len)
{
	struct control *c = p->control;
	struct kt_error err = { 0 };
	enum message_ask ask;
	int64_t since;

	if (message_read_request(&ask, &since, p->line, len, &err) < 0) {
		control_say(p, "error", json_string(err.msg));
		control_peer_free(p);
		return;
	}
	p->asked = clock_ns();
	if (ask == MESSAGE_LEAVE) {
		control_leave(p);
		return;
	}
	if (ask == MESSAGE_EVENTS) {
		control_follow(p, since);
		return;
	}
	if (c->source)
		c->source->probe(c->user);
	loop_timer_start(c->loop, &p->timer, 0, control_on_probed);
}

static void control_on_peer(struct watch *w, uint32_t events)
{
	struct control_peer *p = container_of(w, struct control_peer, watch);
	ssize_t n = recv(p->fd, p->line + p->len, sizeof(p->line) - p->len, 0);
	const char *end;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* what comes behind the question is not ours */
	if (n <= 0 || p->asked) {
		control_peer_free(p);
		return;
	}
	p->len += (size_t)n;
	end = memchr(p->line, '\n', p->len);
	if (end && end == p->line + p->len - 1) {
		control_take(p, p->len - 1);
	} else if (end || p->len == sizeof(p->line)) {
		control_say(p, "error", json_string("one line is a question"));
		control_peer_free(p);
	}
}

static void control_on_limit(struct timer *t)
{
	control_peer_free(container_of(t, struct control_peer, timer));
}

static bool control_may(const struct control *c, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == geteuid() || cred.uid == c->owner);
}

/* The next who waits; false: there is none, or errno says why he has to wait */
static bool control_accept(struct control *c)
{
	auto_close int fd =
		accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct control_peer *p;

	if (fd < 0)
		return false;
	if (c->npeers >= PEERS_MAX || !control_may(c, fd))
		return true;
	p = xcalloc(1, sizeof(*p));
	p->control = c;
	if (loop_watch_start(c->loop, &p->watch, fd, EPOLLIN, control_on_peer) <
	    0) {
		free(p);
		return true;
	}
	p->fd = steal_fd(&fd);
	loop_timer_start(c->loop, &p->timer, REQUEST_LIMIT, control_on_limit);
	list_add_tail(&c->peers, &p->node);
	c->npeers++;
	return true;
}

static void control_on_pause(struct timer *t)
{
	loop_watch_mod(&container_of(t, struct control, pause)->watch, EPOLLIN);
}

/* Without a descriptor (EMFILE, ENFILE, ...) he stays in the queue, and the
 * loop would come back at once */
static void control_on_accept(struct watch *w, uint32_t events)
{
	struct control *c = container_of(w, struct control, watch);

	(void)events;
	if (control_accept(c) || errno == EAGAIN || errno == EINTR ||
	    errno == ECONNABORTED)
		return;
	loop_watch_mod(w, 0);
	loop_timer_start(c->loop, &c->pause, ACCEPT_PAUSE, control_on_pause);
}

/* --- interface ------------------------------------------------------------ */

static int control_listen(struct control *c, struct kt_error *err)
{
	int rc;

	c->dir = place_open(c->home, c->needed, err);
	if (c->dir < 0)
		return c->dir;
	c->fd = place_listen(c->dir, c->name, c->owner);
	rc = c->fd < 0 ? c->fd
		       : loop_watch_start(c->loop, &c->watch, c->fd, EPOLLIN,
					  control_on_accept);
	return rc < 0 ? kt_fail(err, -rc, "make the control socket %s: %s",
				c->name, strerror(-rc))
		      : 0;
}

struct control *control_new(const struct control_config *cfg)
{
	struct control *c = xcalloc(1, sizeof(*c));
	struct caller caller;

	c->loop = cfg->loop;
	c->signals = cfg->signals;
	c->home = cfg->home;
	c->needed = cfg->needed;
	c->dir = c->fd = -1;
	c->owner = geteuid();
	if (caller_get(&caller)) {
		c->owner = caller.uid;
		caller_fini(&caller);
	}
	list_init(&c->peers);
	snprintf(c->command, sizeof(c->command), "%s", cfg->command);
	place_name(c->name, c->command, getpid());
	c->id = xasprintf("%s-%d", c->command, (int)getpid());
	c->feed = feed_new(c->loop, c->id, control_on_watch, c);
	c->target = cfg->target ? xstrdup(cfg->target) : NULL;
	control_time(c->since, time(NULL));
	return c;
}

/* Whoever waits for the end, or came in the last moment and was not read yet:
 * whatever he wants to ask, that it has ended is the answer */
static void control_tell_all(struct control *c, int status)
{
	while (!list_empty(&c->peers)) {
		struct control_peer *p =
			container_of(c->peers.next, struct control_peer, node);

		/* what is read by nobody is a reset for him */
		while (!p->asked &&
		       recv(p->fd, p->line, sizeof(p->line), 0) > 0)
			;
		if (p->leave || !p->asked)
			control_say(p, "ended", json_integer(status));
		control_peer_free(p);
	}
}

void control_free(struct control *c, int status)
{
	if (!c)
		return;
	loop_watch_stop(&c->watch);
	loop_timer_stop(&c->pause);
	if (c->fd >= 0) {
		unlinkat(c->dir, c->name, 0);
		while (control_accept(c))
			;
		close(c->fd);
	}
	if (c->dir >= 0)
		close(c->dir);
	control_tell_all(c, status);
	feed_free(c->feed);
	free(c->id);
	free(c->target);
	free(c->context);
	free(c->ns);
	free(c->log);
	loop_defer_free(c->loop, c);
}

const char *control_id(const struct control *c)
{
	return c ? c->id : NULL;
}

int control_open(struct control *c, const char *context, const char *ns,
		 struct kt_error *err)
{
	struct kt_error why = { 0 };

	if (!c)
		return 0;
	free(c->context);
	free(c->ns);
	c->context = context ? xstrdup(context) : NULL;
	c->ns = ns ? xstrdup(ns) : NULL;
	if (c->fd >= 0 || control_listen(c, &why) == 0)
		return 0;
	if (c->needed) {
		*err = why;
		return -err->code;
	}
	log_warn("%s: 'ktctl status' will not see this one", why.msg);
	return 0;
}

void control_serve(struct control *c, const struct control_source *src,
		   void *user)
{
	if (!c)
		return;
	c->source = src;
	c->user = user;
	if (!src)
		feed_end(c->feed);
}

void control_event(struct control *c, const struct event *ev,
		   const struct event_place *at, uint64_t missed)
{
	if (c)
		feed_add(c->feed, ev, at, missed);
}

void control_event_fail(struct control *c, const char *why)
{
	if (c)
		feed_fail(c->feed, why);
}

void control_ready(struct control *c, const char *log)
{
	if (!c)
		return;
	c->ready = true;
	free(c->log);
	c->log = log ? xstrdup(log) : NULL;
}
