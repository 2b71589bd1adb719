/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/rulemark.h"

#include "base/mem.h"
#include "base/str.h"

/* The field that has a list of marks, and what stands between two */
static const struct {
	const char *field;
	char sep;
} rulemark_list[RULE_NKINDS_] = {
	[RULE_BAGGAGE] = { "baggage", ',' },
	[RULE_TRACESTATE] = { "tracestate", ',' },
	[RULE_COOKIE] = { "cookie", ';' }, /* RFC 6265 section 4.2 */
};

/* "key=value", in baggage with ";property" behind it */
static void rulemark_split(enum rule_kind kind, struct slice member,
			   struct slice *name, struct slice *value)
{
	struct slice pair =
		kind == RULE_BAGGAGE ? slice_next(&member, ';') : member;

	*name = slice_trim(slice_next(&pair, '='));
	*value = slice_trim(pair);
}

bool rulemark_next(struct rulemark *m, struct slice *name, struct slice *value)
{
	const char *list = rulemark_list[m->kind].field;

	if (!list && m->kind != RULE_HEADER)
		return false;
	for (;;) {
		const struct rule_field *f;

		if (m->rest.n) {
			rulemark_split(m->kind,
				       slice_next(&m->rest,
						  rulemark_list[m->kind].sep),
				       name, value);
			return true;
		}
		if (m->field == m->req->nfields)
			return false;
		f = &m->req->field[m->field++];
		if (!list) {
			*name = f->name;
			*value = slice_trim(f->value);
			return true;
		}
		if (slice_is_nocase(f->name, list))
			m->rest = f->value;
	}
}

int rulemark_decode(enum rule_kind kind, struct slice value, char *out,
		    size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++) {
		int c = (unsigned char)value.p[i];

		if (kind == RULE_BAGGAGE && c == '%') {
			int coded = str_unescape(value.p + i, value.n - i);

			if (coded >= 0) {
				c = coded;
				i += 2;
			}
		}
		if (n == size)
			return -1;
		out[n++] = (char)c;
	}
	return (int)n;
}
