/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_MESH_H
#define KT_INBOUND_MESH_H

#include "cli/mark.h"
#include "cli/options.h"
#include "inbound/job.h"
#include "inbound/mesh_route.h"

/**
 * DOC: mesh
 *
 * mesh.c has the command, its tables of steps and the mode manual; mesh_mark.c
 * says which requests it is for; mesh_router.c has the mode auto, mesh_record.c
 * the users' records, mesh_route.c the routes of a service mesh.
 *
 * Each user of a router has a record, the Service NAME-kt-mesh-VALUE, whose
 * heartbeat says that its user is there; the last one to leave takes the router
 * away. Joining and leaving happen under the Service's lock.
 *
 * A member of an environment is a user, too (struct mesh_env). One that is in
 * the cluster has no client that runs, so the router has to stay without one:
 * it is a Deployment then, without a heartbeat (shadow_face.standing). Who
 * comes later joins it; only one that is a bare Pod cannot be joined for an
 * environment.
 */

/** struct mesh_env - the environment whose member the record is; borrowed */
struct mesh_env {
	const char *name;
	const json_t *owner;   /* for metadata.ownerReferences */
	const char *expires;   /* kt-expires */
	const char *member;    /* kt-env-member */
	const char *next;      /* kt-env-next; or NULL */
	const char *forced_by; /* kt-forced-by; or NULL */
	/* the record that may be changed into this, as it was looked at */
	const json_t *replaces;
	/* to what the record leads, and how; NULL: it is on this machine */
	const json_t *selector, *ports;
};

struct mesh {
	struct job job;
	const struct mesh_options *opt;
	const struct mesh_env *env; /* NULL: of none */
	struct mark mark;
	struct rule_match match;
	char name[OBJECT_NAME_LEN];   /* of the record, or the Pod */
	char nowhere[KT_TARGET_SIZE]; /* to what the record leads */
	char *router;		      /* name of the router's object */
	char *served;		      /* "SERVICE.NAMESPACE" */
	bool declared;		      /* the router is (cluster/declared.h) */
	bool recorded;		      /* a record of ours is there */
	struct heartbeat *record;     /* of it; NULL: it has none */
	struct mesh_route route;      /* --route; api NULL: without */
	json_t *labels;		      /* of a Pod made by hand */
};

static inline struct mesh *mesh_of(struct job *job)
{
	return container_of(job, struct mesh, job);
}

/** mesh_read_mark() - of --versionMark and --match, into @m */
KT_CHECK int mesh_read_mark(struct mesh *m, struct kt_error *err);
/** mesh_look() - the Service, and the name that our record has beside it */
KT_CHECK int mesh_look(struct mesh *m, struct kt_error *err);
/** mesh_mark_text() - what callers have to say, for people; returns @dst */
const char *mesh_mark_text(const struct mesh *m, char *dst, size_t size);
/** mesh_unmarked() - why no mark is seen at @p, for people (returned, caller
 *  frees); NULL: one can be, as far as is known */
char *mesh_unmarked(const struct mesh *m, const struct service_port *p);
/** mesh_warn_unmarked() - exposed ports in which no mark can be seen */
void mesh_warn_unmarked(struct job *job);

/** mesh_record_make() - in place of a dead user's, if need be; -EEXIST with
 *  @err: somebody alive has it */
KT_CHECK int mesh_record_make(struct mesh *m, struct kt_error *err);
/** mesh_record_keep() - it is watched, too (keep.h); without it there are no
 *  routes */
void mesh_record_keep(struct mesh *m);
/** mesh_record_is_foreign() - another join, or another mesh, has the name of
 *  our record by now */
bool mesh_record_is_foreign(const struct mesh *m);
/** mesh_record_check() - of a member: -ECANCELED with @err when its record is
 *  another's, or gone. It is not watched where no client stays. */
KT_CHECK int mesh_record_check(const struct mesh *m, struct kt_error *err);
/** mesh_record_lead() - our record, which has led where the one before it did,
 *  leads where m->env says now; -ECANCELED with @err as above */
KT_CHECK int mesh_record_lead(struct mesh *m, struct kt_error *err);
/** mesh_record_restore() - it is @former's again, as it was looked at */
KT_CHECK int mesh_record_restore(struct mesh *m, const json_t *former,
				 struct kt_error *err);
/** mesh_record_remove() - when there is one of ours */
void mesh_record_remove(struct mesh *m);

/** mesh_fini() - what is the mesh's own; the job is job_run()'s */
void mesh_fini(struct mesh *m);

/* the same steps where the router is declared: the Service is not touched */
KT_CHECK int mesh_declared_look(struct mesh *m, struct kt_error *err);
KT_CHECK int mesh_declared_hold(struct mesh *m, struct kt_error *err);
void mesh_declared_switch(struct mesh *m);
void mesh_declared_undo(struct mesh *m);

/* the steps of mode auto */
/** mesh_router_look(), mesh_router_hold() - mesh_router_claim() in two: the
 *  second one locks the Service and makes the record and the origin */
KT_CHECK int mesh_router_look(struct job *job, struct kt_error *err);
KT_CHECK int mesh_router_hold(struct job *job, struct kt_error *err);
KT_CHECK int mesh_router_claim(struct job *job, struct kt_error *err);
KT_CHECK int mesh_router_start(struct job *job, struct kt_error *err);
KT_CHECK int mesh_router_switch(struct job *job, struct kt_error *err);
void mesh_router_undo(struct job *job);

#endif
