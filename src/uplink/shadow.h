/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_SHADOW_H
#define KT_UPLINK_SHADOW_H

#include "cluster/pod_options.h"
#include "kube/client.h"

/**
 * DOC: The shadow object
 *
 * Makes, joins, finds again and removes the object in the cluster that the
 * tunnel ends in: a Pod of our own, the Pod that a namespace's users share, or
 * a Deployment (docs/design.md, 2.7); or finds one that an administrator made.
 * Sequential code: every function waits in the loop.
 */

/* after a write that got no answer: it is carried out then, or never */
#define MAYBE_PAUSE (300 * NS_MS)

struct home;
struct shadow_pod;

/** struct shadow_face - what a shadow is for; all borrowed. See shadow_spec. */
struct shadow_face {
	const char *name;   /* the whole name, or */
	const char *prefix; /* its beginning, five letters follow */
	const char *role, *target, *config;
	const json_t *labels;
	const char *serve;
	const json_t *ports;
	bool low_ports;
	/* a router that stands for as long as somebody's record says, whoever
	 * runs: a Deployment without a heartbeat, which nobody counts */
	bool standing;
	/* "SERVICE.NAMESPACE": it also reads the table of environments, for
	 * the members of this Service; or NULL */
	const char *env_service;
	/* "HOST,ENV,UNTIL[,HEADER]": it stands for a host name that is an
	 * environment's (shadow/share.h); or NULL */
	const char *env_share;
	const json_t *owners; /* metadata.ownerReferences; or NULL */
	/* the Secret with which a gate beside it ends TLS, of which of its
	 * ports ("8443,9443"), and the name of the Service, for who asks those
	 * behind it; or NULL */
	const char *tls_secret, *tls_ports, *tls_name;
};

/** struct shadow_config - all borrowed for the shadow's life */
struct shadow_config {
	struct kube *kube;
	const char *ns;
	const struct pod_options *pod;
	bool use_local_time; /* for heartbeats, not the cluster's clock */
	const struct shadow_face *face; /* NULL: a connect shadow */
	/* --shareShadow, or a router (face->name): join the one that is there,
	 * with a reference count, unless it is a standing one */
	bool share;
	const char *owner;	 /* see owner.h; NULL: not said */
	const struct home *home; /* what it remembers; NULL: nothing */
	const char *given;   /* --shadow: somebody else's, only used; or NULL */
	const char *command; /* whose it is, for birdseye; or NULL */
	bool guest;	     /* shadow_adopt_guest() follows: nothing is made */
	const char *env;     /* see shadow_set_env(); NULL: none */
	int64_t keep_ns;     /* its user may be away for so long; 0: not said */
	/* without --image: Pods whose image is the first choice; or NULL */
	const json_t *base;
	/** progress() - what is waited for; may be NULL */
	void (*progress)(void *user, const char *text);
	void *user;
};

struct shadow_pod *shadow_new(const struct shadow_config *cfg);
/** shadow_free() - forget it; the object stays (see shadow_remove()) */
void shadow_free(struct shadow_pod *s);

/** shadow_adopt() - in place of shadow_ensure(): container @name of the running
 *  Pod @pod, made and looked after by somebody else */
void shadow_adopt(struct shadow_pod *s, const char *pod, const char *name,
		  uint16_t port);
/** shadow_adopt_guest() - likewise the ephemeral container @name, which
 *  shadow_check() looks after: there is no other Pod in its place */
void shadow_adopt_guest(struct shadow_pod *s, const char *pod, const char *name,
			uint16_t port);
/** shadow_command() - of its configuration; NULL is allowed */
const char *shadow_command(const struct shadow_pod *s);
/** shadow_is_given() - it is somebody else's (--shadow) */
bool shadow_is_given(const struct shadow_pod *s);
/** shadow_port() - where the tunnel is, on 127.0.0.1 of the Pod */
uint16_t shadow_port(const struct shadow_pod *s);

/** shadow_object() - what shadow_ensure() would make, with --image and a fixed
 *  name; the cluster is not asked (returned, caller decrefs) */
json_t *shadow_object(const struct shadow_pod *s);
/** shadow_try() - make it in a dry run: what admission and quota say; nothing
 * is changed. *@image: what it would run (returned, caller frees) */
KT_CHECK int shadow_try(struct shadow_pod *s, char **image,
			struct kt_error *err);
