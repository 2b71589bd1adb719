/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/app.h"
#include "ktctl/table_rows.h"

#ifndef KT_IMAGE
#define KT_IMAGE "" /* the program is brought along */
#endif

const char *const output_forms[] = { "text", "json", NULL };

static const char *const carrier_names[] = { "auto", "spdy", "spdy-websocket",
					     "websocket", NULL };

/* clang-format off: one row, one block */
const struct option global_option_table[] = {
	{ "namespace", 'n', VALUE_STRING, "", "NAME",
	  "namespace to work in; without it that of the kubeconfig context",
	  GLOBAL(namespace), .is_name = true },
	{ "kubeconfig", 'c', VALUE_STRING, "", "FILE",
	  "kubeconfig file, or several separated by ':'; without it "
	  "$KUBECONFIG, then ~/.kube/config",
	  GLOBAL(kubeconfig) },
	{ "context", 0, VALUE_STRING, "", "NAME",
	  "kubeconfig context to use; without it the current one",
	  GLOBAL(context) },
	{ "image", 'i', VALUE_IMAGE, KT_IMAGE, "IMAGE",
	  "image of the shadow; without it the program is brought along, and "
	  "any image will do (--baseImage)",
	  GLOBAL(pod.image) },
	{ "baseImage", 0, VALUE_IMAGE, "", "IMAGE",
	  "without --image: what the shadow Pod is made of; without it the "
	  "image of a Pod that runs",
	  GLOBAL(pod.base_image) },
	{ "imagePullSecret", 0, VALUE_STRING, "", "NAME",
	  "secret to pull the image with", GLOBAL(pod.image_pull_secret),
	  .is_name = true },
	{ "serviceAccount", 0, VALUE_STRING, "default", "NAME",
	  "service account of the Pods that are made",
	  GLOBAL(pod.service_account), .not_empty = true, .is_name = true },
	{ "runAsUser", 0, VALUE_USER, "65534", "UID|none",
	  "user and group of the Pods that are made; none: the platform "
	  "assigns them",
	  GLOBAL(pod.run_as_user) },
	{ "nodeSelector", 0, VALUE_LABELS, "", "K=V,...",
	  "labels of the nodes the Pods may run on",
	  GLOBAL(pod.node_selector) },
	{ "debug", 'd', VALUE_BOOL, "false", NULL,
	  "log what a maintainer needs to see, on stderr", GLOBAL(debug) },
	{ "withLabel", 'l', VALUE_LABELS, "", "K=V,...",
	  "more labels for all that is made", GLOBAL(pod.labels) },
	{ "withAnnotation", 0, VALUE_PAIRS, "", "K=V,...",
	  "more annotations for all that is made", GLOBAL(pod.annotations) },
	{ "portForwardTimeout", 0, VALUE_INT, "10", "SECONDS",
	  "how long to wait for a port-forward", GLOBAL(port_forward_timeout),
	  .min = 1, .max = 86400 },
	{ "carrier", 0, VALUE_CHOICE, "auto", "FORM",
	  "what the port-forward speaks: auto, spdy, spdy-websocket or "
	  "websocket",
	  .choices = carrier_names, GLOBAL(carrier) },
	{ "bufferLimit", 0, VALUE_INT, "0", "MIB",
	  "memory for what programs do not read; 0: as this machine allows",
	  GLOBAL(buffer_limit), .min = 0, .max = 4096 },
	{ "podCreationTimeout", 0, VALUE_INT, "60", "SECONDS",
	  "how long to wait for a Pod to run", GLOBAL(pod.creation_timeout),
	  .min = 1, .max = 86400 },
	{ "useShadowDeployment", 0, VALUE_BOOL, "false", NULL,
	  "make the shadow a Deployment instead of a Pod",
	  GLOBAL(pod.deployment) },
	{ "useLocalTime", 0, VALUE_BOOL, "false", NULL,
	  "take this machine's clock for heartbeats, not the cluster's",
	  GLOBAL(use_local_time) },
	{ "forceUpdate", 'f', VALUE_BOOL, "false", NULL,
	  "pull the image even if the node has it", GLOBAL(pod.force_update) },
	{ "asWorker", 0, VALUE_BOOL, "false", NULL, "no effect",
	  GLOBAL(as_worker), .hidden = true },
	{ "podQuota", 0, VALUE_QUOTA, "", "QUOTA",
	  "cpu and memory of the Pods, request and limit, e.g. 0.5c,512m",
	  GLOBAL(pod.quota) },
	{ "ipVersion", 0, VALUE_FAMILY, "4", "4|6",
	  "no effect: both address families are always captured",
	  GLOBAL(ip_version) },
	{ 0 },
};

