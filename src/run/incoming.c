/* SPDX-License-Identifier: Apache-2.0 */
#include "run/incoming.h"

#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "local/program_link.h"
#include "local/signals.h"
#include "run/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM (10 * NS_MS) /* until the other end has read some */

struct incoming {
	struct app *app;
	const struct incoming_ops *ops;
	void *user;
	struct ports *ports; /* NULL: no program */
	pid_t pid;
	struct watch process; /* owns the pidfd */
	struct watch link;    /* owns our end */
	struct list unsent;   /* of incoming_message: no room for them yet */
	struct timer room;
	bool asked; /* to leave */
	bool ended;
};

struct incoming_message {
	struct list node;
	struct program_message m;
	int fd; /* owned, or -1 */
};

/* --- its command line ----------------------------------------------------- */

static const char *incoming_command(const struct options *o)
{
	return o->run.exchange	? "exchange"
	       : o->run.mesh	? "mesh"
	       : o->run.preview ? "preview"
				: NULL;
}

int incoming_check(const struct options *o, struct kt_error *err)
{
	const struct run_options *r = &o->run;

	if (r->exchange + !!r->mesh + !!r->preview > 1)
		return kt_fail(err, EINVAL,
			       "one of --exchange, --mesh and --preview: they "
			       "are three ways for callers to come here");
	if (r->expose.n && !incoming_command(o))
		return kt_fail(err, EINVAL,
			       "--expose is for --exchange, --mesh and "
			       "--preview");
	for (size_t i = 0; i < r->expose.n; i++)
		if (r->expose.v[i].proto == EXPOSE_UDP)
			return kt_fail(err, EINVAL,
				       "--expose %u/udp: only TCP comes to a "
				       "program of run",
				       r->expose.v[i].local);
	if ((r->exchange || r->mesh) && !o->nbefore) {
		kt_hint(err,
			"usage: ktctl run SERVICE --%s -- PROGRAM "
			"[ARGUMENT...]",
			r->exchange ? "exchange" : "mesh MARK");
		return kt_fail(err, EINVAL,
			       "whose requests? the Service stands before "
			       "\"--\"");
	}
	return 0;
}

static const char *incoming_given(const struct options *o, const char *name)
{
	const char *text = NULL;

	for (size_t i = 0; i < o->ngiven; i++)
		if (strcmp(o->given[i].opt->name, name) == 0)
			text = o->given[i].text;
	return text;
}

static struct strv incoming_argv(const struct options *o, int link)
{
	const char *command = incoming_command(o);
	const char *expose = incoming_given(o, "expose");
	struct strv argv = { 0 };

	strv_add(&argv, "ktctl");
	strv_add(&argv, command);
	strv_take(&argv, xasprintf("--program=%d", link));
	for (size_t i = 0; i < o->ngiven; i++) {
		const char *name = o->given[i].opt->name;

		if (option_find(global_option_table, name, strlen(name)))
			strv_take(&argv,
				  xasprintf("--%s=%s", name, o->given[i].text));
	}
	if (o->run.mesh)
		strv_take(&argv, xasprintf("--versionMark=%s", o->run.mesh));
	if (expose && *expose)
		strv_take(&argv, xasprintf("--expose=%s", expose));
	strv_add(&argv, "--");
	strv_add(&argv, o->run.preview ? o->run.preview : o->args[0]);
	return argv;
}

/* --- its process ---------------------------------------------------------- */

static _Noreturn void incoming_exec(char *const *argv, int link, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_FAILED);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	fcntl(link, F_SETFD, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", argv);
	_exit(EXIT_FAILED);
}

static void incoming_on_ended(struct watch *w, uint32_t events)
{
	struct incoming *in = container_of(w, struct incoming, process);
	int status = 0;

	(void)events;
	loop_watch_stop(w);
	in->ended = true;
	while (waitpid(in->pid, &status, 0) < 0 && errno == EINTR)
		;
	in->ops->gone(in->user, status, in->asked);
}

/* --- the link ------------------------------------------------------------- */

static void incoming_on_room(struct timer *t);

static void incoming_message_free(struct incoming_message *u)
{
	list_del(&u->node);
	if (u->fd >= 0)
		close(u->fd);
	free(u);
}

/* In their order; what finds no room stays. An answer that was lost would be a
 * caller who waits for ever. */
static void incoming_flush(struct incoming *in)
{
	while (!list_empty(&in->unsent)) {
		struct incoming_message *u = container_of(
			in->unsent.next, struct incoming_message, node);
		int rc = in->link.fd < 0
				 ? -EPIPE
				 : program_link_send(in->link.fd, &u->m, u->fd);

		if (rc == -EAGAIN) {
			loop_timer_start(in->app->loop, &in->room, ROOM,
					 incoming_on_room);
			return;
		}
		if (rc < 0)
			log_debug("run: message %d: %s", u->m.word,
				  strerror(-rc));
		incoming_message_free(u);
	}
}

static void incoming_on_room(struct timer *t)
{
	incoming_flush(container_of(t, struct incoming, room));
}

