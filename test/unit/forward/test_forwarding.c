/* SPDX-License-Identifier: Apache-2.0 */
/* Forwardings through the real shadow program: truth about connections. */
#include "test.h"

#include "../shadow/rig.h"

#include "base/mem.h"
#include "forward/forwarding.h"
#include "forward/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static struct rig rig;
static struct dialer dialer;
static struct forward_target asked = { .text = "db.prod" };

struct play {
	struct target_watch target;
	struct forwarding f;
	struct kt_error err;
};

/* Leads to @to of this machine; open */
static void begin(struct play *p, const struct ipport *to, bool udp)
{
	*p = (struct play){ .target = { .asked = &asked,
					.way = TARGET_ADDRESS,
					.addr = to->addr } };
	p->f.target = &p->target;
	p->f.choice = (struct forward_choice){ .number = to->port, .udp = udp };
	if (localport_bind(&p->f.port, udp, 0, NULL, 0, &p->err) < 0)
		fail_msg("%s", p->err.msg);
	forwarding_start(&p->f, rig.loop, &dialer);
	assert_int_equal(forwarding_follow(&p->f, &p->err), 0);
	assert_true(p->f.port.open);
}

static void end(struct play *p)
{
	forwarding_stop(&p->f);
	target_fini(&p->target);
}

static void nap(void)
{
	(void)!loop_sleep(rig.loop, 10 * NS_MS);
}

/* A program's socket, connected to the forwarding */
static int program(const struct play *p, int type)
{
	struct ipport at = local_port(p->f.port.port);
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* As recv(); waits in the loop. -errno */
static ssize_t take(int fd, void *buf, size_t len)
{
	for (int i = 0; i < 3000; i++) {
		ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);

		if (n >= 0)
			return n;
		if (errno != EAGAIN)
			return -errno;
		nap();
	}
	return -ETIMEDOUT;
}

static int accept_one(int l)
{
	int fd = -1;

	fcntl(l, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 3000 && fd < 0; i++) {
		fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			nap();
	}
	assert_true(fd >= 0);
	return fd;
}

static void both_ways_and_half_closed(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near, far;
	struct play p;
	char buf[64];

	(void)state;
	begin(&p, &at, false);
	near = program(&p, SOCK_STREAM);
	/* before the way is there */
	assert_int_equal(send(near, "early", 5, 0), 5);
	assert_int_equal(shutdown(near, SHUT_WR), 0);
	far = accept_one(l);
	assert_int_equal(take(far, buf, 5), 5);
	assert_memory_equal(buf, "early", 5);
	assert_int_equal(take(far, buf, 1), 0);
	assert_int_equal(send(far, "late", 4, 0), 4);
	assert_int_equal(take(near, buf, 4), 4);
	close(far);
	assert_int_equal(take(near, buf, 1), 0);
	close(near);
	close(l);
	end(&p);
}

/* One that ends its half at once, and hears what the other says first */
static void end_of_file_without_a_byte(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near, far;
	struct play p;
	char buf[8];

	(void)state;
	begin(&p, &at, false);
	near = program(&p, SOCK_STREAM);
	shutdown(near, SHUT_WR);
	far = accept_one(l);
	assert_int_equal(send(far, "hello", 5, 0), 5);
	assert_int_equal(take(near, buf, 5), 5);
	close(far);
	close(near);
	close(l);
	end(&p);
}

static void refused_is_reset(void **state)
{
	struct ipport at = local_port(free_port());
	struct play p;
	char byte;
	int near;

	(void)state;
	begin(&p, &at, false);
	near = program(&p, SOCK_STREAM);
	assert_int_equal(take(near, &byte, 1), -ECONNRESET);
	assert_non_null(strstr(p.f.told.text, "-> db.prod:"));
	assert_non_null(strstr(p.f.told.text, "Connection refused"));
	close(near);
	end(&p);
}

