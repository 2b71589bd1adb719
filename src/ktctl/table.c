/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/app.h"
#include "cli/command.h"
#include "cli/options.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

#ifndef KT_IMAGE
#define KT_IMAGE "" /* the program is brought along */
#endif

#define GLOBAL(field) .offset = offsetof(struct options, global.field)
#define CONNECT(field) .offset = offsetof(struct options, connect.field)
#define EXCHANGE(field) .offset = offsetof(struct options, exchange.field)
#define MESH(field) .offset = offsetof(struct options, mesh.field)
#define PREVIEW(field) .offset = offsetof(struct options, preview.field)
#define FORWARD(field) .offset = offsetof(struct options, forward.field)
#define CLEAN(field) .offset = offsetof(struct options, clean.field)
#define CONFIG(field) .offset = offsetof(struct options, config.field)
#define VERSION(field) .offset = offsetof(struct options, version.field)
#define SESSION(field) .offset = offsetof(struct options, session.field)
#define STATUS(field) .offset = offsetof(struct options, status.field)
#define DISCONNECT(field) .offset = offsetof(struct options, disconnect.field)
#define EVENTS(field) .offset = offsetof(struct options, events.field)
#define DOCTOR(field) .offset = offsetof(struct options, doctor.field)
#define IMAGE(field) .offset = offsetof(struct options, image.field)
#define BIRDSEYE(field) .offset = offsetof(struct options, birdseye.field)
#define APPLY(field) .offset = offsetof(struct options, apply.field)
#define ENV(field) .offset = offsetof(struct options, env.field)
#define MAP(field) .offset = offsetof(struct options, map.field)
#define COMPLETION(field) .offset = offsetof(struct options, completion.field)

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

/* of every command that runs until it is ended; --with 0: with none */
#define SESSION_ROWS                                                           \
	{ "background",                                                        \
	  0,                                                                   \
	  VALUE_BOOL,                                                          \
	  "false",                                                             \
	  NULL,                                                                \
	  "return when all is up, and go on in the background until "          \
	  "'ktctl disconnect'",                                                \
	  SESSION(background),                                                 \
	  .no_config = true },                                                 \
		{ "with",	  0,                                           \
		  VALUE_INT,	  "0",                                         \
		  "PID",	  "end when this process does; 0: with none",  \
		  SESSION(with),  .min = 0,                                    \
		  .max = 4194304, .no_config = true },                         \
	{                                                                      \
		"applied", 0, VALUE_STRING, "", "BY",                          \
			"which file's 'ktctl apply' has started it",           \
			SESSION(applied), .hidden = true, .no_config = true    \
	}

/* of every command whose traffic is this machine's; @S: CONNECT or FORWARD */
#define FAULT_ROW(S)                                                           \
	{                                                                      \
		"fault", 0, VALUE_FAULTS, "none", "FAULT",                     \
			"what shall go wrong with this machine's traffic, "    \
			"TARGET[:PORT] EFFECT...: latency=200ms, "             \
			"jitter=50ms, "                                        \
			"rate=1m, refuse, reset, drop, percent=10; can be "    \
			"repeated",                                            \
			S(faults), .no_config = true, .repeats = ';'           \
	}

/* of every command whose connections outlive the network; @S: likewise */
#define KEEP_ROW(S)                                                            \
	{                                                                      \
		"keep", 0, VALUE_DURATION, "10m", "TIME",                      \
			"how long open connections wait when the network, "    \
			"the API server or this machine is away",              \
			S(keep), .min = 1, .max = 86400                        \
	}

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
	{ "shadow", 0, VALUE_STRING, "", "NAME",
	  "use this Pod, or a Pod of deployment/NAME, that an administrator "
	  "made; nothing is made, and nothing else asked of the cluster",
	  CONNECT(shadow) },
	{ "env", 0, VALUE_STRING, "", "NAME",
	  "HTTP requests to the cluster are marked as this environment's",
	  CONNECT(env), .is_name = true },
	{ "clusterDomain", 0, VALUE_DOMAIN, "cluster.local", "DOMAIN",
	  "DNS suffix of the cluster", CONNECT(cluster_domain),
	  .not_empty = true },
	{ "disablePodIp", 0, VALUE_BOOL, "false", NULL,
	  "no routes to Pod addresses, only to Services",
	  CONNECT(disable_pod_ip) },
	{ "skipCleanup", 0, VALUE_BOOL, "false", NULL,
	  "leave expired objects of others alone at the start",
	  CONNECT(skip_cleanup) },
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
	FAULT_ROW(CONNECT),
	SESSION_ROWS,
	{ 0 },
};

