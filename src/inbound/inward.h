/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_INWARD_H
#define KT_INBOUND_INWARD_H

#include "cli/mark.h"
#include "cli/options.h"
#include "cli/subject.h"
#include "cluster/heartbeat.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "tunnel/inbound.h"
#include "uplink/shadow.h"

/**
 * DOC: Inward: traffic of the cluster comes to this machine
 *
 * What exchange, mesh and preview have in common, as steps in the order in
 * which a command takes them. Each is sequential code that waits in the loop:
 *
 *     open -> look (Service, ports, which local port)
 *          -> lock -> stuntman -> shadow -> tunnel -> take -> unlock -> serve
 *     give_back -> drain -> close
 *
 * The Service is changed last at the start, when the shadow is Ready and its
 * rules are in force, and first at the end, while the tunnel still works.
 */

/** A Pod without root may listen below 1024 since Kubernetes 1.22; before, the
 *  shadow listens higher where it can choose */
#define LOW_PORTS_SINCE 22

struct app;
struct guard;
struct uplink;

struct inward {
	struct app *app;
	const struct global_options *global;
	const struct inward_options *opt;
	const char *component; /* "exchange": of the pid file */

	struct kube_config *config;
	struct kube *kube;
	int minor; /* of the server: Kubernetes 1.MINOR */
	char ns[64];
	struct pidfile *pidfile;
	struct owner *owner;	/* NULL: nobody will know that we died */
	struct subject subject; /* what the user named */
	json_t *named;		/* it, as it was read */
	char name[64];		/* of the Service */
	json_t *service;	/* as it was read last */
	json_t *original;	/* its own selector */
	struct service_ports ports;
	struct inbound_port *local; /* of the exposed ones */
	size_t nlocal;
	struct rule *rules;
	size_t nrules;

	char target[KT_TARGET_SIZE]; /* kt-target of the shadow */
	json_t *selector;	     /* what leads to it */
	int64_t locked;		     /* 0: not by us */
	char *origin;		     /* address of the stuntman */
	struct heartbeat *stuntman_beat;
	bool stuntman; /* it is there, made or found by us */

	char *prefix, *config_text, *serve;
	json_t *containers;
	struct shadow_face face;
	struct shadow *shadow;
	struct inbound_spec spec;
	struct uplink *uplink;
	struct guard *guard;
	bool heir;    /* of somebody dead whose rules may be in force still */
	bool taken;   /* the Service leads to the shadow */
	bool unsure;  /* a write into the user's object got no answer */
	bool ready;   /* serving */
	bool changed; /* the Service, perhaps */
	size_t refusals;

	/** attend() - what the command watches has changed; may wait; NULL:
	 *  nothing is watched. renew() - the Pod of the shadow is gone: 0: make
	 *  another; NULL: always */
	int (*attend)(void *user, struct kt_error *err);
	int (*renew)(void *user, struct kt_error *err);
	void *attend_user;
};

/** inward_open() - read the command line's target, reach the cluster */
KT_CHECK int inward_open(struct inward *in, const char *target,
			 struct kt_error *err);
/** inward_look() - a step: the Service that is meant, its ports, and which
 *  local ones they are coupled with */
KT_CHECK int inward_look(struct inward *in, struct kt_error *err);
/** inward_read() - the Service as it is now, into in->service */
KT_CHECK int inward_read(struct inward *in, struct kt_error *err);
/** inward_map() - couple the exposed ports with local ones; without
 *  --skipPortChecking something has to listen there */
KT_CHECK int inward_map(struct inward *in, struct kt_error *err);
/** inward_rules() - "everything" for every port, or @match for the exposed
 *  ones. A port that was not exposed is refused to its callers. */
KT_CHECK int inward_rules(struct inward *in, const struct rule_match *match,
			  struct kt_error *err);

KT_CHECK int inward_lock(struct inward *in, struct kt_error *err);
void inward_unlock(struct inward *in);
/** inward_stuntman() - the origin: a Service with the original selector */
KT_CHECK int inward_stuntman(struct inward *in, struct kt_error *err);
void inward_stuntman_remove(struct inward *in);
/** inward_shadow() - in->face is filled in but for serve and ports; @share: see
 *  shadow_config. Ready when it returns. */
KT_CHECK int inward_shadow(struct inward *in, bool share, struct kt_error *err);
/** inward_tunnel() - up, the rules are in force */
KT_CHECK int inward_tunnel(struct inward *in, struct kt_error *err);
/** inward_tell_caller() - uplink_config.caller of @user, a struct inward: a
 * local program that was not started yet would be searched for elsewhere */
void inward_tell_caller(void *user, const struct inbound_caller *c);
/** inward_take() - the Service leads to the shadow, and is kept so: when
 *  somebody changed it, it is taken again (attend()); -ECANCELED from there
 *  when it was recovered */
KT_CHECK int inward_take(struct inward *in, struct kt_error *err);
/** inward_attend() - something has changed: inward_serve() shall look; @user
 *  is the inward */
void inward_attend(void *user);
/** inward_serve() - until a signal (-EINTR) or a fatal error */
KT_CHECK int inward_serve(struct inward *in, struct kt_error *err);

/** inward_be_sure() - before undoing a write that got no answer: it may be on
 *  its way still */
void inward_be_sure(struct inward *in);
/** inward_give_back() - the Service has its own selector again; false: it could
 *  not be done, and what it leads to has to stay */
bool inward_give_back(struct inward *in);
/** inward_step_aside() - a shadow Pod with the Service's own @labels loses
 * them: no new caller comes */
void inward_step_aside(struct inward *in, const json_t *labels);
/** inward_quiet() - how long a connection must be quiet (ns) to be finished,
 *  when all are over at @end (CLOCK_MONOTONIC) */
int64_t inward_quiet(int64_t end);
/** inward_drain() - let requests under way end, at most the grace time */
void inward_drain(struct inward *in);
/** inward_withdraw() - the same where the shadow goes on for others: our rules
 *  are taken back, so that no new caller comes */
void inward_withdraw(struct inward *in);
/** inward_disconnect() - end the tunnel */
void inward_disconnect(struct inward *in);
/** inward_remove_shadow() - delete it, or with a warning not */
void inward_remove_shadow(struct inward *in);
void inward_close(struct inward *in);

/** inward_now() - Unix seconds for annotations */
int64_t inward_now(const struct inward *in);
/** inward_end() - the exit status, after everything was undone; errors are
 *  printed, with the Role of @role when RBAC refused something */
int inward_end(struct inward *in, int rc, const struct kt_error *err,
	       const char *role);
/** inward_text() - "localhost:8080 (port 80)", ... of what is exposed
 * (returned, caller frees) */
char *inward_text(const struct inward *in);

#endif
