/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/laptop.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "router/table.h"
#include "shadow/events.h"
#include "shadow/shadow.h"
#include "tunnel/inbound.h"
#include "tunnel/link.h"
#include "wire/clientline.h"
#include "wire/ruleline.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define GRACE_DEFAULT_S 10
#define COPIES_TOLD (500 * NS_MS)
#define OUT_MAX (64 * 1024)    /* a client that does not read what we answer */
#define OUT_EVENTS (16 * 1024) /* of which events may have so much */

struct laptop {
	struct list node;
	struct shadow *sh;
	struct link *link;
	const struct laptop_ops *ops;
	void *ops_user;
	uint64_t id; /* in the table */
	char user[RULELINE_WORD_MAX];
	char owner[RULELINE_WORD_MAX]; /* "": not said */
	unsigned int grace_s;
	struct timer grace;
	bool away;	/* its carrier is lost */
	bool suspended; /* it is over */
	bool draining;	/* the Service leads elsewhere, as far as it knows */
	bool waits;	/* for another shadow */
	/* the control stream */
	struct mux_stream *control;
	struct buf out;
	struct ruleline_reader in;
	struct rule *rules; /* of the set that is coming */
	size_t nrules;
	struct rule *held; /* of the set that was taken last */
	size_t nheld;
	uint64_t copies_sent, copies_dropped;
	struct timer copies; /* it is to be told of these */
	bool broken;	     /* the set cannot be taken: says so at its end */
	char why[256];
	bool watches;	/* wants to know of events */
	uint64_t event; /* how many of them it had */
};

/* How long its rules outlive it. A fifth, at most two seconds, of what was said
 * is kept for the way to the origin, which may be busy: no caller waits longer
 * than that. */
static int64_t grace_ns(const struct laptop *l)
{
	int64_t ns = l->grace_s * NS_SEC;

	return ns - MIN(ns / 5, 2 * NS_SEC);
}

static struct laptop *laptop_find(const struct shadow *sh, uint64_t id)
{
	struct list *n;

	list_for_each (n, &sh->laptops) {
		struct laptop *l = container_of(n, struct laptop, node);

		if (l->id == id)
			return l;
	}
	return NULL;
}

struct mux *laptop_mux(const struct shadow *sh, uint64_t id)
{
	const struct laptop *l = laptop_find(sh, id);

	return l ? link_mux(l->link) : NULL;
}

enum port_use laptop_port_use(const struct shadow *sh, uint16_t port, bool udp)
{
	enum port_use use = PORT_UNUSED;
	int64_t now = clock_ns();
	struct list *n;

	list_for_each (n, &sh->laptops) {
		const struct laptop *l = container_of(n, struct laptop, node);

		if (!table_has_port(sh->table, l->id, port, udp, now))
			continue;
		if (!l->draining)
			return PORT_SERVED;
		use = PORT_DRAINED;
	}
	return use;
}

/* Of one that is away the callers wait, and go to the origin in the end */
static bool laptop_closes(const struct laptop *l, uint16_t port)
{
	for (size_t i = 0; i < l->nheld; i++)
		if (l->held[i].port == port && !l->held[i].udp &&
		    !l->held[i].closed)
			return false;
	return !l->away && !l->suspended;
}

bool laptop_port_closed(const struct shadow *sh, uint16_t port)
{
	int64_t now = clock_ns();
	bool any = false;
	struct list *n;

	list_for_each (n, &sh->laptops) {
		const struct laptop *l = container_of(n, struct laptop, node);

		if (!table_has_port(sh->table, l->id, port, false, now))
			continue;
		if (!laptop_closes(l, port))
			return false;
		any = true;
	}
	return any;
}

bool laptop_is_suspended(const struct laptop *l)
{
	return l->suspended;
}

bool laptop_has_rules(const struct laptop *l)
{
	return table_serves(l->sh->table, l->id);
}

size_t laptop_controls(const struct laptop *l)
{
	return l && l->control ? 1 : 0;
}

/* --- answers -------------------------------------------------------------- */

static void laptop_answer(struct laptop *l, int rc)
{
	if (!l->control)
		return;
	if (rc == 0) {
		mux_stream_resume(l->control);
		return;
	}
	mux_stream_reset(l->control, ENOBUFS);
	l->control = NULL;
}

