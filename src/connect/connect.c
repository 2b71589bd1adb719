/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktctl connect: programs of this machine reach Pods, Services and cluster
 * names. Top-down: command_connect() at the end runs the steps; each step is a
 * function that waits in the loop; connect_undo() takes back what was done.
 */
#include "connect/connect.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/offer_role.h"
#include "cli/progress.h"
#include "cluster/cidr.h"
#include "cluster/cidr_follow.h"
#include "cluster/objects.h"
#include "cluster/sweep.h"
#include "connect/connect_inside.h"
#include "connect/hosts.h"
#include "connect/names.h"
#include "connect/proxy.h"
#include "connect/ranges.h"
#include "connect/routes.h"
#include "connect/traffic.h"
#include "control/control.h"
#include "env/find.h"
#include "kube/ahead.h"
#include "kube/rest.h"
#include "local/home.h"
#include "local/owner.h"
#include "local/pidfile.h"
#include "local/signals.h"
#include "net/bypass.h"
#include "net/capture_link.h"
#include "net/netns.h"
#include "net/nft.h"
#include "tunnel/dnscheck.h"
#include "tunnel/faults.h"
#include "uplink/ask_env.h"
#include "uplink/replace.h"

#include <errno.h>
#include <string.h>

#define STEPS 6
#define INFO_TIMEOUT (10 * NS_SEC)
#define AHEAD_TURNS 4 /* of the loop, until a request's SYN is sent */

/* --- this machine --------------------------------------------------------- */

/* One capture per machine; any number of proxies. Where no other connect is
 * alive, a block in the hosts file is a dead one's. */
static int check_alone(struct connect *c, struct kt_error *err)
{
	pid_t pid = pidfile_alive(c->app->home, "connect");

	if (!pid) {
		hosts_mode_clean(c->app->loop, c->app->home);
		return 0;
	}
	if (c->opt->disable_tun_device)
		return 0;
	kt_hint(err, "leave it with: ktctl disconnect connect-%d", (int)pid);
	return kt_fail(err, EEXIST,
		       "another ktctl connect runs on this machine (pid %d)",
		       (int)pid);
}

/* A shadow that others share, or have made, may be another one by now */
static void connect_on_other_shadow(void *user, int error,
				    const struct tunnel_info *info)
{
	const struct connect *c = user;
	struct kt_error err = { 0 };

	if (error || info->able_env)
		return;
	ask_env_refuse(shadow_describe(c->replace.shadow), info->version, &err);
	log_warn("%s: requests go unmarked", err.msg);
}

static void on_uplink_up(void *user)
{
	struct connect *c = user;

	if (c->mark.name[0] && c->ready &&
	    tunnel_info_get(c->replace.front, connect_on_other_shadow, c) < 0)
		log_debug("the shadow is not asked what it can");
	if (c->traffic)
		traffic_tunnel_up(c->traffic);
	if (c->proxy)
		proxy_tunnel_up(c->proxy);
}

static void connect_on_progress(void *user, const char *text)
{
	struct connect *c = user;

	progress_detail(c->app->progress, "%s", text);
}

static void make_uplink(struct connect *c)
{
	struct shadow_config shadow = {
		.kube = c->kube,
		.ns = c->ns,
		.pod = &c->global->pod,
		.use_local_time = c->global->use_local_time,
		.share = c->opt->share_shadow,
		.command = "connect",
		.keep_ns = c->opt->keep,
		.owner = owner_token(c->owner),
		.home = c->app->home,
		.given = c->opt->shadow,
		.guest = c->place && c->place->shadow,
		.progress = connect_on_progress,
		.user = c,
	};
	struct uplink_config uplink = {
		.loop = c->app->loop,
		.kube = c->kube,
		.ns = c->ns,
		.open_timeout_ns = c->global->port_forward_timeout * NS_SEC,
		.buffers = (size_t)c->global->buffer_limit << 20,
		.keep_ns = c->opt->keep,
		.home = c->app->home,
		.carrier = c->global->carrier,
		.history = &c->history,
		.up = on_uplink_up,
		.renew = connect_place_renew,
		.user = c,
	};

	uplink.shadow = shadow_new(&shadow);
	replace_init(&c->replace, &uplink);
	c->faults =
		faults_new(c->app->loop, c->replace.front, &c->opt->faults, 0);
	names_set_faults(c->names, c->faults);
}

