/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/cidr.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/ahead.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

/** struct addrs - growing list of addresses */
struct addrs {
	struct ipaddr *v;
	size_t n;
};

static void addrs_add(struct addrs *a, const struct ipaddr *ip)
{
	a->v = xrealloc(a->v, (a->n + 1) * sizeof(*a->v));
	a->v[a->n++] = *ip;
}

static void addrs_add_text(struct addrs *a, const char *text)
{
	struct ipaddr ip;

	if (text && ipaddr_parse(&ip, text) == 0)
		addrs_add(a, &ip);
}

static void add_prefix_text(struct prefixset *set, const char *text)
{
	struct ipprefix p;

	if (text && ipprefix_parse(&p, text) == 0)
		prefixset_add(set, &p);
}

/* --- pure parts ----------------------------------------------------------- */

size_t cidr_parse_valid_range(const char *message, struct prefixset *out)
{
	static const char key[] = "range of valid IPs is ";
	size_t found = 0;

	for (const char *p = message; (p = strstr(p, key));) {
		char text[IPPREFIX_STRLEN];
		size_t n = 0;
		struct ipprefix prefix;

		p += strlen(key);
		while (p[n] && strchr("0123456789abcdefABCDEF.:/", p[n]))
			n++;
		/* a sentence's full stop is not of the prefix */
		while (n && (p[n - 1] == '.' || p[n - 1] == ':'))
			n--;
		if (n >= sizeof(text))
			continue;
		memcpy(text, p, n);
		text[n] = '\0';
		if (ipprefix_parse(&prefix, text) < 0)
			continue;
		prefixset_add(out, &prefix);
		found++;
	}
	return found;
}

static bool bit_at(const struct ipaddr *a, unsigned int i)
{
	return a->b[i / 8] & (0x80U >> (i % 8));
}

/* The longest prefix of @a that also has @b. */
static unsigned int common_bits(const struct ipaddr *a, const struct ipaddr *b)
{
	unsigned int n = 0;

	while (n < ipaddr_bits(a) && bit_at(a, n) == bit_at(b, n))
		n++;
	return n;
}

/* The largest range that can begin at @base ends before its last set bit. */
static unsigned int alignment(const struct ipaddr *base)
{
	unsigned int n = ipaddr_bits(base);

	while (n && !bit_at(base, n - 1))
		n--;
	return n;
}

/* Where a range begins tells, for the usual installers, how long it is. */
static unsigned int usual_length(const struct ipaddr *start)
{
	static const char *const usual[] = {
		"10.96.0.0/12",	   /* kubeadm, kind, minikube */
		"34.118.224.0/20", /* GKE */
	};

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		struct ipprefix p;

		if (ipprefix_parse(&p, usual[i]) == 0 &&
		    ipaddr_eq(&p.addr, start))
			return p.len;
	}
	return 0;
}

static void guess_family(const struct ipaddr *seen, size_t n,
			 const struct ipaddr *first, int family,
			 struct prefixset *out)
{
	unsigned int len = family == AF_INET ? 16 : 112;
	const struct ipaddr *base = NULL;
	struct ipprefix p;

	if (first->family == family)
		base = first;
	for (size_t i = 0; i < n; i++) {
		if (seen[i].family != family)
			continue;
		if (!base)
			base = &seen[i];
		len = MIN(len, common_bits(base, &seen[i]));
	}
	if (!base)
		return;
	if (base == first) {
		struct ipaddr start = *first;
		unsigned int usual;

		start.b[ipaddr_size(first) - 1] &= 0xfe;
		usual = usual_length(&start);
		len = usual ? MIN(len, usual) : len;
		len = MAX(len, alignment(&start));
	}
	p = ipprefix_make(base, len);
	prefixset_add(out, &p);
	/* what the guess does not hold is added as seen */
	for (size_t i = 0; i < n; i++) {
		p = ipprefix_make(&seen[i], ipaddr_bits(&seen[i]));
		if (seen[i].family == family)
			prefixset_add(out, &p);
	}
}

void cidr_guess_services(const struct ipaddr *seen, size_t n,
			 const struct ipaddr *first, struct prefixset *out)
{
	guess_family(seen, n, first, AF_INET, out);
	guess_family(seen, n, first, AF_INET6, out);
}

