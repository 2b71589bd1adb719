/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_COPY_H
#define KT_ENV_COPY_H

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: A copy of a workload
 *
 * A Deployment whose Pods are as those of the original, but with another image,
 * and so that nobody takes them for the original's:
 *
 * - Services select Pods by labels. For every Service of the namespace that
 *   would select the copy, and for the original's own selector (a budget or an
 *   autoscaler would count the copy in), one label is taken away: as few as
 *   possible, first those that most of these selectors ask for, then those that
 *   no NetworkPolicy asks for, then by name. The others stay, so that
 *   NetworkPolicies that go by them hold for the copy as well.
 * - What only one Pod can have goes: ports of the node, the node's network, the
 *   claims of a StatefulSet. The user is told.
 * - Rules that keep the original's Pods apart from each other would keep the
 *   copy away from them all, so they are not copied.
 *
 * Everything else is as it was. Pure: objects in, objects out.
 */

#define KT_ROLE_ENV_MEMBER "env-member" /* of the Deployment */
#define KT_ENV_VARIABLE "KT_ENV"	/* in the copy's containers */

/** copy_name() - SERVICE-ENV-HASH, a DNS label; the hash is of both names, as
 *  "a-b" and "c" are not "a" and "b-c" (returned, caller frees) */
char *copy_name(const char *service, const char *env);

/** copy_name_salted() - as copy_name(), another one for each @salt (returned,
 *  caller frees) */
char *copy_name_salted(const char *service, const char *env, const char *salt);
/** copy_rename() - another name of the same kind, for one that is beside one
 *  with its copy_name(); @target: its kt-target, for the hash */
void copy_rename(json_t *deployment, const char *target);

/** copy_check_env_from() - @text is configmap/NAME or secret/NAME; 0, or
 * -EINVAL with @err */
KT_CHECK int copy_check_env_from(const char *text, struct kt_error *err);

/** struct copy_spec - all borrowed; what is NULL or 0 is left out */
struct copy_spec {
	const char *env;	/* whole name of the environment */
	const json_t *service;	/* as read; taken over by us or not */
	const char *of;		/* workload_text(), for messages */
	const json_t *template; /* of struct workload, like the next two */
	const json_t *selector;
	const json_t *claims;
	const json_t *services;	 /* array: all Services of the namespace */
	const json_t *policies;	 /* array: NetworkPolicies; NULL: not known */
	const char *image;	 /* "IMAGE", or "CONTAINER=IMAGE" */
	const struct pairs *set; /* {{env}} in values: the name */
	const struct strv *env_from;
	int replicas;
	int64_t idle, wake_timeout; /* ns; only noted, as these */
	const char *on_join, *on_delete;
	bool always_pull;   /* --forceUpdate */
	const char *target; /* target_make() */
	const char *user;
	const json_t *owner; /* one of ownerReferences: the environment's Job */
};

struct env_copy {
	json_t *deployment;
	json_t *selector; /* of the member's record: finds the copy's Pods */
	json_t *ports;	  /* of the member's record: the Service's */
	char *container;  /* which got the image */
	struct strv warnings;
};

/**
 * copy_make() - 0, or -errno with @err: -EEXIST: the template is a copy's
 * already; -ENOENT: it is not clear which container is meant, or there is none
 * of that name; -EINVAL: a template without containers
 */
KT_CHECK int copy_make(struct env_copy *out, const struct copy_spec *s,
		       struct kt_error *err);
void copy_fini(struct env_copy *c);

#endif