/* --mode sshuttle asks for a capture without a device. The one with it is
 * truer, so that it is tried first all the same, where it is allowed. */
static int open_capture(struct connect *c, struct kt_error *err)
{
	struct capture_config cfg = { .ipv6 = true, .replace = true };
	struct tunnel *tunnel = c->replace.front;
	struct kt_error why = { 0 };
	int rc;

	rc = traffic_open(&c->traffic, c->app->loop, tunnel, c->faults, &cfg,
			  &why);
	if (rc >= 0)
		return rc;
	if (c->opt->mode != CONNECT_SSHUTTLE || rc == -EEXIST || rc == -EINTR) {
		*err = why;
		return rc;
	}
	cfg.redirect = true;
	cfg.last = &c->last;
	rc = traffic_open(&c->traffic, c->app->loop, tunnel, c->faults, &cfg,
			  err);
	if (rc >= 0)
		log_warn("%s: connections are redirected on this machine; they "
			 "seem to succeed before the cluster has answered, and "
			 "there is no ping",
			 why.msg);
	return rc;
}

static int open_bypass(struct connect *c, struct kt_error *err)
{
	struct capture *cap = traffic_capture(c->traffic);
	int ifindex = capture_ifname(cap) ? capture_ifindex(cap) : 0;

	return bypass_open(&c->bypass, ifindex, err);
}

/* The device comes first: without the right to make it nothing is begun. The
 * proxy is there as well, as KT Connect's was, if its port is free. */
static int step_machine(struct connect *c, struct kt_error *err)
{
	struct ipport proxy = { c->opt->proxy_addr, c->opt->proxy_port };
	const char *device = NULL;
	int rc;

	if (c->place) /* when the cluster is reached */
		return 0;
	progress_step(c->app->progress, "Prepare this machine");
	rc = proxy_open(&c->proxy, c->app->loop, c->replace.front, c->faults,
			&proxy, err);
	if (!c->opt->disable_tun_device) {
		if (rc < 0)
			log_debug("no proxy: %s", err->msg);
		*err = (struct kt_error){ 0 };
		rc = open_capture(c, err);
	}
	if (rc == 0 && c->traffic)
		rc = open_bypass(c, err);
	if (rc < 0)
		return rc;
	if (c->traffic)
		device = capture_ifname(traffic_capture(c->traffic));
	if (device)
		progress_done(c->app->progress, "Device %s is ready", device);
	else if (c->traffic)
		progress_done(c->app->progress, "Redirect is ready");
	else
		progress_done(c->app->progress, "SOCKS5 proxy is ready");
	return 0;
}

/* --- the cluster ---------------------------------------------------------- */

static int on_kube_socket(void *user, int fd, const struct ipport *to)
{
	struct connect *c = user;

	return c->bypass ? bypass_socket(c->bypass, fd, &to->addr) : 0;
}

static int connect_load_config(struct connect *c, struct kt_error *err)
{
	struct kube_config_source src = { .files = c->global->kubeconfig,
					  .context = c->global->context };
	int rc = kube_config_load(&c->config, &src, err);

	if (rc < 0)
		return rc;
	c->ns = c->global->namespace ? c->global->namespace
				     : c->config->namespace_;
	rc = control_open(c->app->control, c->config->context, c->ns, err);
	if (rc < 0)
		return rc;
	rc = kube_new(&c->kube, c->app->loop, c->config, err);
	if (rc == 0)
		kube_set_sock_opt(c->kube, on_kube_socket, c);
	return rc;
}

