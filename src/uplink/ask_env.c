/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/ask_env.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ASK_ENV_LIMIT (10 * NS_SEC)

struct ask_env_answer {
	char version[32];
	bool done, able;
	int error;
};

static void ask_env_on_info(void *user, int error,
			    const struct tunnel_info *info)
{
	struct ask_env_answer *a = user;

	a->done = true;
	a->error = error;
	if (!info)
		return;
	a->able = info->able_env;
	snprintf(a->version, sizeof(a->version), "%s", info->version);
}

int ask_env_refuse(const char *shadow, const char *version,
		   struct kt_error *err)
{
	kt_hint(err, "a shadow of this ktctl's version can; one that others "
		     "share is made anew when all who use it have left");
	return kt_fail(err, ENOTSUP,
		       "%s is of version %s, which cannot mark the requests of "
		       "an environment",
		       shadow, *version ? version : "unknown");
}

int ask_env(struct tunnel *t, struct loop *loop, const char *shadow,
	    struct kt_error *err)
{
	/* the answer may come as late as the tunnel's end */
	static struct ask_env_answer a;
	int rc;

	a = (struct ask_env_answer){ 0 };
	rc = tunnel_info_get(t, ask_env_on_info, &a);
	if (rc == 0)
		rc = loop_run_until(loop, &a.done, ASK_ENV_LIMIT);
	if (rc == 0)
		rc = a.error;
	if (rc < 0)
		return kt_fail(err, -rc, "ask %s what it can: %s", shadow,
			       strerror(-rc));
	return a.able ? 0 : ask_env_refuse(shadow, a.version, err);
}
