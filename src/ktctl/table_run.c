/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/table_rows.h"

static const char *const run_on_lost[] = { "term", "keep", NULL };

static const char *const run_captures[] = { "auto", "namespace", "seccomp",
					    "socks", NULL };

static const char *const run_engines[] = { "none", "podman", "docker", NULL };

/* which names and addresses are the cluster's, of run and of compose's
 * sidecars; the words of connect speak of routes */
#define CAPTURED_ROWS                                                          \
	{ "dnsMode",                                                           \
	  0,                                                                   \
	  VALUE_DNS_MODE,                                                      \
	  "localDNS",                                                          \
	  "MODE",                                                              \
	  "how names are resolved: localDNS[:SERVER,...], or podDNS: all of "  \
	  "them by the cluster",                                               \
	  CONNECT(dns_mode) },                                                 \
		{ "dnsCacheTtl",                                               \
		  0,                                                           \
		  VALUE_INT,                                                   \
		  "60",                                                        \
		  "SECONDS",                                                   \
		  "how long an answer of the cluster's DNS is kept, at most",  \
		  CONNECT(dns_cache_ttl),                                      \
		  .min = 0,                                                    \
		  .max = 86400 },                                              \
		CLUSTER_DOMAIN_ROW,                                            \
		{ "includeDomains",                                            \
		  0,                                                           \
		  VALUE_DOMAINS,                                               \
		  "",                                                          \
		  "DOMAIN,...",                                                \
		  "more domain suffixes that the cluster's DNS resolves",      \
		  CONNECT(include_domains) },                                  \
		{ "includeIps",                                                \
		  0,                                                           \
		  VALUE_PREFIXES,                                              \
		  "",                                                          \
		  "CIDR,...",                                                  \
		  "more addresses and ranges that are the cluster's",          \
		  CONNECT(include_ips) },                                      \
		{ "excludeIps",                                                \
		  0,                                                           \
		  VALUE_PREFIXES,                                              \
		  "",                                                          \
		  "CIDR,...",                                                  \
		  "addresses and ranges that are not the cluster's",           \
		  CONNECT(exclude_ips) },                                      \
	{                                                                      \
		"disablePodIp", 0, VALUE_BOOL, "false", NULL,                  \
			"addresses of Pods are not the cluster's, only those " \
			"of Services",                                         \
			CONNECT(disable_pod_ip)                                \
	}

/* clang-format off: one row, one block */
const struct option run_options[] = {
	MARK_ROW, /* the first: env run has the rows behind it */
	{ "shareShadow", 0, VALUE_BOOL, "false", NULL,
	  "share one shadow Pod with everybody in the namespace",
	  CONNECT(share_shadow) },
	SHADOW_ROW,
	{ "exchange", 0, VALUE_BOOL, "false", NULL,
	  "the Service's requests come to the program, as soon as it listens",
	  RUN(exchange), .no_config = true },
	{ "mesh", 0, VALUE_MARK, "", "MARK",
	  "those with this mark do: VALUE, KEY:VALUE or KEY: of a header",
	  RUN(mesh), .no_config = true },
	{ "preview", 0, VALUE_STRING, "", "NAME",
	  "the program is a new Service of this name", RUN(preview),
	  .no_config = true, .is_name = true },
	{ "expose", 0, VALUE_EXPOSE, "", "PORT,...",
	  "with one of these: PORT, or LOCAL:REMOTE; without it the ports of "
	  "the Service that the program listens on",
	  RUN(expose), .no_config = true },
	CONTAINER_ROW,
	ENV_INCLUDE_ROW(false),
	ENV_EXCLUDE_ROW(false),
	{ "engine", 0, VALUE_CHOICE, "none", "ENGINE",
	  "the program is a container: behind \"--\" stand the arguments of "
	  "\"podman run\"",
	  .choices = run_engines, RUN(engine), .no_config = true },
	{ "envLocal", 0, VALUE_VARIABLES, "", "NAME,...",
	  "more variables that stay this machine's; * stands for any "
	  "characters",
	  RUN(pod.local) },
	ENV_SET_ROW,
	ENV_FILE_ROW,
	{ "noFiles", 0, VALUE_BOOL, "false", NULL,
	  "the files that the Pod has mounted are not there", RUN(no_files) },
	{ "write", 0, VALUE_BOOL, "false", NULL,
	  "the Pod's files may be written; the cluster's stay as they are",
	  RUN(write), .no_config = true },
	{ "inPod", 0, VALUE_BOOL, "false", NULL,
	  "the program stands in the Pod's network: its address, its policies, "
	  "its sidecars (adds a container to the Pod)",
	  RUN(in_pod), .no_config = true },
	{ "noOutside", 0, VALUE_BOOL, "false", NULL,
	  "the program reaches the cluster, and nothing else",
	  RUN(no_outside) },
	{ "capture", 0, VALUE_CHOICE, "auto", "WAY",
	  "how: namespace, seccomp where user namespaces are refused, socks "
	  "(a proxy and variables for it), or auto",
	  .choices = run_captures, RUN(capture) },
	{ "vscode", 0, VALUE_BOOL, "false", NULL,
	  "print a launch.json for Visual Studio Code with these flags; "
	  "nothing is run",
	  RUN(vscode), .no_config = true },
	{ "onLost", 0, VALUE_CHOICE, "term", "ACT",
	  "what becomes of the program when ktctl itself is killed: term or "
	  "keep",
	  .choices = run_on_lost, RUN(on_lost) },
	CAPTURED_ROWS,
	SKIP_CLEANUP_ROW,
	KEEP_ROW(CONNECT),
	SHADOWS_ROW(CONNECT),
	FAULT_ROW(CONNECT),
	{ 0 },
};

static const char *const env_file_syntax[] = { "sh", "docker", "compose",
					       "json", NULL };

const struct option env_file_options[] = {
	{ "syntax", 0, VALUE_CHOICE, "sh", "SYNTAX",
	  "who shall read it: sh, docker, compose or json",
	  .choices = env_file_syntax, RUN(pod.syntax), .no_config = true },
	CONTAINER_ROW,
	ENV_INCLUDE_ROW(true),
	ENV_EXCLUDE_ROW(true),
	ENV_SET_ROW,
	{ 0 },
};

/* what connect has as well is connect's, configuration too: the sidecar is one
 */
const struct option compose_options[] = {
	{ "file", 'f', VALUE_STRING, "", "FILE",
	  "the compose file; - is stdin; without it compose.yaml or "
	  "docker-compose.yml of this directory",
	  COMPOSE(file), .no_config = true },
	{ "whole", 0, VALUE_BOOL, "false", NULL,
	  "print all of it with the services changed, not an override: for "
	  "Compose before 2.24",
	  COMPOSE(whole), .no_config = true },
	CONTAINER_ROW,
	ENV_INCLUDE_ROW(true),
	ENV_EXCLUDE_ROW(true),
	SHADOW_ROW,
	MARK_ROW,
	CAPTURED_ROWS,
	KEEP_ROW(CONNECT),
	FAULT_ROW(CONNECT),
	{ 0 },
};
