/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/program.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "inbound/job.h"
#include "local/program_link.h"
#include "local/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PORTS_MAX 256
#define SETTLE (250 * NS_MS)  /* more of its ports are there by then */
#define PATIENCE (2 * NS_SEC) /* for the Service's own port */
#define UNKNOWN (15 * NS_SEC) /* until it is said that none is known */
#define AGAIN (200 * NS_MS)   /* a refusal that nothing follows */
#define ROOM (10 * NS_MS)     /* until the other end has read some */

struct inbound_program {
	struct job *job;
	struct watch watch;
	struct timer again, room;
	int fd;
	uint16_t ports[PORTS_MAX]; /* that it listens on */
	size_t n;
	bool changed, ended;
	bool withdrawn;			/* the rules, as it does not listen */
	int64_t first;			/* it listened on something; 0: never */
	bool told;			/* that no port fits */
	struct inbound_options options; /* the job's, with what was found */
	struct list asked, waiting;	/* of program_dial */
	size_t nasked;
	uint32_t id;
};

/** struct program_dial - a caller on the way to it */
struct program_dial {
	struct list node;
	struct inbound_program *program;
	uint32_t id;
	uint16_t port;
	void (*done)(void *call, int fd);
	void *call; /* NULL: nobody waits any more */
};

/* --- which ports it has --------------------------------------------------- */

static bool program_listens(const struct inbound_program *p, uint16_t port)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->ports[i] == port)
			return true;
	return false;
}

/* All that is exposed is there */
static bool program_is_complete(const struct inbound_program *p)
{
	const struct job *job = p->job;

	for (size_t i = 0; i < job->nlocal; i++)
		if (!program_listens(p, job->local[i].local.port))
			return false;
	return true;
}

static void program_note(struct inbound_program *p, bool on, uint16_t port)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->ports[i] != port)
			p->ports[n++] = p->ports[i];
	p->n = n;
	if (on && p->n < PORTS_MAX)
		p->ports[p->n++] = port;
	if (on && !p->first)
		p->first = clock_ns();
	p->changed = true;
}

/* --- its rules ------------------------------------------------------------ */

static struct inbound *program_tunnel(const struct inbound_program *p)
{
	return p->job->uplink ? uplink_inbound(p->job->uplink) : NULL;
}

/* In force, or not, from the next session on at the latest */
static void program_set_rules(struct inbound_program *p, bool on)
{
	struct job *job = p->job;
	struct inbound *in = program_tunnel(p);

	if (p->withdrawn == !on || !job->spec.ports)
		return;
	p->withdrawn = !on;
	job->spec.nrules = on ? job->nrules : 0;
	if (!in)
		return;
	inbound_hold(in, !on);
	if (inbound_set_rules(in, job->rules, job->spec.nrules) < 0)
		log_debug("run: rules of the program");
}

static void program_follow(struct inbound_program *p)
{
	bool on = !p->ended && program_is_complete(p);

	if (!on || !p->job->leaving)
		program_set_rules(p, on);
}

void program_on_up(struct job *job)
{
	struct inbound_program *p = job->program;
	struct inbound *in = p ? program_tunnel(p) : NULL;

	if (in && p->withdrawn)
		inbound_pass(in);
}

/* --- callers -------------------------------------------------------------- */

static void program_dial_free(struct program_dial *d)
{
	list_del(&d->node);
	loop_defer_free(d->program->job->app->loop, d);
}

static void program_dial_done(struct program_dial *d, int fd)
{
	void (*done)(void *call, int fd) = d->done;
	void *call = d->call;

	program_dial_free(d);
	if (call)
		done(call, fd);
	else if (fd >= 0)
		close(fd);
}

static void program_on_room(struct timer *t);

static void program_ask(struct inbound_program *p)
{
	while (p->nasked < PROGRAM_DIALS && !list_empty(&p->waiting)) {
		struct program_dial *d = container_of(
			p->waiting.next, struct program_dial, node);
		const struct program_message m = { .word = PROGRAM_CONNECT,
						   .number = d->port,
						   .id = d->id };

		int rc = program_link_send(p->fd, &m, -1);

		if (rc == -EAGAIN) /* in its place until there is room */
			loop_timer_start(p->job->app->loop, &p->room, ROOM,
					 program_on_room);
		if (rc < 0) /* or the other end is gone: that is told */
			return;
		list_del(&d->node);
		list_add_tail(&p->asked, &d->node);
		p->nasked++;
	}
}

static void program_on_room(struct timer *t)
{
	program_ask(container_of(t, struct inbound_program, room));
}

static void *program_dial(void *user, uint16_t port,
			  void (*done)(void *call, int fd), void *call)
{
	struct inbound_program *p = user;
	struct program_dial *d = xcalloc(1, sizeof(*d));

	d->program = p;
	d->id = ++p->id;
	d->port = port;
	d->done = done;
	d->call = call;
	list_add_tail(&p->waiting, &d->node);
	program_ask(p);
	return d;
}

static void program_cancel(void *user, void *dial)
{
	struct program_dial *d = dial;

	(void)user;
	d->call = NULL;
}

static const struct inbound_dialer program_dialer = { program_dial,
						      program_cancel };

/* A refusal comes before the word that the port is gone, or nothing follows:
 * it was busy */
static void program_on_again(struct timer *t)
{
	struct inbound_program *p =
		container_of(t, struct inbound_program, again);
	struct inbound *in = program_tunnel(p);

	if (in && !p->withdrawn)
		inbound_hold(in, false);
}

