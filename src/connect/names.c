/* SPDX-License-Identifier: Apache-2.0 */
#include "connect/names.h"

#include "base/log.h"
#include "base/mem.h"
#include "cluster/objset.h"
#include "connect/hosts.h"
#include "connect/ingress.h"
#include "dns/names.h"
#include "dns/order.h"
#include "dns/resolvconf_file.h"
#include "dns/resolvconf_follow.h"
#include "dns/resolved.h"
#include "dns/resolver.h"
#include "dns/server.h"
#include "kube/rest.h"
#include "net/port53.h"
#include "tunnel/pace.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DNS_MARK 0x6b74 /* "kt": our own questions to name servers */

struct names {
	struct names_config cfg;
	struct resolvconf resolvconf;
	struct dns_order order;
	struct dns_view view;
	struct tunnel *tunnel;
	struct bypass *bypass;
	struct resolvconf_follow *follow;
	struct dns_resolver *resolver;
	struct dns_server *server;
	struct port53 *port53;
	bool questions;		  /* see struct names_start */
	struct faults *faults;	  /* NULL: none */
	struct ipport pod_server; /* the Pod's; family 0: not known */
	struct list late;	  /* of struct question: a fault holds them */
	struct objset *services, *namespaces;
	struct hosts_mode *hosts;
	char *resolved_link;  /* kt0, when systemd-resolved was told of it */
	struct strv clashes;  /* names that were warned of */
	unsigned long looped; /* questions that came back to us */
	char text[256];
};

/* --- before anything is made ---------------------------------------------- */

static int read_order(struct names *n, struct kt_error *err)
{
	if (n->cfg.opt->dns_mode.kind != DNS_MODE_LOCAL)
		return 0;
	return dns_order_from(&n->order, &n->cfg.opt->dns_mode.list, err);
}

int names_new(struct names **out, const struct names_config *cfg,
	      struct kt_error *err)
{
	struct names *n = xcalloc(1, sizeof(*n));
	int rc;

	n->cfg = *cfg;
	list_init(&n->late);
	n->pod_server.port = 53;
	rc = read_order(n, err);
	if (rc == 0)
		rc = resolvconf_load(&n->resolvconf, NULL, err);
	if (rc == 0)
		rc = dns_view_init(&n->view, cfg->opt->cluster_domain, cfg->ns,
				   err);
	if (rc < 0) {
		names_free(n);
		return rc;
	}
	if (resolvconf_is_kt(NULL))
		log_warn(RESOLVCONF_PATH
			 " has lines of KT Connect: if it does "
			 "not run any more, other names fail until they are "
			 "removed: sudo ktctl clean --localOnly");
	dns_search_set(&n->view.more, &cfg->opt->include_domains, 0);
	dns_search_set(&n->view.laptop, &n->resolvconf.search,
		       n->resolvconf.ndots);
	*out = n;
	return 0;
}

void names_set_pod(struct names *n, const struct strv *search,
		   unsigned int ndots)
{
	if (search->n)
		dns_search_set(&n->view.pod, search, ndots);
}

void names_set_cluster_servers(struct names *n, const struct ipaddr *servers,
			       size_t nservers)
{
	dns_view_set_servers(&n->view, servers, nservers);
	if (nservers)
		n->pod_server.addr = servers[0];
}

void names_set_faults(struct names *n, struct faults *f)
{
	n->faults = f;
}

void names_set_ranges(struct names *n, const struct prefixset *captured)
{
	dns_view_set_ranges(&n->view, captured->v, captured->n);
}

static bool connect_names_is_loopback(const struct ipaddr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == AF_INET ? a->b[0] == 127
				    : memcmp(a->b, one, 16) == 0;
}

size_t names_servers(const struct names *n, struct ipaddr *out, size_t max)
{
	size_t k = 0;

	for (size_t i = 0; i < n->resolvconf.nservers && k < max; i++)
		if (!connect_names_is_loopback(&n->resolvconf.servers[i].addr))
			out[k++] = n->resolvconf.servers[i].addr;
	return k;
}

