/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "inrig.h"

#include "base/mem.h"
#include "tunnel/sockcarrier.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define ARG(s) ((char *)(uintptr_t)(s))

struct rig rig;
uint16_t port, port2;
int origin;
bool laptop_observes;
const char *laptop_owner, *laptop_dead;
char *start_also;
static char serve[160];
static const char *proto = "tcp";

/* --- a laptop ------------------------------------------------------------- */

static void on_up(void *user)
{
	((struct laptop *)user)->up = true;
}

static void on_resumed(void *user)
{
	((struct laptop *)user)->resumed++;
}

static void on_lost(void *user, const struct kt_error *why)
{
	(void)why;
	((struct laptop *)user)->lost = true;
}

static void on_dead(void *user, const struct kt_error *why)
{
	(void)why;
	((struct laptop *)user)->dead = true;
}

static void on_accepted(void *user)
{
	((struct laptop *)user)->accepted = true;
}

static void on_refused(void *user, const char *holder, const char *text)
{
	struct laptop *l = user;

	l->refused = true;
	snprintf(l->holder, sizeof(l->holder), "%s", holder);
	snprintf(l->text, sizeof(l->text), "%.250s", text);
}

static void on_caller(void *user, const struct inbound_caller *c)
{
	struct laptop *l = user;

	l->callers++;
	l->last = *c;
}

static void on_copies(void *user, uint64_t sent, uint64_t dropped)
{
	struct laptop *l = user;

	l->copies_sent += sent;
	l->copies_dropped += dropped;
}

static void on_ending(void *user)
{
	struct laptop *l = user;

	l->ending = true;
	if (l->wait)
		inbound_wait(l->in);
}

static void on_watching(void *user)
{
	((struct laptop *)user)->watching = true;
}

static void on_event(void *user, const struct event *ev, uint64_t missed)
{
	struct laptop *l = user;
	size_t n = strlen(l->events);

	l->event = *ev;
	l->missed += missed;
	l->nevents++;
	snprintf(l->events + n, sizeof(l->events) - n,
		 "%s %s %s %s %s %u %s %s;", event_kinds[ev->kind],
		 event_protos[ev->proto], event_bys[ev->by], ev->method,
		 ev->path, ev->status, ev->user, ev->mark);
}

const char *laptop_told(struct laptop *l, size_t n)
{
	int64_t limit = clock_ns() + 20 * NS_SEC;

	while (l->nevents < n && clock_ns() < limit)
		(void)!loop_sleep(rig.loop, 10 * NS_MS);
	return l->events;
}

static bool laptop_knows_dead(void *user, const char *owner)
{
	(void)user;
	return laptop_dead && strcmp(owner, laptop_dead) == 0;
}

static const struct inbound_events events = {
	.up = on_up,
	.resumed = on_resumed,
	.lost = on_lost,
	.dead = on_dead,
	.accepted = on_accepted,
	.ending = on_ending,
	.refused = on_refused,
	.caller = on_caller,
	.copies = on_copies,
	.watching = on_watching,
	.event = on_event,
};

