/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes, filtered: UTF-8 that has no power over a terminal, the same when
 * it is filtered again; text that had none is left as it is. */
#include "base/mem.h"
#include "base/print.h"

#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libc's own reader of UTF-8 is the measure */
static void look(const char *s, size_t n)
{
	mbstate_t st = { 0 };
	wchar_t c = 0;

	for (size_t i = 0; i < n;) {
		size_t len = mbrtowc(&c, s + i, n - i, &st);

		if (len == 0 || len > n - i)
			abort();
		if ((c < 0x20 && c != '\t') || (c >= 0x7f && c <= 0x9f) ||
		    (c >= 0x2028 && c <= 0x202e) ||
		    (c >= 0x2066 && c <= 0x2069))
			abort();
		i += len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *locale;
	size_t room = 4 * size + 1, n, again;
	auto_free char *out = xmalloc(room), *twice = xmalloc(room);

	if (!locale)
		locale = setlocale(LC_CTYPE, "C.UTF-8");
	n = print_clean(out, room, (const char *)data, size);
	if (strlen(out) != n)
		abort();
	if (locale)
		look(out, n);
	again = print_clean(twice, room, out, n);
	if (again != n || memcmp(out, twice, n) != 0)
		abort();
	/* a smaller room has the beginning of it */
	if (size < 2)
		return 0;
	again = print_clean(twice, MIN(room, data[0] + (size_t)1),
			    (const char *)data, size);
	if (again > data[0] || again > n || memcmp(out, twice, again) != 0)
		abort();
	if (locale)
		look(twice, again);
	return 0;
}
