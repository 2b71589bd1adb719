/* SPDX-License-Identifier: Apache-2.0 */
/* A Service that was recovered stays so, although a client of KT Connect's
 * lives that wants it back. */
#include "inbound/recover.h"

#include "base/print.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/update.h"

#include <errno.h>

#define RECOVER_LOOK (11 * NS_SEC) /* a client sleeps ten at most */
#define LOOK_PAUSE (250 * NS_MS)

int recover_look_again(struct kube *k, const char *ns, const char *name,
		       struct kt_error *err)
{
	int64_t end = clock_ns() + RECOVER_LOOK;
	int n = 0, rc = 0;

	while (clock_ns() < end) {
		rc = update_restore(k, ns, name, err);
		if (rc < 0)
			return kt_wrap(err, rc, "Service %s/%s", ns, name);
		n += rc;
		rc = loop_sleep(kube_loop(k), LOOK_PAUSE);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
	return n;
}

int recover_hold(struct app *app, struct kube *k, const char *ns,
		 const char *name, const char *users, struct kt_error *err)
{
	int rc;

	print_line(stdout,
		   "KT Connect of %s still runs, and does not know it: nobody "
		   "reaches it any more; tell them to end it",
		   users);
	progress_begin(app->progress, 1);
	progress_step(app->progress,
		      "See whether it takes Service %s again (%d s)", name,
		      (int)(RECOVER_LOOK / NS_SEC));
	rc = recover_look_again(k, ns, name, err);
	if (rc < 0)
		return rc;
	progress_done(app->progress,
		      rc ? "It took Service %s again, which was given back "
			   "once more"
			 : "Service %s has stayed as it is",
		      name);
	return 0;
}