/* --- what is known of the cluster * --------------------------------------- */

static void connect_names_on_services(void *user)
{
	struct names *n = user;
	struct strv names = { 0 };

	objset_names(n->services, &names);
	dns_view_set_services(&n->view, &names);
	strv_fini(&names);
	dns_resolver_flush(n->resolver);
}

static void on_namespaces(void *user)
{
	struct names *n = user;
	struct strv names = { 0 };

	objset_names(n->namespaces, &names);
	dns_view_set_namespaces(&n->view, &names);
	strv_fini(&names);
}

static void connect_names_on_services_lost(void *user)
{
	struct names *n = user;

	dns_view_set_services(&n->view, NULL);
}

static void on_namespaces_lost(void *user)
{
	struct names *n = user;

	dns_view_set_namespaces(&n->view, NULL);
}

static void watch_cluster(struct names *n)
{
	static const struct objset_ops services = {
		.changed = connect_names_on_services,
		.lost = connect_names_on_services_lost
	};
	static const struct objset_ops namespaces = {
		.changed = on_namespaces, .lost = on_namespaces_lost
	};
	auto_free char *svc =
		kube_path("v1", "services", n->cfg.ns, NULL, NULL);
	auto_free char *ns = kube_path("v1", "namespaces", NULL, NULL, NULL);

	n->services = objset_start(n->cfg.kube, svc, &services, n);
	n->namespaces = objset_start(n->cfg.kube, ns, &namespaces, n);
}

/* --- the resolver * ------------------------------------------------------- */

/* The resolver has given up by then, and the next question is another one */
#define SILENCE (DNS_CLUSTER_LIMIT + 100 * NS_MS)

/** struct question - between the resolver and the tunnel */
struct question {
	struct loop *loop;
	struct names *names; /* while it is there */
	dns_cluster_done_fn done;
	void *arg;
	/* of one that a fault hits */
	const struct fault *fault; /* NULL: none does */
	struct list node;	   /* of names.late */
	struct timer late;
	int error;
	uint8_t *reply;
	size_t len;
};

static void question_end(struct question *q, int error, const uint8_t *reply,
			 size_t len)
{
	list_del(&q->node);
	loop_timer_stop(&q->late);
	q->done(q->arg, error, reply, len);
	free(q->reply);
	loop_defer_free(q->loop, q);
}

static void question_on_late(struct timer *t)
{
	struct question *q = container_of(t, struct question, late);

	question_end(q, q->error, q->reply, q->len);
}

/* Told @ns later */
static void question_hold(struct question *q, int64_t ns)
{
	list_add_tail(&q->names->late, &q->node);
	loop_timer_start(q->loop, &q->late, ns, question_on_late);
}

static void connect_names_on_answer(void *user, int error, const uint8_t *reply,
				    size_t len)
{
	struct question *q = user;

	if (!q->fault || error == -ECANCELED) {
		question_end(q, error, reply, len);
		return;
	}
	q->error = error;
	q->reply = error ? NULL : malloc(len);
	if (q->reply) {
		memcpy(q->reply, reply, len);
		q->len = len;
	} else if (!error) {
		q->error = -ENOMEM;
	}
	question_hold(q, pace_delay(q->fault, faults_random(q->names->faults)));
}

static int ask_cluster(void *user, const uint8_t *msg, size_t len,
		       dns_cluster_done_fn done, void *arg)
{
	struct names *n = user;
	const struct fault *f = faults_pick(n->faults, FAULT_UDP, FAULT_BOTH,
					    NULL, &n->pod_server);
	struct question *q;

	if (f && f->act == FAULT_REFUSE)
		return -ECONNREFUSED;
	q = malloc(sizeof(*q));
	if (!q)
		return -ENOMEM;
	*q = (struct question){ .loop = n->cfg.loop,
				.names = n,
				.done = done,
				.arg = arg,
				.fault = f };
	list_init(&q->node);
	if (f && f->act == FAULT_DROP) {
		q->error = -ETIMEDOUT;
		question_hold(q, SILENCE);
		return 0;
	}
	if (!tunnel_dns_query(n->tunnel, msg, len, false,
			      connect_names_on_answer, q)) {
		int rc = -errno;

		free(q);
		return rc;
	}
	return 0;
}

