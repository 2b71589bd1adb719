/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/gatehead.h"

#include <errno.h>
#include <string.h>

static void both_families(void **state)
{
	static const char *const text[] = { "10.0.0.7:443", "[fd00::7]:65535" };
	uint8_t head[GATEHEAD_SIZE];
	struct ipport at, got;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ipport_parse(&at, text[i]), 0);
		gatehead_put(head, GATEHEAD_MEMBER, &at);
		assert_int_equal(gatehead_get(head, &got), GATEHEAD_MEMBER);
		assert_true(ipport_eq(&at, &got));
	}
	assert_int_equal(head[0], 'd');
	assert_int_equal(head[1], 6);
	assert_int_equal(head[18] << 8 | head[19], 65535);
}

static void malformed(void **state)
{
	uint8_t head[GATEHEAD_SIZE] = { 'c', 4, 10, 0, 0, 7 };
	struct ipport got;

	(void)state;
	assert_int_equal(gatehead_get(head, &got), 'c');
	head[0] = 'G';
	assert_int_equal(gatehead_get(head, &got), -EPROTO);
	head[0] = 'o';
	head[1] = 5;
	assert_int_equal(gatehead_get(head, &got), -EPROTO);
	head[1] = 4;
	head[17] = 1; /* no IPv4 address is that long */
	assert_int_equal(gatehead_get(head, &got), -EPROTO);
	head[1] = 6;
	assert_int_equal(gatehead_get(head, &got), 'o');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
