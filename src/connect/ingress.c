/* SPDX-License-Identifier: Apache-2.0 */
#include "connect/ingress.h"

#include "base/log.h"
#include "base/mem.h"
#include "dns/resolver.h"
#include "kube/rest.h"

#include <errno.h>

void ingress_hosts(const json_t *list, struct strv *out)
{
	json_t *item, *rule;
	size_t i, n;

	json_array_foreach (json_object_get(list, "items"), i, item) {
		json_array_foreach (json_at(item, "spec", "rules", NULL), n,
				    rule) {
			const char *host = json_str(rule, "host", NULL);

			if (host && *host && !strv_has(out, host))
				strv_add(out, host);
		}
	}
}

void ingress_load(struct kube *k, const char *ns, const struct ipaddr *ip,
		  struct dns_resolver *r)
{
	/* v1 is from Kubernetes 1.19; v1beta1 was served until 1.21 */
	static const char *const api[] = { "networking.k8s.io/v1",
					   "networking.k8s.io/v1beta1" };
	struct kt_error err = { 0 };
	int rc = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(api) && rc == -ENOENT; i++) {
		auto_free char *path =
			kube_path(api[i], "ingresses", ns, NULL, NULL);
		auto_json json_t *list = NULL;
		struct strv hosts = { 0 };

		err = (struct kt_error){ 0 };
		rc = kube_list(k, path, NULL, &list, &err);
		if (rc < 0)
			continue;
		ingress_hosts(list, &hosts);
		dns_resolver_set_ingress(r, ip, &hosts);
		log_debug("--ingressIp: %zu host names", hosts.n);
		strv_fini(&hosts);
	}
	if (rc < 0)
		log_warn("--ingressIp has no effect: %s", err.msg);
}