static const char *const connect_modes[] = { "tun2socks", "sshuttle", NULL };

static const struct option connect_options[] = {
	{ "mode", 0, VALUE_CHOICE, "tun2socks", "MODE",
	  "how traffic is captured: tun2socks or sshuttle",
	  .choices = connect_modes, CONNECT(mode) },
	{ "dnsMode", 0, VALUE_DNS_MODE, "localDNS", "MODE",
	  "how names are resolved: localDNS[:SERVER,...], podDNS or "
	  "hosts[:NAMESPACE,...]",
	  CONNECT(dns_mode) },
	{ "shareShadow", 0, VALUE_BOOL, "false", NULL,
	  "share one shadow Pod with everybody in the namespace",
	  CONNECT(share_shadow) },
	SHADOW_ROW,
	MARK_ROW,
	CLUSTER_DOMAIN_ROW,
	{ "disablePodIp", 0, VALUE_BOOL, "false", NULL,
	  "no routes to Pod addresses, only to Services",
	  CONNECT(disable_pod_ip) },
	SKIP_CLEANUP_ROW,
	{ "includeIps", 0, VALUE_PREFIXES, "", "CIDR,...",
	  "more addresses and ranges to route to the cluster",
	  CONNECT(include_ips) },
	{ "excludeIps", 0, VALUE_PREFIXES, "", "CIDR,...",
	  "addresses and ranges not to route to the cluster",
	  CONNECT(exclude_ips) },
	{ "ingressIp", 0, VALUE_ADDRESS, "", "ADDRESS",
	  "address to answer for the host names of all Ingresses",
	  CONNECT(ingress_ip) },
	{ "disableTunDevice", 0, VALUE_BOOL, "false", NULL,
	  "no device and no routes, only a SOCKS5 proxy; needs no root",
	  CONNECT(disable_tun_device) },
	{ "disableTunRoute", 0, VALUE_BOOL, "false", NULL,
	  "make the device, but set no routes", CONNECT(disable_tun_route) },
	{ "proxyPort", 0, VALUE_PORT, "2223", "PORT",
	  "port of the SOCKS5 proxy", CONNECT(proxy_port) },
	{ "proxyAddr", 0, VALUE_ADDRESS, "127.0.0.1", "ADDRESS",
	  "address of the SOCKS5 proxy; another than a loopback address "
	  "needs --disableTunDevice",
	  CONNECT(proxy_addr), .not_empty = true },
	{ "dnsCacheTtl", 0, VALUE_INT, "60", "SECONDS",
	  "how long an answer of the cluster's DNS is kept, at most",
	  CONNECT(dns_cache_ttl), .min = 0, .max = 86400 },
	{ "dnsPort", 0, VALUE_PORT, "10053", "PORT",
	  "local port of the resolver", CONNECT(dns_port) },
	{ "includeDomains", 0, VALUE_DOMAINS, "", "DOMAIN,...",
	  "more domain suffixes that the cluster's DNS resolves",
	  CONNECT(include_domains) },
	KEEP_ROW(CONNECT),
	SHADOWS_ROW(CONNECT),
	FAULT_ROW(CONNECT),
	SESSION_ROWS,
	{ 0 },
};

