/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/loop.h"
#include "base/mem.h"
#include "dns/cache.h"
#include "fake.h"

#include <errno.h>
#include <string.h>

static const struct fake_rr zone[] = { { "web", "10.0.0.1" }, { 0 } };

static struct dns_query query(const char *name, uint16_t type)
{
	struct dns_query q = { .type = type, .klass = DNS_IN };

	assert_int_equal(dns_name_parse(&q.name, name), 0);
	return q;
}

static struct dns_key put(struct dns_cache *c, const char *name, uint16_t type,
			  int64_t now)
{
	static uint8_t out[DNS_MSG_MAX];
	struct dns_query q = query(name, type);
	struct dns_key k = dns_key_of(&q);
	uint8_t msg[512];
	size_t len = (size_t)dns_query_build(&q, msg, sizeof(msg));

	len = fake_answer(zone, msg, len, out);
	dns_cache_put(c, &k, out, len, now);
	return k;
}

static uint32_t ttl_of(const uint8_t *msg, ssize_t len)
{
	struct dns_walk w;
	struct dns_rr rr;

	assert_true(len > 0);
	assert_int_equal(dns_walk_start(&w, msg, (size_t)len), 0);
	assert_int_equal(dns_walk_next(&w, &rr), 1);
	return rr.ttl;
}

static void counts_ttls_down(void **state)
{
	static uint8_t out[DNS_MSG_MAX];
	struct dns_cache *c = dns_cache_new(60);
	struct dns_key k = put(c, "web", DNS_A, 0);

	(void)state;
	assert_int_equal(ttl_of(out, dns_cache_get(c, &k, 0, out)), 30);
	assert_int_equal(ttl_of(out, dns_cache_get(c, &k, 29 * NS_SEC, out)),
			 1);
	assert_int_equal(dns_cache_get(c, &k, 30 * NS_SEC, out), -ENOENT);
	assert_int_equal(dns_cache_count(c), 0);
	dns_cache_free(c);
}

static void obeys_the_maximum(void **state)
{
	static uint8_t out[DNS_MSG_MAX];
	struct dns_cache *c = dns_cache_new(10), *none = dns_cache_new(0);
	struct dns_key k = put(c, "web", DNS_A, 0);

	(void)state;
	assert_true(dns_cache_get(c, &k, 9 * NS_SEC, out) > 0);
	assert_int_equal(dns_cache_get(c, &k, 10 * NS_SEC, out), -ENOENT);
	k = put(none, "web", DNS_A, 0);
	assert_int_equal(dns_cache_get(none, &k, 0, out), -ENOENT);
	dns_cache_free(c);
	dns_cache_free(none);
}

static void negative_ones_are_short(void **state)
{
	static uint8_t out[DNS_MSG_MAX];
	struct dns_cache *c = dns_cache_new(60);
	struct dns_key k = put(c, "nope", DNS_A, 0);

	(void)state;
	assert_true(dns_cache_get(c, &k, 4 * NS_SEC, out) > 0);
	assert_int_equal(dns_cache_get(c, &k, 5 * NS_SEC, out), -ENOENT);
	dns_cache_free(c);
}

static void keys_differ(void **state)
{
	static uint8_t out[DNS_MSG_MAX];
	struct dns_cache *c = dns_cache_new(60);
	struct dns_key k = put(c, "web", DNS_A, 0), other = k;

	(void)state;
	other.type = DNS_AAAA;
	assert_int_equal(dns_cache_get(c, &other, 0, out), -ENOENT);
	other = k;
	other.dnssec_ok = true;
	assert_int_equal(dns_cache_get(c, &other, 0, out), -ENOENT);
	other = k;
	other.name.b[1] = 'W';
	assert_true(dns_cache_get(c, &other, 0, out) > 0);
	dns_cache_flush(c);
	assert_int_equal(dns_cache_get(c, &k, 0, out), -ENOENT);
	dns_cache_free(c);
}

static void stays_bounded(void **state)
{
	static uint8_t out[DNS_MSG_MAX];
	struct dns_cache *c = dns_cache_new(60);
	struct dns_key web = put(c, "web", DNS_A, 0);
	char name[32];

	(void)state;
	for (int i = 0; i < 2 * DNS_CACHE_ENTRIES; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		put(c, name, DNS_A, 0);
		/* what is used stays */
		assert_true(dns_cache_get(c, &web, 0, out) > 0);
	}
	assert_int_equal(dns_cache_count(c), DNS_CACHE_ENTRIES);
	dns_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_ttls_down),
		cmocka_unit_test(obeys_the_maximum),
		cmocka_unit_test(negative_ones_are_short),
		cmocka_unit_test(keys_differ),
		cmocka_unit_test(stays_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
