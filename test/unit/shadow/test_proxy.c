/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that connect's proxy forwards, through the real shadow: not a byte
 * is lost, and an end is what it was. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"
#include "connect/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY ((size_t)3 << 20)

static struct rig rig;
static struct proxy *proxy;

static int start(void **state)
{
	struct kt_error err = { 0 };
	struct ipport at;

	(void)state;
	rig_start(&rig, NULL);
	assert_int_equal(ipport_parse(&at, "127.0.0.1:0"), 0);
	assert_int_equal(
		proxy_open(&proxy, rig.loop, rig.tunnel, NULL, &at, &err), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	/* as it is told to be, after its tunnel */
	tunnel_free(steal_ptr(&rig.tunnel));
	proxy_close(proxy);
	rig_stop(&rig);
	return 0;
}

static ssize_t get(int fd, void *buf, size_t len)
{
	rig_readable(&rig, fd);
	return recv(fd, buf, len, 0);
}

/* A program that has asked for "/PATH" of the server at @dst */
static int ask(const char *method, const struct ipport *dst)
{
	struct ipport at = proxy_at(proxy);
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	char text[IPPORT_STRLEN];
	auto_free char *head =
		xasprintf("%s http://%s/path HTTP/1.1\r\nHost: x\r\n"
			  "Proxy-Connection: keep-alive\r\n\r\n",
			  method, ipport_str(dst, text));
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(send(fd, head, strlen(head), 0), strlen(head));
	return fd;
}

/* The server's end, which has read the head */
static int answer(int l, const char *method, const struct ipport *dst)
{
	char text[IPPORT_STRLEN], got[256] = "";
	auto_free char *wanted = xasprintf("%s /path HTTP/1.1\r\nHost: %s\r\n"
					   "Connection: close\r\n\r\n",
					   method, ipport_str(dst, text));
	int far;

	rig_readable(&rig, l);
	far = accept(l, NULL, NULL);
	for (size_t n = 0; n < strlen(wanted);) {
		ssize_t more = get(far, got + n, strlen(wanted) - n);

		assert_true(more > 0);
		n += (size_t)more;
	}
	assert_string_equal(got, wanted);
	return far;
}

/* From one to the other, both of which we are */
static void pass(int from, int to, size_t all)
{
	static uint8_t out[65536], in[65536];
	size_t sent = 0, got = 0;

	fcntl(from, F_SETFL, O_NONBLOCK);
	while (got < all) {
		ssize_t n;

		for (size_t i = 0; i < sizeof(out); i++)
			out[i] = (uint8_t)((sent + i) * 7 >> 3);
		n = send(from, out, MIN(sizeof(out), all - sent), MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		loop_once(rig.loop, n > 0 ? 0 : 10 * NS_MS);
		n = recv(to, in, sizeof(in), MSG_DONTWAIT);
		for (ssize_t i = 0; i < n; i++, got++)
			if (in[i] != (uint8_t)(got * 7 >> 3))
				fail_msg("byte %zu is another", got);
		assert_true(n > 0 || errno == EAGAIN);
	}
	fcntl(from, F_SETFL, 0);
}

static void a_large_answer(void **state)
{
	struct ipport dst;
	int l = local_listen(&dst), near = ask("GET", &dst);
	int far = answer(l, "GET", &dst);
	char byte;

	(void)state;
	pass(far, near, BODY);
	close(far);
	assert_int_equal(get(near, &byte, 1), 0);
	close(near);
	close(l);
}

static void a_large_request(void **state)
{
	struct ipport dst;
	int l = local_listen(&dst), near = ask("POST", &dst);
	int far = answer(l, "POST", &dst);
	char text[8];

	(void)state;
	pass(near, far, BODY);
	shutdown(near, SHUT_WR);
	assert_int_equal(get(far, text, sizeof(text)), 0);
	assert_int_equal(send(far, "done", 4, 0), 4);
	close(far);
	assert_int_equal(get(near, text, sizeof(text)), 4);
	assert_int_equal(get(near, text, sizeof(text)), 0);
	close(near);
	close(l);
}

/* An answer that is cut off is not one that has ended */
static void a_reset_is_one(void **state)
{
	const struct linger now = { .l_onoff = 1 };
	struct ipport dst;
	int l = local_listen(&dst), near = ask("GET", &dst);
	int far = answer(l, "GET", &dst);
	char text[8];

	(void)state;
	assert_int_equal(send(far, "half", 4, 0), 4);
	assert_int_equal(get(near, text, sizeof(text)), 4);
	setsockopt(far, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(far);
	assert_int_equal(get(near, text, sizeof(text)), -1);
	assert_int_equal(errno, ECONNRESET);
	close(near);
	close(l);
}

static void nobody_is_told(void **state)
{
	struct ipport dst = local_port(free_port());
	int near = ask("GET", &dst);
	char text[13] = "";

	(void)state;
	assert_int_equal(get(near, text, 12), 12);
	assert_string_equal(text, "HTTP/1.1 502");
	close(near);
}

/* Some are under way when all is over */
static void the_end_of_all(void **state)
{
	struct ipport dst;
	int l = local_listen(&dst), near = ask("GET", &dst);
	int far = answer(l, "GET", &dst);
	char byte;

	assert_int_equal(stop(state), 0);
	assert_true(recv(near, &byte, 1, 0) <= 0);
	assert_int_equal(start(state), 0);
	close(near);
	close(far);
	close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_answer),
		cmocka_unit_test(a_large_request),
		cmocka_unit_test(a_reset_is_one),
		cmocka_unit_test(nobody_is_told),
		cmocka_unit_test(the_end_of_all),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
