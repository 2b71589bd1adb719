/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/redirector.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/netlink.h"
#include "shadow/servespec.h"

#include <errno.h>
#include <string.h>

struct redirector {
	struct redirect *redirect;
	struct redirect_port now[SERVESPEC_MAX];
	size_t n;
};

int exempt_parse(struct exempt *e, const char *text, struct kt_error *err)
{
	auto_strv struct strv v = strv_split(text, ',');

	e->n = 0;
	for (size_t i = 0; i < v.n; i++) {
		if (e->n == REDIRECT_EXEMPT_MAX)
			return kt_fail(err, EINVAL, "more than %d addresses",
				       REDIRECT_EXEMPT_MAX);
		if (ipaddr_parse(&e->addr[e->n], v.v[i]) < 0)
			return kt_fail(err, EINVAL, "'%.60s' is not an address",
				       v.v[i]);
		e->n++;
	}
	return 0;
}

/* Many networks give the node another address towards its Pods: the one that
 * is their gateway */
static int exempt_all(struct redirector *l, const struct exempt *e,
		      struct kt_error *err)
{
	struct netlink *nl = NULL;
	struct netlink_hop hop;
	int rc = netlink_open(&nl, err);

	for (size_t i = 0; rc == 0 && i < e->n; i++) {
		rc = redirect_exempt(l->redirect, &e->addr[i]);
		if (rc == 0 && netlink_route_get(nl, &e->addr[i], &hop) == 0 &&
		    hop.via.family)
			rc = redirect_exempt(l->redirect, &hop.via);
		if (rc < 0)
			kt_fail(err, -rc, "too many addresses");
	}
	netlink_close(nl);
	return rc;
}

struct redirector *redirector_new(const struct exempt *exempt,
				  struct kt_error *err)
{
	struct redirector *l = xcalloc(1, sizeof(*l));

	if (redirect_new(&l->redirect, err) < 0 ||
	    exempt_all(l, exempt, err) < 0) {
		redirector_free(l);
		return NULL;
	}
	return l;
}

int redirector_forget(struct redirector *l, uint16_t port, bool udp,
		      struct kt_error *err)
{
	return redirect_forget(l->redirect, port, udp, err);
}

static bool redirector_is_same(const struct redirector *l,
			       const struct redirect_port *v, size_t n)
{
	if (n != l->n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v[i].port != l->now[i].port || v[i].udp != l->now[i].udp)
			return false;
	return true;
}

void redirector_set(struct redirector *l, const struct redirect_port *v,
		    size_t n)
{
	struct kt_error err = { 0 };

	if (n > SERVESPEC_MAX || redirector_is_same(l, v, n))
		return;
	if (redirect_set(l->redirect, v, n, &err) < 0) {
		log_err("%s", err.msg);
		return;
	}
	for (size_t i = 0; i < n; i++)
		l->now[i] = v[i];
	l->n = n;
	log_info("callers of %zu port%s are led here", n, n == 1 ? "" : "s");
}

void redirector_free(struct redirector *l)
{
	if (!l)
		return;
	redirect_free(l->redirect);
	free(l);
}
