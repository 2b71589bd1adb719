/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/resolver.h"

#include "base/log.h"
#include "base/mem.h"
#include "dns/absent.h"
#include "dns/client.h"
#include "dns/wildcard.h"
#include "wire/dns_rewrite.h"

#include <errno.h>
#include <string.h>

#define TASKS_MAX 1024
#define STEPS_MAX (DNS_CAND_MAX + DNS_ORDER_MAX)
#define INGRESS_TTL 5
#define EXCHANGES_MAX 512
#define EXCHANGE_LIMIT (5 * NS_SEC)

/* how long a yes of another server waits for the cluster's: in round trips, and
 * at least and at most so long */
#define GRACE_RTTS 4
#define GRACE_MIN (50 * NS_MS)
#define GRACE_MAX (400 * NS_MS)
/* how long the cluster's yes waits for the server of the laptop's domain, and
 * for one that did not answer in time before */
#define OWN_WAIT (1000 * NS_MS)
#define OWN_WAIT_MUTE (50 * NS_MS)

enum step_state { STEP_IDLE, STEP_RUNNING, STEP_DONE };

/* what a step brought, the more useful the later */
enum result { GOT_NOTHING, GOT_ERROR, GOT_NXDOMAIN, GOT_NODATA, GOT_DATA };

/** struct asked - a server, on one of the ways to it (enum dns_way) */
struct asked {
	struct step *step;
	struct dns_exchange *exchange; /* NULL: not running */
};

struct step {
	struct task *task;
	enum step_state state;
	enum result result;
	bool cluster, weak;
	struct dns_name name;	  /* cluster: whom to ask for */
	struct dns_name gate;	  /* what must exist for that; may be empty */
	struct dns_name suffix;	  /* the laptop's, taken off; may be empty */
	struct dns_source server; /* otherwise: whom to ask */
	struct dns_waiter waiter;
	struct asked asked[2]; /* by enum dns_way */
	uint8_t *reply;
	size_t len;
};

struct task {
	struct dns_resolver *r;
	struct list node;
	struct dns_from from;
	dns_reply_fn fn;
	struct dns_query q;
	bool opaque; /* @q does not describe the message: pass it on */
	bool sure;   /* the cluster first, then the others */
	bool stream; /* any number of replies: zone transfer */
	bool pass;   /* the one step's reply is the answer, whatever */
	bool own;   /* may be a name of the laptop's domain: its server first */
	bool alone; /* that server was waited for long enough */
	struct dns_wildcard_waiter wildcard;
	struct timer patience;
	size_t n;
	struct step step[STEPS_MAX];
	size_t msg_len;
	uint8_t msg[];
};

struct dns_resolver {
	struct loop *loop;
	struct dns_resolver_config cfg;
	bool has_cluster, has_other; /* in the order list */
	struct dns_lookup *lookup;
	struct dns_absent *absent;
	struct dns_client *upstream;
	struct dns_wildcards *wildcards;
	bool own_mute; /* the laptop's server was waited for in vain */
	struct list tasks;
	size_t ntasks;
	struct ipaddr ingress_ip;
	struct dns_name *ingress;
	size_t ningress;
	uint8_t scratch[DNS_MSG_MAX];
};

struct dns_resolver *dns_resolver_new(struct loop *l,
				      const struct dns_resolver_config *cfg,
				      const struct dns_cluster_ops *ops,
				      void *ops_user)
{
	struct dns_client_config to_servers = cfg->upstream;
	struct dns_resolver *r = xcalloc(1, sizeof(*r));

	to_servers.limit_ns = EXCHANGE_LIMIT;
	to_servers.repeat_ns = NS_SEC;
	to_servers.max = EXCHANGES_MAX;
	r->loop = l;
	r->cfg = *cfg;
	for (size_t i = 0; i < cfg->order.n; i++) {
		if (cfg->order.v[i].via == DNS_VIA_CLUSTER)
			r->has_cluster = true;
		else
			r->has_other = true;
	}
	/* nobody else is listed: then the cluster is asked for all names */
	if (!r->has_other)
		r->cfg.all_cluster = r->has_cluster = true;
	r->lookup = dns_lookup_new(l, ops, ops_user, cfg->cache_ttl);
	r->absent = dns_absent_new(l, r->lookup);
	r->upstream = dns_client_new(l, &to_servers);
	r->wildcards = dns_wildcards_new(l, r->upstream);
	list_init(&r->tasks);
	return r;
}

