/* SPDX-License-Identifier: Apache-2.0 */
#include "control/ask.h"

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
#include <sys/syscall.h>

#define ASK_LIMIT (4 * NS_SEC)
#define ASK_LOOK (NS_SEC / 2) /* then its process is looked at */
#define SESSIONS_MAX 1000

/* One command that runs */
struct ask_one {
	struct list node;
	struct asking *all;
	char command[PLACE_COMMAND_MAX];
	pid_t pid;
	uid_t uid; /* whose it is, as the kernel says; or ASK_NOBODY */
	char *id;
	int fd, pidfd;
	struct watch watch, gone;
	struct timer timer;
	size_t len;
	char line[MESSAGE_ANSWER_MAX];
	json_t *session;
	unsigned long long started; /* ticks since the machine's start */
	bool done;
	bool ended; /* it has said so */
	int rc, status;
	struct kt_error err;
};

struct asking {
	struct loop *loop;
	enum message_ask what;
	char *const *ids; /* those alone, or NULL: all */
	size_t nids;
	struct list list;
	size_t n, open;
	bool done;
	void (*fn)(void *user, const struct ask_end *end);
	void *user;
};

/* --- /proc ---------------------------------------------------------------- */

/* State and start of @pid; 0 when it is not there */
static char ask_proc(pid_t pid, unsigned long long *started)
{
	char path[64];
	auto_free char *text = NULL;
	const char *p;
	char state;
	int field = 3;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	text = file_read(path, 4096, NULL);
	p = text ? strrchr(text, ')') : NULL; /* its name may hold anything */
	if (!p || p[1] != ' ')
		return 0;
	state = p[2];
	for (p += 2; *p && field < 22; p++)
		field += *p == ' ';
	if (started)
		*started = strtoull(p, NULL, 10);
	return state;
}

/* --- one answer ----------------------------------------------------------- */

static void ask_finish(struct ask_one *a)
{
	struct ask_end end = { a->id, a->rc, a->status };

	if (a->done)
		return;
	a->done = true;
	loop_watch_stop(&a->watch);
	loop_watch_stop(&a->gone);
	loop_timer_stop(&a->timer);
	a->all->done = --a->all->open == 0;
	if (a->all->fn)
		a->all->fn(a->all->user, &end);
}

static void ask_failed(struct ask_one *a, int rc)
{
	a->rc = rc;
	ask_finish(a);
}

/* Only now its exit status is known; the process goes in a moment */
static void ask_ended(struct ask_one *a, int status)
{
	a->ended = true;
	a->status = status;
	loop_watch_stop(&a->watch);
	loop_timer_stop(&a->timer);
	if (a->pidfd < 0 || a->all->what == MESSAGE_STATUS)
		ask_finish(a);
}

/* Nobody speaks for another one: it is the session of the socket's name, whose
 * process the kernel has named */
static bool ask_is_its_own(const struct ask_one *a, const json_t *session)
{
	return str_eq(json_str(session, "id", NULL), a->id) &&
	       str_eq(json_str(session, "command", NULL), a->command) &&
	       json_integer_value(json_object_get(session, "pid")) == a->pid;
}

/* Only what answers the question that was asked, or that it has ended */
static void ask_take(struct ask_one *a, const char *line, size_t len)
{
	const bool status = a->all->what == MESSAGE_STATUS;
	struct message_answer m;
	int rc = message_read_answer(&m, line, len, &a->err);

	if (rc < 0) {
		ask_failed(a, rc);
	} else if (m.kind == MESSAGE_ENDED) {
		ask_ended(a, m.status);
	} else if (m.kind == MESSAGE_LEAVING && !status) {
		/* it may take as long as it takes */
		loop_timer_stop(&a->timer);
	} else if (m.kind == MESSAGE_SESSION && status &&
		   ask_is_its_own(a, m.session)) {
		a->session = json_incref(m.session);
		ask_finish(a);
	} else {
		ask_failed(a, -EPROTO);
	}
	json_decref(m.session);
}