/* @fd: taken, or -1 */
static void incoming_send(struct incoming *in, int word, uint32_t id,
			  int number, int fd)
{
	struct incoming_message *u = xcalloc(1, sizeof(*u));

	u->m = (struct program_message){ word, number, id };
	u->fd = fd;
	list_add_tail(&in->unsent, &u->node);
	incoming_flush(in);
}

static void incoming_on_port(void *user, uint16_t port, bool on)
{
	incoming_send(user, on ? PROGRAM_LISTENS : PROGRAM_GONE, 0, port, -1);
}

static void incoming_on_dialed(void *user, uint32_t id, int fd)
{
	struct incoming *in = user;

	if (fd < 0) {
		incoming_send(in, PROGRAM_REFUSED, id, -fd, -1);
		return;
	}
	incoming_send(in, PROGRAM_CONNECTED, id, 0, fd);
}

static void incoming_on_message(struct watch *w, uint32_t events)
{
	struct incoming *in = container_of(w, struct incoming, link);
	struct program_message m;
	int fd, rc;

	(void)events;
	while ((rc = program_link_receive(w->fd, &m, &fd)) > 0) {
		if (fd >= 0)
			close(fd);
		if (m.word != PROGRAM_CONNECT)
			continue;
		if (in->ports)
			ports_dial(in->ports, (uint16_t)m.number, m.id,
				   incoming_on_dialed, in);
		else
			incoming_send(in, PROGRAM_REFUSED, m.id, ECONNREFUSED,
				      -1);
	}
	if (rc != -EAGAIN)
		loop_watch_stop(w);
}

/* --- life ----------------------------------------------------------------- */

static int incoming_fork(struct incoming *in, const struct options *o,
			 struct kt_error *err)
{
	pid_t self = getpid();
	struct strv argv;
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return kt_fail(err, errno, "make a socket: %s",
			       strerror(errno));
	argv = incoming_argv(o, pair[1]);
	fflush(NULL); /* or it would be written twice */
	in->pid = fork();
	if (in->pid == 0) {
		strv_add(&argv, ""); /* room for the end */
		argv.v[argv.n - 1] = NULL;
		incoming_exec(argv.v, pair[1], self);
	}
	strv_fini(&argv);
	close(pair[1]);
	in->link.fd = pair[0];
	in->process.fd =
		in->pid > 0 ? (int)syscall(SYS_pidfd_open, in->pid, 0) : -1;
	if (in->process.fd < 0)
		return kt_fail(err, errno, "start ktctl %s: %s",
			       incoming_command(o), strerror(errno));
	rc = loop_watch_start(in->app->loop, &in->process, in->process.fd,
			      EPOLLIN, incoming_on_ended);
	if (rc == 0)
		rc = loop_watch_start(in->app->loop, &in->link, in->link.fd,
				      EPOLLIN, incoming_on_message);
	return rc < 0 ? kt_fail(err, -rc, "watch ktctl %s: %s",
				incoming_command(o), strerror(-rc))
		      : 0;
}

int incoming_start(struct incoming **out, struct app *app,
		   const struct options *o, const struct incoming_ops *ops,
		   void *user, struct kt_error *err)
{
	struct incoming *in;

	*out = NULL;
	if (!incoming_command(o))
		return 0;
	in = xcalloc(1, sizeof(*in));
	in->app = app;
	in->ops = ops;
	in->user = user;
	in->process.fd = in->link.fd = -1;
	list_init(&in->unsent);
	*out = in;
	return incoming_fork(in, o, err);
}

void incoming_serve(struct incoming *in, struct ports *p)
{
	if (!in)
		return;
	in->ports = p;
	ports_watch(p, incoming_on_port, in);
}

bool incoming_leave(struct incoming *in)
{
	if (!in || in->ended || in->asked)
		return false;
	in->asked = true;
	return kill(in->pid, SIGTERM) == 0;
}

void incoming_hurry(struct incoming *in)
{
	if (in && in->asked && !in->ended)
		kill(in->pid, SIGINT);
}

void incoming_end(struct incoming *in)
{
	int rc = 0;

	if (!in)
		return;
	in->ports = NULL;
	in->asked = true;
	loop_watch_stop(&in->link);
	if (in->link.fd >= 0)
		close(steal_fd(&in->link.fd));
	while (!in->ended && in->process.fd >= 0 && rc == 0) {
		rc = signals_wait(in->app->signals, &in->ended, -1);
		incoming_hurry(in);
	}
	/* it goes on by itself, and ends what it has begun */
}

void incoming_free(struct incoming *in)
{
	if (!in)
		return;
	loop_watch_stop(&in->process);
	loop_watch_stop(&in->link);
	loop_timer_stop(&in->room);
	while (!list_empty(&in->unsent))
		incoming_message_free(container_of(
			in->unsent.next, struct incoming_message, node));
	if (in->process.fd >= 0)
		close(in->process.fd);
	if (in->link.fd >= 0)
		close(in->link.fd);
	loop_defer_free(in->app->loop, in);
}
