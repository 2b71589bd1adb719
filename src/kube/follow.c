/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/follow.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/internal.h"

#define RELOAD_AGE (2 * NS_SEC)

/* Strings of former ones may be borrowed somewhere: they live as long */
struct followed {
	struct followed *next;
	struct kube_config *cfg;
};

static bool follow_same_place(const struct kube_config *a,
			      const struct kube_config *b)
{
	return str_eq(a->server, b->server) &&
	       str_eq(a->tls_server_name, b->tls_server_name) &&
	       str_eq(a->proxy_url, b->proxy_url);
}

/* It has to prove the same name */
static bool follow_same_name(const struct kube *k,
			     const struct kube_config *now)
{
	struct url_host host = { 0 };
	const char *was = k->cfg->tls_server_name, *is = now->tls_server_name;

	if (url_host_parse(&host, now->server) < 0)
		return false;
	return str_eq(was ? was : k->host.host, is ? is : host.host);
}

/* One that nobody has to prove is no proof, nor is one that proves every name
 * that there is: the system's authorities */
static bool follow_same_cluster(const struct kube *k,
				const struct kube_config *now)
{
	if (!str_eq(kube_auth_authority(k->auth), now->ca_pem) ||
	    (now->insecure && !k->cfg->insecure))
		return false;
	return (now->ca_pem && !now->insecure) || follow_same_name(k, now);
}

static void follow_refuse(struct kube *k, const struct kube_config *now)
{
	if (str_eq(k->follow_refused, now->server))
		return;
	free(k->follow_refused);
	k->follow_refused = xstrdup(now->server);
	log_warn("context %s of the kubeconfig has another server now, %s, and "
		 "%s: it may be another cluster, so it is not followed. Leave "
		 "and start again if it is to be",
		 now->context, now->server,
		 str_eq(kube_auth_authority(k->auth), now->ca_pem)
			 ? "no certificate authority of its own"
			 : "another certificate authority");
}

static bool follow_adopt(struct kube *k, struct kube_config *now)
{
	struct url_host host = { 0 }, proxy_host = { 0 };
	char *proxy = NULL;
	struct followed *f;

	if (url_host_parse(&host, now->server) == 0)
		proxy = proxy_for(now->server, now->proxy_url);
	if (!host.host[0] ||
	    (proxy && url_host_parse(&proxy_host, proxy) < 0)) {
		free(proxy);
		return false;
	}
	f = xcalloc(1, sizeof(*f));
	f->cfg = now;
	f->next = k->followed;
	k->followed = f;
	free(k->proxy);
	k->proxy = proxy;
	k->proxy_host = proxy_host;
	k->host = host;
	k->cfg = now;
	kube_auth_set_config(k->auth, now);
	log_info("context %s of the kubeconfig has another server now, %s: it "
		 "is followed",
		 now->context, now->server);
	return true;
}

bool kube_follow(struct kube *k)
{
	struct kube_config *now = NULL;
	struct kt_error err = { 0 };
	int64_t at = clock_ns();

	if (!kube_was_accepted(k) ||
	    (k->follow_at && at - k->follow_at < RELOAD_AGE))
		return false;
	k->follow_at = at;
	if (kube_config_reload(&now, k->cfg, &err) < 0)
		log_debug("kubeconfig: %s", err.msg);
	if (now && !follow_same_place(k->cfg, now)) {
		if (!follow_same_cluster(k, now))
			follow_refuse(k, now);
		else if (follow_adopt(k, now))
			return true;
	}
	kube_config_free(now);
	return false;
}

void kube_follow_fini(struct kube *k)
{
	while (k->followed) {
		struct followed *f = k->followed;

		k->followed = f->next;
		kube_config_free(f->cfg);
		free(f);
	}
	free(k->follow_refused);
}
