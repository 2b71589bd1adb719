/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: what is taken has one canonical text, which means the same rule; the
 * rest of the input is a request for it. */
#include "wire/rule.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void match(const struct rule_match *m, const char *p, size_t n)
{
	size_t third = n / 3;
	const struct rule_field f[] = {
		{ { p, third }, { p + third, third } },
		{ { "baggage", 7 }, { p, n } },
		{ { "tracestate", 10 }, { p + third, n - third } },
		{ { "cookie", 6 }, { p, n } },
		{ { "access-control-request-method", 29 }, { p, third } },
		{ { "access-control-request-headers", 30 }, { p, n } },
	};
	const struct rule_request req = {
		{ p, third }, { p + third, third }, f, ARRAY_SIZE(f)
	};

	const struct rule_request preflight = {
		{ "OPTIONS", 7 }, { p, third }, f, ARRAY_SIZE(f)
	};

	if (!m->n && !rule_match_has(m, &req))
		abort();
	if (!rule_match_overlaps(m, m))
		abort();
	(void)rule_match_has(m, &req);
	(void)rule_match_has(m, &preflight);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2 * RULE_TEXT_MAX], once[RULE_TEXT_MAX], twice[RULE_TEXT_MAX];
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t n = end ? (size_t)(end - data) : size;
	struct rule a, b;

	if (n >= sizeof(text) || (n && memchr(data, 0, n)))
		return 0;
	if (n)
		memcpy(text, data, n);
	text[n] = 0;
	if (rule_parse(&a, text, NULL) < 0)
		return 0;
	rule_print(&a, once);
	if (rule_parse(&b, once, NULL) < 0 || !rule_same(&a, &b))
		abort();
	if (strcmp(rule_print(&b, twice), once) != 0)
		abort();
	if (end)
		match(&a.match, (const char *)end + 1, size - n - 1);
	return 0;
}