static bool connect_is_left(void *user, const json_t *obj)
{
	const struct connect *c = user;

	return owner_is_dead(c->app->home,
			     object_annotation(obj, KT_ANNOTATION_OWNER));
}

static bool connect_sweeps(const struct connect *c)
{
	return !c->opt->skip_cleanup && !c->opt->shadow;
}

/* Our own predecessor's Pod goes before ours is made: there may be room for one
 * only. Others' are found by their age, when there is nothing else to do. */
static void connect_sweep(struct connect *c)
{
	if (connect_sweeps(c) && owner_any_dead(c->app->home))
		sweep_dead(c->kube, c->ns, connect_is_left, c);
}

static void connect_sweep_others(struct connect *c)
{
	if (!connect_sweeps(c))
		return;
	sweep_start(c->kube, c->ns);
	c->programs = sweep_programs_start(c->kube, c->ns);
}

/* What the next steps want to know, while this machine is prepared */
static void connect_ask_ahead(struct connect *c)
{
	auto_free char *shared = shadow_shared_path(c->replace.shadow);
	const struct ahead_want want[] = {
		{ .path = "/version", .object = true },
		{ .path = shared, .object = true },
	};

	kube_ask_ahead(c->kube, want, shared ? 2 : 1);
	/* its SYN is under way before the machine is prepared, which takes some
	 * milliseconds without the loop */
	for (int i = 0; i < AHEAD_TURNS; i++)
		loop_once(c->app->loop, 0);
}

/* Who may not look at environments, or asks nothing of the cluster (--shadow),
 * gives the whole name */
static int connect_find_env(struct connect *c, struct kt_error *err)
{
	const char *given = c->opt->env;
	struct env_info info = { 0 };
	struct kt_error why = { 0 };
	int rc = 0;

	if (!given)
		return 0;
	if (!c->opt->shadow)
		rc = env_find(c->kube, c->ns, given, &info, &why);
	if (rc < 0 && why.http_status != 403) {
		env_info_fini(&info);
		*err = why;
		return rc;
	}
	if (rc < 0)
		log_warn("%s: %s is taken as the environment's whole name",
			 why.msg, given);
	if (rc < 0 || c->opt->shadow)
		snprintf(c->mark.name, sizeof(c->mark.name), "%s", given);
	else
		env_info_mark(&info, &c->mark);
	env_info_fini(&info);
	tunnel_set_env(c->replace.front, &c->mark);
	return 0;
}

static int connect_reach(struct connect *c, struct kt_error *err)
{
	auto_json json_t *version = NULL;
	const char *git;
	int n, rc;

	progress_step(c->app->progress, "Reach cluster %s at %s",
		      c->config->context, c->config->server);
	n = kube_server_addrs(c->kube, c->holes, CONNECT_HOLES, err);
	if (n < 0)
		return n;
	c->nholes = (size_t)n;
	rc = kube_get(c->kube, "/version", &version, err);
	if (rc == -EPERM && c->opt->shadow) { /* it is not needed */
		*err = (struct kt_error){ 0 };
		progress_done(c->app->progress, "Cluster %s at %s",
			      c->config->context, c->config->server);
		return connect_find_env(c, err);
	}
	if (rc < 0)
		return rc;
	git = json_str(version, "gitVersion", NULL);
	if (!git) {
		kt_hint(err, "is the server of context %s the right one?",
			c->config->context);
		return kt_fail(err, EPROTO,
			       "%s does not answer like the API server of a "
			       "Kubernetes cluster",
			       c->config->server);
	}
	progress_done(c->app->progress, "Cluster %s at %s, Kubernetes %s",
		      c->config->context, c->config->server, git);
	connect_sweep(c);
	return connect_find_env(c, err);
}

static int step_cluster(struct connect *c, struct kt_error *err)
{
	int rc = connect_reach(c, err);

	if (rc == 0 && c->place)
		rc = connect_place_open(c, err);
	if (rc == 0 && c->place && c->place->look)
		rc = c->place->look(c->place->user, c->kube, c->ns, err);
	return rc;
}

