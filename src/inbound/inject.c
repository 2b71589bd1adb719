/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/inject.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/ephemeral.h"
#include "inbound/probe.h"
#include "kube/rest.h"
#include "kube/watch.h"
#include "local/owner.h"
#include "local/signals.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>

/* Containers for one Pod that were of no use. They cannot be removed from it,
 * so there is an end; one that served for STEADY_NS was of use. */
#define TRIES 4
#define STEADY_NS (60 * NS_SEC)
#define AGAIN (5 * NS_SEC)	 /* after a failure that may pass */
#define SETTLE (300 * NS_MS)	 /* the shadow has heard of it then */
#define GONE_SETTLE (2 * NS_SEC) /* every node knows that a Pod goes then */
#define TICK (50 * NS_MS)
#define ENDING (8 * NS_SEC) /* for the containers to end */

struct place {
	struct list node;
	struct injector *x;
	char pod[256], uid[64];
	char name[EPHEMERAL_NAME_SIZE]; /* of the container, or "" */
	char bad[EPHEMERAL_NAME_SIZE];	/* one that was of no use */
	uint16_t listen;
	int tries;
	int64_t since;		    /* it is up; CLOCK_MONOTONIC */
	bool given_up;		    /* TRIES were of no use */
	struct service_ports ports; /* this Pod's numbers */
	struct rule *rules;
	struct inbound_port *local;
	struct inbound_spec spec;
	char *serve;
	struct shadow_pod *shadow;
	struct uplink *uplink; /* NULL: the container does not run yet */
	bool up;
	/* the Pod is being deleted: what is open is served */
	bool leaving, left;
	struct timer tick;
	int64_t settled, end;
};

struct injector {
	struct job *job;
	struct kube_watch *watch;
	json_t *pods; /* name: as it was seen last */
	struct list places;
	const struct place *tried; /* a tunnel to it is being opened */
	bool synced, changed;
	struct kt_error lost; /* the watch ended */
	struct repeat told;
};

/* --- Pods ----------------------------------------------------------------- */

static void wake(struct injector *x)
{
	x->changed = true;
}

static void on_pod(void *user, enum kube_event type, json_t *obj)
{
	struct injector *x = user;

	if (type == KUBE_SYNCED)
		x->synced = true;
	else if (type == KUBE_DELETED)
		json_object_del(x->pods, object_name(obj));
	else
		json_object_set(x->pods, object_name(obj), obj);
	wake(x);
}

static void inject_on_failed(void *user, const struct kt_error *why)
{
	struct injector *x = user;

	x->lost = *why;
	wake(x);
}

static int start_watch(struct injector *x, struct kt_error *err)
{
	static const struct kube_watch_handler h = { on_pod, inject_on_failed };
	struct job *job = x->job;
	auto_free char *path = kube_path("v1", "pods", job->ns, NULL, NULL);
	auto_free char *query = NULL;
	auto_free char *one = NULL;

	if (job->subject.kind == SUBJECT_POD) {
		one = xasprintf("metadata.name=%s", job->subject.name);
		query = kube_query(NULL, "fieldSelector", one);
	} else {
		query = selector_query(job->original);
	}
	x->watch = kube_watch_start(job->kube, path, query, &h, x);
	while (!x->synced) {
		int rc = loop_run_until(job->app->loop, &x->changed, -1);

		x->changed = false;
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
		if (x->lost.code) {
			*err = x->lost;
			return -err->code;
		}
	}
	return 0;
}

static json_t *pod_of(const struct place *p)
{
	json_t *pod = json_object_get(p->x->pods, p->pod);

	return pod && str_eq(json_str(pod, "metadata", "uid", NULL), p->uid)
		       ? pod
		       : NULL;
}

/* --- a place: one Pod ----------------------------------------------------- */

static void inject_disconnect(struct place *p)
{
	loop_timer_stop(&p->tick); /* it asks the tunnel */
	uplink_free(p->uplink);
	p->uplink = NULL;
	shadow_free(p->shadow);
	p->shadow = NULL;
	p->up = false;
}

