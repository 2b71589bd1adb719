/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cli/options.h"
#include "run/incoming.h"

#include <errno.h>
#include <string.h>

static void expect(const struct options *o, const char *says)
{
	struct kt_error err = { 0 };

	if (!says) {
		assert_int_equal(incoming_check(o, &err), 0);
		return;
	}
	assert_int_equal(incoming_check(o, &err), -EINVAL);
	assert_non_null(strstr(err.msg, says));
}

static void one_way_and_a_service(void **state)
{
	struct options o = { .ended = true };
	struct expose_item item = { .local = 80, .number = 80 };
	char mark[] = "me", name[] = "new";

	(void)state;
	expect(&o, NULL);
	o.run.expose = (struct expose){ &item, 1 };
	expect(&o, "--expose is for");
	o.run.preview = name;
	expect(&o, NULL);
	o.run.exchange = true;
	expect(&o, "three ways");
	o.run.preview = NULL;
	expect(&o, "the Service stands before");
	o.nbefore = 1;
	expect(&o, NULL);
	o.run.mesh = mark;
	expect(&o, "three ways");
	o.run.exchange = false;
	expect(&o, NULL);
	item.proto = EXPOSE_UDP;
	expect(&o, "only TCP");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_way_and_a_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