/* of every command that brings traffic here; @S: EXCHANGE, MESH or PREVIEW */
#define EXPOSE_ROW(S)                                                          \
	{                                                                      \
		"expose", 0, VALUE_EXPOSE, "", "PORT,...",                     \
			"what is exposed: PORT, or LOCAL:REMOTE with a local " \
			"port and a "                                          \
			"port of the Service, its target or its name; /udp "   \
			"behind it for UDP",                                   \
			S(in.expose)                                           \
	}
#define FORCE_ROW(S)                                                           \
	{                                                                      \
		"force", 0, VALUE_BOOL, "false", NULL,                         \
			"also a headless Service that gives its Pods names "   \
			"(db-0.db), which "                                    \
			"nobody can resolve meanwhile",                        \
			S(in.force)                                            \
	}
#define JOB_ROWS(S)                                                            \
	{ "skipPortChecking",                                                  \
	  0,                                                                   \
	  VALUE_BOOL,                                                          \
	  "false",                                                             \
	  NULL,                                                                \
	  "do not mind that nothing listens on the local port yet",            \
	  S(in.skip_port_checking) },                                          \
	{                                                                      \
		"graceTime", 0, VALUE_INT, "10", "SECONDS",                    \
			"how long requests may take to end when you leave, "   \
			"and how long a "                                      \
			"lost connection keeps its rules",                     \
			S(in.grace_time), .min = 0, .max = 86400               \
	}

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

static const char *const output_forms[] = { "text", "json", NULL };

/* clang-format on */
#define OUTPUT_ROW(field)                                                      \
	{                                                                      \
		"output", 'o', VALUE_CHOICE, "text", "FORM",                   \
			"how it is written: text or json",                     \
			.choices = output_forms, field, .no_config = true,     \
	}
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

#define TTL_ROW                                                                \
	{                                                                      \
		"ttl", 0, VALUE_DURATION, "8h", "TIME",                        \
			"how long the environment lives from now on; 0, with " \
			"--force: until it is deleted",                        \
			ENV(ttl), .min = 0, .max = 31536000,                   \
			.no_config = true                                      \
	}
#define ENV_FORCE_ROW(text)                                                    \
	{                                                                      \
		"force", 0, VALUE_BOOL, "false", NULL, text, ENV(in.force),    \
			.no_config = true                                      \
	}

static const struct option env_create_options[] = {
	{ "parent", 0, VALUE_STRING, "", "NAME",
	  "the environment that answers where this one has no member",
	  ENV(parent), .is_name = true, .no_config = true },
	TTL_ROW,
	{ "strict", 0, VALUE_BOOL, "false", NULL,
	  "a member that is down is an error (503), not answered by others",
	  ENV(strict), .no_config = true },
	ENV_FORCE_ROW("with --ttl 0: an environment without an end"),
	{ 0 },
};

static const struct option env_output_options[] = {
	OUTPUT_ROW(ENV(output)),
	{ 0 },
};

static const struct option env_extend_options[] = {
	TTL_ROW,
	ENV_FORCE_ROW("also another user's; with --ttl 0: without an end"),
	{ 0 },
};

static const struct option env_force_options[] = {
	ENV_FORCE_ROW("also what another user has made"),
	{ 0 },
};

