/* SPDX-License-Identifier: Apache-2.0 */
/* env open of a TLS port: whose Pod is ours? And what env check may ask. */
#include "json.h"
#include "test.h"

#include "base/mem.h"
#include "env/advice.h"
#include "env/open_tls.h"
#include "kube/rest.h"
#include "wire/dns.h"

#include <errno.h>
#include <string.h>

/* A reply with PTR records of one address, as CoreDNS has them */
static size_t reply(uint8_t *msg, size_t size, const char *const *names)
{
	struct dns_query q = { .flags = DNS_QR | DNS_RD,
			       .type = DNS_PTR,
			       .klass = DNS_IN };
	struct ipaddr a;
	size_t n;

	assert_int_equal(ipaddr_parse(&a, "10.244.0.9"), 0);
	dns_name_reverse(&q.name, &a);
	n = (size_t)dns_query_build(&q, msg, size);
	for (; *names; names++) {
		struct dns_name name;

		assert_int_equal(dns_name_parse(&name, *names), 0);
		assert_true(n + 12 + name.len <= size);
		memcpy(msg + n, "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x05\x00",
		       11);
		msg[n + 11] = name.len;
		memcpy(msg + n + 12, name.b, name.len);
		n += 12U + name.len;
		msg[7]++; /* answers */
	}
	return n;
}

static void behind(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const others[] = {
		"10-244-0-9.kt-env-dev--pr-2.shop.svc.cluster.local",
		"kt-env-dev--pr.shop.svc.cluster.local", NULL
	};
	static const char *const ours[] = {
		"10-244-0-9.web.shop.svc.cluster.local",
		"10-244-0-9.kt-env-dev--pr.shop.svc.cluster.local", NULL
	};
	uint8_t msg[512];
	size_t n;

	(void)state;
	n = reply(msg, sizeof(msg), none);
	assert_false(env_open_is_behind(msg, n, "kt-env-dev--pr"));
	n = reply(msg, sizeof(msg), others);
	assert_false(env_open_is_behind(msg, n, "kt-env-dev--pr"));
	n = reply(msg, sizeof(msg), ours);
	assert_true(env_open_is_behind(msg, n, "kt-env-dev--pr"));
	for (size_t cut = 0; cut < n; cut++) {
		/* of its own, so that a sanitizer sees what is read beyond */
		uint8_t *part = xmalloc(cut ? cut : 1);

		memcpy(part, msg, cut);
		assert_false(env_open_is_behind(part, cut, "kt-env-dev--pr"));
		free(part);
	}
}

static void led(const char *text, bool router)
{
	auto_json json_t *service = json_quoted(text);

	assert_int_equal(env_open_has_router(service), router);
}

static void who_ends_it(void **state)
{
	(void)state;
	led("{'spec': {'selector': {'app': 'web'}}}", false);
	led("{'spec': {'selector': {'kt-role': 'router', 'kt-target': 'x'}}}",
	    true);
	led("{'spec': {'selector': {'kt-role': 'exchange-shadow'}}}", false);
	led("{'metadata': {'annotations': {'kt-declared': '{}'}},"
	    " 'spec': {'selector': {'kt-env-router': 'web'}}}",
	    true);
}

static void asked(const char *ports, int rc, uint16_t port, bool tls)
{
	auto_free char *text = xasprintf(
		"{'metadata': {'name': 'web'}, 'spec': {'ports': [%s]}}",
		ports);
	auto_json json_t *service = json_quoted(text);
	struct kt_error err = { 0 };
	uint16_t got = 0;
	bool over = !tls;

	assert_int_equal(advice_askable("shop", service, &got, &over, &err),
			 rc);
	if (rc < 0)
		return;
	assert_int_equal(got, port);
	assert_int_equal(over, tls);
}

static void askable(void **state)
{
	(void)state;
	asked("{'port': 443, 'name': 'https'}, {'port': 80}", 0, 80, false);
	asked("{'port': 53, 'protocol': 'UDP'},"
	      " {'port': 8443, 'appProtocol': 'https'}",
	      0, 8443, true);
	asked("{'port': 443}", 0, 443, true);
	asked("{'port': 53, 'protocol': 'UDP'}", -EOPNOTSUPP, 0, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind),
		cmocka_unit_test(who_ends_it),
		cmocka_unit_test(askable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
