/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_JOB_H
#define KT_INBOUND_JOB_H

#include "base/repeat.h"
#include "cli/mark.h"
#include "cli/options.h"
#include "cli/subject.h"
#include "cluster/heartbeat.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "inbound/keep.h"
#include "inbound/reverts.h"
#include "tunnel/inbound.h"
#include "uplink/shadow.h"
#include "uplink/uplink.h"

/**
 * DOC: A job: traffic of the cluster comes to this machine
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
struct predecessor;
struct inbound_program;

/** enum arrival - has one of our own come here as a caller does? (probe.h) */
enum arrival {
	ARRIVAL_UNTRIED, /* it cannot be tried: no TCP port, no tunnel */
	ARRIVAL_SEEN,
	ARRIVAL_UNSEEN,
};

struct job {
	struct app *app;
	const struct global_options *global;
	const struct inbound_options *opt;
	const char *asked;     /* the Service, as it was typed */
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
	struct inbound_program *program; /* one of "ktctl run", or NULL */
	struct inbound_port *local;	 /* of the exposed ones */
	size_t nlocal;
	struct rule *rules;
	size_t nrules;

	char target[KT_TARGET_SIZE]; /* kt-target of the shadow */
	json_t *selector;	     /* what leads to it */
	int64_t locked;		     /* 0: not by us */
	char *origin;		     /* address of the stuntman */
	struct heartbeat *stuntman_beat;
	bool stuntman; /* it is there, made or found by us */

	char *prefix, *config_text, *serve, *tls_ports;
	json_t *containers;
	struct shadow_face face;
	const char *given; /* the shadow is somebody else's; NULL: ours */
	struct shadow_pod *shadow;
	struct inbound_spec spec;
	struct uplink *uplink;
	struct uplink_history history;	/* of all tunnels of the job */
	bool shared;			/* the shadow, with other users */
	struct shadow_pod *next_shadow; /* see handover.h: being made */
	struct predecessor *before;	/* and those whose places were taken */
	struct repeat handover;
	struct keep keep; /* what others may touch */
	struct reverts reverts;
	struct timer watch_timer; /* the router is to answer */
	int64_t watch_since;	  /* it was asked; CLOCK_MONOTONIC */
	bool watched;		  /* it has */
	bool successor; /* of somebody dead whose rules may be in force still */
	bool taken;	/* the Service leads to the shadow */
	bool maybe_changed; /* a write into the user's object got no answer */
	bool leaving;	    /* what was done is taken back */
	bool unfinished;    /* and some of it could not be */
	bool ready;	    /* serving */
	bool changed;	    /* something that it stands on, perhaps */
	bool *wakes;	    /* set as well; or NULL */
	size_t arrivals;    /* callers so far */
	enum arrival arrival;
	bool labels_later; /* the shadow gets more labels */
	size_t refusals;
	int copy; /* per cent of the requests that are copied; 0: none is */
	uint64_t copies_sent, copies_dropped;
	struct repeat drops; /* of copies */
	struct repeat told;  /* of what is watched */

	/** attend() - what the command watches has changed; may wait; NULL:
	 *  nothing is watched. renew() - the Pod of the shadow is gone: 0: make
	 *  another; NULL: always */
	int (*on_change)(void *user, struct kt_error *err);
	int (*renew)(void *user, struct kt_error *err);
	void *change_user;
};

/** job_step_fn - one step of a command; it waits in the loop */
typedef int job_step_fn(struct job *job, struct kt_error *err);

#define JOB_STEPS 7

/** struct job_plan - what a command does, in order. Each step is one of
 *  progress.h. */
struct job_plan {
	job_step_fn *step[JOB_STEPS];	/* NULL: there are fewer */
	void (*ready)(struct job *job); /* says so */
	/* until it ends; NULL: all is done, and stays */
	job_step_fn *serve;
	/* what "ktctl status" is told; NULL: of job->uplink */
	const struct control_source *source;
	/* take back what was done, last thing first; also after a failed step.
	 * Not where all is done and stays. */
	void (*undo)(struct job *job);
	const char *role; /* the one of deploy/rbac that it needs */
};

/** job_run() - the whole command; @job is finished. Returns the exit status.
 */
int job_run(struct job *job, const struct job_plan *plan);

/** job_open() - a step: read the command line's target, reach the cluster */
KT_CHECK int job_open(struct job *job, struct kt_error *err);
/** job_inspect() - a step: the Service that is meant, its ports, and which
 *  local ones they are coupled with */