static void place_free(struct place *p)
{
	inject_disconnect(p);
	service_ports_fini(&p->ports);
	free(p->rules);
	free(p->local);
	free(p->serve);
	list_del(&p->node);
	free(p);
}

/* Where the Pod has no port of the name, the Service leads nobody to it */
static void inject_tell_unknown(const struct place *p, size_t port)
{
	const struct service_port *sp = &p->ports.v[port];

	if (sp->unknown)
		log_warn("Pod %s has no port named '%s' (%s): nobody comes by "
			 "port %u of the Service",
			 p->pod, sp->target_name, sp->udp ? "UDP" : "TCP",
			 sp->port);
}

/* The Service's ports have other numbers in other Pods, where it names them */
static void map_ports(struct place *p)
{
	const struct job *job = p->x->job;

	p->rules = xcalloc(job->nlocal, sizeof(*p->rules));
	p->local = xcalloc(job->nlocal, sizeof(*p->local));
	for (size_t i = 0; i < job->nlocal; i++) {
		p->local[i] = job->local[i];
		for (size_t k = 0; k < job->ports.n && k < p->ports.n; k++)
			if (job->ports.v[k].target == job->local[i].remote &&
			    job->ports.v[k].udp == job->local[i].udp) {
				p->local[i].remote = p->ports.v[k].target;
				inject_tell_unknown(p, k);
			}
		p->rules[i] = (struct rule){ .port = p->local[i].remote,
					     .udp = p->local[i].udp };
	}
	p->spec = (struct inbound_spec){
		.user = shadow_user(),
		.owner = owner_token(job->owner),
		.owner_is_dead = job_is_heir,
		.owner_user = p->x->job,
		.grace_s = (unsigned int)job->opt->grace_time,
		.rules = p->rules,
		.nrules = job->nlocal,
		.ports = p->local,
		.nports = job->nlocal,
		.observe = true,
	};
}

static int place_new(struct injector *x, const json_t *pod,
		     struct kt_error *err)
{
	auto_json json_t *alone = json_pack("[O]", pod);
	const char *uid = json_str(pod, "metadata", "uid", NULL);
	struct place *p = xcalloc(1, sizeof(*p));
	int rc;

	p->x = x;
	snprintf(p->pod, sizeof(p->pod), "%s", object_name(pod));
	snprintf(p->uid, sizeof(p->uid), "%s", uid ? uid : "");
	list_add_tail(&x->places, &p->node);
	rc = service_ports_make(&p->ports, x->job->service, alone, err);
	if (rc < 0)
		return rc;
	p->serve = ephemeral_serve(&p->ports, pod);
	map_ports(p);
	return 0;
}

static bool has_place(const struct injector *x, const json_t *pod)
{
	struct list *n;

	list_for_each (n, &x->places) {
		const struct place *p = container_of(n, struct place, node);

		if (pod_of(p) == pod)
			return true;
	}
	return false;
}

/* --- its container -------------------------------------------------------- */

static int add_container(struct place *p, const json_t *pod,
			 struct kt_error *err)
{
	const struct job *job = p->x->job;
	auto_free char *path =
		kube_path("v1", "pods", job->ns, p->pod, "ephemeralcontainers");
	auto_json json_t *patch = NULL;
	char machine[SHADOW_MACHINE_SIZE];
	struct kube_request req = { .method = "PATCH",
				    .path = path,
				    .content = KUBE_STRATEGIC_PATCH };
	int rc =
		ephemeral_find(pod, p->serve, p->bad, p->name, &p->listen, err);