static void step_cancel_upstream(struct step *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->asked); i++) {
		dns_exchange_cancel(s->asked[i].exchange);
		s->asked[i].exchange = NULL;
	}
}

static void task_free(struct task *t)
{
	for (size_t i = 0; i < t->n; i++) {
		dns_lookup_cancel(&t->step[i].waiter);
		step_cancel_upstream(&t->step[i]);
		free(t->step[i].reply);
	}
	loop_timer_stop(&t->patience);
	dns_wildcard_cancel(&t->wildcard);
	list_del(&t->node);
	t->r->ntasks--;
	loop_defer_free(t->r->loop, t);
}

void dns_resolver_cancel(struct dns_resolver *r, const void *owner)
{
	struct list *p, *tmp;

	list_for_each_safe (p, tmp, &r->tasks) {
		struct task *t = container_of(p, struct task, node);

		if (t->from.owner == owner)
			task_free(t);
	}
}

void dns_resolver_free(struct dns_resolver *r)
{
	struct list *p, *tmp;

	if (!r)
		return;
	list_for_each_safe (p, tmp, &r->tasks)
		task_free(container_of(p, struct task, node));
	dns_absent_free(r->absent);
	dns_lookup_free(r->lookup);
	dns_wildcards_free(r->wildcards);
	dns_client_free(r->upstream);
	free(r->ingress);
	loop_defer_free(r->loop, r);
}

void dns_resolver_flush(struct dns_resolver *r)
{
	dns_absent_flush(r->absent);
	dns_lookup_flush(r->lookup);
}

void dns_resolver_set_fallback(struct dns_resolver *r,
			       const struct ipport *server)
{
	r->cfg.fallback = *server;
	r->own_mute = false;
	dns_wildcards_flush(r->wildcards);
}

void dns_resolver_set_ingress(struct dns_resolver *r, const struct ipaddr *ip,
			      const struct strv *hosts)
{
	free(r->ingress);
	r->ingress = NULL;
	r->ningress = 0;
	if (!hosts || !hosts->n)
		return;
	r->ingress_ip = *ip;
	r->ingress = xcalloc(hosts->n, sizeof(*r->ingress));
	for (size_t i = 0; i < hosts->n; i++) {
		if (dns_name_parse(&r->ingress[r->ningress], hosts->v[i]) == 0)
			r->ningress++;
	}
}

/* "*.x.y" stands for one label more, as in an Ingress rule */
static bool ingress_has(const struct dns_resolver *r,
			const struct dns_name *name)
{
	struct dns_name parent, rule_parent;

	dns_name_tail(&parent, name, 1);
	for (size_t i = 0; i < r->ningress; i++) {
		const struct dns_name *rule = &r->ingress[i];

		if (dns_name_eq(rule, name))
			return true;
		if (!dns_name_label_is(rule, 0, "*"))
			continue;
		dns_name_tail(&rule_parent, rule, 1);
		if (name->len > 1 && dns_name_eq(&rule_parent, &parent))
			return true;
	}
	return false;
}

/* Replies */

static void resolver_deliver(struct task *t, const uint8_t *msg, size_t len)
{
	struct dns_from from = t->from;
	dns_reply_fn fn = t->fn;

	task_free(t);
	fn(&from, msg, len);
}

