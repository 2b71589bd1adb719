/* SPDX-License-Identifier: Apache-2.0 */
/* A compose file: what is made of it can be read again, and the services that
 * were not changed are the same. */
#include "base/mem.h"
#include "base/str.h"
#include "kube/yamltree.h"
#include "run/compose_file.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of @rc, what was written into @b, which is taken; NULL: it was too large */
static json_t *again(int rc, struct buf *b)
{
	struct kt_error err = { 0 };
	json_t *v = NULL;

	if (rc == 0) {
		v = yaml_parse((const char *)buf_data(b), b->len, "printed",
			       &err);
		if (!v)
			__builtin_trap();
	}
	buf_fini(b);
	return v;
}

static void check_join(const json_t *doc, const struct compose_join *j)
{
	json_t *got, *services, *one;
	struct buf b;
	const char *key;

	buf_init(&b, YAML_MAX_SIZE);
	got = again(compose_whole(&b, doc, j, 1), &b);
	services = json_object_get(got, "services");
	json_object_foreach (json_object_get(doc, "services"), key, one)
		if (got && !str_eq(key, j->service) &&
		    !json_equal(one, json_object_get(services, key)))
			__builtin_trap();
	json_decref(got);
	buf_init(&b, YAML_MAX_SIZE);
	got = again(compose_override(&b, j, 1), &b);
	if (got && json_object_size(json_object_get(got, "services")) != 2)
		__builtin_trap();
	json_decref(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kt_error err = { 0 };
	auto_strv struct strv all = { 0 }, vars = { 0 }, left_out = { 0 };
	json_t *doc = size < 4096
			      ? yaml_parse((const char *)data, size, "in", &err)
			      : NULL;
	json_t *sidecar = json_pack("{s:s}", "user", "0:0");

	strv_add(&vars, "A=b$c");
	if (doc && compose_services(doc, "in", &all, &err) == 0)
		for (size_t i = 0; i < all.n; i++) {
			struct compose_join j;

			if (compose_join_make(&j, doc, all.v[i], sidecar, &vars,
					      &left_out, &err) == 0)
				check_join(doc, &j);
			compose_join_fini(&j);
		}
	json_decref(sidecar);
	json_decref(doc);
	return 0;
}
