/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/quantity.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define QUANTITY_MAX ((__int128)1 << 100)

static const struct {
	const char *suffix;
	int binary, decimal; /* powers of two and of ten */
} quantity_suffix[] = {
	{ "n", 0, -9 },	 { "u", 0, -6 },  { "m", 0, -3 },  { "", 0, 0 },
	{ "k", 0, 3 },	 { "M", 0, 6 },	  { "G", 0, 9 },   { "T", 0, 12 },
	{ "P", 0, 15 },	 { "E", 0, 18 },  { "Ki", 10, 0 }, { "Mi", 20, 0 },
	{ "Gi", 30, 0 }, { "Ti", 40, 0 }, { "Pi", 50, 0 }, { "Ei", 60, 0 },
};

static int quantity_read_suffix(const char *text, int *binary, int *decimal)
{
	long e;

	if ((*text == 'e' || *text == 'E') && text[1] && text[1] != 'i') {
		const char *digits = text + 1 + (text[1] == '+');

		if (str_to_long(digits, &e) < 0 || e > 30 || e < -30)
			return -EINVAL;
		*decimal = (int)e;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(quantity_suffix); i++) {
		if (strcmp(text, quantity_suffix[i].suffix) != 0)
			continue;
		*binary = quantity_suffix[i].binary;
		*decimal = quantity_suffix[i].decimal;
		return 0;
	}
	return -EINVAL;
}

/* Digits without the point; *@places: how many stand behind it */
static int quantity_read_digits(const char **text, __int128 *v, int *places)
{
	bool point = false, any = false;

	*v = 0;
	for (; isdigit((unsigned char)**text) || (**text == '.' && !point);
	     (*text)++) {
		if (**text == '.') {
			point = true;
			continue;
		}
		if (*v > QUANTITY_MAX / 10)
			return -ERANGE;
		*v = *v * 10 + (**text - '0');
		*places += point;
		any = true;
	}
	return any ? 0 : -EINVAL;
}

int quantity_milli(const char *text, __int128 *milli)
{
	int binary = 0, decimal = 0, places = 0, rc;
	bool inexact = false;

	if (*text == '+')
		text++;
	rc = quantity_read_digits(&text, milli, &places);
	if (rc == 0)
		rc = quantity_read_suffix(text, &binary, &decimal);
	if (rc < 0)
		return rc;
	if (binary && *milli > QUANTITY_MAX >> binary)
		return -ERANGE;
	*milli <<= binary;
	for (decimal += 3 - places; decimal > 0; decimal--) {
		if (*milli > QUANTITY_MAX / 10)
			return -ERANGE;
		*milli *= 10;
	}
	for (; decimal < 0; decimal++) {
		inexact |= *milli % 10 != 0;
		*milli /= 10;
	}
	*milli += inexact;
	return 0;
}

int quantity_divided(const char *text, const char *divisor, int milli,
		     int64_t *out)
{
	__int128 v, by, n;
	int rc = quantity_milli(text, &v);

	if (rc == 0)
		rc = quantity_milli(divisor && *divisor ? divisor : "1", &by);
	if (rc < 0)
		return rc;
	if (!by)
		by = 1000;
	if (!milli) { /* both in whole units first */
		v = (v + 999) / 1000;
		by = (by + 999) / 1000;
	}
	n = (v + by - 1) / by;
	if (n > INT64_MAX)
		return -ERANGE;
	*out = (int64_t)n;
	return 0;
}