/* one line at a time: who does not read them costs nothing */
static void laptop_on_copies(struct timer *t)
{
	struct laptop *l = container_of(t, struct laptop, copies);

	if (!l->control)
		return;
	if (l->out.len)
		loop_timer_start(l->sh->loop, t, COPIES_TOLD, laptop_on_copies);
	else
		laptop_answer(l, ruleline_put_copies(&l->out, l->copies_sent,
						     l->copies_dropped));
}

void laptop_count_copy(const struct shadow *sh, uint64_t id, bool sent)
{
	struct laptop *l = laptop_find(sh, id);

	if (!l)
		return;
	*(sent ? &l->copies_sent : &l->copies_dropped) += 1;
	if (!loop_timer_active(&l->copies))
		loop_timer_start(sh->loop, &l->copies, COPIES_TOLD,
				 laptop_on_copies);
}

static void laptop_refuse(struct laptop *l, const char *holder,
			  const char *text)
{
	log_info("rules of %s are refused: %s", l->user, text);
	laptop_answer(l, ruleline_put_refused(&l->out, holder, text));
}

static void refuse_taken(struct laptop *l, const struct table_conflict *c)
{
	const struct laptop *by = laptop_find(l->sh, c->id);
	char match[RULE_MATCH_MAX], when[80] = "", text[320];

	if (by && *by->owner)
		laptop_answer(l, ruleline_put_word(&l->out, RULELINE_HELD,
						   by->owner));
	if (c->free_ns >= 0)
		snprintf(when, sizeof(when),
			 ", whose connection is lost: free in %lld s",
			 (long long)(c->free_ns / NS_SEC + 1));
	rule_match_print(&c->rule.match, match);
	snprintf(text, sizeof(text), "port %u (%.160s) is taken by %.64s%s",
		 c->rule.port, match, c->holder, when);
	laptop_refuse(l, c->holder, text);
}

/* --- events --------------------------------------------------------------- */

static void laptop_put_events(struct laptop *l)
{
	if (l->watches)
		events_read(l->sh->events, l->id, &l->event, &l->out,
			    OUT_EVENTS);
}

static void laptop_watch(struct laptop *l, bool on)
{
	struct timespec ts;

	l->watches = on;
	if (!on)
		return;
	l->event = 0;
	clock_gettime(CLOCK_REALTIME, &ts);
	laptop_answer(l,
		      ruleline_put_watching(&l->out, events_id(l->sh->events),
					    (int64_t)ts.tv_sec * 1000000 +
						    ts.tv_nsec / 1000));
}

void laptop_tell_events(struct shadow *sh)
{
	struct list *n;

	list_for_each (n, &sh->laptops) {
		struct laptop *l = container_of(n, struct laptop, node);

		/* what does not go out now is asked for by the stream */
		if (l->watches && l->control && !l->out.len)
			mux_stream_resume(l->control);
	}
}

/* --- the rules that come -------------------------------------------------- */

static void set_broken(struct laptop *l, const char *why)
{
	if (!l->broken)
		snprintf(l->why, sizeof(l->why), "%.250s", why);
	l->broken = true;
}

static void laptop_add_rule(struct laptop *l, const struct rule *r)
{
	char text[80];
	struct rule *more;

	if (!l->ops->has(l->ops_user, r->port, r->udp)) {
		snprintf(text, sizeof(text),
			 "this shadow does not serve port %u%s", r->port,
			 r->udp ? "/udp" : "");
		set_broken(l, text);
		return;
	}
	more = l->nrules < INBOUND_RULES_MAX
		       ? realloc(l->rules, (l->nrules + 1) * sizeof(*more))
		       : NULL;
	if (!more) {
		set_broken(l, "too many rules");
		return;
	}
	l->rules = more;
	l->rules[l->nrules++] = *r;
}

static void laptop_close_rule(struct laptop *l, const struct rule *r)
{
	for (size_t i = 0; i < l->nrules; i++)
		if (l->rules[i].port == r->port && l->rules[i].udp == r->udp)
			l->rules[i].closed = true;
}