KT_CHECK int job_inspect(struct job *job, struct kt_error *err);
/** job_read() - the Service as it is now, into job->service */
KT_CHECK int job_read(struct job *job, struct kt_error *err);
/** job_map() - couple the exposed ports with local ones; without
 *  --skipPortChecking something has to listen there */
KT_CHECK int job_map(struct job *job, struct kt_error *err);
/** job_rules() - "everything" for every port, or @match for the exposed
 *  ones. A port that was not exposed is refused to its callers. With job->copy
 *  all of them only want copies. */
KT_CHECK int job_rules(struct job *job, const struct rule_match *match,
		       struct kt_error *err);

/**
 * job_check_callers() - may the Service lead to one Pod of ours? Not without
 * --force, where its own ones lose names by it (-ENOTUNIQ with @err); what else
 * will be different is a warning
 * @origin: callers without a mark go on to its own Pods
 */
KT_CHECK int job_check_callers(struct job *job, bool origin,
			       struct kt_error *err);

KT_CHECK int job_lock(struct job *job, struct kt_error *err);
void job_unlock(struct job *job);
/** job_stuntman() - the origin: a Service with the original selector */
KT_CHECK int job_stuntman(struct job *job, struct kt_error *err);
void job_stuntman_remove(struct job *job);
/** job_shadow() - job->face is filled in but for serve and ports; @share: see
 *  shadow_config. Ready when it returns. */
KT_CHECK int job_shadow(struct job *job, bool share, struct kt_error *err);
/** job_tunnel() - up, the rules are in force */
KT_CHECK int job_tunnel(struct job *job, struct kt_error *err);
/** job_uplink_config() - of a tunnel to job->shadow with the job's rules */
void job_uplink_config(struct job *job, struct uplink_config *cfg);
/** job_tell_caller() - uplink_config.caller of @user, a struct job: a
 * local program that was not started yet would be searched for elsewhere */
void job_tell_caller(void *user, const struct inbound_caller *c);
/** job_on_event(), job_on_watching() - likewise event() and watching() */
void job_on_event(void *user, const struct event *ev, uint64_t missed);
void job_on_watching(void *user);
/** job_watch() - what the job sees of requests is wanted, or no longer */
void job_watch(void *user, bool on);
/** job_take() - the Service leads to the shadow, and is kept so: when
 *  somebody changed it, it is taken again (attend()); -ECANCELED from there
 *  when it was recovered */
KT_CHECK int job_take(struct job *job, struct kt_error *err);
/** job_changed() - something has changed: job_serve() shall look; @user
 *  is the job */
void job_changed(void *user);
/** job_on_object() - job_changed() as an object_changed_fn */
void job_on_object(void *user, const json_t *obj, bool gone);
/** job_serve() - until a signal (-EINTR) or a fatal error */
KT_CHECK int job_serve(struct job *job, struct kt_error *err);

/** job_await_write() - before undoing a write that got no answer: it may be on
 *  its way still */
void job_await_write(struct job *job);
/** job_give_back() - the Service has its own selector again; false: it could
 *  not be done, and what it leads to has to stay */
bool job_give_back(struct job *job);
/** job_unfinished() - a warning: something was not given back or removed, so
 *  that the command has failed */
void job_unfinished(struct job *job, const char *fmt, ...) KT_PRINTF(2, 3);
/** job_settle() - wait until every node knows what the Service's endpoints are
 *  now; what is not knowable is how long that takes: two seconds */
KT_CHECK int job_settle(struct job *job);
/** job_step_aside() - a shadow Pod with the Service's own @labels loses
 * them: no new caller comes */
void job_step_aside(struct job *job, const json_t *labels);
/** job_quiet() - how long a connection must be quiet (ns) to be finished,
 *  when all are over at @end (CLOCK_MONOTONIC) */
int64_t job_quiet(int64_t end);
/** job_drain() - let requests under way end, at most the grace time */
void job_drain(struct job *job);
/** job_withdraw() - the same where the shadow goes on for others: our rules
 *  are taken back, so that no new caller comes */
void job_withdraw(struct job *job);
/** job_disconnect() - end the tunnel */
void job_disconnect(struct job *job);
/** job_remove_shadow() - delete it, or with a warning not */
void job_remove_shadow(struct job *job);
/** job_now() - Unix seconds for annotations */
int64_t job_now(const struct job *job);
/** job_verdict() - how good it looks, for people: "All looks good", ... */
const char *job_verdict(const struct job *job);
/** job_text() - "80 to localhost:8080", ... of what is exposed
 * (returned, caller frees) */
char *job_text(const struct job *job);

#endif