static const char *const exchange_modes[] = { "selector", "scale", "ephemeral",
					      NULL };

static const struct option exchange_options[] = {
	EXPOSE_ROW(EXCHANGE),
	{ "mode", 0, VALUE_CHOICE, "selector", "MODE",
	  "selector: a shadow stands in front of the Service; scale: its Pods "
	  "are scaled to 0; ephemeral: each Pod gets a shadow inside",
	  .choices = exchange_modes, EXCHANGE(mode) },
	{ "recoverWaitTime", 0, VALUE_INT, "120", "SECONDS",
	  "mode scale: how long to wait for the original Pods when you leave",
	  EXCHANGE(recover_wait_time), .min = 0, .max = 86400 },
	FORCE_ROW(EXCHANGE),
	JOB_ROWS(EXCHANGE),
	SESSION_ROWS,
	{ 0 },
};

static const char *const mesh_modes[] = { "auto", "manual", NULL };

static const char *const mesh_routes[] = { "none", "istio", "gateway", NULL };

static const struct option mesh_options[] = {
	EXPOSE_ROW(MESH),
	{ "mode", 0, VALUE_CHOICE, "auto", "MODE",
	  "auto: a router picks the marked requests; manual: a Pod with the "
	  "mark as label, for the routes of a service mesh",
	  .choices = mesh_modes, MESH(mode) },
	{ "route", 0, VALUE_CHOICE, "none", "API",
	  "mode manual: write the routes for the mark as well, and remove them "
	  "when you leave: istio (VirtualService) or gateway (HTTPRoute)",
	  .choices = mesh_routes, MESH(route) },
	{ "versionMark", 0, VALUE_MARK, "", "MARK",
	  "the mark: VALUE, KEY:VALUE or KEY: of a header; without it "
	  "'version' and a random value",
	  MESH(version_mark) },
	{ "match", 0, VALUE_MATCH, "", "TERM...",
	  "more that a request must have: header:NAME=VALUE, path:PREFIX, "
	  "method:NAME, baggage:KEY=VALUE, tracestate:KEY=VALUE, "
	  "cookie:NAME=VALUE, env:NAME, separated by blanks",
	  MESH(match) },
	{ "routerImage", 0, VALUE_IMAGE, "", "IMAGE",
	  "mode auto: image of the router; without it that of --image",
	  MESH(router_image) },
	{ "copy", 0, VALUE_BOOL, "false", NULL,
	  "mode auto: marked requests are answered by the Service's own Pods, "
	  "and only copies of them come here",
	  MESH(copy) },
	{ "percent", 0, VALUE_INT, "100", "N",
	  "with --copy: the share of the requests that is copied; without a "
	  "mark of all of them",
	  MESH(percent), .min = 1, .max = 100 },
	FORCE_ROW(MESH),
	JOB_ROWS(MESH),
	SESSION_ROWS,
	{ 0 },
};

static const struct option preview_options[] = {
	EXPOSE_ROW(PREVIEW),
	{ "external", 0, VALUE_BOOL, "false", NULL,
	  "make a Service of type LoadBalancer", PREVIEW(external) },
	JOB_ROWS(PREVIEW),
	SESSION_ROWS,
	{ 0 },
};

static const struct option forward_options[] = {
	{ "address", 0, VALUE_PREFIXES, "", "ADDRESS,...",
	  "addresses of this machine to listen on; without it 127.0.0.1 and "
	  "::1",
	  FORWARD(address) },
	KEEP_ROW(FORWARD),
	SHADOWS_ROW(FORWARD),
	FAULT_ROW(FORWARD),
	SESSION_ROWS,
	{ 0 },
};