static bool cluster_ready(void *user)
{
	struct names *n = user;
	enum tunnel_state state = tunnel_state(n->tunnel);

	/* a lost carrier is soon replaced: its streams go on then */
	return state == TUNNEL_UP || state == TUNNEL_LOST;
}

static int original_server(void *user, int fd, const struct dns_from *from,
			   struct ipport *orig)
{
	struct names *n = user;
	int rc;

	if (!n->port53)
		return -ENOENT;
	rc = from->tcp ? port53_original_tcp(fd, orig)
		       : port53_original_udp(n->port53, &from->peer,
					     &from->self, orig);
	/* a server of a link: of that which the question came from */
	if (rc == 0 && ipaddr_is_link_local(&orig->addr) && !orig->scope)
		orig->scope = from->peer.scope;
	return rc;
}

static int names_past_capture(void *user, int fd, const struct ipport *to)
{
	struct names *n = user;

	return n->bypass ? bypass_socket(n->bypass, fd, &to->addr) : 0;
}

/* Once with the remedy; how often it was, in the end. */
static void names_on_looped(void *user, const struct ipport *to)
{
	struct names *n = user;
	char text[IPPORT_STRLEN];

	if (n->looped++)
		return;
	log_warn("the question to name server %s came back to ktctl: something "
		 "else on this machine redirects port 53 (iptables -t nat -S, "
		 "nft list ruleset), and names that are not the cluster's "
		 "fail. What KT Connect left is removed by: sudo ktctl clean "
		 "--localOnly",
		 ipport_str(to, text));
}

#define CLASHES_MAX 32 /* names that are warned of */

static void names_on_clash(void *user, const struct dns_name *name,
			   const struct dns_name *service)
{
	struct names *n = user;
	char text[DNS_NAME_STRLEN], full[DNS_NAME_STRLEN];

	dns_name_str(name, text);
	for (size_t i = 0; i < n->clashes.n; i++)
		if (strcasecmp(n->clashes.v[i], text) == 0)
			return;
	if (n->clashes.n == CLASHES_MAX)
		return;
	strv_add(&n->clashes, text);
	log_warn("%s is a name of this machine's own network, and that is what "
		 "its short form leads to; the cluster's is %s",
		 text, dns_name_str(service, full));
}

static int start_resolver(struct names *n, struct dns_server_ports *ports,
			  struct kt_error *err)
{
	static const struct dns_cluster_ops ops = { .query = ask_cluster,
						    .ready = cluster_ready };
	const struct connect_options *opt = n->cfg.opt;
	struct dns_resolver_config cfg = {
		.view = &n->view,
		.order = n->order,
		.all_cluster = opt->dns_mode.kind == DNS_MODE_POD,
		.cache_ttl = (uint32_t)opt->dns_cache_ttl,
		/* nothing redirects them where nothing is redirected; a mark
		 * is for who has CAP_NET_ADMIN */
		.upstream = { .mark = n->questions ? 0 : DNS_MARK,
			      .past = names_past_capture,
			      .user = n },
		.looped = names_on_looped,
		.clash = names_on_clash,
		.user = n,
	};
	struct dns_server_config server = {
		.port = opt->dns_port,
		.any = true,
		.original = original_server,
		.user = n,
	};
	struct port53_config redirect = { .loop = n->cfg.loop,
					  .mark = DNS_MARK,
					  .past_mark = BYPASS_MARK,
					  .last = n->cfg.last };
	int rc;

