/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/app.h"

#include <errno.h>

int command_env_leave(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };

	(void)o;
	return app_fail(app, kt_fail(&err, ENOSYS, "not built yet"), &err);
}