void cidr_guess_pods(const struct ipaddr *seen, size_t n, struct prefixset *out)
{
	for (size_t i = 0; i < n; i++) {
		bool v4 = seen[i].family == AF_INET;
		struct ipprefix small = ipprefix_make(&seen[i], v4 ? 24 : 64);
		struct ipprefix big = ipprefix_make(&seen[i], v4 ? 16 : 48);
		bool alone = true;

		for (size_t k = 0; k < n && alone; k++)
			alone = !ipprefix_has(&big, &seen[k]) ||
				ipprefix_has(&small, &seen[k]);
		prefixset_add(out, alone ? &small : &big);
	}
}

/* --- asking --------------------------------------------------------------- */

/* A refusal or a missing API is an answer here; the rest ends the discovery. */
static bool is_answer(const struct kt_error *e)
{
	return e->http_status >= 400 && e->http_status < 500 &&
	       e->http_status != 401;
}

/* List @path; 0 with *@out NULL when the server says no. */
static int try_list(struct kube *k, const char *path, json_t **out,
		    struct kt_error *err)
{
	struct kt_error e = { 0 };
	int rc = kube_list(k, path, NULL, out, &e);

	if (rc < 0 && is_answer(&e)) {
		log_debug("%s", e.msg);
		*out = NULL;
		return 0;
	}
	if (rc < 0)
		*err = e;
	return rc;
}

static int service_cidr_api(struct kube *k, struct cidr_result *out,
			    struct kt_error *err)
{
	static const char *const api[] = { "networking.k8s.io/v1",
					   "networking.k8s.io/v1beta1" };

	for (size_t v = 0; v < ARRAY_SIZE(api) && !out->services.n; v++) {
		auto_free char *path =
			kube_path(api[v], "servicecidrs", NULL, NULL, NULL);
		auto_json json_t *list = NULL;
		json_t *item, *cidr;
		size_t i, n;
		int rc = try_list(k, path, &list, err);

		if (rc < 0)
			return rc;
		json_array_foreach (json_object_get(list, "items"), i, item)
			json_array_foreach (
				json_at(item, "spec", "cidrs", NULL), n, cidr)
				add_prefix_text(&out->services,
						json_string_value(cidr));
		if (out->services.n)
			out->services_api = api[v];
	}
	return 0;
}

/*
 * A Service that must be refused; the refusal names the range of that family.
 * Servers of the first dual-stack versions do not allocate in a dry run, so it
 * is asked in earnest then; should it be made after all, it is removed at once.
 */
static int provoke(struct kube *k, const char *ns, const char *cluster_ip,
		   struct prefixset *out, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "services", ns, NULL, NULL);
	auto_free char *made =
		kube_path("v1", "services", ns, "kt-range-probe", NULL);
	auto_json json_t *svc = json_pack(
		"{s:s, s:s, s:{s:s}, s:{s:s, s:[{s:i}]}}", "apiVersion", "v1",
		"kind", "Service", "metadata", "name", "kt-range-probe", "spec",
		"clusterIP", cluster_ip, "ports", "port", 80);

	for (int earnest = 0; earnest < 2; earnest++) {
		struct kube_request req = { .method = "POST",
					    .path = path,
					    .query = earnest ? NULL
							     : "dryRun=All",
					    .body = svc };
		struct kt_error e = { 0 };
		int rc = kube_call(k, &req, NULL, &e);

		if (rc < 0 && !is_answer(&e)) {
			*err = e;
			return rc;
		}
		if (rc < 0) {
			cidr_parse_valid_range(e.msg, out);
			return 0;
		}
	}
	return kube_delete(k, made, 0, err);
}

static int complaint(struct kube *k, const char *ns, struct prefixset *out,
		     struct kt_error *err)
{
	/* documentation addresses (RFC 5737, 3849): in nobody's range. Each
	 * family is asked for itself: a cluster may have either alone, and
	 * says no more than that of the other. */
	int rc = provoke(k, ns, "192.0.2.1", out, err);

	if (rc < 0)
		return rc;
	return provoke(k, ns, "2001:db8::1", out, err);
}

static void collect_services(json_t *list, struct addrs *seen,
			     struct ipaddr *first)
{
	json_t *item, *ip;
	size_t i, n;

	json_array_foreach (json_object_get(list, "items"), i, item) {
		const char *one = json_str(item, "spec", "clusterIP", NULL);

		addrs_add_text(seen, one);
		json_array_foreach (json_at(item, "spec", "clusterIPs", NULL),
				    n, ip)
			addrs_add_text(seen, json_string_value(ip));
		if (one && !first->family &&
		    str_eq(json_str(item, "metadata", "name", NULL),
			   "kubernetes") &&
		    str_eq(json_str(item, "metadata", "namespace", NULL),
			   "default") &&
		    ipaddr_parse(first, one) < 0)
			*first = (struct ipaddr){ 0 };
	}
}