static void ask_on_data(struct watch *w, uint32_t events)
{
	struct ask_one *a = container_of(w, struct ask_one, watch);
	ssize_t n = recv(a->fd, a->line + a->len, sizeof(a->line) - a->len, 0);
	char *end;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ask_failed(a, n < 0 ? -errno : -ECONNRESET);
		return;
	}
	a->len += (size_t)n;
	while (!a->done && (end = memchr(a->line, '\n', a->len))) {
		size_t len = (size_t)(end - a->line);

		ask_take(a, a->line, len);
		a->len -= len + 1;
		memmove(a->line, end + 1, a->len);
	}
	if (!a->done && a->len == sizeof(a->line))
		ask_failed(a, -EPROTO);
}

static void ask_on_gone(struct watch *w, uint32_t events)
{
	struct ask_one *a = container_of(w, struct ask_one, gone);

	if (!a->ended) /* its last word may be there still */
		ask_on_data(&a->watch, events);
	if (a->ended)
		ask_finish(a);
	else if (!a->done)
		ask_failed(a, -ECONNRESET);
}

static void ask_on_limit(struct timer *t)
{
	ask_failed(container_of(t, struct ask_one, timer), -ETIMEDOUT);
}

static void ask_on_look(struct timer *t)
{
	struct ask_one *a = container_of(t, struct ask_one, timer);

	if (ask_proc(a->pid, NULL) == 'T') {
		ask_failed(a, -ETIMEDOUT);
		return;
	}
	loop_timer_start(a->all->loop, t, ASK_LIMIT - ASK_LOOK, ask_on_limit);
}

/* --- all of them ---------------------------------------------------------- */

static bool ask_wanted(const struct asking *all, const char *id)
{
	for (size_t i = 0; i < all->nids; i++)
		if (strcmp(all->ids[i], id) == 0)
			return true;
	return !all->ids;
}

static void ask_start(struct ask_one *a)
{
	struct loop *l = a->all->loop;
	auto_free char *line = message_request(a->all->what, 0);
	ssize_t n = send(a->fd, line, strlen(line), MSG_NOSIGNAL);
	int failed = n < 0 ? errno : 0;
	bool gone = failed == EPIPE || failed == ECONNRESET;
	int rc = loop_watch_start(l, &a->watch, a->fd, EPOLLIN, ask_on_data);

	if (rc == 0 && a->pidfd >= 0)
		rc = loop_watch_start(l, &a->gone, a->pidfd, EPOLLIN,
				      ask_on_gone);
	loop_timer_start(l, &a->timer, ASK_LOOK, ask_on_look);
	/* one that has ended in this moment has said so */
	if (rc == 0 && !gone && (n < 0 || (size_t)n < strlen(line)))
		rc = n < 0 ? -failed : -EIO;
	if (rc < 0)
		ask_failed(a, rc);
}

static void ask_add(void *user, const struct place_entry *e)
{
	struct asking *all = user;
	auto_free char *id = xasprintf("%s-%d", e->command, (int)e->pid);
	auto_close int fd = place_connect(e->dir, e->name);
	struct ask_one *a;

	if (fd == -ECONNREFUSED) { /* its process is dead */
		unlinkat(e->dir, e->name, 0);
		return;
	}
	/* -EAGAIN: its queue is full, so it is there, and takes nobody */
	if ((fd < 0 && fd != -EAGAIN) || all->n >= SESSIONS_MAX ||
	    !ask_wanted(all, id) || !pidfile_same_network(e->pid) ||
	    (fd >= 0 && !place_is_peer(fd, e)))
		return;
	a = xcalloc(1, sizeof(*a));
	a->all = all;
	memcpy(a->command, e->command, sizeof(a->command));
	a->pid = e->pid;
	a->uid = fd >= 0 ? place_peer_uid(fd) : ASK_NOBODY;
	a->id = steal_ptr(&id);
	a->pidfd = (int)syscall(SYS_pidfd_open, e->pid, 0);
	ask_proc(e->pid, &a->started);
	list_add_tail(&all->list, &a->node);
	all->n++;
	all->open++;
	a->fd = fd < 0 ? -1 : steal_fd(&fd);
	if (a->fd < 0)
		ask_failed(a, -ETIMEDOUT);
	else
		ask_start(a);
}

static void ask_free(struct ask_one *a)
{
	loop_watch_stop(&a->watch);
	loop_watch_stop(&a->gone);
	loop_timer_stop(&a->timer);
	if (a->fd >= 0)
		close(a->fd);
	if (a->pidfd >= 0)
		close(a->pidfd);
	json_decref(a->session);
	list_del(&a->node);
	free(a->id);
	loop_defer_free(a->all->loop, a);
}