static void deliver_error(struct task *t, unsigned int rcode)
{
	uint8_t *out = t->r->scratch;
	ssize_t n;

	if (t->opaque) {
		resolver_deliver(t, out,
				 dns_reply_raw(t->msg, t->msg_len, rcode, out));
		return;
	}
	n = dns_reply_empty(&t->q, rcode, out, DNS_MSG_MAX);
	resolver_deliver(t, out, n > 0 ? (size_t)n : 0);
}

/* the cluster's reply, said again for the client's question */
static void deliver_cluster(struct task *t, const struct step *s)
{
	uint32_t cap = t->r->cfg.cache_ttl;
	uint8_t *out = t->r->scratch;
	ssize_t n = dns_rewrite(&t->q, &s->name, s->reply, s->len, out,
				DNS_MSG_MAX);

	if (n > 0 && cap)
		dns_age(out, (size_t)n, 0, cap);
	if (n > 0 && !t->from.tcp)
		n = dns_truncate(out, (size_t)n, t->q.udp_size);
	if (n <= 0)
		deliver_error(t, DNS_SERVFAIL);
	else
		resolver_deliver(t, out, (size_t)n);
}

static void deliver_step(struct task *t, struct step *s)
{
	uint8_t *reply;
	ssize_t n;

	if (s->cluster) {
		deliver_cluster(t, s);
		return;
	}
	reply = steal_ptr(&s->reply); /* outlives the task */
	/* a server asked by TCP gave more than this client takes */
	n = t->opaque || t->from.tcp
		    ? (ssize_t)s->len
		    : dns_truncate(reply, s->len, t->q.udp_size);
	if (n < 0)
		deliver_error(t, DNS_SERVFAIL);
	else
		resolver_deliver(t, reply, (size_t)n);
	free(reply);
}

/* Steps */

static enum result classify(const uint8_t *msg, size_t len)
{
	struct dns_hdr h;

	if (dns_hdr_read(&h, msg, len) < 0)
		return GOT_NOTHING;
	if (dns_hdr_rcode(&h) == DNS_NXDOMAIN)
		return GOT_NXDOMAIN;
	if (dns_hdr_rcode(&h) != DNS_NOERROR)
		return GOT_ERROR;
	/* cut to nothing: there is data, the client comes back by TCP */
	return h.count[DNS_ANSWER] || h.flags & DNS_TC ? GOT_DATA : GOT_NODATA;
}

static void step_done(struct step *s, int rc, const uint8_t *msg, size_t len)
{
	s->state = STEP_DONE;
	s->result = GOT_NOTHING;
	if (rc < 0)
		return;
	s->reply = malloc(len);
	if (!s->reply)
		return;
	memcpy(s->reply, msg, len);
	s->len = len;
	s->result = classify(msg, len);
}

static void task_progress(struct task *t);

static void cluster_done(struct step *s, int rc, const uint8_t *msg, size_t len)
{
	step_done(s, rc, msg, len);
	if (s->result == GOT_NXDOMAIN && s->gate.len)
		dns_absent_probe(s->task->r->absent, &s->gate);
}

static void on_cluster(struct dns_waiter *w, int rc, const uint8_t *msg,
		       size_t len)
{
	struct step *s = container_of(w, struct step, waiter);

	cluster_done(s, rc, msg, len);
	task_progress(s->task);
}

static void start_upstream(struct step *s, bool tcp);

/* a zone transfer: pass every message on, say when it is over */
static void resolver_on_stream(struct asked *a, int rc, const uint8_t *msg,
			       size_t len)
{
	struct task *t = a->step->task;

	if (rc == 0) {
		t->from.more = true;
		t->fn(&t->from, msg, len);
		return;
	}
	a->exchange = NULL;
	if (t->from.more) {
		t->from.more = false;
		resolver_deliver(t, NULL, 0);
	} else {
		deliver_error(t, DNS_SERVFAIL);
	}
}

static bool upstream_addr(const struct task *t, const struct dns_source *sv,
			  struct ipport *to);