static const struct option clean_options[] = {
	{ "thresholdInMinus", 0, VALUE_INT, "5", "MINUTES",
	  "how long an object's heartbeat must have stopped",
	  CLEAN(threshold_minutes), .min = 0, .max = 1000000 },
	{ "dryRun", 0, VALUE_BOOL, "false", NULL,
	  "only show what would be done", CLEAN(dry_run) },
	{ "localOnly", 0, VALUE_BOOL, "false", NULL,
	  "only clean this machine, do not ask the cluster",
	  CLEAN(local_only) },
	{ "every", 0, VALUE_DURATION, "0", "TIME",
	  "do not end, and do it again and again, with so much time between",
	  CLEAN(every), .min = 0, .max = 86400, .no_config = true },
	{ 0 },
};

static const struct option all_unset_option[] = {
	{ "all", 'a', VALUE_BOOL, "false", NULL,
	  "also show the items that are not set", CONFIG(all),
	  .no_config = true },
	{ 0 },
};

static const struct option all_drop_option[] = {
	{ "all", 'a', VALUE_BOOL, "false", NULL, "unset every item",
	  CONFIG(all), .no_config = true },
	{ 0 },
};

static const struct option dry_run_option[] = {
	{ "dryRun", 0, VALUE_BOOL, "false", NULL,
	  "print the profile, do not load it", CONFIG(dry_run),
	  .no_config = true },
	{ 0 },
};

/* clang-format off */

static const struct option version_options[] = {
	{ "client", 0, VALUE_BOOL, "false", NULL,
	  "of this program only: ask no cluster", VERSION(client),
	  .no_config = true },
	OUTPUT_ROW(VERSION(output)),
	{ 0 },
};

static const struct option doctor_options[] = {
	OUTPUT_ROW(DOCTOR(output)),
	{ "shadow", 0, VALUE_STRING, "", "NAME",
	  "what connect --shadow NAME needs, and nothing else",
	  DOCTOR(shadow), .no_config = true },
	{ "mode", 0, VALUE_STRING, "", "MODE",
	  "the mode of the command that is looked at; that of the "
	  "configuration without it",
	  DOCTOR(mode), .no_config = true },
	{ "route", 0, VALUE_STRING, "", "API",
	  "what mesh --route API needs, too: istio or gateway", DOCTOR(route),
	  .no_config = true },
	{ 0 },
};

static const struct option image_export_options[] = {
	{ "name", 0, VALUE_IMAGE, "kt.local/ktctl-shadow:v" KT_VERSION,
	  "REGISTRY/REPO[:TAG]", "what the image is called where it is loaded",
	  IMAGE(name), .no_config = true, .not_empty = true },
	{ 0 },
};

static const struct option image_push_options[] = {
	{ "insecure", 0, VALUE_BOOL, "false", NULL,
	  "the registry may have any certificate, or speak HTTP without TLS",
	  IMAGE(insecure), .no_config = true },
	{ 0 },
};

static const char *const status_forms[] = { "table", "json", NULL };

static const struct option status_options[] = {
	{ "output", 'o', VALUE_CHOICE, "table", "FORM",
	  "how it is written: table or json", .choices = status_forms,
	  STATUS(output), .no_config = true },
	{ "watch", 'w', VALUE_BOOL, "false", NULL,
	  "again every second, until Ctrl-C; as JSON one line each time",
	  STATUS(watch), .no_config = true },
	{ "check", 0, VALUE_BOOL, "false", NULL,
	  "end with 1 unless a session runs, and all that do are up",
	  STATUS(check), .no_config = true },
	{ 0 },
};

static const struct option disconnect_options[] = {
	{ "all", 'a', VALUE_BOOL, "false", NULL,
	  "end every session of this machine", DISCONNECT(all),
	  .no_config = true },
	{ 0 },
};

static const char *const events_forms[] = { "text", "json", NULL };