static int ask_all(struct asking *all, const struct home *h,
		   struct kt_error *err)
{
	int rc = 0;

	list_init(&all->list);
	place_each(h, ask_add, all);
	all->done = all->open == 0;
	if (!all->done)
		rc = loop_run_until(all->loop, &all->done, -1);
	return rc < 0 ? kt_fail(err, -rc, "interrupted") : 0;
}

static void ask_fini(struct asking *all)
{
	while (!list_empty(&all->list))
		ask_free(container_of(all->list.next, struct ask_one, node));
}

/* --- interface ------------------------------------------------------------ */

static json_t *ask_result(struct ask_one *a)
{
	char state = ask_proc(a->pid, NULL);

	if (a->session)
		return json_incref(a->session);
	if (!state || state == 'Z' || a->rc == -ECONNRESET || a->ended)
		return NULL; /* it has ended in this moment */
	return message_session(a->command, a->pid,
			       state == 'T' ? "stopped" : "hung");
}

static int ask_by_start(const void *x, const void *y)
{
	const struct ask_one *const *a = x, *const *b = y;

	if ((*a)->started != (*b)->started)
		return (*a)->started < (*b)->started ? -1 : 1;
	return (*a)->pid < (*b)->pid ? -1 : (*a)->pid > (*b)->pid;
}

int ask_sessions_of(struct loop *l, const struct home *h, json_t **out,
		    uid_t **uids, struct kt_error *err)
{
	struct asking all = { .loop = l, .what = MESSAGE_STATUS };
	int rc = ask_all(&all, h, err);
	auto_free struct ask_one **v =
		xcalloc(all.n + 1, sizeof(struct ask_one *));
	struct list *n;
	size_t i = 0, told = 0;

	*out = json_array();
	*uids = xcalloc(all.n + 1, sizeof(**uids));
	list_for_each (n, &all.list)
		v[i++] = container_of(n, struct ask_one, node);
	qsort(v, i, sizeof(struct ask_one *), ask_by_start);
	for (size_t k = 0; rc == 0 && k < i; k++) {
		json_t *session = ask_result(v[k]);

		if (!session)
			continue;
		json_array_append_new(*out, session);
		(*uids)[told++] = v[k]->uid;
	}
	ask_fini(&all);
	return rc;
}

int ask_sessions(struct loop *l, const struct home *h, json_t **out,
		 struct kt_error *err)
{
	auto_free uid_t *uids = NULL;

	return ask_sessions_of(l, h, out, &uids, err);
}

int ask_leave(struct loop *l, const struct home *h, char *const *ids, size_t n,
	      void (*fn)(void *user, const struct ask_end *end), void *user,
	      struct kt_error *err)
{
	struct asking all = { .loop = l,
			      .what = MESSAGE_LEAVE,
			      .ids = ids,
			      .nids = n,
			      .fn = fn,
			      .user = user };
	int rc = ask_all(&all, h, err);

	ask_fini(&all);
	return rc;
}

static void ask_name(void *user, const struct place_entry *e)
{
	auto_close int fd = place_connect(e->dir, e->name);

	if (fd == -ECONNREFUSED)
		unlinkat(e->dir, e->name, 0);
	else if ((fd == -EAGAIN || (fd >= 0 && place_is_peer(fd, e))) &&
		 pidfile_same_network(e->pid))
		strv_take(user, xasprintf("%s-%d", e->command, (int)e->pid));
}

void ask_names(const struct home *h, struct strv *names)
{
	place_each(h, ask_name, names);
}

bool ask_is_command(const char *id, const char *command)
{
	size_t n = strlen(command);

	return strrchr(id, '-') == id + n && strncmp(id, command, n) == 0;
}

int ask_choose(const struct strv *names, const char *word, struct strv *ids,
	       struct kt_error *err)
{
	bool found = false;

	for (size_t i = 0; i < names->n; i++) {
		const char *id = names->v[i];

		if (strcmp(id, word) != 0 && !ask_is_command(id, word))
			continue;
		found = true;
		if (!strv_has(ids, id))
			strv_add(ids, id);
	}
	if (found)
		return 0;
	kt_hint(err, "ktctl status lists what runs");
	return kt_fail(err, ENOENT,
		       "%s: no session of this machine has this id or command",
		       word);
}