static void on_upstream(void *user, int rc, const uint8_t *msg, size_t len)
{
	struct asked *a = user;
	struct step *s = a->step;
	const struct dns_resolver *r = s->task->r;
	struct ipport to;

	if (rc == -ELOOP && r->cfg.looped &&
	    upstream_addr(s->task, &s->server, &to))
		r->cfg.looped(r->cfg.user, &to);
	if (s->task->stream) {
		resolver_on_stream(a, rc, msg, len);
		return;
	}
	a->exchange = NULL;
	if (rc < 0 && (s->asked[0].exchange || s->asked[1].exchange))
		return; /* it may be at the end of the other way */
	step_cancel_upstream(s);
	/* "udp:" for a client that already came by TCP: a cut reply is of no
	 * use to it */
	if (rc == 0 && s->task->from.tcp && s->server.proto == DNS_PROTO_UDP &&
	    msg[2] & (DNS_TC >> 8)) {
		s->server.proto = DNS_PROTO_TCP;
		start_upstream(s, true);
	} else {
		step_done(s, rc, msg, len);
	}
	task_progress(s->task);
}

static int64_t cluster_limit(const struct dns_resolver *r,
			     const struct dns_name *name)
{
	/* podDNS: a name from outside may take its time */
	if (r->cfg.all_cluster && !dns_name_under(name, &r->cfg.view->domain))
		return EXCHANGE_LIMIT;
	return dns_lookup_suspect(r->lookup) ? DNS_SUSPECT_LIMIT
					     : DNS_CLUSTER_LIMIT;
}

static void start_cluster(struct step *s)
{
	struct task *t = s->task;
	struct dns_resolver *r = t->r;
	struct dns_query q = t->q;
	const uint8_t *msg;
	ssize_t n;

	if (s->gate.len && dns_absent_has(r->absent, &s->gate)) {
		s->state = STEP_DONE;
		s->result = GOT_NXDOMAIN;
		return;
	}
	q.name = s->name;
	s->state = STEP_RUNNING;
	n = dns_lookup_ask(r->lookup, &q, cluster_limit(r, &s->name),
			   &s->waiter, on_cluster, &msg);
	if (n)
		cluster_done(s, n < 0 ? (int)n : 0, msg, n < 0 ? 0 : (size_t)n);
}

static bool upstream_addr(const struct task *t, const struct dns_source *sv,
			  struct ipport *to)
{
	if (sv->via == DNS_VIA_ADDR) {
		*to = sv->addr;
		return true;
	}
	*to = t->from.orig.addr.family ? t->from.orig : t->r->cfg.fallback;
	if (sv->addr.port)
		to->port = sv->addr.port;
	return to->addr.family;
}

/* is @addr where programs of this machine are led into the cluster? */
static bool is_captured(const struct dns_view *v, const struct ipaddr *addr)
{
	for (size_t i = 0; i < v->nranges; i++)
		if (ipprefix_has(&v->ranges[i], addr))
			return true;
	return false;
}

static bool is_cluster_server(const struct dns_view *v,
			      const struct ipaddr *addr)
{
	for (size_t i = 0; i < v->nservers; i++)
		if (ipaddr_eq(&v->servers[i], addr))
			return true;
	return false;
}

static int ask_way(struct step *s, const struct ipport *to, bool tcp,
		   enum dns_way way)
{
	struct task *t = s->task;
	struct asked *a = &s->asked[way];
	enum dns_transport over = t->stream ? DNS_OVER_STREAM
				  : tcp	    ? DNS_OVER_TCP
					    : DNS_OVER_UDP;

	a->step = s;
	return dns_exchange_start(t->r->upstream, to, over, way, t->msg,
				  t->msg_len, on_upstream, a, &a->exchange);
}

