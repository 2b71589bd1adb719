/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_GRID_H
#define KT_BASE_GRID_H

#include <stddef.h>

/**
 * DOC: Tables for people
 *
 * Rows of cells in columns of their widest cell. On a terminal that is too
 * narrow the widest columns are cut, with a '+' at the end of what was, as ps
 * does, but not below the width of their headings. Elsewhere nothing is cut.
 */

#define GRID_CELL 256
#define GRID_COLUMNS 12

/** struct grid - zeroed but for @columns; the first row has the headings */
struct grid {
	size_t columns, rows;
	char (*cells)[GRID_COLUMNS][GRID_CELL];
};

/** grid_add() - one more row; what others wrote is filtered (print.h), NULL
 *  and "" are "-" */
void grid_add(struct grid *g, const char *const *texts);
/** grid_fit() - the columns' widths in a terminal of @most columns; 0: of any
 *  width */
void grid_fit(const struct grid *g, size_t most, size_t width[GRID_COLUMNS]);
/** grid_print() - all of it to stdout; the cells are freed */
void grid_print(struct grid *g);

#endif
