/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "kube/jsonlines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seen {
	char text[256];
	int stop_at; /* 0: never */
	int n;
};

static bool note(void *user, json_t *v)
{
	struct seen *s = user;
	char *t = json_dumps(v, JSON_COMPACT);

	snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text),
		 "%s;", t);
	free(t);
	return ++s->n != s->stop_at;
}

static int feed(struct seen *s, const char *text, size_t step)
{
	struct jsonlines j;
	size_t len = strlen(text);
	int rc = 0;

	jsonlines_init(&j);
	for (size_t at = 0; at < len && !rc; at += step)
		rc = jsonlines_feed(&j, text + at,
				    len - at < step ? len - at : step, note, s);
	jsonlines_fini(&j);
	return rc;
}

static void splits_at_every_byte(void **state)
{
	static const char text[] =
		"{\"a\":1}\n\n{\"b\":\"x\\ny\"}\r\n[2]\n{\"c\"";

	(void)state;
	for (size_t step = 1; step <= sizeof(text); step++) {
		struct seen s = { 0 };

		assert_int_equal(feed(&s, text, step), 0);
		assert_string_equal(s.text, "{\"a\":1};{\"b\":\"x\\ny\"};[2];");
	}
}

static void stops_and_refuses(void **state)
{
	struct seen s = { .stop_at = 2 };

	(void)state;
	assert_int_equal(feed(&s, "[1]\n[2]\n[3]\n", 100), -ECANCELED);
	assert_int_equal(s.n, 2);
	assert_int_equal(feed(&s, "nonsense\n", 3), -EBADMSG);
}

static void bounds_a_line(void **state)
{
	struct jsonlines j;
	char block[4096];
	int rc = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	jsonlines_init(&j);
	for (size_t i = 0; !rc && i <= JSONLINES_MAX / sizeof(block); i++)
		rc = jsonlines_feed(&j, block, sizeof(block), note, NULL);
	assert_int_equal(rc, -EFBIG);
	jsonlines_fini(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_at_every_byte),
		cmocka_unit_test(stops_and_refuses),
		cmocka_unit_test(bounds_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