/** shadow_ensure() - make or join the object and wait until its Pod runs; find
 *  one that is given: of a Pod's name nothing is asked */
KT_CHECK int shadow_ensure(struct shadow_pod *s, struct kt_error *err);
/** shadow_shared_path() - what shadow_ensure() asks the API server for first,
 * if that is known: the shared one (returned, caller frees); or NULL */
char *shadow_shared_path(const struct shadow_pod *s);
/** shadow_set_env() - its Pods are of the environment @name (borrowed), so that
 *  routers know whose their calls are; for those that are made from now on */
void shadow_set_env(struct shadow_pod *s, const char *name);
/** shadow_set_stop() - asked while shadow_ensure() waits for the Pod: nobody
 *  wants it any more, -ECANCELED; NULL: nobody is asked */
void shadow_set_stop(struct shadow_pod *s, bool (*stop)(void *user),
		     void *user);
/** shadow_beside() - another one beside @one, for itself, on another node where
 *  there is one; made by shadow_ensure(), freed by shadow_free() */
struct shadow_pod *shadow_beside(const struct shadow_pod *one);
/** shadow_can_succeed() - there can be a second one beside it: neither somebody
 *  else's, nor the one Pod of a name that users share */
bool shadow_can_succeed(const struct shadow_pod *s);
/**
 * shadow_successor() - the object that takes @old's place while that ends: it
 * is made or joined by shadow_ensure(), and does not take callers before
 * shadow_await_ready() returns
 *
 * Another Pod, of another name, on another node where there is one; a
 * Deployment makes it itself. A router's is the
 * other one of its two names, so that all its users find the same.
 * @left_s: seconds until the cluster ends @old
 * Return: 0 with *@next (shadow_free()), or -errno with @err
 */
KT_CHECK int shadow_successor(struct shadow_pod *old, struct shadow_pod **next,
			      long *left_s, struct kt_error *err);
/** shadow_await_ready() - callers are led to it now. Rules have to be in force
 *  before, or it takes ten seconds; others than successors are ready. */
KT_CHECK int shadow_await_ready(struct shadow_pod *s, struct kt_error *err);
/** shadow_let_go() - delete it, which ends, when its place was taken; nothing
 *  where others use it, or a Deployment has done so */
KT_CHECK int shadow_let_go(struct shadow_pod *s, struct kt_error *err);
/** shadow_give_up() - shadow_remove() of a successor that does not take the
 *  place; nothing of a Deployment that both are Pods of */
KT_CHECK int shadow_give_up(struct shadow_pod *s, struct kt_error *err);
/** shadow_twin() - the other name of one with a fixed name: "NAME-b" of "NAME"
 *  and the reverse */
void shadow_twin(const char *name, char dst[256]);

/** shadow_ends_alone() - it ends when its user is away for long: no Deployment
 *  starts it again, and nobody else has it */
bool shadow_ends_alone(const struct shadow_pod *s);

/** shadow_check() - after trouble: 1: the Pod still runs; 2: it was told to
 *  end, and has its time; 0: it is gone, call shadow_ensure() again; -errno:
 *  could not ask */
KT_CHECK int shadow_check(struct shadow_pod *s, struct kt_error *err);
/** shadow_remove() - leave the shared one, or delete what we made */
KT_CHECK int shadow_remove(struct shadow_pod *s, struct kt_error *err);

/** shadow_leave() - the same with the decision made elsewhere: @last deletes
 *  the shared one whatever its count says, else it stays. One that was not
 *  ensured is left alone. */
KT_CHECK int shadow_leave(struct shadow_pod *s, bool last,
			  struct kt_error *err);

/** shadow_pod_name() - the running Pod's name, after shadow_ensure() */
const char *shadow_pod_name(const struct shadow_pod *s);
/** shadow_describe() - "shadow Pod NAME", for messages */
const char *shadow_describe(const struct shadow_pod *s);
/** shadow_pod_ip() - of the running Pod, or "" */
const char *shadow_pod_ip(const struct shadow_pod *s);

/** shadow_user() - the developer's name (annotation kt-user): SUDO_USER, or
 *  that of the uid */
const char *shadow_user(void);
#define SHADOW_MACHINE_SIZE 64
/** shadow_machine() - this machine's host name (annotation kt-machine), without
 *  what no host name has; returns @dst */
const char *shadow_machine(char dst[SHADOW_MACHINE_SIZE]);

#endif
