/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_CONNECT_INSIDE_H
#define KT_CONNECT_CONNECT_INSIDE_H

#include "base/ipaddr.h"
#include "base/prefixset.h"
#include "base/str.h"
#include "cluster/cidr.h"
#include "connect/connect.h"
#include "connect/routes.h"
#include "net/capture_link.h"
#include "net/nft.h"
#include "tunnel/dnscheck.h"
#include "uplink/replace.h"
#include "wire/envmark.h"

/* What connect.c and connect_place.c share */

#define CONNECT_HOLES 24

/** struct connect - one run; a member is NULL until its step is done */
struct connect {
	struct app *app;
	const struct connect_options *opt;
	const struct global_options *global;
	struct sweep_programs *programs;
	const struct connect_place *place; /* NULL: this machine */
	struct capture_link link;	   /* made there */

	struct kube_config *config;
	struct kube *kube;
	const char *ns;
	struct pidfile *pidfile;
	struct owner *owner;	/* NULL: nobody will know that we died */
	struct replace replace; /* the shadow, and the tunnel into it */
	struct uplink_history history;
	struct faults *faults; /* NULL: none */
	struct traffic *traffic;
	struct bypass *bypass; /* our own sockets past the capture */
	struct routes routes;
	struct proxy *proxy;
	struct names *names;
	struct nft_last last; /* of traffic and names, longer than kube */

	struct ipaddr holes[CONNECT_HOLES];
	size_t nholes; /* of these, those of the API server */
	/* the shadow's answer may come as late as connect_do_undo(): so it
	 * lands here */
	bool info_done;
	int info_error;
	bool able_env;
	char version[32];		 /* of the shadow */
	struct strv nameservers, search; /* of its Pod */
	struct strv listening;		 /* on the Pod's loopback */
	unsigned int ndots;
	struct cidr_hints hints;
	struct cidr_result found;
	struct cidr_follow *follow; /* keeps @found true */
	struct prefixset ranges;    /* captured, as far as they could be had */
	bool ready;		    /* every step is done */
	struct dnscheck dns;
	struct envmark mark; /* --env: the environment's whole name; or none */
	struct connect_pod pod; /* of the place */
};

/* --- connect_place.c: with a place ---------------------------------------- */

/** connect_place_open() - the capture there, or a proxy, with the cluster
 *  reached */
KT_CHECK int connect_place_open(struct connect *c, struct kt_error *err);
/** connect_place_enter() - the far end, where it is no shadow Pod of ours */
KT_CHECK int connect_place_enter(struct connect *c, struct kt_error *err);
/** connect_place_renew() - of uplink_config; nothing against it without a
 *  place */
KT_CHECK int connect_place_renew(void *user, struct kt_error *err);
/** connect_place_start() - all is up */
KT_CHECK int connect_place_start(struct connect *c, struct kt_error *err);

#endif
