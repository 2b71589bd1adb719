/* SPDX-License-Identifier: Apache-2.0 */
/* The table: what was taken of a line is written as the same line again, and
 * what it says can be asked for. */
#include "base/mem.h"
#include "wire/envtable.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_drop(void *user, size_t n, const char *why)
{
	size_t *dropped = user;

	if (!n || !*why)
		abort();
	++*dropped;
}

static void one_line(struct slice text)
{
	struct envtable_line l, again;
	struct kt_error err = { 0 };
	struct buf out;

	if (envtable_parse_line(&l, text, &err) < 0) {
		if (!err.msg[0] || l.kind != ENVTABLE_OTHER)
			abort();
		return;
	}
	if (l.kind == ENVTABLE_OTHER)
		return;
	buf_init(&out, 4096);
	if (envtable_put_line(&out, &l) < 0 ||
	    envtable_parse_line(&again, slice_make(buf_data(&out), out.len - 1),
				&err) < 0 ||
	    memcmp(&l, &again, sizeof(l)) != 0)
		abort();
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make(data, size), rest = text;
	size_t dropped = 0;
	struct envtable *t = envtable_new(text, "web", on_drop, &dropped);

	if (!t)
		abort();
	while (rest.n)
		one_line(slice_next(&rest, '\n'));
	for (size_t i = 0; i < envtable_count(t); i++) {
		const struct envtable_member *m = envtable_at(t, i);
		struct slice host = slice_of(m->host);

		if (envtable_find(t, m->env, 0) != m)
			abort();
		envtable_source(t, slice_next(&host, '.'), 100);
		envtable_is_strict(t, m->env, 100);
		if (m->expires && envtable_find(t, m->env, m->expires))
			abort();
	}
	envtable_next_expiry(t, 7);
	envtable_free(t);
	return 0;
}