static const struct option env_join_options[] = {
	{ "local", 0, VALUE_EXPOSE, "", "[LOCAL:]PORT,...",
	  "the member is a program of this machine; LOCAL is its port here, "
	  "PORT the Service's",
	  ENV(in.expose), .no_config = true },
	{ "image", 0, VALUE_IMAGE_OF, "", "[CONTAINER=]IMAGE",
	  "the member is a copy of the Service's workload with this image",
	  ENV(image), .no_config = true },
	{ "set", 0, VALUE_SETTINGS, "", "K=V",
	  "with --image: an environment variable of the copy; can be repeated",
	  ENV(set), .no_config = true, .repeats = '\n' },
	{ "envFrom", 0, VALUE_ENV_FROM, "", "KIND/NAME,...",
	  "with --image: more variables of the copy, of configmap/NAME or "
	  "secret/NAME",
	  ENV(env_from), .no_config = true },
	{ "replicas", 0, VALUE_INT, "1", "N", "with --image: Pods of the copy",
	  ENV(replicas), .min = 1, .max = 100, .no_config = true },
	{ "selector", 0, VALUE_LABELS, "", "K=V,...",
	  "the members are the Pods with these labels", ENV(selector),
	  .no_config = true },
	{ "service", 0, VALUE_STRING, "", "NAME",
	  "the member is another Service", ENV(service), .is_name = true,
	  .no_config = true },
	ENV_FORCE_ROW("also in place of another user's member"),
	JOB_ROWS(ENV),
	SESSION_ROWS,
	{ 0 },
};

static const struct option env_apply_options[] = {
	{ "file", 'f', VALUE_STRING, "", "FILE",
	  "what is wanted; - for stdin", ENV(file), .no_config = true },
	{ "dry-run", 0, VALUE_BOOL, "false", NULL,
	  "only show the commands that it would run", ENV(dry_run),
	  .no_config = true },
	{ "dryRun", 0, VALUE_BOOL, "false", NULL, "as --dry-run",
	  ENV(dry_run), .hidden = true, .no_config = true },
	ENV_FORCE_ROW("also what another user has made; ttl: 0"),
	{ 0 },
};

static const struct option env_init_options[] = {
	{ "clusterDomain", 0, VALUE_DOMAIN, "cluster.local", "DOMAIN",
	  "DNS suffix of the cluster", ENV(cluster_domain), .not_empty = true,
	  .no_config = true },
	{ 0 },
};

static const struct option env_open_options[] = {
	KEEP_ROW(FORWARD),
	SESSION_ROWS,
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
	{ 0 },
};

static const struct option disconnect_options[] = {
	{ "all", 'a', VALUE_BOOL, "false", NULL,
	  "end every session of this machine", DISCONNECT(all),
	  .no_config = true },
	{ 0 },
};

static const char *const events_forms[] = { "text", "json", NULL };

