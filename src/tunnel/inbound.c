/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/inbound.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tunnel/inbound_call.h"
#include "tunnel/scheduler.h"
#include "tunnel/status.h"
#include "tunnel/watched.h"
#include "wire/ruleline.h"

#include <errno.h>
#include <string.h>

/**
 * DOC: Theory of operation
 *
 * The laptop opens the carrier and is the server of HTTP/2. The shadow's first
 * stream is "POST /rules", whose two bodies stay open: the control stream. We
 * write our rules into it and read what became of them. Every further stream is
 * a caller: inbound_call.c connects it.
 *
 * A verdict is told once: when the control stream ends without one, or with
 * nonsense, that is a refusal by nobody.
 */

#define CONTROL_MAX ((size_t)4 * INBOUND_RULES_MAX * RULE_TEXT_MAX)

struct inbound {
	struct loop *loop;
	struct session_config cfg;
	const struct inbound_events *ev;
	void *user;
	bool freed;
	/* of the spec */
	char *name, *owner;
	bool (*owner_is_dead)(void *user, const char *owner);
	void *owner_user;
	unsigned int grace_s;
	struct rule *rules;
	size_t nrules;
	struct inbound_calls calls;
	size_t ever; /* callers */
	bool watch;
	struct watched watched; /* outlives a session: the same shadow may come
				   again */
	/* of the present session */
	struct link *link;	     /* NULL: none */
	struct scheduler *scheduler; /* of the link; NULL: none */
	struct mux_stream *control;
	struct buf out;
	struct ruleline_reader in;
	bool refused;
	bool inherits;	/* a verdict is coming that does not count */
	bool inherited; /* once in a session */
	bool able_copy; /* the shadow says so */
	char version[RULELINE_WORD_MAX];
	uint64_t sent, dropped; /* copies, as it was told last */
};

/* --- the control stream --------------------------------------------------- */

/* Its rule for all callers of a port is there to refuse them */
static bool inbound_is_closed(const struct inbound *in, const struct rule *r)
{
	const struct inbound_calls *cs = &in->calls;

	for (size_t i = 0; i < cs->nports; i++)
		if (cs->ports[i].remote == r->port &&
		    cs->ports[i].udp == r->udp)
			return false;
	return !r->udp;
}

static int put_rules(struct inbound *in)
{
	int rc = ruleline_put_word(&in->out, RULELINE_USER, in->name);

	if (rc == 0 && in->owner)
		rc = ruleline_put_word(&in->out, RULELINE_OWNER, in->owner);
	if (rc == 0)
		rc = ruleline_put_grace(&in->out, in->grace_s);
	for (size_t i = 0; i < in->nrules && rc == 0; i++) {
		rc = ruleline_put_rule(&in->out, &in->rules[i]);
		if (rc == 0 && inbound_is_closed(in, &in->rules[i]))
			rc = ruleline_put_closed(&in->out, &in->rules[i]);
	}
	return rc < 0 ? rc : ruleline_put(&in->out, RULELINE_COMMIT);
}

static void tell_refused(struct inbound *in, const char *holder,
			 const char *text)
{
	if (in->refused)
		return;
	in->refused = true;
	if (in->ev->refused)
		in->ev->refused(in->user, holder, text);
}

/* The rule that is in our way is of somebody who is dead: his grace time is for
 * nobody. The refusal that follows is of the set that went before. */
static void inbound_inherit(struct inbound *in, const char *owner)
{
	if (in->inherited || !in->owner_is_dead ||
	    !in->owner_is_dead(in->owner_user, owner) ||
	    ruleline_put_word(&in->out, RULELINE_HEIR, owner) < 0 ||
	    put_rules(in) < 0)
		return;
	in->inherits = in->inherited = true;
	mux_stream_resume(in->control);
}

static bool inbound_wants_copies(const struct inbound *in)
{
	for (size_t i = 0; i < in->nrules; i++)
		if (in->rules[i].copy)
			return true;
	return false;
}

/* Its words would be about a port that it cannot read; and one that took the
 * rules all the same has taken what we did not ask for */
