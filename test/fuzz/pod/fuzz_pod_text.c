/* SPDX-License-Identifier: Apache-2.0 */
/* A Pod's texts: $(NAME) in a value, a quantity, a pattern of names. Two of
 * them: up to a NUL, and behind it. */
#include "base/mem.h"
#include "base/str.h"
#include "pod/expand.h"
#include "pod/quantity.h"
#include "pod/vars.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Half of the names have a value */
static const char *value_of(void *user, const char *name)
{
	(void)user;
	return strlen(name) & 1 ? "<$(A)>" : NULL;
}

static const char *value_none(void *user, const char *name)
{
	(void)user;
	(void)name;
	return NULL;
}

static void check_expand(const char *text)
{
	auto_free char *some = expand_text(text, value_of, NULL);
	auto_free char *none = expand_text(text, value_none, NULL);
	size_t pairs = 0;

	/* where nothing has a value only "$$" gets shorter */
	for (const char *p = strchr(text, '$'); p; p = strchr(p, '$')) {
		const char *end = p[1] == '(' ? strchr(p, ')') : NULL;

		pairs += p[1] == '$';
		p = end ? end + 1 : p + 1 + (p[1] != '\0');
	}
	if (!some || strlen(none) + pairs != strlen(text))
		__builtin_trap();
	if (!strchr(text, '$') && strcmp(some, text) != 0)
		__builtin_trap();
}

static void check_quantity(const char *text, const char *divisor)
{
	__int128 milli = -1;
	int64_t n = -1;

	if (quantity_milli(text, &milli) == 0 && milli < 0)
		__builtin_trap();
	for (int m = 0; m < 2; m++)
		if (quantity_divided(text, divisor, m, &n) == 0 && n < 0)
			__builtin_trap();
	/* by itself it is one, or nothing at all */
	if (quantity_divided(text, text, 1, &n) == 0 && n > 1 && milli)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xcalloc(1, size + 2);
	const char *other;

	memcpy(text, data, size);
	other = text + strlen(text) + 1;
	check_expand(text);
	check_quantity(text, other);
	if (vars_matches(text, text) == false)
		__builtin_trap(); /* a star stands for a star, too */
	vars_matches(text, other);
	vars_matches(other, text);
	free(text);
	return 0;
}
