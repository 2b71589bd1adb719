/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl env open: a port of this machine that leads to a Service; the HTTP
 * requests on it get the mark of an environment.
 */
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "env/find.h"
#include "env/open_tls.h"
#include "forward/forward.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int open_find(struct kube *k, const char *ns, const char *given,
		     struct envmark *mark, struct kt_error *err)
{
	struct env_info info = { 0 };
	int rc = env_find(k, ns, given, &info, err);

	if (rc == 0)
		env_info_mark(&info, mark);
	env_info_fini(&info);
	return rc;
}

int command_env_open(struct app *app, const struct options *o)
{
	const struct forward_env env = { o->args[0], open_find, env_open_look,
					 env_open_known };
	char *words[2] = { o->args[1], NULL };
	auto_free char *port = NULL;
	struct kt_error err = { 0 };
	size_t n = 1;

	if (!envmark_is_name(slice_of(o->args[0]))) {
		kt_fail(&err, EINVAL, "'%s' is no environment's name",
			o->args[0]);
		return app_usage(app, &err);
	}
	/* PORT alone is the Service's, and not, as with forward, this
	 * machine's */
	if (o->nargs > 2) {
		port = strchr(o->args[2], ':') ? xstrdup(o->args[2])
					       : xasprintf(":%s", o->args[2]);
		words[n++] = port;
	}
	return forward_session(app, o, words, n, &env, "env");
}