	if (n->resolvconf.nservers)
		cfg.fallback = n->resolvconf.servers[0];
	n->resolver = dns_resolver_new(n->cfg.loop, &cfg, &ops, n);
	if (!n->resolver)
		return kt_fail(err, ENOMEM, "start the resolver: no memory");
	if (n->questions) {
		n->server = dns_server_new(n->cfg.loop, n->resolver, &server);
		return 0;
	}
	rc = dns_server_open(&n->server, n->cfg.loop, n->resolver, &server,
			     ports, err);
	if (rc == -EADDRINUSE && !opt->dns_port_given) {
		server.port = 0;
		*err = (struct kt_error){ 0 };
		rc = dns_server_open(&n->server, n->cfg.loop, n->resolver,
				     &server, ports, err);
	}
	if (rc < 0)
		return rc;
	redirect.udp4_port = redirect.tcp4_port = ports->v4;
	redirect.udp6_port = redirect.tcp6_port = ports->v6;
	redirect.any4_port = ports->any4;
	redirect.any6_port = ports->any6;
	rc = port53_open(&n->port53, &redirect, err);
	if (rc < 0)
		kt_hint(err, "without nftables: ktctl connect --dnsMode hosts");
	return rc;
}

/* --- systemd-resolved * --------------------------------------------------- */

static void strv_add_search(struct strv *out, const struct dns_search *list)
{
	char text[DNS_NAME_STRLEN];

	for (size_t i = 0; i < list->n; i++)
		strv_add(out, dns_name_str(&list->v[i], text));
}

/* Trouble here is no failure: what asks port 53 is served all the same. */
static void tell_resolved(struct names *n, const struct names_start *start,
			  uint16_t port)
{
	struct strv search = { 0 }, route = { 0 };
	struct resolved_link link = {
		.name = start->device,
		/* resolved does not bind to the link for a loopback server */
		.server = { { AF_INET, { 127, 0, 0, 1 } }, port },
		.search = &search,
		.route = &route,
	};
	struct kt_error err = { 0 };

	if (!start->device || !resolved_is_running())
		return;
	strv_add_search(&search, &n->view.pod);
	strv_add(&route, n->cfg.opt->cluster_domain);
	for (size_t i = 0; i < n->cfg.opt->include_domains.n; i++)
		strv_add(&route, n->cfg.opt->include_domains.v[i]);
	for (size_t i = 0; i < start->ranges->n; i++)
		resolved_add_reverse(&route, &start->ranges->v[i]);
	if (resolved_setup(n->cfg.loop, &link, &err) < 0)
		log_warn("%s", err.msg);
	else
		n->resolved_link = xstrdup(start->device);
	strv_fini(&search);
	strv_fini(&route);
}

/* --- all of it * ---------------------------------------------------------- */

static int start_hosts(struct names *n, struct kt_error *err)
{
	struct hosts_mode_config cfg = {
		.loop = n->cfg.loop,
		.kube = n->cfg.kube,
		.home = n->cfg.home,
		.own_ns = n->cfg.ns,
		.domain = n->cfg.opt->cluster_domain,
		.list = &n->cfg.opt->dns_mode.list,
	};

	snprintf(n->text, sizeof(n->text), "Names are in the hosts file");
	return hosts_mode_start(&n->hosts, &cfg, err);
}

/* Servers that have an address of a link only. */
static void names_set_links(struct names *n)
{
	struct port53_link link[RESOLVCONF_SERVERS];
	struct kt_error err = { 0 };
	size_t k = 0;

	for (size_t i = 0; i < n->resolvconf.nservers; i++) {
		const struct ipport *s = &n->resolvconf.servers[i];
		char text[IPPORT_STRLEN];

		if (!s->scope)
			continue;
		if (port53_find_link(s->scope, &link[k]) == 0)
			k++;
		else
			log_warn("name server %s is left alone, its link has "
				 "no address: whoever asks it does not find "
				 "names of the cluster",
				 ipport_str(s, text));
	}
	if (port53_set_links(n->port53, link, k, &err) < 0)
		log_warn("%s: name servers of a link are left alone", err.msg);
}

/* Programs that have a Pod's resolv.conf complete nothing by the laptop's */
static void names_set_search(struct names *n)
{
	const struct strv none = { 0 };

	dns_search_set(&n->view.laptop,
		       n->questions ? &none : &n->resolvconf.search,
		       n->resolvconf.ndots);
}

