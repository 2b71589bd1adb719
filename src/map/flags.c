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
	auto_free char *here = getcwd(NULL, 0);
	auto_free char *files = named ? kube_config_paths(named, here) : NULL;
	json_t *flags = json_array();

	if (c->context && *c->context)
		flags_add(flags, "--context", c->context);
	if (files && !flags_is_usual(files))
		flags_add(flags, "--kubeconfig", files);
	return flags;
}
