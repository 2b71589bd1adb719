/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/sleep_reply.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_text(struct sleep_reply *r, const char *text, bool eof)
{
	return sleep_reply_read(r, text, strlen(text), eof);
}

static void bodies_end_as_their_heads_say(void **state)
{
	static const char *const whole[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
		"Content-Length: 7\r\n\r\n{\"a\":1}",
	};
	struct sleep_reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		size_t n = strlen(whole[i]);

		for (size_t k = 0; k < n; k++) {
			assert_int_equal(
				sleep_reply_read(&r, whole[i], k, false),
				-EAGAIN);
			assert_int_equal(
				sleep_reply_read(&r, whole[i], k, true),
				-EBADMSG);
		}
		assert_int_equal(read_text(&r, whole[i], false), 0);
		assert_int_equal(r.status, 200);
		assert_int_equal(
			json_integer_value(json_object_get(r.body, "a")), 1);
		sleep_reply_fini(&r);
	}
	assert_int_equal(read_text(&r, "HTTP/1.1 200 OK\r\n\r\n{}", false),
			 -EAGAIN);
	assert_int_equal(read_text(&r, "HTTP/1.1 200 OK\r\n\r\n{}", true), 0);
	assert_non_null(r.body);
	sleep_reply_fini(&r);
}

static void what_is_wrong_is_in_the_message(void **state)
{
	struct sleep_reply r;

	(void)state;
	assert_int_equal(read_text(&r,
				   "HTTP/1.1 403 Forbidden\r\nContent-Length: "
				   "20\r\n\r\n{\"message\":\"no no\"}",
				   false),
			 -EAGAIN);
	assert_int_equal(read_text(&r,
				   "HTTP/1.1 403 Forbidden\r\nContent-Length: "
				   "19\r\n\r\n{\"message\":\"no no\"}",
				   false),
			 0);
	assert_int_equal(r.status, 403);
	assert_string_equal(r.message, "no no");
	sleep_reply_fini(&r);
	assert_int_equal(read_text(&r,
				   "HTTP/1.1 502 Bad Gateway\r\n"
				   "Content-Length: 3\r\n\r\n<a>",
				   false),
			 0);
	assert_null(r.body);
	sleep_reply_fini(&r);
	assert_int_equal(read_text(&r, "SSH-2.0-x\r\n", false), -EBADMSG);
	assert_int_equal(read_text(&r,
				   "HTTP/1.1 101 Switching Protocols\r\n"
				   "\r\n",
				   false),
			 -EBADMSG);
	assert_int_equal(read_text(&r,
				   "HTTP/1.1 200 OK\r\nContent-Length: "
				   "99999999\r\n\r\n",
				   false),
			 -E2BIG);
}

static json_t *of(const char *text)
{
	json_t *v = json_loads(text, 0, NULL);

	assert_non_null(v);
	return v;
}

static void a_scale_is_read_or_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"metadata\":{}}",
		"{\"metadata\":{\"resourceVersion\":7}}",
		"{\"metadata\":{\"resourceVersion\":\"7\"},"
		"\"spec\":{\"replicas\":-1}}",
		"{\"metadata\":{\"resourceVersion\":\"7\"},"
		"\"spec\":{\"replicas\":\"1\"}}",
		"{\"metadata\":{\"resourceVersion\":\"7\"},"
		"\"spec\":{\"replicas\":4294967296}}",
	};
	json_t *v = of("{\"metadata\":{\"resourceVersion\":\"7\"},"
		       "\"spec\":{\"replicas\":3}}");
	struct sleep_scale s;
	char *patch;

	(void)state;
	assert_int_equal(sleep_scale_read(&s, v), 0);
	assert_int_equal(s.replicas, 3);
	patch = sleep_scale_patch(&s, 0);
	assert_string_equal(patch, "{\"metadata\":{\"resourceVersion\":\"7\"},"
				   "\"spec\":{\"replicas\":0}}");
	free(patch);
	json_decref(v);
	v = of("{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{}}");
	assert_int_equal(sleep_scale_read(&s, v), 0);
	assert_int_equal(s.replicas, 0); /* zeros are left out */
	json_decref(v);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v = of(bad[i]);
		assert_int_equal(sleep_scale_read(&s, v), -EBADMSG);
		json_decref(v);
	}
	assert_int_equal(sleep_scale_read(&s, NULL), -EBADMSG);
}

static void addresses_are_those_that_are_ready(void **state)
{
	json_t *v = of("{\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\"},"
		       "{\"ip\":\"fd00::1\"},{\"ip\":\"x\"},{}],"
		       "\"notReadyAddresses\":[{\"ip\":\"10.0.0.9\"}],"
		       "\"ports\":[{\"name\":\"http\",\"port\":8080},"
		       "{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\"},"
		       "{\"name\":\"big\",\"port\":70000}]},"
		       "{\"addresses\":[{\"ip\":\"10.0.0.2\"}],"
		       "\"ports\":[{\"port\":81,\"protocol\":\"TCP\"}]}]}");
	struct ipport out[SLEEP_ADDRESSES];
	char text[IPPORT_STRLEN];

	(void)state;
	assert_int_equal(sleep_addresses_read(out, v, "http"), 2);
	assert_string_equal(ipport_str(&out[0], text), "10.0.0.1:8080");
	assert_string_equal(ipport_str(&out[1], text), "[fd00::1]:8080");
	assert_int_equal(sleep_addresses_read(out, v, ""), 1);
	assert_string_equal(ipport_str(&out[0], text), "10.0.0.2:81");
	assert_int_equal(sleep_addresses_read(out, v, "dns"), 0);
	assert_int_equal(sleep_addresses_read(out, v, "big"), 0);
	json_decref(v);
	v = of("{\"subsets\":7}");
	assert_int_equal(sleep_addresses_read(out, v, ""), -EBADMSG);
	json_decref(v);
	v = of("{}");
	assert_int_equal(sleep_addresses_read(out, v, ""), 0);
	json_decref(v);
	assert_int_equal(sleep_addresses_read(out, NULL, ""), -EBADMSG);
}

static void many_addresses_are_some(void **state)
{
	json_t *all = json_array(), *v;
	struct ipport out[SLEEP_ADDRESSES];

	(void)state;
	for (int i = 0; i < 1000; i++)
		json_array_append_new(all,
				      json_pack("{s:s}", "ip", "10.0.0.1"));
	v = json_pack("{s:[{s:o,s:[{s:i}]}]}", "subsets", "addresses", all,
		      "ports", "port", 80);
	assert_int_equal(sleep_addresses_read(out, v, ""), SLEEP_ADDRESSES);
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_end_as_their_heads_say),
		cmocka_unit_test(what_is_wrong_is_in_the_message),
		cmocka_unit_test(a_scale_is_read_or_refused),
		cmocka_unit_test(addresses_are_those_that_are_ready),
		cmocka_unit_test(many_addresses_are_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
