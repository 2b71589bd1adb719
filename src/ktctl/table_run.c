/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/table_rows.h"

static const char *const run_on_lost[] = { "term", "keep", NULL };

/* clang-format off: one row, one block */
const struct option run_options[] = {
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
	{ "noOutside", 0, VALUE_BOOL, "false", NULL,
	  "the program reaches the cluster, and nothing else",
	  RUN(no_outside) },
	{ "onLost", 0, VALUE_CHOICE, "term", "ACT",
	  "what becomes of the program when ktctl itself is killed: term or "
	  "keep",
	  .choices = run_on_lost, RUN(on_lost) },
	{ "dnsMode", 0, VALUE_DNS_MODE, "localDNS", "MODE",
	  "how names are resolved: localDNS[:SERVER,...], or podDNS: all of "
	  "them by the cluster",
	  CONNECT(dns_mode) },
	{ "dnsCacheTtl", 0, VALUE_INT, "60", "SECONDS",
	  "how long an answer of the cluster's DNS is kept, at most",
	  CONNECT(dns_cache_ttl), .min = 0, .max = 86400 },
	{ "clusterDomain", 0, VALUE_DOMAIN, "cluster.local", "DOMAIN",
	  "DNS suffix of the cluster", CONNECT(cluster_domain),
	  .not_empty = true },
	{ "includeDomains", 0, VALUE_DOMAINS, "", "DOMAIN,...",
	  "more domain suffixes that the cluster's DNS resolves",
	  CONNECT(include_domains) },
	{ "includeIps", 0, VALUE_PREFIXES, "", "CIDR,...",
	  "more addresses and ranges that are the cluster's",
	  CONNECT(include_ips) },
	{ "excludeIps", 0, VALUE_PREFIXES, "", "CIDR,...",
	  "addresses and ranges that are not the cluster's",
	  CONNECT(exclude_ips) },
	{ "disablePodIp", 0, VALUE_BOOL, "false", NULL,
	  "addresses of Pods are not the cluster's, only those of Services",
	  CONNECT(disable_pod_ip) },
	{ "skipCleanup", 0, VALUE_BOOL, "false", NULL,
	  "leave expired objects of others alone at the start",
	  CONNECT(skip_cleanup) },
	KEEP_ROW(CONNECT),
	FAULT_ROW(CONNECT),
	{ 0 },
};
