/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_COMMAND_H
#define KT_ENV_COMMAND_H

#include "env/giveback.h"
#include "env/job.h"
#include "kube/client.h"

struct app;
struct options;

/** struct env_command - what the short commands of env have in common; all
 *  waits in the loop */
struct env_command {
	struct app *app;
	const struct options *o;
	struct kube_config *config;
	struct kube *kube;
	const char *ns;
};

/** env_command_fn - after the cluster is reached; 0 or -errno with @err */
typedef int env_command_fn(struct env_command *c, struct kt_error *err);
/** env_command_run() - the whole command, after what has ended is removed;
 *  returns the exit status */
int env_command_run(struct app *app, const struct options *o,
		    env_command_fn *fn);
/** env_command_change() - what has ended is removed after it: of an environment
 *  that is named it can be said that it has ended, and no other is taken whose
 *  name ends like that */
int env_command_change(struct app *app, const struct options *o,
		       env_command_fn *fn);
/** env_command_read() - nothing that has ended is removed */
int env_command_read(struct app *app, const struct options *o,
		     env_command_fn *fn);

struct member_place;
/** env_command_hooks() - the members' Pods have gone, or are going: run their
 *  --onDelete; with --force one that fails is only told, and tried again when
 *  the environment is over */
KT_CHECK int env_command_hooks(struct env_command *c,
			       const struct member_place *at,
			       struct kt_error *err);

/** env_command_items() - of the namespace; NULL: who may not list them sees the
 *  rest (returned, caller decrefs) */
json_t *env_command_items(struct env_command *c, const char *api,
			  const char *resource, const char *query);
/** env_command_copies() - likewise, the Deployments of members */
json_t *env_command_copies(struct env_command *c);
int64_t env_command_now(const struct env_command *c);
/** env_command_giveback() - for env_leave_service(): it is told on stdout */
void env_command_giveback(const struct env_command *c, struct giveback *g);
/** env_command_ttl() - of --ttl, in seconds, 0: no end, which wants --force.
 *  -EINVAL with @err */
KT_CHECK int env_command_ttl(const struct options *o, int64_t *ttl,
			     struct kt_error *err);
/** env_command_until() - "until 2026-11-29T06:00:00Z (8h00m)"; returns @dst */
const char *env_command_until(const struct env_command *c,
			      const struct env_info *info, char dst[80]);

/**
 * env_sweep() - remove what has ended: environments whose time is over and
 * which the cluster has not removed (before Kubernetes 1.21 it does not), their
 * lines in the table; and give back Services that nobody is left of
 * Return: how many environments it removed, or -errno with @err
 */
KT_CHECK int env_sweep(const struct giveback *g, struct kt_error *err);
/** env_end() - routers forget @info's environment, then it goes with all that
 * it owns, and Services that nobody is left of are given back; @g->say is told.
 *  0 or -errno with @err */
KT_CHECK int env_end(struct env_command *c, const struct giveback *g,
		     const struct env_info *info, struct kt_error *err);
/** env_remove() - delete the Job @name, and by that all that it owns; 0 also
 *  when it is gone. @uid: only that one; NULL: any */
KT_CHECK int env_remove(struct kube *k, const char *ns, const char *name,
			const char *uid, struct kt_error *err);

#endif