const struct option events_options[] = {
	{ "expect", 'e', VALUE_EXPECT, "", "CONDITIONS",
	  "end with 0 as soon as so many requests of that kind have come, else "
	  "with 1; several, or one with ';' in it: all of them",
	  EVENTS(expect), .no_config = true, .repeats = ';' },
	{ "timeout", 't', VALUE_DURATION, "60s", "TIME",
	  "how long they are waited for", EVENTS(timeout), .min = 0,
	  .max = 86400, .no_config = true },
	{ "since", 0, VALUE_DURATION, "0", "TIME",
	  "also those of before, so long ago at most, as far as they are kept",
	  EVENTS(since), .min = 0, .max = 86400, .no_config = true },
	{ "output", 'o', VALUE_CHOICE, "text", "FORM",
	  "what --expect says at the end: text, on stderr; or json, on stdout",
	  .choices = events_forms, EVENTS(output), .no_config = true },
	{ 0 },
};

static const char *const birdseye_orders[] = { "status", "name", NULL };

static const char *const birdseye_forms[] = { "table", "json", "yaml", NULL };

static const struct option birdseye_options[] = {
	{ "sortBy", 0, VALUE_CHOICE, "status", "KEY",
	  "what the Services are sorted by: status or name",
	  .choices = birdseye_orders, BIRDSEYE(sort_by) },
	{ "showConnector", 0, VALUE_BOOL, "false", NULL,
	  "show as well who is connected, in all namespaces where that is "
	  "allowed",
	  BIRDSEYE(show_connector) },
	{ "hideNaturalService", 0, VALUE_BOOL, "false", NULL,
	  "leave out Services that nobody has", BIRDSEYE(hide_natural) },
	{ "allNamespaces", 'A', VALUE_BOOL, "false", NULL,
	  "the Services of all namespaces; needs a ClusterRole",
	  BIRDSEYE(all_namespaces), .no_config = true },
	{ "watch", 'w', VALUE_BOOL, "false", NULL,
	  "look again every two seconds, until Ctrl-C", BIRDSEYE(watch),
	  .no_config = true },
	{ "output", 'o', VALUE_CHOICE, "table", "FORM",
	  "how it is written: table, json or yaml",
	  .choices = birdseye_forms, BIRDSEYE(output), .no_config = true },
	{ 0 },
};

static const struct option apply_options[] = {
	{ "file", 'f', VALUE_STRING, "", "FILE",
	  "what is wanted; - is stdin; without it ktctl.yaml or .ktctl.yaml "
	  "of this directory",
	  APPLY(file), .no_config = true },
	{ "delete", 0, VALUE_BOOL, "false", NULL,
	  "end all that this file's apply has started", APPLY(remove),
	  .no_config = true },
	{ "dry-run", 0, VALUE_BOOL, "false", NULL,
	  "only show the difference: = stays, + begins, ~ begins anew, - ends",
	  APPLY(dry_run), .no_config = true },
	{ "dryRun", 0, VALUE_BOOL, "false", NULL, "as --dry-run",
	  APPLY(dry_run), .hidden = true, .no_config = true },
	OUTPUT_ROW(APPLY(output)),
	{ 0 },
};

static const struct option map_options[] = {
	{ "no-open", 0, VALUE_BOOL, "false", NULL,
	  "print the address only, and open no browser", MAP(no_open) },
	{ 0 },
};

static const struct option completion_options[] = {
	{ "no-descriptions", 0, VALUE_BOOL, "false", NULL,
	  "complete without descriptions", COMPLETION(no_descriptions),
	  .no_config = true },
	{ 0 },
};
/* clang-format on */

#define COMPLETION_ROW(shell)                                                  \
	{                                                                      \
		.name = "completion " shell,                                   \
		.summary = "print the completion script of " shell,            \
		.args = "", .options = completion_options,                     \
		.run = command_completion,                                     \
	}

