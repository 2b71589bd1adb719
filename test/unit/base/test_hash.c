/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/hash.h"
#include "base/ipaddr.h"
#include "base/mem.h"

#include <string.h>

/* of `openssl mac -macopt c-rounds:1 -macopt d-rounds:3 ... SIPHASH`: the key
 * is 00 01 .. 0f, the bytes 00 01 02 .. */
static void siphash(void **state)
{
	static const struct {
		size_t n;
		uint64_t h;
	} known[] = {
		{ 0, 0xabac0158050fc4dc },  { 1, 0xc9f49bf37d57ca93 },
		{ 7, 0xd3927d989bb11140 },  { 8, 0x369095118d299a8e },
		{ 15, 0xd320d86d2a519956 }, { 36, 0x2cf508d3ada26206 },
	};
	const struct hash_key key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	uint8_t in[36];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		assert_true(hash_keyed(&key, in, known[i].n) == known[i].h);
}

/* the keys of a table that somebody chose in pairs: FNV-1a and its kind keep
 * such pairs together whatever they start from */
static void the_process_has_a_key(void **state)
{
	const struct hash_key none = { 0, 0 };

	(void)state;
	assert_true(hash_bytes("abc", 3) == hash_bytes("abc", 3));
	assert_true(hash_bytes("abc", 3) != hash_bytes("abd", 3));
	assert_true(hash_bytes("abc", 3) != hash_bytes("abc", 4));
	assert_true(hash_bytes("abc", 3) != hash_keyed(&none, "abc", 3));
}

static void addresses(void **state)
{
	struct ipport a, b;

	(void)state;
	assert_int_equal(ipport_parse(&a, "10.0.0.1:80"), 0);
	assert_int_equal(ipport_parse(&b, "10.0.0.2:80"), 0);
	assert_true(ipport_hash(&a, &b) == ipport_hash(&a, &b));
	assert_true(ipport_hash(&a, &b) != ipport_hash(&b, &a));
	assert_true(ipport_hash(&a, NULL) != ipport_hash(&a, &a));
	b = a;
	b.port = 81;
	assert_true(ipport_hash(&a, NULL) != ipport_hash(&b, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash),
		cmocka_unit_test(the_process_has_a_key),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