static void start_upstream(struct step *s, bool tcp)
{
	const struct task *t = s->task;
	const struct dns_view *v = t->r->cfg.view;
	int past = -ENOENT, through = -ENOENT;
	struct ipport to;
	bool in, own;

	s->state = STEP_RUNNING;
	if (!upstream_addr(t, &s->server, &to)) {
		step_done(s, -ENOENT, NULL, 0);
		return;
	}
	in = is_captured(v, &to.addr);
	own = in && (t->stream || is_cluster_server(v, &to.addr));
	if (in)
		through = ask_way(s, &to, tcp, DNS_WAY_THROUGH);
	if (!own)
		past = ask_way(s, &to, tcp, DNS_WAY_PAST);
	if (past < 0 && through < 0)
		step_done(s, past, NULL, 0);
}

static void step_start(struct step *s)
{
	if (s->cluster)
		start_cluster(s);
	else if (s->server.proto == DNS_PROTO_ANY)
		start_upstream(s, s->task->from.tcp);
	else
		start_upstream(s, s->server.proto == DNS_PROTO_TCP);
}

/* The task as a whole */

/* may step @i begin? what stands before it may have to say no first */
static bool may_start(const struct task *t, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		const struct step *before = &t->step[k];

		if (before->state == STEP_DONE)
			continue;
		if (!before->cluster ||
		    (!t->step[i].cluster && t->sure && !t->own))
			return false;
	}
	return true;
}

static bool resolver_is_final(const struct step *s)
{
	return s->result == GOT_DATA ||
	       (s->result == GOT_NODATA && s->cluster && !s->weak);
}

static void give_up_waiting(struct timer *timer)
{
	struct task *t = container_of(timer, struct task, patience);

	for (size_t i = 0; i < t->n; i++) {
		struct step *s = &t->step[i];

		if (s->cluster && s->state == STEP_RUNNING) {
			dns_lookup_cancel(&s->waiter);
			step_done(s, -ETIMEDOUT, NULL, 0);
		}
	}
	task_progress(t);
}

/* another server said yes while the cluster still thinks */
static void be_patient(struct task *t)
{
	int64_t rtt = dns_lookup_rtt(t->r->lookup);
	int64_t grace = rtt ? rtt * GRACE_RTTS : GRACE_MAX;

	if (t->sure || loop_timer_active(&t->patience))
		return;
	grace = MIN(MAX(grace, GRACE_MIN), GRACE_MAX);
	if (dns_lookup_suspect(t->r->lookup))
		grace = 0;
	loop_timer_start(t->r->loop, &t->patience, grace, give_up_waiting);
}

/*
 * Nobody said yes: which no is the answer? That of a server that was asked for
 * the very name: a no to an expansion says nothing about the name itself.
 */
static void deliver_best(struct task *t)
{
	bool only_cluster = t->step[t->n - 1].cluster && t->step[0].cluster;
	struct step *best = NULL;

	for (size_t i = 0; i < t->n; i++) {
		struct step *s = &t->step[i];
		bool mute = s->result <= GOT_ERROR;

		/* the cluster would know, but did not say: do not deny it */
		if (s->cluster && !s->weak && t->sure && mute) {
			deliver_error(t, DNS_SERVFAIL);
			return;
		}
		if (s->reply && s->cluster == only_cluster &&
		    (!best || s->result > best->result))
			best = s;
	}
	if (best)
		deliver_step(t, best);
	else
		deliver_error(t, DNS_SERVFAIL);
}

static void own_gave_up(struct timer *timer)
{
	struct task *t = container_of(timer, struct task, patience);

	t->alone = true;
	t->r->own_mute = true;
	task_progress(t);
}

static void own_wildcard_known(struct dns_wildcard_waiter *w)
{
	task_progress(container_of(w, struct task, wildcard));
}

static struct step *own_step(struct task *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (!t->step[i].cluster)
			return &t->step[i];
	return NULL;
}

