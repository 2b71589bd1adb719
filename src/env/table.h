/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_TABLE_H
#define KT_ENV_TABLE_H

#include "kube/client.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: The table of environments
 *
 * The ConfigMap kt-env of a namespace, key "members", is what every router of
 * the namespace reads (wire/envtable.h):
 *
 *     member ENV SERVICE HOST EXPIRES FLAGS [join=LABEL] [source=LABEL]
 *                                             HOST "-": on a machine
 *     env ENV SOURCE EXPIRES FLAGS [header=FIELD]
 *                                             of each environment with a
 * member, and of those below that have Pods
 *
 * It is owned by the Jobs of all environments that have a line in it, so that
 * it goes with the last of them. Each write also drops the lines of
 * environments that have ended or have no member, nor one above them, and of
 * members whose record is gone (a record is made before its line, and goes
 * after it), and brings the others' EXPIRES and FLAGS up to what their Jobs
 * say. Two writers: who comes second reads again.
 *
 * A kubelet looks at what it mounts within a minute. A write to the Pod makes
 * it look at once: so the Pods of the routers concerned are touched (annotation
 * kt-env-touch). What goes wrong there is no failure.
 */

#define ENV_TABLE_LINES 8192
#define ENV_TABLE_SIZE ((size_t)960 << 10)

/** env_table_put_member() - the member of @env for @service answers at @host
 *  ("orders-kt-mesh-x.NS.svc.cluster.local."), NULL: it is on somebody's
 *  machine, whose rule the router has from there ("-" in the table). @join:
 *  which join's it is, a label, or NULL. @source: the headless Service of its
 *  Pods (env/member_source.h), or NULL. In place of a former one. -ENOENT: @env
 *  has ended. */
KT_CHECK int env_table_put_member(struct kube *k, const char *ns,
				  const char *env, const char *service,
				  const char *host, const char *join,
				  const char *source, struct kt_error *err);
/** env_table_put_env() - @env has Pods that call, though perhaps no member:
 * what they ask for is its. Nothing where nobody answers for it, nor above.
 * -ENOENT:
 *  @env has ended. */
KT_CHECK int env_table_put_env(struct kube *k, const char *ns, const char *env,
			       struct kt_error *err);
/** env_table_drop_member() - it is none any more; 0 also when it was none */
KT_CHECK int env_table_drop_member(struct kube *k, const char *ns,
				   const char *env, const char *service,
				   struct kt_error *err);
/** env_table_drop_env() - all lines of @env: no router knows it any more; all
 *  are touched */
KT_CHECK int env_table_drop_env(struct kube *k, const char *ns, const char *env,
				struct kt_error *err);
/** env_table_refresh() - some environment has another end, or is gone; all
 *  routers are touched. 0 also when there is no table. */
KT_CHECK int env_table_refresh(struct kube *k, const char *ns,
			       struct kt_error *err);

/* --- pure ----------------------------------------------------------------- */

/** struct env_table_change - what a write changes; all borrowed */
struct env_table_change {
	const char *env;     /* NULL: nothing but what has ended */
	const char *service; /* its member for this one goes; NULL: all of it */
	bool put;	     /* and comes anew; without @service its own line */
	const char *host, *join, *source; /* or NULL */
	/* of @env's members (NULL: of all), looked at later than the table;
	 * NULL: not known */
	const json_t *records;
};

/** env_table_edit() - the text after the change; @live: NAME: {"expires": n,
 *  "flags": "-", "uid": "...", "header": "..."} of all environments that live.
 * Returned (caller frees); NULL with @err: it became too large */
char *env_table_edit(const char *text, const json_t *live,
		     const struct env_table_change *change,
		     struct kt_error *err);
/** env_table_live() - such an object of @jobs (returned, caller decrefs) */
json_t *env_table_live(const json_t *jobs, int64_t now);
/** env_table_lives() - the environment whose @obj is lives: the one that owns
 *  it, not another of the same name. What has no such owner goes by its name.
 */
bool env_table_lives(const json_t *live, const json_t *obj);
/** env_table_owners() - metadata.ownerReferences: those of @old that are no
 *  environment's, and of each environment with a line in @text (returned,
 *  caller decrefs) */
json_t *env_table_owners(const json_t *old, const char *text,
			 const json_t *live);

#endif
