/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_JSON_H
#define KT_UNIT_JSON_H

#include "base/mem.h"
#include "base/str.h"
#include "test.h"

#include <jansson.h>

/* json_quoted() - JSON with ' for " (returned); fails the test if it is none */
static inline json_t *json_quoted(const char *text)
{
	auto_free char *t = xstrdup(text);
	json_error_t e;
	json_t *v;

	for (char *p = t; *p; p++)
		if (*p == '\'')
			*p = '"';
	v = json_loads(t, 0, &e);
	if (!v)
		fail_msg("%s: %s", e.text, t);
	return v;
}

#endif
