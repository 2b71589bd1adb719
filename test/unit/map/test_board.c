/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "map/board.h"

#include <string.h>

static struct board_text *next(const struct board *b, struct board_seen *seen)
{
	struct board_text *t = board_next(b, seen);

	assert_non_null(t);
	return t;
}

/* It is due next, and as an event */
static void comes(const struct board *b, struct board_seen *seen,
		  const char *want)
{
	struct board_text *t = next(b, seen);

	assert_int_equal(t->len, strlen(want));
	assert_memory_equal(t->text, want, t->len);
	board_text_put(t);
}

static void test_events(void **state)
{
	struct board_seen quick = { 0 }, slow = { 0 };
	struct board b = { 0 };

	(void)state;
	assert_null(board_next(&b, &quick));
	assert_true(board_set(&b, BOARD_STATUS, json_pack("{s:i}", "n", 1)));
	assert_true(board_set(&b, BOARD_MAP, json_pack("{s:s}", "a", "x\ny")));
	/* an end of a line in a text is none of the message */
	comes(&b, &quick, "event: status\ndata: {\"n\":1}\n\n");
	comes(&b, &quick, "event: map\ndata: {\"a\":\"x\\ny\"}\n\n");
	assert_null(board_next(&b, &quick));
	assert_false(board_set(&b, BOARD_STATUS, json_pack("{s:i}", "n", 1)));
	assert_null(board_next(&b, &quick));
	assert_true(board_set(&b, BOARD_STATUS, json_pack("{s:i}", "n", 2)));
	assert_true(board_set(&b, BOARD_STATUS, json_pack("{s:i}", "n", 3)));
	comes(&b, &quick, "event: status\ndata: {\"n\":3}\n\n");
	/* who was slow gets what is now, once */
	comes(&b, &slow, "event: map\ndata: {\"a\":\"x\\ny\"}\n\n");
	comes(&b, &slow, "event: status\ndata: {\"n\":3}\n\n");
	assert_null(board_next(&b, &slow));
	board_fini(&b);
}

/* What cannot be written is not there: nothing old passes for it */
static void test_untold(void **state)
{
	struct board_seen seen = { 0 };
	struct board b = { 0 };

	(void)state;
	assert_true(board_set(&b, BOARD_BEAT, json_pack("{s:i}", "n", 1)));
	assert_true(
		board_set(&b, BOARD_BEAT, json_pack("{s:s}", "n", "J\xfcrg")));
	comes(&b, &seen, "event: beat\ndata: null\n\n");
	assert_false(board_set(&b, BOARD_BEAT, NULL));
	assert_false(board_set(&b, BOARD_BEAT, json_null()));
	board_fini(&b);
}

/* A text that is under way stays as it is */
static void test_under_way(void **state)
{
	struct board_seen seen = { 0 };
	struct board b = { 0 };
	struct board_text *t;

	(void)state;
	board_set(&b, BOARD_BEAT, json_pack("{s:i}", "n", 1));
	t = next(&b, &seen);
	board_set(&b, BOARD_BEAT, json_pack("{s:i}", "n", 2));
	board_fini(&b);
	assert_memory_equal(t->text + t->json, "{\"n\":1}", t->json_len);
	board_text_put(t);
}

static void test_state(void **state)
{
	struct board b = { 0 };
	json_t *all;
	char *text;
	size_t len;

	(void)state;
	board_set(&b, BOARD_STATUS, json_pack("{s:i}", "n", 1));
	text = board_state(&b, &len);
	all = json_loadb(text, len, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(all, "status"), "n")),
			 1);
	assert_true(json_is_null(json_object_get(all, "beat")));
	assert_int_equal(json_object_size(all), 1 + BOARD_NPARTS_);
	json_decref(all);
	free(text);
	board_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_untold),
		cmocka_unit_test(test_under_way),
		cmocka_unit_test(test_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
