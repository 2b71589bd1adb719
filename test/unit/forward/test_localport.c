/* SPDX-License-Identifier: Apache-2.0 */
/* A local port that is kept, and refuses while it is shut. */
#include "test.h"

#include "base/mem.h"
#include "forward/localport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static const struct ipaddr lo = { AF_INET, { 127, 0, 0, 1 } };

struct play {
	struct loop *loop;
	struct localport port;
	struct kt_error err;
	bool done;
	int fd; /* accepted */
	char datagram[16];
};

static void on_accepted(void *user, int fd, const struct ipport *peer)
{
	struct play *p = user;

	assert_int_equal(peer->addr.family, AF_INET);
	p->fd = fd;
	p->done = true;
}

static void on_readable(void *user, struct localport_place *place)
{
	struct play *p = user;
	ssize_t n = recv(place->fd, p->datagram, sizeof(p->datagram) - 1,
			 MSG_DONTWAIT);

	if (n < 0)
		return;
	p->datagram[n] = 0;
	p->done = true;
}

static const struct localport_ops ops = { .accepted = on_accepted,
					  .readable = on_readable };

static void begin(struct play *p, bool udp, uint16_t port)
{
	*p = (struct play){ .fd = -1, .loop = loop_new() };
	if (localport_bind(&p->port, udp, port, NULL, 0, &p->err) < 0)
		fail_msg("%s", p->err.msg);
	localport_start(&p->port, p->loop, &ops, p);
}

static void end(struct play *p)
{
	localport_stop(&p->port);
	if (p->fd >= 0)
		close(p->fd);
	loop_free(p->loop);
}

static void set(struct play *p, bool open)
{
	if (localport_set(&p->port, open, &p->err) < 0)
		fail_msg("%s", p->err.msg);
}

/* 0 or -errno; the socket is *@fd */
static int dial(uint16_t port, int type, int *fd)
{
	const struct ipport at = { lo, port };
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at, &ss);

	*fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	assert_true(*fd >= 0);
	return connect(*fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

static int tcp(uint16_t port)
{
	int fd, rc = dial(port, SOCK_STREAM, &fd);

	close(fd);
	return rc;
}

/* Does anybody else get the port? */
static int take(uint16_t port, int type, bool reuse)
{
	const struct ipport at = { lo, port };
	const int one = 1;
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	auto_close int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (reuse)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

static void shut_is_refused(void **state)
{
	struct play p;
	int fd;

	(void)state;
	begin(&p, false, 0);
	assert_int_not_equal(p.port.port, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tcp(p.port.port), -ECONNREFUSED);
		assert_int_equal(take(p.port.port, SOCK_STREAM, true),
				 -EADDRINUSE);
		set(&p, true);
		set(&p, true);
		assert_int_equal(dial(p.port.port, SOCK_STREAM, &fd), 0);
		p.done = false;
		assert_int_equal(loop_run_until(p.loop, &p.done, 5 * NS_SEC),
				 0);
		set(&p, false);
		/* what was accepted lives on */
		assert_int_equal(send(p.fd, "x", 1, MSG_NOSIGNAL), 1);
		assert_int_equal(recv(fd, p.datagram, 1, 0), 1);
		close(fd);
		close(steal_fd(&p.fd));
	}
	end(&p);
}

/* Connections that nobody has accepted yet are reset when it shuts */
static void shut_resets_who_waits(void **state)
{
	struct play p;
	char byte;
	int fd;

	(void)state;
	begin(&p, false, 0);
	set(&p, true);
	assert_int_equal(dial(p.port.port, SOCK_STREAM, &fd), 0);
	set(&p, false);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	end(&p);
}

static void both_families(void **state)
{
	struct play p;

	(void)state;
	begin(&p, false, 0);
	for (size_t i = 0; i < p.port.n; i++)
		assert_int_equal(p.port.place[i].at.port, p.port.port);
	assert_in_range(p.port.n, 1, 2);
	assert_true(ipaddr_eq(&p.port.place[0].at.addr, &lo));
	end(&p);
}

static void busy_is_told(void **state)
{
	struct localport other = { 0 };
	struct kt_error err = { 0 };
	struct play p;
	uint16_t port;

	(void)state;
	for (int udp = 0; udp < 2; udp++) {
		err = (struct kt_error){ 0 };
		begin(&p, udp, 0);
		port = p.port.port;
		assert_int_equal(
			localport_bind(&other, udp, port, NULL, 0, &err),
			-EADDRINUSE);
		assert_non_null(strstr(err.msg, "listen on 127.0.0.1:"));
		assert_non_null(strstr(err.hint, "another local port"));
		set(&p, true);
		assert_int_equal(
			localport_bind(&other, udp, port, NULL, 0, &err),
			-EADDRINUSE);
		end(&p);
		/* and given up */
		assert_int_equal(
			localport_bind(&other, udp, port, NULL, 0, &err), 0);
		localport_stop(&other);
	}
}

/* A predecessor's connections in TIME_WAIT do not keep the port */
static void free_again_at_once(void **state)
{
	struct play p;
	uint16_t port;
	int fd;

	(void)state;
	begin(&p, false, 0);
	port = p.port.port;
	set(&p, true);
	assert_int_equal(dial(port, SOCK_STREAM, &fd), 0);
	assert_int_equal(loop_run_until(p.loop, &p.done, 5 * NS_SEC), 0);
	close(steal_fd(&p.fd)); /* who closes first waits */
	close(fd);
	end(&p);
	begin(&p, false, port);
	assert_int_equal(tcp(port), -ECONNREFUSED);
	set(&p, true);
	assert_int_equal(tcp(port), 0);
	end(&p);
}

static void address_of_others(void **state)
{
	static const struct ipaddr far = { AF_INET, { 192, 0, 2, 1 } };
	struct kt_error err = { 0 };
	struct localport g;

	(void)state;
	assert_int_equal(localport_bind(&g, false, 0, &far, 1, &err),
			 -EADDRNOTAVAIL);
	assert_non_null(strstr(err.hint, "--address"));
	localport_stop(&g);
}

static void udp_shut_is_unreachable(void **state)
{
	struct play p;
	char byte;
	int fd;

	(void)state;
	begin(&p, true, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dial(p.port.port, SOCK_DGRAM, &fd), 0);
		assert_int_equal(send(fd, "a", 1, 0), 1);
		assert_int_equal(recv(fd, &byte, 1, 0), -1);
		assert_int_equal(errno, ECONNREFUSED);
		assert_int_equal(take(p.port.port, SOCK_DGRAM, false),
				 -EADDRINUSE);
		set(&p, true);
		p.done = false;
		assert_int_equal(send(fd, "b", 1, 0), 1);
		assert_int_equal(loop_run_until(p.loop, &p.done, 5 * NS_SEC),
				 0);
		assert_string_equal(p.datagram, "b");
		set(&p, false);
		close(fd);
	}
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shut_is_refused),
		cmocka_unit_test(shut_resets_who_waits),
		cmocka_unit_test(both_families),
		cmocka_unit_test(busy_is_told),
		cmocka_unit_test(free_again_at_once),
		cmocka_unit_test(address_of_others),
		cmocka_unit_test(udp_shut_is_unreachable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
