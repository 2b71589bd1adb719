/* SPDX-License-Identifier: Apache-2.0 */
#include "control/follow.h"

#include "base/list.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "control/message.h"
#include "control/place.h"
#include "kube/rest.h"
#include "local/pidfile.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define FOLLOW_LOOK NS_SEC
#define FOLLOW_MAX 1000

struct follow {
	struct follow_config cfg;
	struct list sessions;
	size_t n;
	size_t away; /* sessions that took nobody when they were looked for */
	struct timer look;
};

/* One session; it stays in the list when it tells no more, so that it is not
 * asked again, until its socket is gone. */
struct follow_session {
	struct list node;
	struct follow *follow;
	char *id;
	struct watch watch;
	int fd; /* -1: it tells no more */
	bool seen;
	bool tells;
	size_t len;
	char line[MESSAGE_ANSWER_MAX];
};

/* --- one session ---------------------------------------------------------- */

static void follow_close(struct follow_session *s, const char *why)
{
	struct follow *f = s->follow;

	if (s->fd < 0)
		return;
	loop_watch_stop(&s->watch);
	close(s->fd);
	s->fd = -1;
	f->n--;
	if (f->cfg.ended)
		f->cfg.ended(f->cfg.user, s->id, why);
}

/* What a ktctl says that does not know the question */
static const char *follow_why(const char *error)
{
	return str_eq(error, "asks for nothing that is known")
		       ? "it is of an older ktctl, which tells of no requests"
		       : error;
}

static void follow_take(struct follow_session *s, const char *line, size_t len)
{
	const struct follow_config *cfg = &s->follow->cfg;
	struct kt_error err = { 0 };
	struct message_answer m;
	int rc = message_read_answer(&m, line, len, &err);

	if (rc < 0) {
		follow_close(s, follow_why(err.msg));
		return;
	}
	if (m.kind == MESSAGE_EVENT)
		cfg->event(cfg->user, m.session);
	else if (m.kind == MESSAGE_FOLLOWING)
		s->tells = true;
	else
		follow_close(s, "the answer is not understood");
	json_decref(m.session);
}

static void follow_on_data(struct watch *w, uint32_t events)
{
	struct follow_session *s =
		container_of(w, struct follow_session, watch);
	ssize_t n = recv(s->fd, s->line + s->len, sizeof(s->line) - s->len, 0);
	char *at = s->line, *end;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		follow_close(s, NULL);
		return;
	}
	s->len += (size_t)n;
	while (s->fd >= 0 && (end = memchr(at, '\n', s->len))) {
		size_t len = (size_t)(end - at);

		follow_take(s, at, len);
		s->len -= len + 1;
		at = end + 1;
	}
	memmove(s->line, at, s->len);
	if (s->len == sizeof(s->line))
		follow_close(s, "a line is too long");
}

/* It could not even be asked */
static void follow_refused(struct follow_session *s)
{
	struct follow *f = s->follow;

	f->n--;
	if (f->cfg.ended)
		f->cfg.ended(f->cfg.user, s->id, "it cannot be asked");
}

static int follow_ask(struct follow_session *s, int fd)
{
	auto_free char *line =
		message_request(MESSAGE_EVENTS, s->follow->cfg.since);
	ssize_t n = send(fd, line, strlen(line), MSG_NOSIGNAL);

	if (n < 0 || (size_t)n < strlen(line))
		return -EIO;
	return loop_watch_start(s->follow->cfg.loop, &s->watch, fd, EPOLLIN,
				follow_on_data);
}

/* --- all of them ---------------------------------------------------------- */

static struct follow_session *follow_find(const struct follow *f,
					  const char *id)
{
	struct list *n;

	list_for_each (n, &f->sessions) {
		struct follow_session *s =
			container_of(n, struct follow_session, node);

		if (strcmp(s->id, id) == 0)
			return s;
	}
	return NULL;
}

static bool follow_wanted(const struct follow *f, const char *id)
{
	for (size_t i = 0; i < f->cfg.nids; i++)
		if (strcmp(f->cfg.ids[i], id) == 0)
			return true;
	return !f->cfg.ids;
}

static void follow_add(struct follow *f, const struct place_entry *e, char *id)
{
	auto_close int fd = place_connect(e->dir, e->name);
	struct follow_session *s;

	if (fd == -ECONNREFUSED) /* its process is dead */
		unlinkat(e->dir, e->name, 0);
	f->away += fd == -EAGAIN; /* its queue is full */
	if (fd < 0 || !pidfile_same_network(e->pid) || !place_is_peer(fd, e)) {
		free(id);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->follow = f;
	s->id = id;
	s->seen = true;
	list_add_tail(&f->sessions, &s->node);
	f->n++;
	s->fd = -1;
	if (follow_ask(s, fd) == 0)
		s->fd = steal_fd(&fd);
	else
		follow_refused(s);
}

static void follow_see(void *user, const struct place_entry *e)
{
	struct follow *f = user;
	char *id = xasprintf("%s-%d", e->command, (int)e->pid);
	struct follow_session *s = follow_find(f, id);

	if (s)
		s->seen = true;
	if (!s && f->n < FOLLOW_MAX && follow_wanted(f, id))
		follow_add(f, e, id);
	else
		free(id);
}

static void follow_free(struct follow_session *s)
{
	loop_watch_stop(&s->watch);
	if (s->fd >= 0) {
		close(s->fd);
		s->follow->n--;
	}
	list_del(&s->node);
	free(s->id);
	loop_defer_free(s->follow->cfg.loop, s);
}

static void follow_on_look(struct timer *t)
{
	struct follow *f = container_of(t, struct follow, look);
	struct list *n, *tmp;

	f->away = 0;
	list_for_each (n, &f->sessions)
		container_of(n, struct follow_session, node)->seen = false;
	place_each(f->cfg.home, follow_see, f);
	list_for_each_safe (n, tmp, &f->sessions) {
		struct follow_session *s =
			container_of(n, struct follow_session, node);

		if (!s->seen && s->fd < 0)
			follow_free(s);
	}
	loop_timer_start(f->cfg.loop, t, FOLLOW_LOOK, follow_on_look);
}

struct follow *follow_start(const struct follow_config *cfg)
{
	struct follow *f = xcalloc(1, sizeof(*f));

	f->cfg = *cfg;
	list_init(&f->sessions);
	follow_on_look(&f->look);
	return f;
}

size_t follow_count(const struct follow *f)
{
	return f->n;
}

size_t follow_unheard(const struct follow *f)
{
	size_t unheard = f->away;
	struct list *n;

	list_for_each (n, &f->sessions) {
		const struct follow_session *s =
			container_of(n, struct follow_session, node);

		unheard += s->fd >= 0 && !s->tells;
	}
	return unheard;
}

void follow_stop(struct follow *f)
{
	if (!f)
		return;
	loop_timer_stop(&f->look);
	while (!list_empty(&f->sessions))
		follow_free(container_of(f->sessions.next,
					 struct follow_session, node));
	loop_defer_free(f->cfg.loop, f);
}