static int step_shadow(struct connect *c, struct kt_error *err)
{
	int rc;

	if (c->place && c->place->shadow)
		return connect_place_enter(c, err);

	progress_step(c->app->progress, "%s the shadow Pod in namespace %s",
		      c->opt->shadow ? "Find" : "Start", c->ns);
	rc = shadow_ensure(c->replace.shadow, err);
	if (rc < 0)
		return rc;
	progress_done(c->app->progress, "Shadow Pod %s/%s %s", c->ns,
		      shadow_pod_name(c->replace.shadow),
		      c->opt->shadow ? "is used" : "runs");
	return 0;
}

static void connect_add_hint(struct ipaddr *list, size_t *n, size_t max,
			     const char *text)
{
	if (*n < max && ipaddr_parse(&list[*n], text) == 0)
		(*n)++;
}

static void connect_add_ranges(struct prefixset *set, const struct strv *list)
{
	struct ipprefix p;

	for (size_t i = 0; i < list->n; i++)
		if (ipprefix_parse(&p, list->v[i]) == 0)
			prefixset_add(set, &p);
}

static void on_info(void *user, int error, const struct tunnel_info *info)
{
	struct connect *c = user;
	struct cidr_hints *h = &c->hints;
	struct ipaddr server[8];
	size_t nserver = 0;

	c->info_done = true;
	c->info_error = error;
	if (error)
		return;
	c->able_env = info->able_env;
	snprintf(c->version, sizeof(c->version), "%s", info->version);
	for (size_t i = 0; i < info->pod_ips.n; i++)
		connect_add_hint(h->pods, &h->npods, ARRAY_SIZE(h->pods),
				 info->pod_ips.v[i]);
	for (size_t i = 0; i < info->nameservers.n; i++)
		connect_add_hint(h->services, &h->nservices,
				 ARRAY_SIZE(h->services),
				 info->nameservers.v[i]);
	if (ipaddr_parse(&h->kubernetes, info->service_host) < 0)
		h->kubernetes = (struct ipaddr){ 0 };
	connect_add_ranges(&h->routes, &info->routes);
	connect_add_ranges(&h->service_ranges, &info->service_ranges);
	connect_add_ranges(&h->pod_ranges, &info->pod_ranges);
	for (size_t i = 0; i < info->search.n; i++)
		strv_add(&c->search, info->search.v[i]);
	for (size_t i = 0; i < info->nameservers.n; i++)
		strv_add(&c->nameservers, info->nameservers.v[i]);
	for (size_t i = 0; i < info->listening.n; i++)
		strv_add(&c->listening, info->listening.v[i]);
	c->ndots = info->ndots;
	names_set_pod(c->names, &info->search, info->ndots);
	for (size_t i = 0; i < info->nameservers.n; i++)
		connect_add_hint(server, &nserver, ARRAY_SIZE(server),
				 info->nameservers.v[i]);
	names_set_cluster_servers(c->names, server, nserver);
	dnscheck_start(&c->dns, c->app->loop, c->replace.front,
		       shadow_describe(c->replace.shadow),
		       info->nameservers.n ? info->nameservers.v[0] : NULL);
	log_debug("shadow %s on %s", info->version, info->hostname);
}

/* Of a Pod that somebody else made and a Role may name */
static void connect_hint_given(const struct connect *c, struct kt_error *err)
{
	if (err->http_status == 403) {
		err->hint[0] = '\0';
		kt_hint(err,
			"a Role in namespace %s must allow 'create' and 'get' "
			"on pods/portforward of %s; perhaps yours names "
			"another Pod (resourceNames)",
			c->ns, shadow_pod_name(c->replace.shadow));
	} else if (err->http_status == 404 && !err->hint[0]) {
		kt_hint(err, "an administrator makes it, see "
			     "deploy/shared-shadow.yaml; is the namespace "
			     "right (-n)?");
	}
}