/* Is there a wildcard? false: not known yet, @t goes on when it is. */
static bool own_wildcard(struct task *t, const struct step *own,
			 const struct dns_name *suffix, bool *yes)
{
	struct dns_wildcards *ws = t->r->wildcards;
	enum dns_wildcard w = dns_wildcard_of(ws, suffix);
	struct ipport server;

	*yes = w == DNS_WILDCARD_YES;
	if (w != DNS_WILDCARD_UNKNOWN)
		return true;
	if (t->wildcard.node.next)
		return false;
	return !upstream_addr(t, &own->server, &server) ||
	       dns_wildcard_ask(ws, suffix, &server, &t->wildcard,
				own_wildcard_known) < 0;
}

/*
 * The cluster's yes @s is for a name that may be one of the laptop's domain.
 * true: it is not, or not yet, the answer.
 */
static bool own_decides(struct task *t, struct step *s)
{
	struct step *own = s->cluster && s->suffix.len ? own_step(t) : NULL;
	struct dns_resolver *r = t->r;
	bool wildcard;

	if (!own || t->alone)
		return false;
	if (own->state == STEP_IDLE)
		step_start(own);
	if (own->state != STEP_DONE) {
		if (!loop_timer_active(&t->patience))
			loop_timer_start(r->loop, &t->patience,
					 r->own_mute ? OWN_WAIT_MUTE : OWN_WAIT,
					 own_gave_up);
		return true;
	}
	loop_timer_stop(&t->patience);
	r->own_mute = r->own_mute && own->result == GOT_NOTHING;
	if (own->result < GOT_NODATA)
		return false;
	if (!own_wildcard(t, own, &s->suffix, &wildcard))
		return true;
	if (wildcard)
		return false;
	/* a name server of this machine that asks others does so through us,
	 * and has heard the cluster's word: that is no other host */
	if (r->cfg.clash && !dns_same_addresses(own->reply, own->len, s->reply,
						s->len, t->q.type))
		r->cfg.clash(r->cfg.user, &t->q.name, &s->name);
	deliver_step(t, own);
	return true;
}

static void task_progress(struct task *t)
{
	bool waiting = false;

	for (size_t i = 0; i < t->n; i++) {
		struct step *s = &t->step[i];

		if (s->state == STEP_IDLE && may_start(t, i))
			step_start(s);
		if (s->state != STEP_DONE) {
			waiting = true;
		} else if (resolver_is_final(s)) {
			if (!waiting && own_decides(t, s))
				return;
			if (!waiting)
				deliver_step(t, s);
			else
				be_patient(t);
			return;
		}
	}
	if (waiting)
		return;
	if (t->pass && t->step[0].reply)
		deliver_step(t, &t->step[0]);
	else
		deliver_best(t);
}

/* From a query to its steps */

static struct step *add_step(struct task *t, bool cluster)
{
	struct step *s = &t->step[t->n++];

	s->task = t;
	s->cluster = cluster;
	return s;
}

static void add_cluster_step(struct task *t, const struct dns_name *name)
{
	add_step(t, true)->name = *name;
}

static void add_expansion(struct task *t, const struct dns_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct step *s = add_step(t, true);

		s->name = plan->cand[i].name;
		s->weak = plan->cand[i].weak;
		s->gate = plan->cand[i].gate;
		s->suffix = plan->cand[i].suffix;
		t->own = t->own || s->suffix.len;
	}
}

/* @plan: NULL for what only the other servers are asked */
static void add_steps(struct task *t, const struct dns_plan *plan)
{
	const struct dns_resolver *r = t->r;

	for (size_t i = 0; i < r->cfg.order.n; i++) {
		const struct dns_source *sv = &r->cfg.order.v[i];

		if (sv->via != DNS_VIA_CLUSTER)
			add_step(t, false)->server = *sv;
		else if (plan)
			add_expansion(t, plan);
	}
}

static bool is_transfer(const struct task *t)
{
	return !t->opaque && (t->q.type == DNS_AXFR || t->q.type == DNS_IXFR);
}

