/* SPDX-License-Identifier: Apache-2.0 */
/* What is done in place of this machine's capture where programs have a network
 * of their own */
#include "base/mem.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "connect/connect_inside.h"
#include "connect/proxy.h"

#include <errno.h>

/* Who stands in a Pod's network has none when that Pod is gone */
int connect_place_renew(void *user, struct kt_error *err)
{
	struct connect *c = user;

	if (!c->place || !c->place->shadow)
		return 0;
	return kt_fail(err, ENOENT,
		       "%s is gone, and with it the network that the program "
		       "stood in",
		       shadow_describe(c->replace.shadow));
}

/* All that the programs there send comes here, IPv6 too where there is any */
static int connect_place_capture_all(struct connect *c, struct kt_error *err)
{
	static const char *const all[] = { "0.0.0.0/0", "::/0" };
	struct capture *cap = traffic_capture(c->traffic);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(all); i++) {
		struct ipprefix p;

		if (ipprefix_parse(&p, all[i]) == 0 &&
		    (i == 0 || capture_has_ipv6(cap)))
			rc = capture_route_add(cap, &p, err);
	}
	return rc;
}

/* At any port of the loopback */
static int connect_place_serve(struct connect *c, struct kt_error *err)
{
	static const uint8_t here[4] = { 127, 0, 0, 1 };
	const struct ipport at = { .addr = ipaddr_v4(here) };

	return proxy_open(&c->proxy, c->app->loop, c->replace.front, c->faults,
			  &at, err);
}

static int connect_place_take(struct connect *c, struct kt_error *err)
{
	struct capture_config cfg = { .ipv6 = true,
				      .link = &c->link,
				      .open = c->place->capture,
				      .open_user = c->place->user };
	int rc = traffic_open(&c->traffic, c->app->loop, c->replace.front,
			      c->faults, &cfg, err);

	if (rc < 0)
		return rc;
	traffic_set_outside(c->traffic, c->place->outside,
			    c->place->outside_user);
	return connect_place_capture_all(c, err);
}

int connect_place_open(struct connect *c, struct kt_error *err)
{
	int rc = c->place->open(c->place->user, &c->link, err);

	if (rc < 0)
		return rc;
	return c->place->proxy ? connect_place_serve(c, err)
			       : connect_place_take(c, err);
}

int connect_place_enter(struct connect *c, struct kt_error *err)
{
	int rc;

	progress_step(c->app->progress, "Add a container to the Pod");
	rc = c->place->shadow(c->place->user, c->kube, c->replace.shadow, err);
	if (rc == 0)
		progress_done(c->app->progress, "%s runs",
			      shadow_describe(c->replace.shadow));
	return rc;
}

int connect_place_start(struct connect *c, struct kt_error *err)
{
	c->pod = (struct connect_pod){
		.capture = c->traffic ? traffic_capture(c->traffic) : NULL,
		.names = c->names,
		.traffic = c->traffic,
		.tunnel = c->replace.front,
		.ranges = &c->ranges,
		.nameservers = &c->nameservers,
		.search = &c->search,
		.ndots = c->ndots,
		.listening = &c->listening,
		.tunnel_port = shadow_port(c->replace.shadow),
		.kubernetes = c->hints.kubernetes,
	};
	if (c->proxy)
		c->pod.proxy = proxy_at(c->proxy);
	return c->place->start(c->place->user, &c->pod, err);
}