static bool inbound_cannot_copy(struct inbound *in)
{
	char text[256];

	if (in->able_copy || !inbound_wants_copies(in))
		return false;
	snprintf(text, sizeof(text),
		 "it is of version %s, which cannot copy requests; it is made "
		 "anew when all who use it have left",
		 *in->version ? in->version : "unknown");
	tell_refused(in, "", text);
	return true;
}

static void inbound_count(struct inbound *in, const struct ruleline *l)
{
	uint64_t sent = l->sent - MIN(in->sent, l->sent);
	uint64_t dropped = l->dropped - MIN(in->dropped, l->dropped);

	in->sent = l->sent;
	in->dropped = l->dropped;
	if (in->ev->copies)
		in->ev->copies(in->user, sent, dropped);
}

static void inbound_take_event(struct inbound *in, const char *text)
{
	struct kt_error err = { 0 };
	struct event ev;
	uint64_t missed;

	if (event_parse(&ev, text, &err) < 0)
		log_debug("inbound: %s", err.msg);
	else if (watched_take(&in->watched, &ev, &missed) && in->ev->event)
		in->ev->event(in->user, &ev, missed);
}

static void inbound_take_line(struct inbound *in, const char *line)
{
	struct kt_error err = { 0 };
	struct ruleline l;

	if (ruleline_parse(&l, line, &err) < 0)
		tell_refused(in, "", err.msg);
	else if (l.verb == RULELINE_VERSION)
		memcpy(in->version, l.word, sizeof(in->version));
	else if (l.verb == RULELINE_ABLE)
		in->able_copy |= strcmp(l.word, "copy") == 0;
	else if (l.verb == RULELINE_COPIES)
		inbound_count(in, &l);
	else if ((l.verb == RULELINE_REFUSED || l.verb == RULELINE_ACCEPTED) &&
		 inbound_cannot_copy(in))
		return;
	else if (l.verb == RULELINE_HELD)
		inbound_inherit(in, l.word);
	else if (l.verb == RULELINE_REFUSED && in->inherits)
		in->inherits = false;
	else if (l.verb == RULELINE_REFUSED)
		tell_refused(in, l.word, l.text);
	else if (l.verb == RULELINE_ENDING && in->ev->ending)
		in->ev->ending(in->user);
	else if (l.verb == RULELINE_ACCEPTED && in->ev->accepted)
		in->ev->accepted(in->user);
	else if (l.verb == RULELINE_EVENT && in->watch)
		inbound_take_event(in, l.text);
	else if (l.verb == RULELINE_WATCHING && in->watch &&
		 watched_begin(&in->watched, l.word, l.text) &&
		 in->ev->watching)
		in->ev->watching(in->user);
}

static ssize_t inbound_control_read(void *user, uint8_t *buf, size_t len)
{
	struct inbound *in = user;
	size_t n = MIN(len, in->out.len);

	if (!n)
		return -EAGAIN;
	memcpy(buf, buf_data(&in->out), n);
	buf_take(&in->out, n);
	return (ssize_t)n;
}

static void inbound_control_data(void *user, const uint8_t *p, size_t n)
{
	struct inbound *in = user;
	struct rd rd = rd_make(p, n);
	int rc = 0;

	mux_stream_consume(in->control, n);
	while (!in->freed && in->control &&
	       (rc = ruleline_read(&in->in, &rd)) == 1)
		inbound_take_line(in, in->in.line);
	if (rc >= 0 || in->freed || !in->control)
		return;
	mux_stream_reset(in->control, EPROTO);
	in->control = NULL;
	tell_refused(in, "", "the shadow's answer is malformed");
}

static void inbound_control_close(void *user, int error)
{
	struct inbound *in = user;

	(void)error;
	in->control = NULL;
	if (!in->freed && in->link && link_mux(in->link))
		tell_refused(in, "", "the shadow gave up the rules");
}

static const struct mux_stream_ops control_ops = {
	.read = inbound_control_read,
	.data = inbound_control_data,
	.close = inbound_control_close,
};

static void control_serve(struct inbound *in, struct mux_stream *s)
{
	if (in->control || put_rules(in) < 0 ||
	    (in->watch &&
	     ruleline_put_word(&in->out, RULELINE_WATCH, "on") < 0)) {
		mux_stream_refuse(s, 503, EIO, "one control stream");
		return;
	}
	in->control = s;
	if (mux_stream_accept(s, "text/plain", &control_ops, in) == 0)
		return;
	in->control = NULL;
	mux_stream_reset(s, ENOMEM);
}