	if (rc > 0)
		wake(p->x); /* it runs: no event will say so */
	if (rc)
		return MIN(rc, 0);
	if (p->tries >= TRIES) {
		p->given_up = true;
		return kt_fail(err, EIO,
			       "Pod %s/%s: %d containers have ended, no more "
			       "are added: its callers do not come here",
			       job->ns, p->pod, TRIES);
	}
	p->tries++;
	snprintf(p->name, sizeof(p->name), EPHEMERAL_PREFIX);
	str_random(p->name + strlen(EPHEMERAL_PREFIX), 5);
	p->listen = ephemeral_port(pod);
	patch = ephemeral_patch(pod, p->name, job->global->pod.image,
				job->global->pod.force_update, p->serve,
				p->listen);
	ephemeral_sign(patch, shadow_user(), shadow_machine(machine));
	req.body = patch;
	rc = kube_call(job->kube, &req, NULL, err);
	if (rc == 0)
		return 0;
	p->name[0] = '\0';
	ephemeral_hint(err);
	return kt_wrap(err, rc, "add a container to Pod %s/%s", job->ns,
		       p->pod);
}

static void on_woken(void *user)
{
	wake(user);
}

static void inject_on_caller(void *user, const struct inbound_caller *c)
{
	const struct injector *x = user;

	job_tell_caller(x->job, c);
}

static void inject_on_event(void *user, const struct event *ev, uint64_t missed)
{
	const struct injector *x = user;

	job_on_event(x->job, ev, missed);
}

static bool is_going(const json_t *pod)
{
	return json_at(pod, "metadata", "deletionTimestamp", NULL);
}

static bool place_has_ended(const struct place *p)
{
	const json_t *pod = pod_of(p);

	return !pod || is_going(pod) ||
	       ephemeral_look(pod, p->name, NULL) == EPHEMERAL_ABSENT;
}

static bool inject_on_gone(void *user)
{
	const struct injector *x = user;

	return place_has_ended(x->tried);
}

/* A node tells about a second late that a container has ended: one that looks
 * as if it ran may have left with its last user just now. Then it is the next
 * step's, which adds another. */
static int connect_place(struct place *p, struct kt_error *err)
{
	struct job *job = p->x->job;
	const struct shadow_config shadow = { .kube = job->kube,
					      .ns = job->ns,
					      .pod = &job->global->pod };
	struct uplink_config cfg = {
		.loop = job->app->loop,
		.kube = job->kube,
		.ns = job->ns,
		.open_timeout_ns = job->global->port_forward_timeout * NS_SEC,
		.buffers = (size_t)job->global->buffer_limit << 20,
		.home = job->app->home,
		.carrier = job->global->carrier,
		.inbound = &p->spec,
		.history = &job->history,
		.caller = inject_on_caller,
		.event = inject_on_event,
		.gone = inject_on_gone,
		.woken = on_woken,
		.user = p->x,
	};
	int rc;

	p->shadow = shadow_new(&shadow);
	shadow_adopt(p->shadow, p->pod, p->name, p->listen);
	cfg.shadow = p->shadow;
	p->uplink = uplink_new(&cfg);
	p->x->tried = p;
	rc = uplink_connect(p->uplink, err);
	if (rc < 0) {
		inject_disconnect(p);
		if (rc != -EINTR && place_has_ended(p)) {
			*err = (struct kt_error){ 0 };
			wake(p->x);
			return 0;
		}
		memcpy(p->bad, p->name, sizeof(p->bad));
		if (rc != -EEXIST && rc != -EINTR)
			p->name[0] = '\0'; /* another one, perhaps */
		return rc;
	}
	p->up = true;
	p->since = clock_ns();
	log_debug("Pod %s leads here", p->pod);
	return 0;
}

/* One step; what may pass is a warning once it is serving */
static int advance(struct place *p, const json_t *pod, struct kt_error *err)
{
	struct kt_error why = { 0 };

	if (p->given_up)
		return 0;
	if (p->name[0])
		switch (ephemeral_look(pod, p->name, &why)) {
		case EPHEMERAL_RUNNING:
			return p->uplink ? uplink_check(p->uplink, err)
					 : connect_place(p, err);
		case EPHEMERAL_FAILED:
			*err = why;
			return -why.code;
		case EPHEMERAL_WAITING:
			return 0;
		case EPHEMERAL_ABSENT:
			if (!why.code)
				return 0; /* not seen yet */
			log_debug("%s", why.msg);
			if (p->up && clock_ns() - p->since >= STEADY_NS)
				p->tries = 0;
			inject_disconnect(p);
			p->name[0] = '\0';
		}
	return add_container(p, pod, err);
}

