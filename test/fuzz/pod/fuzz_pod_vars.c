/* SPDX-License-Identifier: Apache-2.0 */
/* A container's environment, as /proc/1/environ has it, and a file of
 * variables: any bytes; the first says which. What comes of them is written in
 * each syntax. */
#include "base/mem.h"
#include "base/str.h"
#include "pod/vars.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each name once, none is empty; found again by its name */
static void check_list(const struct strv *v)
{
	for (size_t i = 0; i < v->n && i < 64; i++) {
		auto_free char *name = vars_name(v->v[i]);

		if (!*name || vars_get(v, name) != v->v[i] + strlen(name) + 1)
			__builtin_trap();
	}
}

/* A block of them is read as the same list */
static void check_block(const struct strv *v)
{
	auto_strv struct strv again = { 0 };
	size_t n;
	auto_free char *block = vars_block(v, &n);

	vars_parse(&again, block, n);
	if (again.n != v->n)
		__builtin_trap();
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(again.v[i], v->v[i]) != 0)
			__builtin_trap();
}

/* What docker reads of its syntax is what was written */
static void check_docker(const struct strv *v)
{
	auto_strv struct strv left_out = { 0 }, again = { 0 };
	const struct strv none = { 0 };
	struct kt_error err = { 0 };
	size_t n;
	auto_free char *text = vars_write(v, VARS_DOCKER, &left_out, &n);
	size_t same = 0;

	if (vars_read_file(&again, text, "x", &none, &err) < 0)
		__builtin_trap();
	for (size_t i = 0; i < again.n; i++)
		same += strv_has(v, again.v[i]);
	if (same != again.n || again.n + left_out.n != v->n)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char local[] = "LOCAL=of this machine";
	char *one[] = { local };
	const struct strv own = { one, 1 };
	auto_strv struct strv v = { 0 };
	struct kt_error err = { 0 };
	char *text;

	if (!size)
		return 0;
	text = xcalloc(1, size);
	memcpy(text, data + 1, size - 1);
	if (data[0] & 1)
		vars_parse(&v, text, size - 1);
	else if (vars_read_file(&v, text, "x", &own, &err) < 0 && !err.code)
		__builtin_trap();
	check_list(&v);
	check_block(&v);
	check_docker(&v);
	for (int s = VARS_SH; s <= VARS_JSON; s++) {
		auto_strv struct strv left_out = { 0 };
		size_t n;

		free(vars_write(&v, (enum vars_syntax)s, &left_out, &n));
		if (left_out.n > v.n)
			__builtin_trap();
	}
	free(text);
	return 0;
}
