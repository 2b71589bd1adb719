/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file: what is read can be written, and reads the same. */
#include "base/mem.h"
#include "cli/config.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct config *a, const struct config *b)
{
	if (a->n != b->n)
		abort();
	for (size_t i = 0; i < a->n; i++) {
		const char *v = config_value(b, a->v[i].group, a->v[i].item);

		if (!v || strcmp(v, a->v[i].value) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kt_error err = { 0 };
	struct config cfg, again;
	struct buf b;

	if (config_parse(&cfg, (const char *)data, size, &err) < 0)
		return 0;
	buf_init(&b, CONFIG_MAX_SIZE);
	if (config_print(&cfg, &b) == 0) {
		if (config_parse(&again, (const char *)buf_data(&b), b.len,
				 &err) < 0)
			abort();
		check_same(&cfg, &again);
		config_fini(&again);
	}
	buf_fini(&b);
	config_fini(&cfg);
	return 0;
}