/* --- its Pod goes --------------------------------------------------------- */

static void place_on_tick(struct timer *t)
{
	struct place *p = container_of(t, struct place, tick);
	int64_t now = clock_ns();

	p->left = uplink_is_over(p->uplink) || now >= p->end ||
		  (now >= p->settled &&
		   !inbound_callers(uplink_inbound(p->uplink)));
	if (p->left)
		wake(p->x);
	else
		loop_timer_start(p->x->job->app->loop, t, TICK, place_on_tick);
}

/* No callers come any more; those that are here may finish. False: there is
 * nothing to wait for. */
static bool place_leave(struct place *p, const json_t *pod)
{
	json_int_t grace = json_integer_value(
		json_at(pod, "metadata", "deletionGracePeriodSeconds", NULL));

	if (!p->uplink || p->left)
		return false;
	if (p->leaving)
		return true;
	p->leaving = true;
	p->settled = clock_ns() + GONE_SETTLE;
	p->end = clock_ns() + grace * NS_SEC;
	uplink_retire(p->uplink);
	place_on_tick(&p->tick);
	return !p->left;
}

/* --- all of them ---------------------------------------------------------- */

static int add_places(struct injector *x, struct kt_error *err)
{
	auto_json json_t *pods = json_copy(x->pods); /* it changes meanwhile */
	const char *name;
	json_t *pod;
	int rc = 0;

	json_object_foreach (pods, name, pod)
		if (rc == 0 && ephemeral_eligible(pod) && !has_place(x, pod))
			rc = place_new(x, pod, err);
	return rc;
}

static int inject_step(struct injector *x, struct kt_error *err)
{
	struct list *n, *tmp;
	int rc;

	x->changed = false;
	if (x->lost.code) {
		*err = x->lost;
		return -err->code;
	}
	rc = add_places(x, err);
	list_for_each_safe (n, tmp, &x->places) {
		struct place *p = container_of(n, struct place, node);
		auto_json json_t *pod = json_incref(pod_of(p));

		if (!pod || (is_going(pod) && !place_leave(p, pod)))
			place_free(p);
		else if (rc == 0 && !is_going(pod))
			rc = advance(p, pod, err);
	}
	return rc;
}

size_t injector_pods(const struct injector *x)
{
	struct list *n;
	size_t up = 0;

	list_for_each (n, &x->places)
		up += container_of(n, struct place, node)->up;
	return up;
}

/* There are Pods, and no more can be done for any of them */
static bool all_given_up(const struct injector *x)
{
	struct list *n;

	list_for_each (n, &x->places)
		if (!container_of(n, struct place, node)->given_up)
			return false;
	return !list_empty(&x->places);
}

static bool all_up(const struct injector *x)
{
	struct list *n;

	list_for_each (n, &x->places)
		if (!container_of(n, struct place, node)->up)
			return false;
	return true;
}

static int nobody(const struct injector *x, struct kt_error *err)
{
	const struct job *job = x->job;

	if (job->subject.kind == SUBJECT_POD)
		return kt_fail(err, ENOENT,
			       "Pod %s/%s does not run with a network of its "
			       "own",
			       job->ns, job->subject.name);
	return kt_fail(err, ENOENT,
		       "Service %s/%s: no Pod behind it runs with a network of "
		       "its own",
		       job->ns, job->name);
}

static int nobody_left(const struct injector *x, struct kt_error *err)
{
	const struct job *job = x->job;

	kt_hint(err,
		"'kubectl -n %s describe pod' shows the containers that "
		"have ended",
		job->ns);
	return kt_fail(err, EIO,
		       "Service %s/%s: no Pod leads here any more: %d "
		       "containers have ended in each",
		       job->ns, job->name, TRIES);
}

