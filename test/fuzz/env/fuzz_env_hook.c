/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook writes, and what it is called by: any bytes */
#include "base/mem.h"
#include "base/str.h"
#include "base/words.h"
#include "env/hook.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken is literal for the kubelet: no "$(", and each '$' twice */
static void check_copy(const json_t *vars)
{
	json_t *copy = json_pack("{s:{s:{s:{s:[{s:s}]}}}}", "spec", "template",
				 "spec", "containers", "name", "app");
	json_t *v, *all;
	size_t i;

	hook_set_output(copy, "app", vars);
	all = json_object_get(
		json_array_get(
			json_object_get(
				json_object_get(
					json_object_get(
						json_object_get(copy, "spec"),
						"template"),
					"spec"),
				"containers"),
			0),
		"env");
	if (json_array_size(all) != json_object_size(vars))
		__builtin_trap();
	json_array_foreach (all, i, v) {
		const char *p = json_string_value(json_object_get(v, "value"));

		for (; *p; p++) {
			if (*p == '$' && *++p != '$')
				__builtin_trap();
			if ((unsigned char)*p < ' ')
				__builtin_trap();
		}
	}
	json_decref(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xcalloc(1, size + 1);
	struct kt_error err = { 0 };
	struct strv words;
	json_t *vars;

	memcpy(text, data, size);
	vars = hook_output(text, &err);
	if (vars &&
	    (json_object_size(vars) > HOOK_VARIABLES ||
	     json_object_get(vars, "PATH") || strlen(text) >= HOOK_OUTPUT_MAX))
		__builtin_trap();
	if (vars)
		check_copy(vars);
	else if (!err.code)
		__builtin_trap();
	json_decref(vars);
	if (words_split(text, &words) == 0)
		strv_fini(&words);
	free(text);
	return 0;
}