static void program_answered(struct inbound_program *p,
			     const struct program_message *m, int fd)
{
	struct list *pos;

	list_for_each (pos, &p->asked) {
		struct program_dial *d =
			container_of(pos, struct program_dial, node);

		if (d->id != m->id)
			continue;
		p->nasked--;
		if (fd < 0 && !loop_timer_active(&p->again))
			loop_timer_start(p->job->app->loop, &p->again, AGAIN,
					 program_on_again);
		program_dial_done(d, fd >= 0 ? fd : -m->number);
		program_ask(p);
		return;
	}
	if (fd >= 0)
		close(fd);
}

void program_serve(struct job *job, struct inbound_spec *spec)
{
	if (!job->program)
		return;
	spec->dialer = &program_dialer;
	spec->dialer_user = job->program;
}

/* --- the link ------------------------------------------------------------- */

static void program_end(struct inbound_program *p)
{
	loop_watch_stop(&p->watch);
	p->ended = true;
	p->changed = true;
	program_follow(p);
	if (!signals_seen(p->job->app->signals))
		signals_leave(p->job->app->signals, SIGTERM);
}

static void program_on_message(struct watch *w, uint32_t events)
{
	struct inbound_program *p =
		container_of(w, struct inbound_program, watch);
	struct program_message m;
	int fd, rc;

	(void)events;
	while ((rc = program_link_receive(p->fd, &m, &fd)) > 0) {
		if (m.word == PROGRAM_CONNECTED || m.word == PROGRAM_REFUSED)
			program_answered(p, &m, steal_fd(&fd));
		else
			program_note(p, m.word == PROGRAM_LISTENS,
				     (uint16_t)m.number);
		if (fd >= 0)
			close(fd);
	}
	if (rc != -EAGAIN)
		program_end(p);
	else if (p->job->ready || p->job->leaving)
		program_follow(p);
}

/* --- the wait ------------------------------------------------------------- */

static void program_expose(struct inbound_program *p, uint16_t local,
			   uint16_t number)
{
	struct expose *e = &p->options.expose;

	e->v = xrealloc(e->v, (e->n + 1) * sizeof(*e->v));
	e->v[e->n++] = (struct expose_item){ .local = local,
					     .number = number,
					     .proto = EXPOSE_TCP };
}

/* What fits of what it listens on */
static void program_find(struct inbound_program *p, int64_t now)
{
	const struct service_ports *sp = &p->job->ports;

	p->options.expose.n = 0;
	for (size_t i = 0; sp->n && i < p->n; i++)
		if (service_ports_find(sp, p->ports[i], NULL, true, false))
			program_expose(p, p->ports[i], p->ports[i]);
	if (p->options.expose.n || !p->n)
		return;
	if (!sp->n) /* a Service that is to be */
		program_expose(p, p->ports[0], p->ports[0]);
	else if (sp->n == 1 && !sp->v[0].udp && now >= p->first + PATIENCE)
		program_expose(p, p->ports[0], sp->v[0].target);
}

static void program_tell(struct inbound_program *p, int64_t now)
{
	auto_free char *text = NULL;

	if (p->told || !p->first || now < p->first + UNKNOWN)
		return;
	p->told = true;
	text = service_ports_text(&p->job->ports);
	log_warn("nobody comes yet: the program listens on %u, and Service "
		 "%s/%s has the ports %s: name both with --expose",
		 p->n ? p->ports[0] : 0, p->job->ns, p->job->name, text);
}

/* --expose names them */
static bool program_has_named(const struct inbound_program *p,
			      const struct expose *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (!program_listens(p, e->v[i].local))
			return false;
	return true;
}

static int program_wait(struct inbound_program *p, struct kt_error *err)
{
	const struct expose *named = &p->job->opt->expose;
	int64_t found = 0;

	for (;;) {
		int64_t now = clock_ns();
		int rc;

		if (named->n && program_has_named(p, named))
			return 0;
		if (!named->n) {
			program_find(p, now);
			found = p->options.expose.n ? found ? found : now : 0;
			if (found && now >= found + SETTLE)
				return 0;
			program_tell(p, now);
		}
		p->changed = false;
		rc = loop_run_until(p->job->app->loop, &p->changed,
				    found || p->first ? SETTLE / 2 : -1);
		if (rc == -EINTR)
			return kt_fail(err, EINTR, "interrupted");
	}
}

int program_await(struct job *job, struct kt_error *err)
{
	struct inbound_program *p;
	int rc;

	if (!job->opt->program || job->program)
		return 0;
	p = job->program = xcalloc(1, sizeof(*p));
	p->job = job;
	p->fd = job->opt->program;
	list_init(&p->asked);
	list_init(&p->waiting);
	p->options = *job->opt;
	p->options.expose = (struct expose){ 0 };
	(void)fcntl(p->fd, F_SETFD, FD_CLOEXEC);
	rc = loop_watch_start(job->app->loop, &p->watch, p->fd, EPOLLIN,
			      program_on_message);
	if (rc < 0)
		return kt_fail(err, -rc, "--program %d: %s", p->fd,
			       strerror(-rc));
	progress_detail(job->app->progress, "until the program listens");
	rc = program_wait(p, err);
	if (rc == 0 && !job->opt->expose.n)
		job->opt = &p->options;
	return rc;
}

bool program_has_ended(const struct job *job)
{
	return job->program && job->program->ended;
}

void program_free(struct job *job)
{
	struct inbound_program *p = job->program;

	if (!p)
		return;
	loop_watch_stop(&p->watch);
	loop_timer_stop(&p->again);
	loop_timer_stop(&p->room);
	while (!list_empty(&p->asked))
		program_dial_free(
			container_of(p->asked.next, struct program_dial, node));
	while (!list_empty(&p->waiting))
		program_dial_free(container_of(p->waiting.next,
					       struct program_dial, node));
	close(p->fd);
	free(p->options.expose.v);
	loop_defer_free(job->app->loop, p);
	job->program = NULL;
}