int injector_start(struct injector *x, struct kt_error *err)
{
	struct job *job = x->job;
	int64_t end = clock_ns() +
		      job->global->pod.creation_timeout * (int64_t)NS_SEC;
	int rc = start_watch(x, err);

	while (rc == 0) {
		rc = inject_step(x, err);
		if (rc < 0 || x->changed)
			continue;
		if (list_empty(&x->places))
			return nobody(x, err);
		if (all_up(x))
			return 0;
		rc = loop_run_until(job->app->loop, &x->changed,
				    MAX(end - clock_ns(), 1));
		if (rc == -ETIMEDOUT)
			rc = kt_fail(err, ETIMEDOUT,
				     "the containers in the Pods do not start");
		else if (rc < 0)
			kt_fail(err, -rc, "interrupted");
	}
	return rc;
}

/* --- does a caller arrive? ------------------------------------------------ */

/* The first TCP port of @p, at the Pod's own address; false: there is none. The
 * Pod itself cannot call it there: that never leaves the Pod. It can call its
 * Service, and then comes with the node's address, which is spared where the
 * Pod has probes. */
static bool inject_way(const struct place *p, bool alone, struct ipport *at)
{
	const struct job *job = p->x->job;
	const json_t *pod = pod_of(p);
	const char *ip = json_str(pod, "status", "podIP", NULL);

	if (!p->up || p->leaving ||
	    (alone &&
	     (job->subject.kind == SUBJECT_POD || ephemeral_has_probe(pod))))
		return false;
	if (alone)
		ip = json_str(job->service, "spec", "clusterIP", NULL);
	for (size_t i = 0; i < job->ports.n; i++)
		for (size_t k = 0; k < job->nlocal; k++) {
			if (job->ports.v[i].udp || job->local[k].udp ||
			    job->local[k].remote != job->ports.v[i].target)
				continue;
			at->port = alone ? job->ports.v[i].port
					 : p->local[k].remote;
			return ip && ipaddr_parse(&at->addr, ip) == 0;
		}
	return false;
}

void injector_arrival(struct injector *x)
{
	size_t n = 0, all = injector_pods(x);
	struct probe_place *v = xcalloc(MAX(all, 1), sizeof(*v));
	struct list *node;

	list_for_each (node, &x->places) {
		struct place *p = container_of(node, struct place, node);
		struct ipport at = { 0 };

		if (n < all && inject_way(p, all == 1, &at))
			v[n++] = (struct probe_place){ p->shadow, p->uplink,
						       at };
	}
	if (n == all)
		probe_places(x->job, v, n);
	free(v);
}

/* Containers are in the Pods that the Service had at the start: when it has
 * others, they are not its callers that come here */
static int inject_check_service(struct injector *x, struct kt_error *err)
{
	struct job *job = x->job;
	int rc;

	if (!job->changed)
		return 0;
	job->changed = false;
	rc = keep_user_service(job, err);
	if (rc > 0)
		rc = kt_fail(err, ECANCELED,
			     "Service %s/%s leads to other Pods than those "
			     "that lead here",
			     job->ns, job->name);
	return rc;
}

void injector_watch_service(struct injector *x)
{
	if (x->job->subject.kind == SUBJECT_POD)
		return; /* it is this Pod, whoever leads to it */
	x->job->wakes = &x->changed;
	keep_start(x->job);
}

int injector_serve(struct injector *x, struct kt_error *err)
{
	int64_t wait = -1;

	for (;;) {
		int rc = loop_run_until(x->job->app->loop, &x->changed, wait);

		if (rc == -EINTR)
			return kt_fail(err, EINTR, "interrupted");
		rc = inject_check_service(x, err);
		if (rc < 0)
			return rc;
		rc = inject_step(x, err);
		if (rc == -EINTR || rc == -EEXIST || x->lost.code)
			return rc;
		if (all_given_up(x))
			return rc < 0 ? rc : nobody_left(x, err);
		wait = rc < 0 ? AGAIN : -1;
		if (rc < 0)
			repeat_warn(&x->told, "%s", err->msg);
		*err = (struct kt_error){ 0 };
	}
}