/* --- the session ---------------------------------------------------------- */

static void on_request(void *user, struct mux_stream *s,
		       const struct mux_request *req)
{
	struct inbound *in = user;
	bool connect = strcmp(req->method, "CONNECT") == 0;

	in->ever += connect;
	if (strcmp(req->method, "POST") == 0 &&
	    strcmp(req->path, "/rules") == 0)
		control_serve(in, s);
	else if (connect && !*req->protocol)
		inbound_call_tcp(&in->calls, s, req);
	else if (connect && strcmp(req->protocol, "connect-udp") == 0)
		inbound_call_udp(&in->calls, s, req);
	else
		mux_stream_refuse(s, 501, ENOTSUP, "no such service here");
}

static void inbound_on_up(void *user, bool resumed)
{
	struct inbound *in = user;
	void (*fn)(void *) = resumed ? in->ev->resumed : in->ev->up;

	if (fn)
		fn(in->user);
	scheduler_retry(in->scheduler);
}

static void inbound_on_lost(void *user, const struct kt_error *why)
{
	struct inbound *in = user;

	if (in->ev->lost)
		in->ev->lost(in->user, why);
}

static void inbound_on_dead(void *user, const struct kt_error *why)
{
	struct inbound *in = user;

	link_free(steal_ptr(&in->link));
	scheduler_free(steal_ptr(&in->scheduler));
	if (in->ev->dead)
		in->ev->dead(in->user, why);
}

static const struct link_ops link_ops = {
	.up = inbound_on_up,
	.lost = inbound_on_lost,
	.dead = inbound_on_dead,
};

static void inbound_on_caller(void *user, const struct inbound_caller *c)
{
	struct inbound *in = user;

	if (in->ev->caller)
		in->ev->caller(in->user, c);
}

static void inbound_on_event(void *user, const struct event *ev)
{
	struct inbound *in = user;

	if (in->ev->event)
		in->ev->event(in->user, ev, 0);
}

static void *copy(const void *p, size_t n, size_t size)
{
	void *to = xcalloc(n ? n : 1, size);

	if (n)
		memcpy(to, p, n * size);
	return to;
}

struct inbound *inbound_new(struct loop *loop, const struct session_config *cfg,
			    const struct inbound_spec *spec,
			    const struct inbound_events *ev, void *user)
{
	struct inbound *in;

	if (spec->nrules > INBOUND_RULES_MAX) {
		errno = E2BIG;
		return NULL;
	}
	in = xcalloc(1, sizeof(*in));
	in->loop = loop;
	in->cfg = cfg ? *cfg : session_config_default();
	in->ev = ev;
	in->user = user;
	in->name = xstrndup(spec->user, RULELINE_WORD_MAX - 1);
	in->owner = spec->owner ? xstrdup(spec->owner) : NULL;
	in->owner_is_dead = spec->owner_is_dead;
	in->owner_user = spec->owner_user;
	in->grace_s = MIN(spec->grace_s, (unsigned int)RULELINE_GRACE_MAX);
	in->rules = copy(spec->rules, spec->nrules, sizeof(*spec->rules));
	in->nrules = spec->nrules;
	in->watch = spec->watch;
	buf_init(&in->out, CONTROL_MAX);
	in->calls = (struct inbound_calls){
		.loop = loop,
		.ports = copy(spec->ports, spec->nports, sizeof(*spec->ports)),
		.nports = spec->nports,
		.scratch = xmalloc(UDPSERVE_SCRATCH),
		.caller = inbound_on_caller,
		.event = spec->observe ? inbound_on_event : NULL,
		.user = in,
		.dialer = spec->dialer,
		.dialer_user = spec->dialer_user,
	};
	inbound_calls_init(&in->calls);
	return in;
}