static int step_tunnel(struct connect *c, struct kt_error *err)
{
	int rc;

	progress_step(c->app->progress, "Open the tunnel");
	if (!c->opt->shadow)
		cidr_ask_ahead(c->kube, !c->opt->disable_pod_ip);
	rc = uplink_connect(c->replace.uplink, err);
	if (rc < 0) {
		if (c->opt->shadow)
			connect_hint_given(c, err);
		return rc;
	}
	rc = tunnel_info_get(c->replace.front, on_info, c);
	if (rc == 0)
		rc = loop_run_until(c->app->loop, &c->info_done, INFO_TIMEOUT);
	if (rc == 0)
		rc = c->info_error;
	if (rc < 0)
		return kt_fail(err, -rc, "ask %s what it sees: %s",
			       shadow_describe(c->replace.shadow),
			       strerror(-rc));
	if (c->mark.name[0] && !c->able_env)
		return ask_env_refuse(shadow_describe(c->replace.shadow),
				      c->version, err);
	rc = faults_start(c->faults, err);
	if (rc < 0)
		return rc;
	progress_done(c->app->progress, "The tunnel is up");
	return 0;
}

/* --- routes and names ----------------------------------------------------- */

/* What is to be captured: all that was found, without the holes. */
static void wanted_ranges(struct connect *c, struct prefixset *out)
{
	struct ipaddr holes[CONNECT_HOLES];
	size_t n = c->nholes;

	memcpy(holes, c->holes, n * sizeof(*holes));
	n += names_servers(c->names, holes + n, CONNECT_HOLES - n);
	connect_ranges(&c->found, c->opt, holes, n, out);
}

static int set_ranges(struct connect *c, struct kt_error *err)
{
	struct prefixset want;
	int rc = 0;

	wanted_ranges(c, &want);
	prefixset_fini(&c->ranges);
	if (!c->traffic || c->place || c->opt->disable_tun_route) {
		c->ranges = want;
		return 0;
	}
	c->routes.cap = traffic_capture(c->traffic);
	rc = routes_set(&c->routes, &want, err);
	prefixset_fini(&want);
	c->ranges = routes_captured(&c->routes);
	return rc;
}

/* A name server in a range is this machine's: it came with a VPN, or went. */
static void on_servers_changed(void *user)
{
	struct connect *c = user;
	struct kt_error err = { 0 };

	if (set_ranges(c, &err) < 0)
		log_warn("%s", err.msg);
	names_set_ranges(c->names, &c->ranges);
}

/* New Service ranges, Nodes, Pods elsewhere */
static void connect_on_ranges(void *user)
{
	struct connect *c = user;
	char text[512];

	on_servers_changed(c);
	log_info("the cluster has other address ranges: %s",
		 connect_ranges_text(&c->ranges, text, sizeof(text)));
}

static int connect_find_ranges(struct connect *c, struct kt_error *err)
{
	bool pods = !c->opt->disable_pod_ip;

	if (!c->opt->shadow)
		return cidr_discover(c->kube, c->ns, &c->hints, pods, &c->found,
				     err);
	cidr_from_shadow(&c->hints, pods, &c->found);
	return 0;
}

static int step_ranges(struct connect *c, struct kt_error *err)
{
	bool routes = c->traffic && !c->place && !c->opt->disable_tun_route;
	char text[512];
	int rc;

	progress_step(c->app->progress, "Find the cluster's address ranges");
	rc = connect_find_ranges(c, err);
	if (rc < 0)
		return rc;
	log_debug("Service ranges from %s, Pod ranges from %s",
		  c->found.services_from, c->found.pods_from);
	if (c->found.warning[0])
		log_warn("%s", c->found.warning);
	rc = set_ranges(c, err);
	if (rc < 0)
		return rc;
	connect_ranges_text(&c->ranges, text, sizeof(text));
	progress_done(c->app->progress, "%s: %s",
		      routes ? "Routes" : "Ranges, without routes", text);
	return 0;
}

