/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/suggest.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 48

static int suggest_same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Levenshtein distance, letter case ignored; both at most WORD_MAX long */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[WORD_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t up = row[j];
			size_t change =
				diagonal + !suggest_same(a[i - 1], b[j - 1]);

			row[j] = MIN(up, row[j - 1]) + 1;
			row[j] = MIN(row[j], change);
			diagonal = up;
		}
	}
	return row[m];
}

void suggest_init(struct suggest *s, const char *word, size_t len)
{
	/* a third of the letters may be wrong, but not all of a short word */
	*s = (struct suggest){ word, len, NULL, 1 + MAX(len / 3, 1) };
}

void suggest_offer(struct suggest *s, const char *candidate)
{
	size_t m = strlen(candidate), d;

	if (s->len > WORD_MAX || m > WORD_MAX || !s->len)
		return;
	d = distance(s->word, s->len, candidate, m);
	if (d < s->distance) {
		s->distance = d;
		s->best = candidate;
	}
}
