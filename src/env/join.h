/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_JOIN_H
#define KT_ENV_JOIN_H

#include "env/job.h"
#include "inbound/mesh.h"

struct app;
struct member;
struct member_place;

/**
 * DOC: env join
 *
 * A member of an environment is a user of the Service's router, as one of mesh
 * is, with the mark env:NAME. Its record is the environment's: owned by its
 * Job, so that it goes with it.
 *
 * join_local.c: a program of this machine answers. A session like mesh, which
 * ends also when the environment does.
 * join_cluster.c: Pods answer. All is made, seen to work, and stays:
 *
 *     look (Service, member) -> lock, record, origin -> router -> Service
 *          -> copy -> table -> seen
 *
 * What fails, or is interrupted, is undone from there back.
 *
 * In the place of a member that is in the cluster, too, it is beside that one
 * first: the record, which has this join's name then, still leads to the former
 * Pods, and is turned when the new ones are ready. The former's Pods end after
 * the nodes and the routers have learned that. So there is no moment without a
 * member; and a join that fails gives the record back as it was.
 */
struct env_join {
	struct mesh mesh;
	struct mesh_options options; /* of mesh */
	const struct options *o;
	struct env_info info;
	struct mesh_env env; /* of the record */
	json_t *owner, *replaced;
	char match[ENVMARK_MAX + 8], expires[24];
	bool tabled;	       /* it is in the table of the routers, perhaps */
	struct member *member; /* join_cluster.c */
	bool copied;	       /* a copy was made, perhaps */
	bool hooked;	       /* --onJoin has run, perhaps */
	bool beside;	       /* the one before answers until this one does */
	int64_t turned;	       /* since then the record leads here; 0: no */
	char *source;	       /* name of its Pods' Service, or NULL */
	char *tls, *tls_name;  /* join_tls.h: the router's Secret; or NULL */
};

static inline struct env_join *env_join_of(struct job *job)
{
	return container_of(mesh_of(job), struct env_join, mesh);
}

/** env_join_open() - a step: reach the cluster, find the environment */
KT_CHECK int env_join_open(struct job *job, struct kt_error *err);
/** env_join_table() - it is in the table; @host as in env_table_put_member() */
KT_CHECK int env_join_table(struct env_join *j, const char *host,
			    struct kt_error *err);
/** env_join_untable() - and no longer, if it was, and the member there is still
 *  this one */
void env_join_untable(struct env_join *j);
/** env_join_switch() - a step: the Service leads to the router, and no client
 *  of ours keeps it so */
KT_CHECK int env_join_switch(struct job *job, struct kt_error *err);
/** env_join_fini() - what is its own; the job is job_run()'s */
void env_join_fini(struct env_join *j);

/** env_join_left() - " (7h59m left)"; "": its environment has no end */
const char *env_join_left(const struct env_join *j, char dst[48]);
/** env_join_place() - where the member is */
struct member_place env_join_place(const struct env_join *j);
/** env_join_replace() - between looking and the lock: may the member that is
 *  there make place? -EACCES with @err: it is not ours to replace */
KT_CHECK int env_join_replace(struct env_join *j, struct kt_error *err);
/** env_join_hold() - mesh_router_hold(); then the member before goes */
KT_CHECK int env_join_hold(struct env_join *j, struct kt_error *err);
/** env_join_prove() - put a member with Pods into the table; then the router
 *  has read that, and has connected to it at @ip, the record's address. 0, or
 *  -errno with @err after half a minute, or longer where it takes the cluster
 *  so long to bring the table to it */
KT_CHECK int env_join_prove(struct env_join *j, const char *ip,
			    struct kt_error *err);

/**
 * env_join_router() - only the router of @service, where it has none, for as
 * long as the environment @env lives: a record without a member, so that
 * everybody is answered by the trunk. The exit status; what fails is told.
 */
int env_join_router(struct app *app, const struct options *o, const char *env,
		    const char *service);

/** env_join_local(), env_join_cluster() - the commands; the exit status */
int env_join_local(struct env_join *j);
int env_join_cluster(struct env_join *j);

#endif
