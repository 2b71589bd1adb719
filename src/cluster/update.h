/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_UPDATE_H
#define KT_CLUSTER_UPDATE_H

#include "kube/client.h"

/**
 * DOC: Changing what belongs to the user
 *
 * Read, change, write back with the version that was read; when somebody wrote
 * in between, read again. Sequential code: every function waits in the loop.
 */

/** update_retry() - after try number @tries (from 1) ended with @rc: -EBUSY
 * when somebody wrote in between and it is worth another try, a moment later;
 * else
 *  @rc, or -EAGAIN with @err as it was after too many */
KT_CHECK int update_retry(struct kube *k, int tries, int rc,
			  struct kt_error *err);

/** struct update_fields - what was changed below spec (managers.h), NULL: any
 * of it; @patch: the object is patched, not replaced */
struct update_fields {
	const char *field;
	bool patch;
};
/** update_managers() - after a write, which gave @obj: the fields are whose
 * they were. What cannot be done is no failure: the next write makes up for it.
 */
void update_managers(struct kube *k, const char *path, const json_t *obj,
		     const struct update_fields *f);

/** service_edit_fn - a changed copy (returned), or NULL: nothing to do */
typedef json_t *(*service_edit_fn)(const json_t *service, void *arg);

/** update_service() - 1: written; 0: nothing to do; -errno with @err */
KT_CHECK int update_service(struct kube *k, const char *ns, const char *name,
			    service_edit_fn edit, void *arg,
			    struct kt_error *err);
/** update_restore() - a Service gets its own selector back (takeover.h) */
KT_CHECK int update_restore(struct kube *k, const char *ns, const char *name,
			    struct kt_error *err);
/** update_restore_held() - the same, and the lock of @since stays, so that
 *  nobody joins what is removed then; -EBUSY with @err: it is not ours any more
 */
KT_CHECK int update_restore_held(struct kube *k, const char *ns,
				 const char *name, int64_t since,
				 struct kt_error *err);
/** struct update_lock - whose lock it will be; borrowed but for @since */
struct update_lock {
	int64_t now;
	const char *owner; /* our token; NULL: the lock will not say */
	/* dead() - is the owner of another's lock known to be gone? may be NULL
	 */
	bool (*dead)(void *user, const char *owner);
	void (*wait)(void *user); /* told once when there is another; or NULL */
	void *user;
	int64_t since; /* what update_unlock() wants; 0: we have none */
};

/**
 * update_lock() - write kt-lock; waits for another's as long as KT Connect does
 * (33 s), at most until it is too old. One that is ours (@since or @owner) or a
 * dead one's is no hindrance.
 */
KT_CHECK int update_lock(struct kube *k, const char *ns, const char *name,
			 struct update_lock *l, struct kt_error *err);
/** update_unlock() - drop the lock of @since; 0: any */
KT_CHECK int update_unlock(struct kube *k, const char *ns, const char *name,
			   int64_t since, struct kt_error *err);

/** workload_edit_fn - a merge patch (returned), or NULL: nothing to do */
typedef json_t *(*workload_edit_fn)(const json_t *obj, void *arg);
/** update_workload() - the same for "deployments" or "statefulsets"; 1 with the
 *  patched object in @out (may be NULL) */
KT_CHECK int update_workload(struct kube *k, const char *ns,
			     const char *resource, const char *name,
			     workload_edit_fn edit, void *arg, json_t **out,
			     struct kt_error *err);
/** update_scale_back() - workload_up() with @told and @by; 0 also when the
 * object is gone; the replicas in @replicas (0: it was not scaled) */
KT_CHECK int update_scale_back(struct kube *k, const char *ns,
			       const char *resource, const char *name, int told,
			       const char *by, int *replicas,
			       struct kt_error *err);
/** update_scale_done() - workload_done(): 1: written; 0: nothing to do, or the
 * object is gone */
KT_CHECK int update_scale_done(struct kube *k, const char *ns,
			       const char *resource, const char *name,
			       struct kt_error *err);

#endif
