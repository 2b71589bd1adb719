/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/ask_version.h"

#include <stdio.h>
#include <string.h>

struct ask_version_answer {
	char version[ASK_VERSION_SIZE];
	bool done;
	int error;
};

static void ask_version_on_info(void *user, int error,
				const struct tunnel_info *info)
{
	struct ask_version_answer *a = user;

	a->done = true;
	a->error = error;
	if (info)
		snprintf(a->version, sizeof(a->version), "%s", info->version);
}

int ask_version(struct uplink *u, struct loop *loop, int64_t limit,
		char dst[ASK_VERSION_SIZE], struct kt_error *err)
{
	struct ask_version_answer a = { 0 };
	int rc = uplink_connect(u, err);

	if (rc == 0) {
		rc = tunnel_info_get(uplink_tunnel(u), ask_version_on_info, &a);
		if (rc == 0)
			rc = loop_run_until(loop, &a.done, limit);
		if (rc == 0)
			rc = a.error;
		if (rc < 0)
			kt_fail(err, -rc, "ask its version: %s", strerror(-rc));
	}
	uplink_close(u); /* ends a question that is still open */
	snprintf(dst, ASK_VERSION_SIZE, "%s", a.version);
	return rc;
}
