/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_SHARE_ENTRY_H
#define KT_ENV_SHARE_ENTRY_H

#include "env/command.h"

#include <jansson.h>

/**
 * DOC: A host name by an Ingress
 *
 * An Ingress has no field that sets a header. So it leads to an entry, a small
 * Deployment of the shadow's program with a Service before it: that takes all
 * marks that come from outside, sets the environment's, forbids caches to keep
 * the answers, and goes on to the Service that was meant (shadow/share.h). All
 * three are the environment's Job's, or that of a Job which ends later
 * (share_after.h). It knows the end of the environment: who comes then is told
 * so (404).
 *
 * Behind an HTTPRoute there is an entry that has nothing to do before.
 */

#define SHARE_INGRESS_API "networking.k8s.io/v1"

/** struct share_entry - all borrowed */
struct share_entry {
	struct env_command *c;
	const struct env_info *info;
	const char *host;
	const json_t *service;
	uint16_t port;	     /* of @service */
	const char *klass;   /* of the Ingress; NULL: the cluster's default */
	const json_t *owner; /* of all three; NULL: the environment's Job */
	/* the route that leads to it, in place of an Ingress, or NULL; and
	 * "GROUP/VERSION" of it */
	const struct share_spec *route;
	const char *api;
};

/** share_entry_name() - of its Deployment and its Service: a DNS label
 *  (returned, caller frees) */
char *share_entry_name(const char *env, const char *host);
/** share_entry_ingress() - (returned, caller decrefs). Pure. */
json_t *share_entry_ingress(const struct share_entry *e, const char *ns,
			    const char *user);
/** share_entry_keep() - @ingress takes the place of @own: it has what others
 * have added to that, and its version. Pure. */
void share_entry_keep(json_t *ingress, const json_t *own);
/** share_entry_class() - of the first of @ingresses that leads to @service;
 *  NULL: there is none; borrowed. Pure. */
const char *share_entry_class(const json_t *ingresses, const char *service);

/** share_entry_put() - make all of it, the Ingress or the route last; @own: the
 *  Ingress that is there already, or NULL. 0 or -errno with @err, and nothing
 * of it stays */
KT_CHECK int share_entry_put(const struct share_entry *e, const json_t *own,
			     struct kt_error *err);
/** share_entry_remove() - the route and @ingress first (NULL: there is none); 0
 * also when it is gone. What has the names of an entry and is none is an error.
 */
KT_CHECK int share_entry_remove(const struct share_entry *e,
				const json_t *ingress, struct kt_error *err);
/** share_entry_extend() - the entries of @info's environment learn of its end,
 *  and of the namespace's header */
KT_CHECK int share_entry_extend(struct env_command *c,
				const struct env_info *info,
				struct kt_error *err);

#endif
