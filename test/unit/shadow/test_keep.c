/* SPDX-License-Identifier: Apache-2.0 */
/* The shadow's server in the test's own loop, in time that is simulated: what
 * it keeps of clients that are away, and for whom that makes room. */
#include "test.h"

#include "../tunnel/simtime.h"

#include "base/mem.h"
#include "base/str.h"
#include "shadow/server.h"
#include "tunnel/client.h"
#include "tunnel/relay.h"
#include "tunnel/sockcarrier.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define MINUTE (60 * NS_SEC)

struct user {
	struct tunnel *tunnel;
	bool up, resumed, dead, dialled;
	int fd; /* of its carrier */
	char why[256];
};

static struct loop *loop;
static struct server *server;
static struct server_config cfg;

static void on_up(void *user)
{
	struct user *u = user;

	u->up = true;
}

static void on_resumed(void *user)
{
	struct user *u = user;

	u->up = u->resumed = true;
}

static void on_lost(void *user, const struct kt_error *why)
{
	struct user *u = user;

	(void)why;
	u->up = false;
}

static void on_dead(void *user, const struct kt_error *why)
{
	struct user *u = user;

	u->up = false;
	u->dead = true;
	snprintf(u->why, sizeof(u->why), "%.250s", why->msg);
}

static const struct tunnel_events events = {
	.up = on_up,
	.resumed = on_resumed,
	.lost = on_lost,
	.dead = on_dead,
};

static struct ipport local_port(uint16_t port)
{
	static const uint8_t lo[4] = { 127, 0, 0, 1 };

	return (struct ipport){ ipaddr_v4(lo), port };
}

static int listen_at(struct ipport *at)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*at = local_port(ntohs(sin.sin_port));
	return fd;
}

static void start(void)
{
	struct kt_error err = { 0 };
	int fd;

	loop = loop_new();
	fd = listen_at(&cfg.listen); /* a port that is free */
	close(fd);
	cfg.resolv_conf = "/dev/null";
	server = server_new(loop, &cfg, &err);
	if (!server)
		fail_msg("%s", err.msg);
}

static void stop(void)
{
	server_free(server);
	loop_once(loop, 0);
	loop_free(loop);
}

static void run_for(int64_t ns)
{
	int64_t end = clock_ns() + ns;

	while (clock_ns() < end)
		loop_once(loop, MIN(end - clock_ns(), NS_SEC));
}

static void wait_for(const bool *flag)
{
	for (int i = 0; i < 20000 && !*flag; i++)
		loop_once(loop, NS_MS);
	assert_true(*flag);
}

static void attach(struct user *u)
{
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&cfg.listen, &ss);

	u->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(u->fd, (struct sockaddr *)&ss, len), 0);
	tunnel_attach(u->tunnel, sockcarrier_new(loop, u->fd));
}

static void come(struct user *u, int64_t keep_ns)
{
	struct session_config scfg = session_config_default();

	*u = (struct user){ .fd = -1 };
	scfg.keep_ns = keep_ns;
	u->tunnel = tunnel_new(loop, &scfg, &events, u);
	attach(u);
	wait_for(&u->up);
}

/* without a word, as far as the shadow sees */
static void go_away(struct user *u)
{
	shutdown(u->fd, SHUT_RDWR);
	for (int i = 0; i < 20000 && u->up; i++)
		loop_once(loop, NS_MS);
	assert_false(u->up);
	run_for(100 * NS_MS);
}

static bool comes_back(struct user *u)
{
	u->resumed = u->dead = false;
	attach(u);
	for (int i = 0; i < 20000 && !u->resumed && !u->dead; i++)
		loop_once(loop, NS_MS);
	return u->resumed;
}

static void on_dialled(void *user, int error)
{
	struct user *u = user;

	assert_int_equal(error, 0);
	u->dialled = true;
}

static int setup(void **state)
{
	(void)state;
	cfg = (struct server_config){ .keep_ns = 1440 * MINUTE };
	return 0;
}

/* --- tests ---------------------------------------------------------------- */