static int step_names(struct connect *c, struct kt_error *err)
{
	struct names_start start = {
		.tunnel = c->replace.front,
		.ranges = &c->ranges,
		.namespaces =
			c->found.know_namespaces ? &c->found.namespaces : NULL,
		.questions = c->place,
		.device = c->traffic && !c->place
				  ? capture_ifname(traffic_capture(c->traffic))
				  : NULL,
		.bypass = c->bypass,
	};
	int rc;

	progress_step(c->app->progress, "Set up names");
	rc = names_start(c->names, &start, err);
	if (rc < 0)
		return rc;
	progress_done(c->app->progress, "%s", names_describe(c->names));
	/* with --shadow nobody is asked */
	if (!c->opt->shadow)
		c->follow = cidr_follow_start(c->kube, c->ns,
					      !c->opt->disable_pod_ip,
					      &c->found, connect_on_ranges, c);
	return 0;
}

/* --- the run * ------------------------------------------------------------ */

static void connect_probe(void *user)
{
	struct connect *c = user;

	uplink_probe(c->replace.uplink);
}

static void connect_report(void *user, struct control_report *r)
{
	struct connect *c = user;

	uplink_report(c->replace.uplink, r);
	uplink_history_report(&c->history, r);
	r->faults = faults_list(c->faults, &r->nfaults);
}

static int connect_check_machine(struct connect *c, struct kt_error *err)
{
	int rc = 0;

	if (!c->opt->disable_tun_device)
		rc = netns_check(c->opt->mode != CONNECT_SSHUTTLE, err);
	return rc < 0 ? rc : check_alone(c, err);
}

static int prepare(struct connect *c, struct kt_error *err)
{
	static const struct control_source source = { connect_probe,
						      connect_report };
	struct names_config names = { .loop = c->app->loop, .opt = c->opt };
	struct kt_error why = { 0 };
	int rc;

	/* before anything else, lest root's files are the first complaint */
	rc = c->place ? 0 : connect_check_machine(c, err);
	if (rc < 0)
		return rc;
	rc = connect_load_config(c, err);
	if (rc < 0)
		return rc;
	names.kube = c->kube;
	names.ns = c->ns;
	names.home = c->app->home;
	names.last = &c->last;
	names.servers_changed = on_servers_changed;
	names.user = c;
	rc = names_new(&c->names, &names, err);
	if (rc < 0)
		return rc;
	c->owner = owner_new(c->app->home, &why);
	if (!c->owner)
		log_debug("%s", why.msg);
	make_uplink(c);
	control_serve(c->app->control, &source, c);
	c->pidfile = pidfile_try(c->app->loop, c->app->home,
				 c->place ? "run" : "connect", c->app->signals);
	return 0;
}

static void connect_say_ready(struct connect *c)
{
	char proxy[IPPORT_STRLEN];
	struct ipport at = { c->opt->proxy_addr, c->opt->proxy_port };
	char how[128];

	app_leave_how(c->app, how, sizeof(how));
	if (c->mark.name[0])
		progress_note(c->app->progress,
			      "HTTP requests without a mark of their own are "
			      "marked as environment %s's",
			      c->mark.name);
	if (c->traffic)
		progress_note(c->app->progress,
			      "All looks good: Pods, Services and names of the "
			      "cluster can be reached from this machine, short "
			      "names are those of namespace %s. %s",
			      c->ns, how);
	else
		progress_note(c->app->progress,
			      "All looks good: the cluster can be reached "
			      "through the proxy socks5h://%s. %s",
			      ipport_str(&at, proxy), how);
}

