/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to a name server: over UDP, over TCP when the reply is cut. */
#include "test.h"

#include "dns/client.h"

#include "fake.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct fake_rr zone[] = { { "a.test", "192.0.2.1" }, { 0 } };

static struct loop *loop;
static struct fake_upstream server;
static struct dns_client *client;
static struct dns_exchange *exchange;
static uint8_t query[DNS_UDP_PLAIN];
static size_t query_len;
static struct {
	bool done;
	int rc;
	uint8_t reply[DNS_UDP_PLAIN];
	size_t len;
} got;

static void on_end(void *user, int rc, const uint8_t *msg, size_t len)
{
	assert_ptr_equal(user, &got);
	assert_false(got.done);
	got.done = true;
	got.rc = rc;
	got.len = len;
	if (rc == 0)
		memcpy(got.reply, msg, len);
	exchange = NULL;
}

static void new_client(int64_t limit, int64_t repeat, size_t max)
{
	const struct dns_client_config cfg = { .limit_ns = limit,
					       .repeat_ns = repeat,
					       .max = max };

	dns_client_free(client);
	client = dns_client_new(loop, &cfg);
}

static int set_up(void **state)
{
	struct dns_query q = {
		.id = 0x1234, .flags = DNS_RD, .type = DNS_A, .klass = DNS_IN
	};

	(void)state;
	assert_int_equal(dns_name_parse(&q.name, "a.test"), 0);
	query_len = (size_t)dns_query_build(&q, query, sizeof(query));
	loop = loop_new();
	fake_upstream_init(&server, loop, zone);
	client = NULL;
	exchange = NULL;
	new_client(2 * NS_SEC, 0, 4);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	dns_client_free(client);
	fake_upstream_fini(&server);
	loop_free(loop);
	return 0;
}

static int start(enum dns_transport over)
{
	memset(&got, 0, sizeof(got));
	return dns_exchange_start(client, &server.addr, over, DNS_WAY_PAST,
				  query, query_len, on_end, &got, &exchange);
}

static void ask(enum dns_transport over)
{
	assert_int_equal(start(over), 0);
	assert_false(got.done);
	assert_int_equal(loop_run_until(loop, &got.done, 10 * NS_SEC), 0);
}

static void assert_answer(void)
{
	assert_int_equal(got.rc, 0);
	assert_int_equal(dns_get_id(got.reply), dns_get_id(query));
	assert_true(dns_reply_matches(got.reply, got.len, query, query_len));
}

static void over_udp(void **state)
{
	(void)state;
	server.lies = 3; /* wrong datagrams before the right one */
	ask(DNS_OVER_UDP);
	assert_answer();
	/* the id on the way was another */
	assert_int_not_equal(dns_get_id(server.last), dns_get_id(query));
	assert_int_equal(server.asked_tcp, 0);
}

static void over_tcp(void **state)
{
	(void)state;
	ask(DNS_OVER_TCP);
	assert_answer();
	assert_int_equal(server.asked_tcp, 1);
}

static void cut_reply(void **state)
{
	(void)state;
	server.truncate = true;
	ask(DNS_OVER_UDP); /* who asks this way wants to see it */
	assert_answer();
	assert_true(got.reply[2] & (DNS_TC >> 8));
	assert_int_equal(server.asked_tcp, 0);
	ask(DNS_OVER_ANY);
	assert_answer();
	assert_false(got.reply[2] & (DNS_TC >> 8));
	assert_int_equal(server.asked_tcp, 1);
}

static void silent_server(void **state)
{
	int64_t began = clock_ns();

	(void)state;
	new_client(300 * NS_MS, 50 * NS_MS, 4);
	server.mute = true;
	ask(DNS_OVER_ANY);
	assert_int_equal(got.rc, -ETIMEDOUT);
	assert_in_range(clock_ns() - began, 280 * NS_MS, 2 * NS_SEC);
	assert_int_equal(server.asked, 3); /* at 0, 50 and 150 ms */
	new_client(100 * NS_MS, 0, 4);
	server.asked = 0;
	ask(DNS_OVER_ANY);
	assert_int_equal(got.rc, -ETIMEDOUT);
	assert_int_equal(server.asked, 1);
}

static void nobody_there(void **state)
{
	(void)state;
	server.addr.port = 1;
	for (int over = DNS_OVER_UDP; over <= DNS_OVER_TCP; over++) {
		ask((enum dns_transport)over);
		assert_int_equal(got.rc, -ECONNREFUSED);
	}
}

/* the reply is cut, and its TCP is not served */
static void cut_and_no_tcp(void **state)
{
	(void)state;
	server.truncate = true;
	loop_watch_stop(&server.tcp);
	close(server.tcp_fd);
	server.tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ask(DNS_OVER_ANY);
	assert_int_equal(got.rc, -ECONNREFUSED);
}

static void so_many_at_once(void **state)
{
	struct dns_exchange *x[4];

	(void)state;
	server.mute = true;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(start(DNS_OVER_UDP), 0);
		x[i] = exchange;
	}
	assert_int_equal(start(DNS_OVER_UDP), -EBUSY);
	dns_exchange_cancel(x[0]);
	assert_int_equal(start(DNS_OVER_UDP), 0);
	x[0] = exchange;
	for (int i = 0; i < 4; i++)
		dns_exchange_cancel(x[i]);
	dns_exchange_cancel(NULL);
	assert_int_equal(dns_exchange_start(client, &server.addr, DNS_OVER_UDP,
					    DNS_WAY_PAST, query,
					    DNS_HDR_LEN - 1, on_end, &got,
					    &exchange),
			 -EINVAL);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(over_udp),	    T(over_tcp),     T(cut_reply),
		T(silent_server),   T(nobody_there), T(cut_and_no_tcp),
		T(so_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