/* List @resource of all namespaces, else of @ns; *@all tells which it was. */
static int list_widely(struct kube *k, const char *resource, const char *ns,
		       json_t **list, bool *all, struct kt_error *err)
{
	auto_free char *wide = kube_path("v1", resource, NULL, NULL, NULL);
	auto_free char *own = kube_path("v1", resource, ns, NULL, NULL);
	int rc = try_list(k, wide, list, err);

	*all = rc == 0 && *list;
	if (rc < 0 || *list)
		return rc;
	return try_list(k, own, list, err);
}

static int seen_services(struct kube *k, const char *ns,
			 const struct cidr_hints *h, struct cidr_result *out,
			 struct kt_error *err)
{
	auto_json json_t *list = NULL;
	struct ipaddr first = h->kubernetes;
	struct addrs seen = { 0 };
	bool all;
	int rc = list_widely(k, "services", ns, &list, &all, err);

	if (rc < 0)
		return rc;
	collect_services(list, &seen, &first);
	for (size_t i = 0; i < h->nservices; i++)
		addrs_add(&seen, &h->services[i]);
	if (first.family)
		addrs_add(&seen, &first);
	cidr_guess_services(seen.v, seen.n, &first, &out->services);
	free(seen.v);
	out->services_from = all ? "the Services of all namespaces"
				 : "the Services of the namespace";
	return 0;
}

static int discover_services(struct kube *k, const char *ns,
			     const struct cidr_hints *h,
			     struct cidr_result *out, struct kt_error *err)
{
	int rc = service_cidr_api(k, out, err);

	out->services_from = "ServiceCIDR objects";
	if (rc < 0 || out->services.n)
		return rc;
	rc = complaint(k, ns, &out->services, err);
	out->services_from = "the API server's validation";
	if (rc < 0 || out->services.n)
		return rc;
	return seen_services(k, ns, h, out, err);
}

static int node_cidrs(struct kube *k, struct prefixset *out,
		      struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "nodes", NULL, NULL, NULL);
	auto_json json_t *list = NULL;
	json_t *item, *cidr;
	size_t i, n;
	int rc = try_list(k, path, &list, err);

	if (rc < 0)
		return rc;
	json_array_foreach (json_object_get(list, "items"), i, item) {
		add_prefix_text(out, json_str(item, "spec", "podCIDR", NULL));
		json_array_foreach (json_at(item, "spec", "podCIDRs", NULL), n,
				    cidr)
			add_prefix_text(out, json_string_value(cidr));
	}
	return 0;
}

static void collect_pods(json_t *list, struct addrs *seen)
{
	json_t *item, *ip;
	size_t i, n;

	json_array_foreach (json_object_get(list, "items"), i, item) {
		if (json_is_true(json_at(item, "spec", "hostNetwork", NULL)))
			continue;
		addrs_add_text(seen, json_str(item, "status", "podIP", NULL));
		json_array_foreach (json_at(item, "status", "podIPs", NULL), n,
				    ip)
			addrs_add_text(seen, json_str(ip, "ip", NULL));
	}
}

static int discover_pods(struct kube *k, const char *ns,
			 const struct cidr_hints *h, struct cidr_result *out,
			 bool *guessed, struct kt_error *err)
{
	auto_json json_t *list = NULL;
	struct addrs seen = { 0 };
	bool all;
	int rc = node_cidrs(k, &out->pods, err);

	*guessed = false;
	out->pods_from = "Node specs";
	out->pods_of_nodes = out->pods.n;
	if (rc < 0 || out->pods.n)
		return rc;
	rc = list_widely(k, "pods", ns, &list, &all, err);
	if (rc < 0)
		return rc;
	collect_pods(list, &seen);
	for (size_t i = 0; i < h->npods; i++)
		addrs_add(&seen, &h->pods[i]);
	cidr_guess_pods(seen.v, seen.n, &out->pods);
	free(seen.v);
	*guessed = !all;
	out->pods_from = all ? "the Pods of all namespaces"
			     : "the Pods of the namespace";
	return 0;
}

static int discover_namespaces(struct kube *k, struct cidr_result *out,
			       struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "namespaces", NULL, NULL, NULL);
	auto_json json_t *list = NULL;
	json_t *item;
	size_t i;
	int rc = try_list(k, path, &list, err);

	if (rc < 0 || !list)
		return rc;
	out->know_namespaces = true;
	json_array_foreach (json_object_get(list, "items"), i, item) {
		const char *name = json_str(item, "metadata", "name", NULL);

		if (name)
			strv_add(&out->namespaces, name);
	}
	return 0;
}