const struct command command_table[] = {
	{
		.name = "connect",
		.summary = "reach Pods, Services and names of the cluster",
		.args = "",
		.details = "Local programs reach Pods, Services and DNS names "
			   "of the cluster as if they ran in a Pod.\n"
			   "Ctrl-C ends it, and the machine is as before.",
		.options = connect_options,
		.group = "connect",
		.loop = true,
		.session = true,
		.run = command_connect,
	},
	{
		.name = "run",
		.summary = "a program in the cluster's network, without root",
		.args = "[<workload>] -- <program> [<argument>...]",
		.details = "The program and its children reach Pods, Services "
			   "and DNS names of the cluster as if they ran\n"
			   "in a Pod, and all else as before; nothing else on "
			   "this machine is changed. Of a workload\n"
			   "(web, deployment/web, pod/web-0) it has the "
			   "environment as well.\n"
			   "The exit status is the program's; 125: it was not "
			   "tried, 126: it cannot be executed,\n"
			   "127: it is not there.",
		.options = run_options,
		.group = "run",
		.min_args = 0,
		.max_args = MAX_ARGS,
		.loop = true,
		.session = true,
		.run = command_run,
	},
	{
		.name = "env-file",
		.summary = "print the environment of a Pod, for other programs",
		.args = "<workload>",
		.details = "The workload is NAME (a Service), deployment/NAME, "
			   "statefulset/NAME, pod/NAME, ...\n"
			   "What stays local for 'ktctl run' (PATH, HOME, ...) "
			   "is left out.",
		.options = env_file_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_file,
	},
	{
		.name = "compose",
		.summary = "print a compose file whose services are in the "
			   "cluster's network",
		.args = "[<service>[=<workload>]...]",
		.details = "The override of a compose file: each service "
			   "(without one: all of them) gets a sidecar,\n"
			   "which runs 'ktctl connect' in a network of its "
			   "own. Of a workload the service has the\n"
			   "environment as well. Nothing is started:\n"
			   "docker compose -f compose.yaml -f <(ktctl compose) "
			   "up",
		.options = compose_options,
		.group = "connect",
		.max_args = MAX_ARGS,
		.loop = true,
		.run = command_compose,
	},
	{
		.name = "exchange",
		.summary = "everybody's requests to a Service come here",
		.args = "<target>",
		.details = "Requests to the Service of the target reach a "
			   "program of this machine.\n"
			   "The target is NAME, NAME.NAMESPACE, service/NAME, "
			   "deployment/NAME or statefulset/NAME.\n"
			   "Ctrl-C ends it, and the Service is as before.",
		.options = exchange_options,
		.group = "exchange",
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.session = true,
		.run = command_exchange,
	},
	{
		.name = "mesh",
		.summary = "marked requests to a Service come here",
		.args = "<target>",
		.details = "Requests with the mark reach a program of this "
			   "machine, all others the Service's own Pods.\n"
			   "The target is NAME, NAME.NAMESPACE, service/NAME, "
			   "deployment/NAME or statefulset/NAME.\n"
			   "Ctrl-C ends it, and the Service is as before.",
		.options = mesh_options,
		.group = "mesh",
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.session = true,
		.run = command_mesh,
	},
	{
		.name = "preview",
		.summary = "a local program is a new Service",
		.args = "<name>",
		.details = "Makes a Service of that name; requests to it reach "
			   "a program of this machine.\n"
			   "Ctrl-C ends it, and the Service is gone.",
		.options = preview_options,
		.group = "preview",
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.session = true,
		.run = command_preview,
	},
	{
		.name = "forward",
		.summary = "local ports lead into the cluster",
		.args = "<target> [<local>[:<remote>]...] ...",
		.details = "Programs reach a Service, a Pod, an address or a "
			   "name of the cluster at a port of this machine.\n"
			   "A target is NAME, NAME.NAMESPACE, svc/NAME, "
			   "deployment/NAME, statefulset/NAME, pod/NAME, an "
			   "address, or a name that the cluster resolves; its "
			   "ports follow it.\n"
			   "Ctrl-C ends it.",
		.options = forward_options,
		.group = "forward",
		.min_args = 1,
		.max_args = MAX_ARGS,
		.loop = true,
		.session = true,
		.run = command_forward,
	},
	{
		.name = "status",
		.summary = "what of ktctl runs on this machine, and how it is",
		.args = "",
		.details = "Lists the sessions of this machine: each connect, "
			   "exchange, mesh, preview and forward that runs,\n"
			   "whether the cluster has answered through it just "
			   "now, and what it has carried.",
		.options = status_options,
		.loop = true,
		.run = command_status,
	},
	{
		.name = "disconnect",
		.summary = "end a session of this machine",
		.args = "[<session>...]",
		.details = "A session is named by its id, as 'ktctl status' "
			   "shows it (connect-1234), or by its\n"
			   "command: then all of that command end. Without a "
			   "name it is the only one there is.\n"
			   "Returns when each has cleaned up.",
		.options = disconnect_options,
		.max_args = MAX_ARGS,
		.loop = true,
		.run = command_disconnect,
	},
	{
		.name = "apply",
		.summary = "all that a file says this machine wants",
		.args = "",
		.details =
			"Starts in the background what the file names and does "
			"not run yet, in its order: connect,\n"
			"forward, exchange, mesh, preview. What has changed "
			"is started anew, what is no longer\n"
			"named is ended, the rest is left alone. All come up, "
			"or all is as before.",
		.options = apply_options,
		.loop = true,
		.run = command_apply,
	},
	{
		.name = "events",
		.summary = "the requests that sessions see, as they come",
		.args = "[<session>...]",
		.details = "Tells each request that comes through a mesh, an "
			   "exchange or a preview of this machine, one line\n"
			   "of JSON each: when, from where, for what, who has "
			   "answered it, and how. With --expect it is a\n"
			   "test: 'service=web answered=local count>=1'.",
		.options = events_options,
		.max_args = MAX_ARGS,
		.loop = true,
		.run = command_events,
	},
	{
		.name = "recover",
		.summary = "a Service is as before exchange and mesh",
		.args = "<service>",
		.details = "Gives a Service its own Pods back at once, whoever "
			   "exchanges or meshes it,\n"
			   "and removes what was made for that.",
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_recover,
	},
	{
		.name = "clean",
		.summary = "undo what a killed ktctl left behind",
		.args = "",
		.details = "Removes objects whose user is gone from the "
			   "namespace, gives Services back to their own\n"
			   "Pods, and puts this machine in order.",
		.options = clean_options,
		.group = "clean",
		.loop = true,
		.run = command_clean,
	},
	{
		.name = "birdseye",
		.summary = "who has which Service, and who is connected",
		.args = "",
		.details =
			"Shows each Service of the namespace, who exchanges, "
			"meshes or previews it, since when,\n"
			"from which machine, for which requests, and "
			"whether that one is there now.",
		.options = birdseye_options,
		.group = "birdseye",
		.loop = true,
		.run = command_birdseye,
	},
	{ .more = env_commands },
};