static void names_on_resolvconf(void *user, const struct resolvconf *rc)
{
	struct names *n = user;
	struct resolvconf fresh;

	(void)rc;
	if (resolvconf_load(&fresh, NULL, NULL) < 0)
		return;
	log_debug(RESOLVCONF_PATH " has changed");
	resolvconf_fini(&n->resolvconf);
	n->resolvconf = fresh;
	names_set_search(n);
	if (fresh.nservers)
		dns_resolver_set_fallback(n->resolver, &fresh.servers[0]);
	if (n->port53)
		names_set_links(n);
	if (n->cfg.servers_changed)
		n->cfg.servers_changed(n->cfg.user);
}

static int start_local(struct names *n, const struct names_start *start,
		       struct kt_error *err)
{
	struct dns_server_ports ports = { 0 };
	int rc;

	dns_view_set_ranges(&n->view, start->ranges->v, start->ranges->n);
	dns_view_set_namespaces(&n->view, start->namespaces);
	names_set_search(n);
	rc = start_resolver(n, &ports, err); /* the loop runs in it */
	if (rc < 0)
		return rc;
	if (n->port53)
		names_set_links(n);
	rc = resolvconf_follow_start(&n->follow, n->cfg.loop, NULL,
				     names_on_resolvconf, n);
	if (rc < 0)
		log_warn("changes of " RESOLVCONF_PATH " are not followed: %s",
			 strerror(-rc));
	if (n->cfg.opt->ingress_ip.family)
		ingress_load(n->cfg.kube, n->cfg.ns, &n->cfg.opt->ingress_ip,
			     n->resolver);
	if (n->port53)
		tell_resolved(n, start, ports.v4);
	if (!n->cfg.opt->shadow) /* else nothing may be asked */
		watch_cluster(n);
	snprintf(n->text, sizeof(n->text),
		 "Names: SERVICE, SERVICE.NAMESPACE, "
		 "SERVICE.NAMESPACE.svc.%s",
		 n->cfg.opt->cluster_domain);
	return 0;
}

int names_start(struct names *n, const struct names_start *start,
		struct kt_error *err)
{
	n->tunnel = start->tunnel;
	n->questions = start->questions;
	n->bypass = start->bypass;
	if (n->cfg.opt->dns_mode.kind == DNS_MODE_HOSTS)
		return start_hosts(n, err);
	if (n->cfg.opt->disable_tun_device) {
		snprintf(n->text, sizeof(n->text),
			 "Names are resolved by the proxy");
		return 0;
	}
	return start_local(n, start, err);
}

void names_ask(struct names *n, const struct dns_from *from, const uint8_t *msg,
	       size_t len, dns_reply_fn fn)
{
	dns_resolver_ask(n->resolver, from, msg, len, fn);
}

void names_cancel(struct names *n, const void *owner)
{
	dns_resolver_cancel(n->resolver, owner);
}

void names_take(struct names *n, int fd, const struct ipport *peer,
		const struct ipport *orig)
{
	dns_server_take(n->server, fd, peer, orig);
}

const char *names_describe(const struct names *n)
{
	return n->text;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	hosts_mode_stop(n->hosts);
	if (n->resolved_link)
		resolved_revert(n->cfg.loop, n->resolved_link);
	free(n->resolved_link);
	objset_stop(n->services);
	objset_stop(n->namespaces);
	resolvconf_follow_stop(n->follow);
	if (n->looped > 1)
		log_warn("%lu questions to name servers came back to ktctl",
			 n->looped);
	port53_close(n->port53);
	dns_server_close(n->server);
	dns_resolver_free(n->resolver);
	while (!list_empty(&n->late))
		question_on_late(
			&container_of(n->late.next, struct question, node)
				 ->late);
	dns_view_fini(&n->view);
	strv_fini(&n->clashes);
	resolvconf_fini(&n->resolvconf);
	free(n);
}