/* --- the end -------------------------------------------------------------- */

static size_t callers(const struct injector *x)
{
	struct list *n;
	size_t all = 0;

	list_for_each (n, &x->places) {
		const struct place *p = container_of(n, struct place, node);

		if (p->uplink && uplink_is_up(p->uplink))
			all += inbound_callers(uplink_inbound(p->uplink));
	}
	return all;
}

static bool all_ended(const struct injector *x)
{
	struct list *n;

	list_for_each (n, &x->places) {
		const struct place *p = container_of(n, struct place, node);
		const json_t *pod = pod_of(p);

		if (pod && p->name[0] &&
		    ephemeral_look(pod, p->name, NULL) != EPHEMERAL_ABSENT)
			return false;
	}
	return true;
}

static void end_quiet(struct injector *x, int64_t ns)
{
	struct list *n;

	list_for_each (n, &x->places) {
		const struct place *p = container_of(n, struct place, node);

		if (p->uplink)
			inbound_end_quiet(uplink_inbound(p->uplink), ns);
	}
}

/* Everybody's new callers go to the Pods before anybody's tunnel ends */
static void inject_drain(struct injector *x)
{
	struct signals *signals = x->job->app->signals;
	int64_t end = clock_ns() + x->job->opt->grace_time * (int64_t)NS_SEC;
	struct list *n;

	list_for_each (n, &x->places) {
		struct place *p = container_of(n, struct place, node);

		if (p->uplink &&
		    inbound_set_rules(uplink_inbound(p->uplink), NULL, 0) < 0)
			log_debug("Pod %s: rules stay to the end", p->pod);
	}
	if (!injector_pods(x) || signals_sleep(signals, SETTLE) < 0)
		return;
	while (callers(x) && clock_ns() < end) {
		end_quiet(x, job_quiet(end));
		if (signals_sleep(signals, 20 * NS_MS) < 0)
			return;
	}
}

/* The Pods are watched; whether anybody is there has to be asked */
static bool inject_is_alone(struct injector *x)
{
	struct kt_error err = { 0 };

	if (kube_get(x->job->kube, "/version", NULL, &err) < 0)
		log_debug("%s", err.msg);
	return kube_is_gone(x->job->kube);
}

void injector_leave(struct injector *x)
{
	int64_t end = clock_ns() + ENDING;
	bool was_up = injector_pods(x) > 0;
	struct list *n;

	inject_drain(x);
	list_for_each (n, &x->places)
		inject_disconnect(container_of(n, struct place, node));
	while (was_up && !all_ended(x) && clock_ns() < end) {
		x->changed = false;
		int rc =
			signals_wait(x->job->app->signals, &x->changed, NS_SEC);

		if (rc == -EINTR || (rc == -ETIMEDOUT && inject_is_alone(x)))
			return;
	}
}

void injector_probe(const struct injector *x)
{
	struct list *n;

	if (x)
		list_for_each (n, &x->places)
			uplink_probe(
				container_of(n, struct place, node)->uplink);
}

/* A Pod whose container does not run yet does not lead here */
void injector_report(const struct injector *x, struct control_report *r)
{
	struct list *n;

	if (!x)
		return;
	list_for_each (n, &x->places) {
		const struct place *p = container_of(n, struct place, node);

		if (p->uplink)
			uplink_report(p->uplink, r);
	}
	list_for_each (n, &x->places)
		r->tunnels += !container_of(n, struct place, node)->uplink;
	uplink_history_report(&x->job->history, r);
}

struct injector *injector_new(struct job *job)
{
	struct injector *x = xcalloc(1, sizeof(*x));

	x->job = job;
	x->pods = json_object();
	list_init(&x->places);
	return x;
}

void injector_free(struct injector *x)
{
	if (!x)
		return;
	keep_stop(x->job);
	x->job->wakes = NULL;
	while (!list_empty(&x->places))
		place_free(container_of(x->places.next, struct place, node));
	kube_watch_stop(x->watch);
	json_decref(x->pods);
	free(x);
}