const struct command other_commands[] = {
	{
		.name = "map",
		.summary =
			"a page of the namespace and the sessions, as they are",
		.args = "",
		.details =
			"Serves one page on 127.0.0.1, and opens it in the "
			"browser: the Services of the namespace,\n"
			"who has them and by which rule, what is called, and "
			"the sessions of this machine,\n"
			"a second later than it happens at most. It changes "
			"nothing.\n"
			"Ctrl-C ends it.",
		.options = map_options,
		.group = "map",
		.loop = true,
		.run = command_map,
	},
	{
		.name = "doctor",
		.summary = "what is missing, and what to do about it",
		.args = "[<command> [<service>]]",
		.details = "Looks at all that a command needs, on this machine "
			   "and in the cluster, in the order\n"
			   "in which things fail, and changes nothing. The "
			   "command is connect, exchange, mesh,\n"
			   "preview, forward, run, env-file, recover, clean, "
			   "birdseye, map or "
			   "env; without one all of them\n"
			   "are looked at.",
		.options = doctor_options,
		.max_args = 2,
		.loop = true,
		.run = command_doctor,
	},
	{
		.name = "image",
		.summary = "the shadow's image, for --image",
		.args = "",
		.details = "Without --image the shadow's program is brought "
			   "along, and no image is needed.",
	},
	{
		.name = "image export",
		.summary = "write it into a file, for kind, k3s, docker load",
		.args = "<file>",
		.details = "An OCI archive; - is stdout.",
		.options = image_export_options,
		.min_args = 1,
		.max_args = 1,
		.run = command_image_export,
	},
	{
		.name = "image push",
		.summary = "put it into a registry",
		.args = "<registry>/<repo>[:<tag>]",
		.details = "Credentials are those that docker keeps (docker "
			   "login).",
		.options = image_push_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_image_push,
	},
	{
		.name = "config",
		.summary = "defaults for the flags of every command",
		.args = "",
		.details = "Values are kept in ~/.kt/config; a flag on the "
			   "command line wins over them.",
	},
	{
		.name = "config show",
		.summary = "show the items that are set",
		.args = "",
		.options = all_unset_option,
		.run = command_config_show,
	},
	{
		.name = "config get",
		.summary = "show some items",
		.args = "<item>...",
		.min_args = 1,
		.max_args = MAX_ARGS,
		.run = command_config_get,
	},
	{
		.name = "config set",
		.summary = "set an item",
		.args = "<item> <value> | <item>=<value>",
		.min_args = 1,
		.max_args = 3,
		.run = command_config_set,
	},
	{
		.name = "config unset",
		.summary = "unset some items, or all",
		.args = "<item>... | --all",
		.options = all_drop_option,
		.max_args = MAX_ARGS,
		.run = command_config_unset,
	},
	{
		.name = "config list-profile",
		.summary = "list the saved profiles",
		.args = "",
		.run = command_config_list_profile,
	},
	{
		.name = "config save-profile",
		.summary = "save the present items as a profile",
		.args = "<profile>",
		.min_args = 1,
		.max_args = 1,
		.run = command_config_save_profile,
	},
	{
		.name = "config load-profile",
		.summary = "replace the present items by those of a profile",
		.args = "<profile>",
		.options = dry_run_option,
		.min_args = 1,
		.max_args = 1,
		.run = command_config_load_profile,
	},
	{
		.name = "config drop-profile",
		.summary = "delete a profile",
		.args = "<profile>",
		.min_args = 1,
		.max_args = 1,
		.run = command_config_drop_profile,
	},
	{
		.name = "completion",
		.summary = "print the completion script of a shell",
		.args = "",
	},
	COMPLETION_ROW("bash"),
	COMPLETION_ROW("zsh"),
	COMPLETION_ROW("fish"),
	COMPLETION_ROW("powershell"),
	{
		.name = "version",
		.summary =
			"show the version, and those of the shadows that run",
		.args = "",
		.options = version_options,
		.loop = true,
		.run = command_version,
	},
	{
		.name = "help",
		.summary = "show the help of a command",
		.args = "[<command>]",
		.max_args = 2,
		.run = command_help,
	},
	{
		.name = "__names",
		.summary = "names of the cluster, for completion",
		.args = "<kind> [<service>]",
		.min_args = 1,
		.max_args = 2,
		.loop = true,
		.hidden = true,
		.run = command_names,
	},
	{
		.name = "__complete",
		.summary = "candidates for a command line, for the scripts",
		.args = "<word>...",
		.max_args = MAX_ARGS,
		.hidden = true,
		.raw = true,
		.run = command_complete,
	},
	{
		.name = "__completeNoDesc",
		.summary = "the same without descriptions",
		.args = "<word>...",
		.max_args = MAX_ARGS,
		.hidden = true,
		.raw = true,
		.run = command_complete,
	},
	{ 0 },
};
