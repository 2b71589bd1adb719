/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/app.h"

#include <errno.h>

int command_connect(struct app *app, const struct connect_options *opt,
		    const struct global_options *global)
{
	struct kt_error err = { 0 };

	(void)opt;
	(void)global;
	kt_fail(&err, ENOSYS, "connect: not built yet");
	return app_fail(app, -ENOSYS, &err);
}