static void plan_task(struct task *t)
{
	const struct dns_resolver *r = t->r;
	struct dns_plan plan = { .route = DNS_ROUTE_UPSTREAM };
	bool all = r->cfg.all_cluster && !t->opaque;

	if (!t->opaque && r->has_cluster && t->q.klass == DNS_IN)
		dns_names_plan(r->cfg.view, &t->q.name, &plan);
	if (is_transfer(t) && plan.route == DNS_ROUTE_EXPAND)
		plan = (struct dns_plan){ .route = DNS_ROUTE_UPSTREAM };
	t->sure = all || plan.sure;
	if (plan.route == DNS_ROUTE_CLUSTER) {
		add_cluster_step(t, &t->q.name);
	} else if (all) {
		/* the name as it is, in place of the other servers */
		add_expansion(t, &plan);
		add_cluster_step(t, &t->q.name);
	} else {
		add_steps(t, plan.n ? &plan : NULL);
	}
	t->pass = t->n == 1;
}

static bool answer_ingress(struct task *t)
{
	const struct dns_resolver *r = t->r;
	const struct ipaddr *ip = &r->ingress_ip;
	uint16_t type = ip->family == AF_INET ? DNS_A : DNS_AAAA;
	uint8_t *out = t->r->scratch;
	ssize_t n;

	if (t->opaque || t->q.klass != DNS_IN || !ingress_has(r, &t->q.name))
		return false;
	if (t->q.type == type || t->q.type == DNS_ANY)
		n = dns_reply_addr(&t->q, ip->b, ipaddr_size(ip), INGRESS_TTL,
				   out, DNS_MSG_MAX);
	else
		n = dns_reply_empty(&t->q, DNS_NOERROR, out, DNS_MSG_MAX);
	resolver_deliver(t, out, n > 0 ? (size_t)n : 0);
	return true;
}

/* what the cluster's side cannot be asked; true when answered */
static bool resolver_refuse(struct task *t)
{
	bool cluster = t->n && t->step[0].cluster;

	if (t->n == 0) {
		deliver_error(t, t->opaque ? DNS_NOTIMP : DNS_REFUSED);
		return true;
	}
	if (cluster && t->q.edns_version) {
		deliver_error(t, DNS_BADVERS);
		return true;
	}
	if (is_transfer(t)) {
		/* the cluster's zone is not for transfer */
		if (cluster) {
			deliver_error(t, DNS_REFUSED);
			return true;
		}
		t->n = 1;
		t->stream = t->from.tcp;
	}
	return false;
}

void dns_resolver_ask(struct dns_resolver *r, const struct dns_from *from,
		      const uint8_t *msg, size_t len, dns_reply_fn fn)
{
	uint8_t raw[DNS_HDR_LEN];
	struct dns_query q;
	struct task *t;
	int rc = dns_query_parse(&q, msg, len);

	if (rc < 0 && rc != -EOPNOTSUPP) {
		fn(from, raw, dns_reply_raw(msg, len, DNS_FORMERR, raw));
		return;
	}
	if (dns_client_returned(r->upstream, &from->peer, from->tcp, msg,
				len)) {
		fn(from, raw, 0);
		return;
	}
	t = r->ntasks < TASKS_MAX ? calloc(1, sizeof(*t) + len) : NULL;
	if (!t) {
		fn(from, raw, dns_reply_raw(msg, len, DNS_SERVFAIL, raw));
		return;
	}
	t->r = r;
	t->from = *from;
	t->fn = fn;
	t->q = q;
	t->opaque = rc < 0; /* UPDATE, NOTIFY: for the server they are meant */
	t->msg_len = len;
	memcpy(t->msg, msg, len);
	list_add_tail(&r->tasks, &t->node);
	r->ntasks++;
	if (answer_ingress(t))
		return;
	plan_task(t);
	if (!resolver_refuse(t))
		task_progress(t);
}
