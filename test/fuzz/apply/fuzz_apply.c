/* SPDX-License-Identifier: Apache-2.0 */
/* The file of apply, and of env apply. What is taken keeps its bounds; every
 * job of it is a command line that is read back as it was; what is refused says
 * where. */
#include "apply/env_file.h"
#include "apply/file.h"
#include "apply/sessions.h"
#include "base/mem.h"
#include "cli/command.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_NAME "/work/ktctl.yaml"

static void fuzz_apply_item(const struct apply_item *item)
{
	struct apply_session s = { .command = xstrdup(item->command->name) };
	struct apply_sessions all = { .n = 1 };
	auto_strv struct strv argv = { 0 };
	char *line = xstrdup("");
	size_t len = 0;

	apply_session_argv(&argv, item->command->name, item->digest, FILE_NAME,
			   7, true, &item->flags, &item->args);
	for (size_t i = 0; i < argv.n; i++) {
		size_t n = strlen(argv.v[i]) + 1;

		line = xrealloc(line, len + n);
		memcpy(line + len, argv.v[i], n);
		len += n;
	}
	if (!apply_session_read(&s, line, len, FILE_NAME) ||
	    !str_eq(s.digest, item->digest) || !str_eq(s.key, item->key) ||
	    !str_eq(s.label, item->label) || s.args.n != item->args.n ||
	    s.flags.n != item->flags.n)
		abort();
	free(line);
	all.v = xmalloc(sizeof(s));
	*all.v = s;
	apply_sessions_fini(&all);
}

/* What is taken is a plan, and nothing is to be done once it is so */
static void fuzz_apply_env(const char *text, size_t size)
{
	struct env_state state = { .user = "ann" };
	struct kt_error err = { 0 };
	struct strv notes = { 0 };
	struct env_file f;
	int rc = env_file_parse(&f, text, size, "f", &err);
	json_t *plan = rc < 0 ? NULL : env_file_plan(&f, &state, &notes, &err);

	if (rc < 0 ? strncmp(err.msg, "f", 1) != 0
		   : json_array_size(plan) != json_object_size(f.members) + 1)
		abort();
	json_decref(plan);
	if (rc == 0) {
		state.exists = true;
		state.strict = f.strict;
		state.members = f.members;
		plan = env_file_plan(&f, &state, &notes, &err);
		if (json_array_size(plan) != (f.ttl != NULL))
			abort();
		json_decref(plan);
	}
	strv_fini(&notes);
	env_file_fini(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct apply_source src = {
		.shown = "f", .name = "n", .dir = "/work", .here = "/home"
	};
	char *text = xstrndup("", 0);
	struct kt_error err = { 0 };
	struct apply_file f;
	int rc;

	/* bytes, of which none is behind the end */
	text = xrealloc(text, size + 1);
	if (size)
		memcpy(text, data, size);
	rc = apply_file_parse(&f, text, size, &src, &err);
	if (rc == 0 && (!f.name || f.n > APPLY_ITEMS_MAX))
		abort();
	for (size_t i = 0; rc == 0 && i < f.n; i++)
		fuzz_apply_item(&f.item[i]);
	if (rc < 0 && strncmp(err.msg, "f", 1) != 0)
		abort();
	apply_file_fini(&f);
	fuzz_apply_env(text, size);
	free(text);
	return 0;
}
