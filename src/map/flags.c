/* SPDX-License-Identifier: Apache-2.0 */
#include "map/flags.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/kubeconfig.h"

#include <stdlib.h>
#include <unistd.h>

/* What is not UTF-8 cannot be told; its flag then is not, either */
static void flags_add(json_t *flags, const char *name, const char *value)
{
	json_t *text = json_string(value);

	if (!text)
		return;
	json_array_append_new(flags, json_string(name));
	json_array_append_new(flags, text);
}

/* The files of @list, from the root on (returned). No link is followed: paths
 * in a file belong to the folder that it was named in. */
static char *flags_files(const char *list)
{
	auto_free char *here = getcwd(NULL, 0);
	auto_strv struct strv files = strv_split(list, ':');
	char *all = NULL;

	for (size_t i = 0; i < files.n; i++) {
		const char *file = files.v[i];
		bool whole = file[0] == '/' || !here;
		char *more =
			xasprintf("%s%s%s%s%s", all ? all : "", all ? ":" : "",
				  whole ? "" : here, whole ? "" : "/", file);

		free(all);
		all = more;
	}
	return all;
}

/* It is looked for there anyway */
static bool flags_is_usual(const char *files)
{
	const char *home = getenv("HOME");
	auto_free char *usual = xasprintf("%s/.kube/config", home ? home : "");

	return str_eq(files, usual);
}

json_t *flags_new(const struct kube_config *c)
{
	const char *env = getenv("KUBECONFIG");
	const char *named = !c->files ? NULL : *c->files ? c->files : env;
	auto_free char *files = named ? flags_files(named) : NULL;
	json_t *flags = json_array();

	if (c->context && *c->context)
		flags_add(flags, "--context", c->context);
	if (files && !flags_is_usual(files))
		flags_add(flags, "--kubeconfig", files);
	return flags;
}
