/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/grid.h"
#include "base/mem.h"

#include <string.h>

static void put(struct grid *g, const char *a, const char *b, const char *c)
{
	const char *const cells[] = { a, b, c };

	g->columns = 3;
	grid_add(g, cells);
}

static void columns_are_as_wide_as_their_cells(void **state)
{
	struct grid g = { 0 };
	size_t width[GRID_COLUMNS];

	(void)state;
	put(&g, "NAME", "RULE", "X");
	put(&g, "w", "header:version=ann", NULL);
	put(&g, "\xc3\xa4\xc3\xb6", "", "\033[2J");
	grid_fit(&g, 0, width);
	assert_int_equal(width[0], 4);
	assert_int_equal(width[1], 18);
	assert_int_equal(width[2], strlen("\\x1b[2J"));
	assert_string_equal(g.cells[2][1], "-");
	free(g.cells);
}

static void the_widest_are_cut(void **state)
{
	struct grid g = { 0 };
	size_t width[GRID_COLUMNS], all;

	(void)state;
	put(&g, "NAME", "RULE", "MACHINE");
	put(&g, "a", "123456789012345678901234567890", "1234567890");
	for (size_t most = 80; most >= 19; most--) {
		grid_fit(&g, most, width);
		all = width[0] + width[1] + width[2] + 4;
		assert_true(all <= most);
		assert_true(width[0] == 4 && width[1] >= 4 && width[2] >= 7);
		if (most >= 48)
			assert_int_equal(width[1], 30);
	}
	grid_fit(&g, 38, width); /* the wider one alone */
	assert_int_equal(width[1], 20);
	assert_int_equal(width[2], 10);
	grid_fit(&g, 3, width); /* headings are whole */
	assert_int_equal(width[0] + width[1] + width[2], 15);
	free(g.cells);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_cells),
		cmocka_unit_test(the_widest_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