static void commit(struct laptop *l)
{
	struct table_conflict c = { 0 };
	int rc = 0;

	if (l->broken) {
		laptop_refuse(l, "", l->why);
	} else {
		rc = table_commit(l->sh->table, l->id, l->user, grace_ns(l),
				  l->rules, l->nrules, clock_ns(), &c);
		if (rc == -EEXIST)
			refuse_taken(l, &c);
		else if (rc < 0)
			laptop_refuse(l, "", strerror(-rc));
		else
			laptop_answer(l,
				      ruleline_put(&l->out, RULELINE_ACCEPTED));
	}
	if (!l->broken && rc == 0) {
		l->draining = false; /* they are for what comes now */
		log_info("%s has %zu rule%s", l->user, l->nrules,
			 l->nrules == 1 ? "" : "s");
		free(l->held);
		l->held = l->rules;
		l->nheld = l->nrules;
		l->rules = NULL;
	}
	l->ops->changed(l->ops_user);
	if (!l->nrules)
		l->ops->sweep(l->ops_user);
	l->nrules = 0;
	l->broken = false;
}

static void laptop_end_grace(struct laptop *l)
{
	log_info("%s is away for long: rules suspended", l->user);
	l->suspended = true;
	l->ops->changed(l->ops_user);
	mux_end_streams(link_mux(l->link), l->control, ENETRESET);
}

/* Of one that is here nobody is the heir, whatever he says */
static void laptop_inherit(const struct laptop *heir, const char *owner)
{
	struct list *n;

	list_for_each (n, &heir->sh->laptops) {
		struct laptop *l = container_of(n, struct laptop, node);

		if (!l->away || l->suspended || !*owner ||
		    strcmp(l->owner, owner) != 0)
			continue;
		loop_timer_stop(&l->grace);
		table_expire(l->sh->table, l->id, clock_ns());
		laptop_end_grace(l);
	}
}

static void laptop_take_line(struct laptop *l, const char *text)
{
	struct kt_error err = { 0 };
	struct ruleline line;

	if (ruleline_parse(&line, text, &err) < 0) {
		set_broken(l, err.msg);
		return;
	}
	switch (line.verb) {
	case RULELINE_USER:
		memcpy(l->user, line.word, sizeof(l->user));
		break;
	case RULELINE_OWNER:
		memcpy(l->owner, line.word, sizeof(l->owner));
		break;
	case RULELINE_HEIR:
		laptop_inherit(l, line.word);
		break;
	case RULELINE_GRACE:
		l->grace_s = line.seconds;
		break;
	case RULELINE_RULE:
		laptop_add_rule(l, &line.rule);
		break;
	case RULELINE_CLOSED:
		laptop_close_rule(l, &line.rule);
		break;
	case RULELINE_COMMIT:
		commit(l);
		break;
	case RULELINE_DRAIN:
		log_info("%s: the Service leads elsewhere now", l->user);
		l->draining = true;
		l->ops->changed(l->ops_user);
		break;
	case RULELINE_WAIT:
		l->waits = true;
		break;
	case RULELINE_WATCH:
		laptop_watch(l, strcmp(line.word, "on") == 0);
		break;
	default:
		break;
	}
}

size_t laptop_tell_ending(struct shadow *sh)
{
	struct list *n;
	size_t told = 0;

	list_for_each (n, &sh->laptops) {
		struct laptop *l = container_of(n, struct laptop, node);

		if (!l->control)
			continue;
		told++;
		laptop_answer(l, ruleline_put(&l->out, RULELINE_ENDING));
	}
	return told;
}

bool laptop_waits(const struct shadow *sh)
{
	struct list *n;

	list_for_each (n, &sh->laptops) {
		const struct laptop *l = container_of(n, struct laptop, node);

		if (l->waits && !l->suspended)
			return true;
	}
	return false;
}

int laptop_put(const struct laptop *l, long away, struct buf *out)
{
	bool serves = table_serves(l->sh->table, l->id);
	int rc = clientline_put_client(out, away, *l->user ? l->user : "-");

	for (size_t i = 0; rc == 0 && serves && i < l->nheld; i++)
		rc = clientline_put_rule(out, &l->held[i]);
	return rc;
}