static int connect_run(struct connect *c, struct kt_error *err)
{
	static int (*const step[])(struct connect *, struct kt_error *) = {
		step_machine, step_cluster, step_shadow,
		step_tunnel,  step_ranges,  step_names,
	};
	int rc = prepare(c, err);

	progress_begin(c->app->progress, STEPS);
	if (rc == 0 && !c->place)
		connect_ask_ahead(c);
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(step); i++)
		rc = step[i](c, err);
	if (rc < 0)
		return rc;
	if (loop_interrupted(c->app->loop)) /* in the last step */
		return kt_fail(err, EINTR, "interrupted");
	faults_say(c->faults);
	rc = c->place ? connect_place_start(c, err) : 0;
	if (rc < 0)
		return rc;
	if (!c->place)
		connect_say_ready(c);
	c->ready = true;
	app_ready(c->app);
	connect_sweep_others(c);
	if (c->opt->shadows > 1)
		replace_want_spare(&c->replace);
	if (c->app->background) /* what was said is not in its log */
		faults_say(c->faults);
	while (rc == 0) {
		rc = replace_wait(&c->replace, err);
		if (rc == 0)
			rc = replace_tend(&c->replace, err);
	}
	return rc;
}

/* Take back what was done, last thing first; also after a failed step. */
static void connect_do_undo(struct connect *c)
{
	struct farewell farewell;

	signals_clean_up(c->app->signals);
	kube_leave(c->kube, signals_hurry(c->app->signals));
	if (c->place)
		c->place->stop(c->place->user);
	dnscheck_stop(&c->dns);
	cidr_follow_stop(c->follow);
	names_free(c->names);
	faults_stop(c->faults);
	replace_leave(&c->replace, &farewell);
	proxy_close(c->proxy);
	traffic_close(c->traffic);
	if (c->place)
		capture_link_close(&c->link);
	if (c->ready)
		faults_say_hits(c->faults);
	if (!replace_remove(&c->replace))
		owner_leave(c->owner);
	farewell_wait(&farewell, c->app->loop,
		      kube_is_gone(c->kube) ? 0 : FAREWELL_NS);
	replace_fini(&c->replace);
	control_serve(c->app->control, NULL, NULL);
	faults_free(c->faults);
	cidr_fini(&c->found);
	cidr_hints_fini(&c->hints);
	prefixset_fini(&c->ranges);
	strv_fini(&c->nameservers);
	strv_fini(&c->search);
	strv_fini(&c->listening);
	routes_fini(&c->routes);
	pidfile_free(c->pidfile);
	owner_free(c->owner);
	sweep_programs_stop(c->programs);
	kube_free(c->kube);
	nft_last_free(&c->last);
	bypass_close(c->bypass);
	kube_config_free(c->config);
}

const char *connect_role(const char *shadow)
{
	if (!shadow)
		return "connect";
	if (strncmp(shadow, "deployment/", 11) == 0)
		return "connect-shadow-deployment";
	return str_ends(shadow, "ktctl-shadow-0") ? "connect-shadow" : "";
}

int connect_at(struct app *app, const struct options *o,
	       const struct connect_place *place, struct kt_error *err)
{
	struct connect c = {
		.app = app,
		.opt = &o->connect,
		.global = &o->global,
		.place = place,
		.link = { .tun = -1, .tcp = { -1, -1 }, .udp = { -1, -1 } }
	};
	int rc = connect_run(&c, err);

	if (rc != -EINTR)
		progress_fail(app->progress);
	connect_do_undo(&c);
	return rc;
}

int command_connect(struct app *app, const struct options *o)
{
	struct connect c = { .app = app,
			     .opt = &o->connect,
			     .global = &o->global };
	struct kt_error err = { 0 };
	int rc = connect_run(&c, &err);

	if (rc != -EINTR)
		progress_fail(app->progress);
	connect_do_undo(&c);
	/* once all is ready, leaving is what the user does; before, the start
	 * was broken off, and scripts want to know */
	if (rc == -EINTR && c.ready && signals_seen(app->signals)) {
		log_info("left on %s",
			 signals_name(signals_seen(app->signals)));
		return EXIT_OK;
	}
	rc = app_fail(app, rc, &err);
	offer_role(&err, connect_role(o->connect.shadow));
	return rc;
}
