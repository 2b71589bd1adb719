/* SPDX-License-Identifier: Apache-2.0 */
#include "base/grid.h"

#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define GRID_GAP 2
#define GRID_LINE (GRID_COLUMNS * (GRID_CELL + GRID_GAP))
#define GRID_CUT "+"

void grid_add(struct grid *g, const char *const *texts)
{
	g->cells = xrealloc(g->cells, (g->rows + 1) * sizeof(*g->cells));
	for (size_t i = 0; i < g->columns; i++) {
		const char *text = texts[i] && *texts[i] ? texts[i] : "-";

		print_clean(g->cells[g->rows][i], GRID_CELL, text,
			    strlen(text));
	}
	g->rows++;
}

/* Columns of a terminal, as far as one character is one */
static size_t grid_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void grid_fit(const struct grid *g, size_t most, size_t width[GRID_COLUMNS])
{
	size_t all = (g->columns - 1) * GRID_GAP;

	memset(width, 0, GRID_COLUMNS * sizeof(*width));
	for (size_t i = 0; i < g->columns; i++) {
		for (size_t r = 0; r < g->rows; r++)
			width[i] = MAX(width[i], grid_width(g->cells[r][i]));
		all += width[i];
	}
	while (most && all > most) {
		size_t widest = g->columns;

		for (size_t i = 0; i < g->columns; i++)
			if (width[i] > grid_width(g->cells[0][i]) &&
			    (widest == g->columns || width[i] > width[widest]))
				widest = i;
		if (widest == g->columns)
			return; /* the terminal folds the lines */
		width[widest]--;
		all--;
	}
}

/* @text in @width columns, cut where it is wider; its bytes */
static size_t grid_cell(char *dst, size_t size, const char *text, size_t width)
{
	size_t n = 0, seen = 0;

	if (grid_width(text) <= width)
		return (size_t)snprintf(dst, size, "%s", text);
	for (; text[n]; n++) {
		seen += ((unsigned char)text[n] & 0xc0) != 0x80;
		if (seen == width)
			break;
	}
	return (size_t)snprintf(dst, size, "%.*s" GRID_CUT, (int)n, text);
}

/* Of the terminal that stdout is, or 0; $COLUMNS wins, as for other programs */
static size_t grid_terminal(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = { 0 };
	long n;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (columns && str_to_long(columns, &n) == 0 && n > 0)
		return (size_t)n;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void grid_print(struct grid *g)
{
	size_t width[GRID_COLUMNS];

	grid_fit(g, grid_terminal(), width);
	for (size_t r = 0; r < g->rows; r++) {
		char line[GRID_LINE] = "", cell[GRID_CELL + 1];
		size_t n = 0;

		for (size_t i = 0; i < g->columns && n < sizeof(line); i++) {
			size_t pad;

			grid_cell(cell, sizeof(cell), g->cells[r][i], width[i]);
			pad = width[i] - grid_width(cell) + GRID_GAP;
			if (i + 1 == g->columns)
				pad = 0;
			n += (size_t)snprintf(line + n, sizeof(line) - n,
					      "%s%*s", cell, (int)pad, "");
		}
		print_line(stdout, "%s", line);
	}
	free(g->cells);
	*g = (struct grid){ 0 };
}