static void keeps_a_stream_for_the_time_asked(void **state)
{
	int sp[2], l, far;
	struct ipport dst;
	struct tunnel_tcp *tcp;
	struct user u;
	char c = 0;

	(void)state;
	start();
	l = listen_at(&dst);
	come(&u, 10 * MINUTE);
	tcp = tunnel_tcp_dial(u.tunnel, &dst, on_dialled, &u);
	wait_for(&u.dialled);
	far = accept(l, NULL, NULL);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sp), 0);
	assert_int_equal(tunnel_tcp_relay(tcp, sp[0], NULL, NULL), 0);
	go_away(&u);
	assert_int_equal(send(far, "x", 1, 0), 1);
	assert_int_equal(send(sp[1], "y", 1, 0), 1);
	run_for(10 * MINUTE - 10 * NS_SEC);
	assert_true(comes_back(&u));
	run_for(NS_SEC);
	assert_int_equal(recv(sp[1], &c, 1, MSG_DONTWAIT), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(recv(far, &c, 1, MSG_DONTWAIT), 1);
	assert_int_equal(c, 'y');
	/* once more, for longer: then it is not known here any more */
	go_away(&u);
	run_for(10 * MINUTE + 5 * NS_SEC);
	assert_int_equal(recv(far, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(server_streams(server), 0);
	tunnel_free(u.tunnel);
	close(sp[1]);
	close(far);
	close(l);
	stop();
}

static void an_older_client_has_two_minutes(void **state)
{
	struct user u;

	(void)state;
	start();
	come(&u, 0);
	go_away(&u);
	run_for(115 * NS_SEC);
	assert_true(comes_back(&u));
	go_away(&u);
	run_for(125 * NS_SEC);
	assert_false(comes_back(&u));
	tunnel_free(u.tunnel);
	stop();
}

/* Memory: who comes takes it from who is away for long, not from others */
static void makes_room_when_memory_is_short(void **state)
{
	struct user u[5];

	(void)state;
	cfg.buffers = 4 << 20;
	start();
	come(&u[0], 1440 * MINUTE);
	come(&u[1], 1440 * MINUTE);
	go_away(&u[0]);
	run_for(10 * NS_SEC);
	go_away(&u[1]);
	run_for(60 * NS_SEC);
	come(&u[2], 1440 * MINUTE); /* they are not away for long */
	assert_true(comes_back(&u[0]));
	assert_true(comes_back(&u[1]));
	go_away(&u[0]);
	run_for(10 * NS_SEC);
	go_away(&u[1]);
	run_for(10 * MINUTE);
	come(&u[3], 1440 * MINUTE);
	assert_false(comes_back(&u[0])); /* the longest away was enough */
	assert_non_null(strstr(u[0].why, "not known here"));
	assert_true(comes_back(&u[1]));
	assert_true(u[2].up);
	for (int i = 0; i < 4; i++)
		tunnel_free(u[i].tunnel);
	stop();
}

/* Number: as many as fit are away; one more is let in */
static void makes_room_when_sessions_are_many(void **state)
{
	static struct user u[257];

	(void)state;
	cfg.buffers = (size_t)4096 << 20;
	start();
	for (int i = 0; i < 256; i++) {
		come(&u[i], 1440 * MINUTE);
		go_away(&u[i]);
	}
	run_for(3 * MINUTE);
	come(&u[256], 1440 * MINUTE);
	assert_true(comes_back(&u[255]));
	assert_false(comes_back(&u[0]));
	for (int i = 0; i < 257; i++)
		tunnel_free(u[i].tunnel);
	stop();
}

/* A Pod whose only client was killed ends when nobody can come back to it, not
 * the idle time after that */
static void ends_when_nobody_can_come_back(void **state)
{
	struct user u;

	(void)state;
	cfg.idle_ns = 10 * MINUTE;
	start();
	come(&u, 10 * MINUTE);
	go_away(&u);
	run_for(10 * MINUTE - 5 * NS_SEC);
	assert_false(server_idle(server));
	run_for(10 * NS_SEC);
	assert_true(server_idle(server));
	tunnel_free(u.tunnel);
	stop();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(keeps_a_stream_for_the_time_asked),
		T(an_older_client_has_two_minutes),
		T(makes_room_when_memory_is_short),
		T(makes_room_when_sessions_are_many),
		T(ends_when_nobody_can_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