size_t laptop_serving(const struct shadow *sh)
{
	struct list *n;
	size_t all = 0;

	list_for_each (n, &sh->laptops)
		all += table_serves(sh->table,
				    container_of(n, struct laptop, node)->id);
	return all;
}

/* --- the control stream --------------------------------------------------- */

static ssize_t laptop_control_read(void *user, uint8_t *buf, size_t len)
{
	struct laptop *l = user;
	size_t n;

	laptop_put_events(l);
	n = MIN(len, l->out.len);
	if (!n)
		return -EAGAIN;
	memcpy(buf, buf_data(&l->out), n);
	buf_take(&l->out, n);
	return (ssize_t)n;
}

static void laptop_control_data(void *user, const uint8_t *p, size_t n)
{
	struct laptop *l = user;
	struct rd in = rd_make(p, n);
	int rc = 0;

	mux_stream_consume(l->control, n);
	while (l->control && (rc = ruleline_read(&l->in, &in)) == 1)
		laptop_take_line(l, l->in.line);
	if (rc >= 0 || !l->control)
		return;
	mux_stream_reset(l->control, EPROTO);
	l->control = NULL;
}

static void laptop_control_close(void *user, int error)
{
	struct laptop *l = user;

	(void)error;
	l->control = NULL;
}

static const struct mux_stream_ops control_ops = {
	.read = laptop_control_read,
	.data = laptop_control_data,
	.close = laptop_control_close,
};

static void open_control(struct laptop *l)
{
	static const struct mux_request req = { .method = "POST",
						.path = "/rules",
						.content_type = "text/plain" };
	int rc = ruleline_put_word(&l->out, RULELINE_VERSION, KT_VERSION);

	if (rc == 0)
		rc = ruleline_put_word(&l->out, RULELINE_ABLE, "copy");
	if (rc == 0)
		l->control = mux_open(link_mux(l->link), &req, &control_ops, l);
	if (!l->control)
		log_warn("no control stream: %s", strerror(errno));
}

/* --- life ----------------------------------------------------------------- */

struct laptop *laptop_new(struct shadow *sh, struct link *link,
			  const struct laptop_ops *ops, void *user)
{
	struct laptop *l = calloc(1, sizeof(*l));

	if (l)
		l->id = table_join(sh->table);
	if (!l || !l->id) {
		free(l);
		return NULL;
	}
	l->sh = sh;
	l->link = link;
	l->ops = ops;
	l->ops_user = user;
	l->grace_s = GRACE_DEFAULT_S;
	snprintf(l->user, sizeof(l->user), "somebody");
	buf_init(&l->out, OUT_MAX);
	list_add_tail(&sh->laptops, &l->node);
	return l;
}

void laptop_free(struct laptop *l)
{
	if (!l)
		return;
	table_leave(l->sh->table, l->id);
	l->ops->changed(l->ops_user);
	list_del(&l->node);
	loop_timer_stop(&l->grace);
	loop_timer_stop(&l->copies);
	if (l->control)
		mux_stream_reset(l->control, ECANCELED);
	buf_fini(&l->out);
	free(l->rules);
	free(l->held);
	loop_defer_free(l->sh->loop, l);
}

void laptop_up(struct laptop *l, bool resumed)
{
	struct table_conflict c = { 0 };

	loop_timer_stop(&l->grace);
	l->suspended = l->away = false;
	if (!resumed)
		open_control(l);
	else if (table_back(l->sh->table, l->id, clock_ns(), &c) < 0)
		refuse_taken(l, &c);
	l->ops->changed(l->ops_user);
}

/* nobody waits any longer; the stream users find another way, or reset */
static void on_grace_over(struct timer *t)
{
	laptop_end_grace(container_of(t, struct laptop, grace));
}

void laptop_lost(struct laptop *l, int64_t silent_ns)
{
	int64_t ns = grace_ns(l) - silent_ns;

	table_lost(l->sh->table, l->id, clock_ns() - silent_ns);
	l->away = true;
	l->ops->changed(l->ops_user);
	/* when it is over it is over for the table too */
	loop_timer_start(l->sh->loop, &l->grace, MAX(ns, 0) + NS_MS,
			 on_grace_over);
}