static void reset_is_reset(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near, far;
	const struct linger now = { .l_onoff = 1 };
	struct play p;
	char byte;

	(void)state;
	begin(&p, &at, false);
	near = program(&p, SOCK_STREAM);
	far = accept_one(l);
	setsockopt(far, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(far);
	assert_int_equal(take(near, &byte, 1), -ECONNRESET);
	close(near);

	near = program(&p, SOCK_STREAM);
	far = accept_one(l);
	setsockopt(near, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(near);
	assert_int_equal(take(far, &byte, 1), -ECONNRESET);
	close(far);
	close(l);
	end(&p);
}

/* Nobody is there any more: refused, and what is open lives on */
static void target_goes_and_comes(void **state)
{
	struct ipport at;
	int l = local_listen(&at), near, far, fd;
	struct play p;
	struct ipport here;
	struct sockaddr_storage ss;
	socklen_t len;
	char byte;

	(void)state;
	begin(&p, &at, false);
	near = program(&p, SOCK_STREAM);
	far = accept_one(l);
	p.target.gone = true;
	assert_int_equal(forwarding_follow(&p.f, &p.err), 0);
	here = local_port(p.f.port.port);
	len = ipport_to_sockaddr(&here, &ss);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	assert_int_equal(send(far, "x", 1, 0), 1);
	assert_int_equal(take(near, &byte, 1), 1);
	close(near);
	close(far);
	p.target.gone = false;
	assert_int_equal(forwarding_follow(&p.f, &p.err), 0);
	near = program(&p, SOCK_STREAM);
	far = accept_one(l);
	close(near);
	close(far);
	close(l);
	end(&p);
}

static int listen_at(uint8_t last, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr =
					   htonl(0x7f000000 | last) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 0), 0);
	return fd;
}

/* Who is dialled does not answer, and is replaced meanwhile */
static void who_waits_is_dialled_anew(void **state)
{
	struct ipport at = local_port(free_port());
	int deaf = listen_at(1, at.port), other = listen_at(2, at.port);
	int full[3], near, far;
	struct play p;
	char byte;

	(void)state;
	/* its queue of who is not accepted is full: a SYN is dropped */
	for (size_t i = 0; i < ARRAY_SIZE(full); i++) {
		struct sockaddr_storage ss;
		socklen_t len = ipport_to_sockaddr(&at, &ss);

		full[i] = socket(AF_INET,
				 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(full[i], (struct sockaddr *)&ss, len);
	}
	begin(&p, &at, false);
	near = program(&p, SOCK_STREAM);
	for (int i = 0; i < 3000 && list_empty(&p.f.dialling); i++)
		nap();
	assert_false(list_empty(&p.f.dialling));
	p.target.addr.b[3] = 2;
	assert_int_equal(forwarding_follow(&p.f, &p.err), 0);
	far = accept_one(other);
	assert_int_equal(send(far, "x", 1, 0), 1);
	assert_int_equal(take(near, &byte, 1), 1);
	close(far);
	close(near);
	for (size_t i = 0; i < ARRAY_SIZE(full); i++)
		close(full[i]);
	close(deaf);
	close(other);
	end(&p);
}

static int udp_server(struct ipport *at)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*at = local_port(ntohs(sin.sin_port));
	return fd;
}

static void datagrams(void **state)
{
	struct sockaddr_storage from[2];
	socklen_t len;
	struct ipport at;
	int server = udp_server(&at), near[2];
	struct play p;
	char buf[8];

	(void)state;
	begin(&p, &at, true);
	for (int i = 0; i < 2; i++) {
		near[i] = program(&p, SOCK_DGRAM);
		assert_int_equal(send(near[i], i ? "b" : "a", 1, 0), 1);
		for (int k = 0; k < 3000; k++) {
			len = sizeof(from[i]);
			if (recvfrom(server, buf, sizeof(buf), MSG_DONTWAIT,
				     (struct sockaddr *)&from[i], &len) == 1)
				break;
			nap();
		}
		assert_int_equal(buf[0], i ? 'b' : 'a');
	}
	/* two programs are two for the server, too */
	for (int i = 1; i >= 0; i--)
		sendto(server, i ? "B" : "A", 1, 0, (struct sockaddr *)&from[i],
		       len);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(take(near[i], buf, sizeof(buf)), 1);
		assert_int_equal(buf[0], i ? 'B' : 'A');
		close(near[i]);
	}
	close(server);
	end(&p);
}

/* The target is gone: unreachable, for who talks already as well */
static void datagrams_to_nobody(void **state)
{
	struct ipport at;
	int server = udp_server(&at), near;
	struct play p;
	char byte;

	(void)state;
	begin(&p, &at, true);
	p.target.gone = true;
	assert_int_equal(forwarding_follow(&p.f, &p.err), 0);
	near = program(&p, SOCK_DGRAM);
	assert_int_equal(send(near, "x", 1, 0), 1);
	assert_int_equal(take(near, &byte, 1), -ECONNREFUSED);
	close(near);
	close(server);
	end(&p);
}

static int start(void **state)
{
	(void)state;
	rig_start(&rig, NULL);
	dialer_init(&dialer, rig.tunnel);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_and_half_closed),
		cmocka_unit_test(end_of_file_without_a_byte),
		cmocka_unit_test(refused_is_reset),
		cmocka_unit_test(reset_is_reset),
		cmocka_unit_test(target_goes_and_comes),
		cmocka_unit_test(who_waits_is_dialled_anew),
		cmocka_unit_test(datagrams),
		cmocka_unit_test(datagrams_to_nobody),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
