/* SPDX-License-Identifier: Apache-2.0 */
/* A command line: the words are separated by NUL. */
#include "base/mem.h"
#include "cli/options.h"
#include "cli/parse.h"
#include "cli/resolve.h"

#include <stdint.h>
#include <string.h>

#define MAX_WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xmalloc(size + 1);
	char *argv[MAX_WORDS + 1] = { NULL };
	char name[] = "ktctl";
	struct kt_error err = { 0 };
	struct invocation inv;
	int argc = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	argv[argc++] = name;
	for (size_t at = 0; at < size && argc < MAX_WORDS;
	     at += strlen(text + at) + 1)
		argv[argc++] = text + at;

	if (parse_argv(&inv, argc, argv, &err) == 0 && inv.command) {
		struct options o;

		if (options_resolve(&o, &inv, NULL, &err) < 0 && !err.msg[0])
			abort();
		options_fini(&o);
	}
	invocation_fini(&inv);
	return 0;
}