/* As far as one does not depend on what another says */
void cidr_ask_ahead(struct kube *k, bool want_pods)
{
	auto_free char *v1 = kube_path("networking.k8s.io/v1", "servicecidrs",
				       NULL, NULL, NULL);
	auto_free char *beta = kube_path("networking.k8s.io/v1beta1",
					 "servicecidrs", NULL, NULL, NULL);
	auto_free char *names = kube_path("v1", "namespaces", NULL, NULL, NULL);
	auto_free char *nodes = kube_path("v1", "nodes", NULL, NULL, NULL);
	const struct ahead_want want[] = {
		{ .path = v1 },
		{ .path = beta, .otherwise = true },
		{ .path = names },
		{ .path = nodes },
	};

	kube_ask_ahead(k, want, ARRAY_SIZE(want) - (want_pods ? 0 : 1));
}

int cidr_discover(struct kube *k, const char *ns, const struct cidr_hints *h,
		  bool want_pods, struct cidr_result *out, struct kt_error *err)
{
	bool guessed = false;
	int rc;

	*out = (struct cidr_result){ .pods_from = "nothing" };
	rc = discover_services(k, ns, h, out, err);
	if (rc == 0 && want_pods)
		rc = discover_pods(k, ns, h, out, &guessed, err);
	if (rc == 0)
		rc = discover_namespaces(k, out, err);
	if (rc < 0) {
		cidr_fini(out);
		return kt_wrap(err, rc, "find the cluster's address ranges");
	}
	guessed |= str_eq(out->services_from, "the Services of the namespace");
	if (guessed)
		snprintf(out->warning, sizeof(out->warning),
			 "address ranges were guessed from what namespace %s "
			 "shows; if something is missing, name it with "
			 "--includeIps",
			 ns);
	return 0;
}

/* --- without asking ------------------------------------------------------- */

static void cidr_add_all(struct prefixset *to, const struct prefixset *from)
{
	for (size_t i = 0; i < from->n; i++)
		prefixset_add(to, &from->v[i]);
}

static void cidr_shadow_services(const struct cidr_hints *h,
				 struct cidr_result *out)
{
	struct addrs seen = { 0 };

	for (size_t i = 0; i < h->nservices; i++)
		addrs_add(&seen, &h->services[i]);
	if (h->kubernetes.family)
		addrs_add(&seen, &h->kubernetes);
	cidr_guess_services(seen.v, seen.n, &h->kubernetes, &out->services);
	free(seen.v);
}

/* A route of the Pod that leads to its own address leads to other Pods, too */
static void cidr_shadow_pods(const struct cidr_hints *h,
			     struct cidr_result *out)
{
	cidr_guess_pods(h->pods, h->npods, &out->pods);
	for (size_t i = 0; i < h->routes.n; i++)
		for (size_t k = 0; k < h->npods; k++)
			if (ipprefix_has(&h->routes.v[i], &h->pods[k]))
				prefixset_add(&out->pods, &h->routes.v[i]);
}

void cidr_from_shadow(const struct cidr_hints *h, bool want_pods,
		      struct cidr_result *out)
{
	static const char told[] = "what the shadow was told";
	static const char seen[] = "what the shadow sees";
	bool services = h->service_ranges.n, pods = h->pod_ranges.n;

	*out = (struct cidr_result){ .services_from = services ? told : seen,
				     .pods_from = pods ? told : seen };
	cidr_add_all(&out->services, &h->service_ranges);
	if (!services)
		cidr_shadow_services(h, out);
	if (want_pods)
		cidr_add_all(&out->pods, &h->pod_ranges);
	if (want_pods && !pods)
		cidr_shadow_pods(h, out);
	if (services && (pods || !want_pods))
		return;
	snprintf(out->warning, sizeof(out->warning),
		 "address ranges of %s were guessed from what the shadow sees; "
		 "if something is missing, name it with --includeIps, or have "
		 "an administrator name all in the shadow's manifest "
		 "(SHADOW_SERVICE_RANGES, SHADOW_POD_RANGES)",
		 services	      ? "Pods"
		 : pods || !want_pods ? "Services"
				      : "Services and Pods");
}

void cidr_hints_fini(struct cidr_hints *h)
{
	prefixset_fini(&h->routes);
	prefixset_fini(&h->service_ranges);
	prefixset_fini(&h->pod_ranges);
}

void cidr_fini(struct cidr_result *r)
{
	prefixset_fini(&r->services);
	prefixset_fini(&r->pods);
	strv_fini(&r->namespaces);
}
