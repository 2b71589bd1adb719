/* SPDX-License-Identifier: Apache-2.0 */
/* A member of an environment that answers in the cluster, whoever runs. */
#include "env/join.h"

#include "cli/app.h"

#include <errno.h>

int env_join_cluster(struct env_join *j)
{
	struct kt_error err = { 0 };

	return app_fail(j->mesh.job.app,
			kt_fail(&err, ENOSYS, "only --local so far"), &err);
}
