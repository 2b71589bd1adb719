/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl env export: an environment as the file that makes it again. */
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "env/command.h"
#include "env/find.h"
#include "env/spec.h"
#include "kube/rest.h"

#include <string.h>

static int export_run(struct env_command *c, struct kt_error *err)
{
	auto_free char *path =
		kube_path("apps/v1", "deployments", c->ns, NULL, NULL);
	auto_json json_t *records = NULL, *list = NULL, *specs = NULL;
	auto_free char *text = NULL;
	struct env_info info = { 0 };
	int rc = env_find(c->kube, c->ns, c->o->args[0], &info, err);

	if (rc == 0)
		rc = env_records(c->kube, c->ns, info.name, &records, err);
	if (rc == 0)
		rc = kube_list(c->kube, path, "labelSelector=" KT_LABEL_ENV,
			       &list, err);
	if (rc == 0) {
		specs = env_spec_all(records, json_object_get(list, "items"));
		text = env_spec_yaml(&info, specs);
		print_text(stdout, text, strlen(text));
	}
	env_info_fini(&info);
	return rc;
}

int command_env_export(struct app *app, const struct options *o)
{
	return env_command_read(app, o, export_run);
}