static const struct option events_options[] = {
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
	{
		.name = "env",
		.summary =
			"environments: one for each change, beside the trunk",
		.args = "",
		.details = "An environment holds only what it changes: "
			   "requests with its mark go to its members, all "
			   "others to the trunk.",
	},
	{
		.name = "env create",
		.summary = "make one; nothing runs yet",
		.args = "<name>",
		.options = env_create_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_create,
	},
	{
		.name = "env join",
		.summary = "put a member into it: this machine, an image, "
			   "other Pods",
		.args = "<name> <service>",
		.options = env_join_options,
		.min_args = 2,
		.max_args = 2,
		.loop = true,
		.session = true,
		.run = command_env_join,
	},
	{
		.name = "env leave",
		.summary = "take a member out of it",
		.args = "<name> <service>",
		.options = env_force_options,
		.min_args = 2,
		.max_args = 2,
		.loop = true,
		.run = command_env_leave,
	},
	{
		.name = "env open",
		.summary = "a port of this machine that leads to a Service "
			   "through it",
		.args = "<name> <service> [[<local>:]<port>]",
		.options = env_open_options,
		.min_args = 2,
		.max_args = 3,
		.loop = true,
		.session = true,
		.run = command_env_open,
	},
	{
		.name = "env apply",
		.summary = "make an environment as a file says",
		.args = "-f <file>",
		.details = "Creates it, or extends it by the file's ttl; joins "
			   "the members that are missing or differ; leaves "
			   "those that the file does not name.",
		.options = env_apply_options,
		.loop = true,
		.run = command_env_apply,
	},
	{
		.name = "env export",
		.summary = "an environment as a file for env apply",
		.args = "<name>",
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_export,
	},
	{
		.name = "env list",
		.summary = "the environments of the namespace",
		.args = "",
		.options = env_output_options,
		.loop = true,
		.run = command_env_list,
	},
	{
		.name = "env show",
		.summary = "one of them, with its members",
		.args = "<name>",
		.options = env_output_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_show,
	},
	{
		.name = "env extend",
		.summary = "let it live longer",
		.args = "<name>",
		.options = env_extend_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_extend,
	},
	{
		.name = "env init",
		.summary = "manifests of Services with a router that stays, "
			   "for Git",
		.args = "<service>...",
		.options = env_init_options,
		.min_args = 1,
		.max_args = MAX_ARGS,
		.loop = true,
		.run = command_env_init,
	},
	{
		.name = "env delete",
		.summary = "end it, and all that is its",
		.args = "<name>",
		.options = env_force_options,
		.min_args = 1,
		.max_args = 1,
		.loop = true,
		.run = command_env_delete,
	},
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
			   "preview, forward, recover, clean, birdseye or map; "
			   "without one all of them are looked at.",
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

bool command_is_child(const struct command *c, const struct command *parent)
{
	size_t n = strlen(parent->name);

	return strncmp(c->name, parent->name, n) == 0 && c->name[n] == ' ';
}

const struct command *command_find(const char *name)
{
	const struct command *c;

	for_each_command (c)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

const char *command_word(const struct command *c)
{
	const char *space = strrchr(c->name, ' ');

	return space ? space + 1 : c->name;
}

const struct option *option_find(const struct option *table, const char *name,
				 size_t len)
{
	const struct option *opt;

	for_each_option (opt, table)
		if (strlen(opt->name) == len &&
		    memcmp(opt->name, name, len) == 0)
			return opt;
	return NULL;
}

const struct option *option_find_letter(const struct option *table, char letter)
{
	const struct option *opt;

	for_each_option (opt, table)
		if (letter && opt->letter == letter)
			return opt;
	return NULL;
}

const char *option_item(const struct option *opt, char *dst, size_t size)
{
	size_t n = 0;

	for (const char *p = opt->name; *p && n + 2 < size; p++) {
		if (isupper((unsigned char)*p))
			dst[n++] = '-';
		dst[n++] = (char)tolower((unsigned char)*p);
	}
	dst[n] = '\0';
	return dst;
}

const char *option_env(const struct option *opt, const char *group, char *dst,
		       size_t size)
{
	char item[ITEM_STRLEN];

	option_item(opt, item, sizeof(item));
	if (strcmp(group, "global") == 0)
		snprintf(dst, size, "KTCTL_%s", item);
	else
		snprintf(dst, size, "KTCTL_%s_%s", group, item);
	for (char *p = dst; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return dst;
}

static const struct option *find_item(const struct option *table,
				      const char *item)
{
	const struct option *opt;
	char name[ITEM_STRLEN];

	for_each_option (opt, table)
		if (!opt->no_config &&
		    strcmp(option_item(opt, name, sizeof(name)), item) == 0)
			return opt;
	return NULL;
}

const struct option *option_by_item(const char *item)
{
	const struct command *c;

	if (strncmp(item, "global.", 7) == 0)
		return find_item(global_option_table, item + 7);
	for_each_command (c) {
		size_t n = c->group ? strlen(c->group) : 0;

		if (n && strncmp(item, c->group, n) == 0 && item[n] == '.')
			return find_item(c->options, item + n + 1);
	}
	return NULL;
}