int inbound_set_rules(struct inbound *in, const struct rule *rules, size_t n)
{
	if (n > INBOUND_RULES_MAX)
		return -E2BIG;
	free(in->rules);
	in->rules = copy(rules, n, sizeof(*rules));
	in->nrules = n;
	in->refused = false;
	if (!in->control)
		return 0; /* they go with the next session */
	if (put_rules(in) == 0)
		mux_stream_resume(in->control);
	else /* the shadow reads nothing: it is not alive */
		mux_stream_reset(steal_ptr(&in->control), ENOBUFS);
	return 0;
}

static void inbound_say(struct inbound *in, enum ruleline_verb verb)
{
	if (in->control && ruleline_put(&in->out, verb) == 0)
		mux_stream_resume(in->control);
}

void inbound_watch(struct inbound *in, bool on)
{
	if (in->watch == on)
		return;
	in->watch = on;
	if (in->control &&
	    ruleline_put_word(&in->out, RULELINE_WATCH, on ? "on" : "off") == 0)
		mux_stream_resume(in->control);
}

void inbound_drain(struct inbound *in)
{
	inbound_say(in, RULELINE_DRAIN);
}

void inbound_wait(struct inbound *in)
{
	inbound_say(in, RULELINE_WAIT);
}

void inbound_end_quiet(struct inbound *in, int64_t quiet_ns)
{
	relay_group_end_quiet(&in->calls.open, quiet_ns);
}

void inbound_hold(struct inbound *in, bool hold)
{
	in->calls.hold = hold;
	if (!hold)
		inbound_call_release(&in->calls);
}

void inbound_pass(struct inbound *in)
{
	inbound_call_pass(&in->calls);
}

size_t inbound_held(const struct inbound *in)
{
	return in->calls.nheld;
}

size_t inbound_held_ever(const struct inbound *in)
{
	return in->calls.held_ever;
}

static void inbound_open_link(struct inbound *in)
{
	struct mux_config mcfg = mux_config_default(true);

	buf_reset(&in->out);
	in->in = (struct ruleline_reader){ 0 };
	in->refused = in->able_copy = false;
	in->inherits = in->inherited = false;
	in->version[0] = 0;
	in->sent = in->dropped = 0;
	in->link = link_new(in->loop, &in->cfg, &mcfg, NULL, on_request,
			    &link_ops, in);
	if (in->link && in->ev->bulk)
		in->scheduler = scheduler_new(in->loop, &in->cfg, in->link,
					      in->ev->bulk, in->user);
}

void inbound_attach(struct inbound *in, struct carrier *c)
{
	if (!in->link)
		inbound_open_link(in);
	if (in->link)
		session_attach(link_session(in->link), c);
	else
		carrier_close(c);
}

void inbound_free(struct inbound *in)
{
	struct farewell f;

	inbound_leave(in, &f);
	farewell_drop(&f);
}

void inbound_leave(struct inbound *in, struct farewell *f)
{
	struct link *l;

	*f = (struct farewell){ 0 };
	if (!in || in->freed)
		return;
	in->freed = true;
	l = steal_ptr(&in->link);
	if (l)
		session_leave(link_session(l), FRAME_CODE_BYE, "ktctl ends", f);
	link_free(l);
	scheduler_free(steal_ptr(&in->scheduler));
	inbound_calls_fini(&in->calls);
	buf_fini(&in->out);
	loop_defer_free(in->loop, in->name);
	loop_defer_free(in->loop, in->owner);
	loop_defer_free(in->loop, in->rules);
	loop_defer_free(in->loop, (void *)(uintptr_t)in->calls.ports);
	loop_defer_free(in->loop, in->calls.scratch);
	loop_defer_free(in->loop, in);
}

void inbound_stats(const struct inbound *in, struct session_stats *st)
{
	*st = (struct session_stats){ 0 };
	if (in->link)
		session_get_stats(link_session(in->link), st);
}

void inbound_probe(struct inbound *in)
{
	if (in->link)
		session_probe(link_session(in->link));
}

void inbound_suspect(struct inbound *in)
{
	if (in->link)
		session_suspect(link_session(in->link));
	scheduler_suspect(in->scheduler);
}

size_t inbound_callers(const struct inbound *in)
{
	struct mux *m = in->link ? link_mux(in->link) : NULL;

	return m ? mux_streams(m) - (in->control ? 1 : 0) : 0;
}

size_t inbound_ever(const struct inbound *in)
{
	return in->ever;
}