int connect_to(uint16_t to)
{
	struct sockaddr_storage ss;
	struct ipport at = local_port(to);
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

void laptop_attach(struct laptop *l)
{
	struct carrier *c = sockcarrier_new(rig.loop, connect_to(rig.port));

	assert_non_null(c);
	inbound_attach(l->in, c);
}

/* the network is gone: the shadow sees the end of the carrier, we do too */
void laptop_cut(struct laptop *l)
{
	l->lost = false;
	inbound_attach(l->in, sockcarrier_new(rig.loop, dead_socket()));
	rig_wait(&rig, &l->lost);
}

void laptop_new(struct laptop *l, const char *user, unsigned int grace,
		const char *a, const char *b)
{
	laptop_new_some(l, user, grace, a, b, 4);
}

void laptop_new_some(struct laptop *l, const char *user, unsigned int grace,
		     const char *a, const char *b, size_t nports)
{
	struct rule rules[2];
	struct inbound_port ports[4];
	struct inbound_spec spec = { .user = user,
				     .owner = laptop_owner,
				     .owner_is_dead = laptop_knows_dead,
				     .grace_s = grace,
				     .rules = rules,
				     .nrules = b ? 2 : 1,
				     .ports = ports,
				     .nports = nports,
				     .observe = laptop_observes };

	*l = (struct laptop){ 0 };
	l->listener = local_listen(&l->local);
	fcntl(l->listener, F_SETFL, O_NONBLOCK);
	assert_int_equal(rule_parse(&rules[0], a, NULL), 0);
	if (b)
		assert_int_equal(rule_parse(&rules[1], b, NULL), 0);
	for (int i = 0; i < 4; i++)
		ports[i] = (struct inbound_port){ i % 2 ? port2 : port, i > 1,
						  l->local };
	l->in = inbound_new(rig.loop, NULL, &spec, &events, l);
	assert_non_null(l->in);
	laptop_attach(l);
	while (!l->accepted && !l->refused)
		assert_int_equal(loop_once(rig.loop, 10 * NS_SEC), 0);
}

void laptop_free(struct laptop *l)
{
	inbound_free(l->in);
	if (l->listener >= 0)
		close(l->listener);
}

const char *all(uint16_t p)
{
	static char text[2][32];
	static int i;

	i = !i;
	snprintf(text[i], sizeof(text[i]), "%u all", p);
	return text[i];
}

/* --- serving events meanwhile --------------------------------------------- */

#define LIMIT (20 * NS_SEC)

int accept_one(int l)
{
	int64_t start = clock_ns();
	int fd;

	while ((fd = accept4(l, NULL, NULL, SOCK_NONBLOCK)) < 0) {
		assert_int_equal(errno, EAGAIN);
		loop_once(rig.loop, 10 * NS_MS);
		assert_true(clock_ns() - start < LIMIT);
	}
	return fd;
}

bool nobody_comes(int l)
{
	(void)!loop_sleep(rig.loop, 200 * NS_MS);
	return accept4(l, NULL, NULL, 0) < 0 && errno == EAGAIN;
}

/* like recv(), or -errno */
ssize_t get(int fd, void *buf, size_t n)
{
	int64_t start = clock_ns();
	ssize_t rc;

	if (!(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return recv(fd, buf, n, 0);
	while ((rc = recv(fd, buf, n, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
		loop_once(rig.loop, 10 * NS_MS);
		assert_true(clock_ns() - start < LIMIT);
	}
	return rc < 0 ? -errno : rc;
}

void say(int from, int to, const char *text)
{
	char buf[64] = "";
	size_t n = strlen(text), got = 0;

	assert_int_equal(send(from, text, n, MSG_NOSIGNAL), n);
	while (got < n) {
		ssize_t rc = get(to, buf + got, sizeof(buf) - got);

		assert_true(rc > 0);
		got += (size_t)rc;
	}
	assert_memory_equal(buf, text, n);
}

void reset(int fd)
{
	const struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* --- set-up --------------------------------------------------------------- */

void start_with(const char *spec)
{
	static char *args[] = {
		ARG("--serve"),	    serve,    ARG("--keep"), ARG("20"),
		ARG("--idle-exit"), ARG("1"), NULL,	     NULL
	};

	args[ARRAY_SIZE(args) - 2] = start_also;

	snprintf(serve, sizeof(serve), "%s", spec);
	rig_start(&rig, args);
}

int start(void **state)
{
	struct ipport at;
	char spec[160];

	(void)state;
	origin = local_listen(&at);
	fcntl(origin, F_SETFL, O_NONBLOCK);
	port = free_port();
	port2 = free_port();
	/* port2 has nothing behind it */
	if (getenv("SERVE_PROTO"))
		proto = getenv("SERVE_PROTO");
	snprintf(spec, sizeof(spec), "%u=127.0.0.1:%u~%s,%u~%s", port, at.port,
		 proto, port2, proto);
	start_with(spec);
	return 0;
}

int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	close(origin);
	return 0;
}
