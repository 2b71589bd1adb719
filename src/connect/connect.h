/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_CONNECT_H
#define KT_CONNECT_CONNECT_H

#include "base/prefixset.h"
#include "base/str.h"
#include "connect/names.h"
#include "connect/traffic.h"

/**
 * DOC: connect for programs in namespaces of their own
 *
 * The same steps as "ktctl connect", where the programs have a network
 * namespace for themselves: the capture's kernel objects are made there, by a
 * process that lives in it, all that the programs send is captured, and what is
 * not for the cluster is somebody else's (traffic.h). No route, no rule and no
 * resolver of this machine is touched, so any number of them may run beside
 * each other.
 */

struct app;
struct capture_link;
struct kube;
struct options;
struct shadow_pod;

/** struct connect_pod - what is known when all is up; borrowed, and kept up to
 *  date, until the end */
struct connect_pod {
	struct capture *capture; /* NULL: a proxy is in its place */
	struct ipport proxy;	 /* of that */
	struct names *names;
	struct traffic *traffic;
	struct tunnel *tunnel;
	const struct prefixset *ranges; /* the cluster's */
	/* of the shadow's Pod, as its resolv.conf has them */
	const struct strv *nameservers, *search;
	unsigned int ndots;
	/* TCP ports on the loopback of the Pod, as tunnel_info has them */
	const struct strv *listening;
	uint16_t tunnel_port;	  /* the shadow's, among them */
	struct ipaddr kubernetes; /* the API's Service, as the Pod has it in
				     KUBERNETES_SERVICE_HOST; or family 0 */
};

struct connect_place {
	/** open() - make the capture there; the first thing that is done when
	 *  the cluster is reached */
	int (*open)(void *user, struct capture_link *link,
		    struct kt_error *err);
	/** look() - the cluster is reached, and nothing of it changed yet;
	 *  waits in the loop; or NULL */
	int (*look)(void *user, struct kube *kube, const char *ns,
		    struct kt_error *err);
	/** shadow() - have @s adopt what is to be the far end, in place of a
	 *  shadow Pod; when that is gone, all is over. Waits in the loop; or
	 *  NULL */
	int (*shadow)(void *user, struct kube *kube, struct shadow_pod *s,
		      struct kt_error *err);
	/** start() - all is up: the program may begin. Its end is to interrupt
	 *  the loop. */
	int (*start)(void *user, const struct connect_pod *pod,
		     struct kt_error *err);
	/** stop() - nothing more is up; before the capture is closed */
	void (*stop)(void *user);
	/** capture() - as capture_config.open; NULL: what open() has made */
	int (*capture)(struct capture **out, const struct capture *base,
		       void *user, struct kt_error *err);
	bool proxy; /* nothing is captured: a proxy serves the programs */
	void *user;
	const struct traffic_outside *outside;
	void *outside_user;
};

/**
 * connect_at() - run at @place until the loop is interrupted, then undo all
 * Return: -EINTR when it was interrupted, or -errno with @err.
 */
KT_CHECK int connect_at(struct app *app, const struct options *o,
			const struct connect_place *place,
			struct kt_error *err);

/** connect_role() - what is published in deploy/rbac for it, for offer_role():
 *  the Pod is that of the published manifest; "": nothing is.
 *  @shadow: --shadow, or NULL */
const char *connect_role(const char *shadow);

#endif
