/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SERVER_H
#define KT_SHADOW_SERVER_H

#include "base/ipaddr.h"
#include "base/loop.h"
#include "shadow/redirector.h"
#include "shadow/servespec.h"
#include "shadow/shadow.h"

struct volumes;

struct server_config {
	struct ipport listen;	  /* of the tunnel */
	struct ipport health;	  /* port 0: none */
	struct ipport nameserver; /* port 0: those of resolv.conf */
	const char *resolv_conf;
	struct servespec serve;
	const char *env_table;	   /* see envs.h; NULL: none */
	const char *env_service;   /* likewise */
	const struct share *share; /* see share.h; NULL: none */
	struct exempt exempt;	   /* see serve_new() */
	struct volumes *volumes;   /* see volumes.h; NULL: none */
	bool once; /* exit when a laptop came and all have left */
	/* exit after that long without a client; 0, or an origin to serve:
	 * never */
	int64_t idle_ns;
	int64_t keep_ns; /* the most that a client's session is kept without
			    it; who does not say how long: two minutes */
	/* in the place of another shadow: not ready before so many clients have
	 * rules, or ten seconds are over */
	size_t ready_clients;
	size_t buffers; /* see budget_init() */
};

struct server;

/** server_new() - listen and serve; NULL with @err */
struct server *server_new(struct loop *loop, const struct server_config *cfg,
			  struct kt_error *err);
/** server_idle() - nobody came, or came back, for idle_ns; or all have left */
bool server_idle(const struct server *sv);
/** server_streams() - open streams of all clients */
size_t server_streams(const struct server *sv);
/** server_bytes() - moved in all sessions so far, both ways */
uint64_t server_bytes(const struct server *sv);
/** server_serves() - ports, in the place of a Service's Pods */
bool server_serves(const struct server *sv);
/** server_callers() - connections to the ports it serves */
size_t server_callers(const struct server *sv);
/** server_accepted() - how many there were so far */
uint64_t server_accepted(const struct server *sv);
/** server_end() - it was told to end: callers' HTTP connections end with their
 *  requests, and laptops and those who asked are told; how many these are */
size_t server_end(struct server *sv);
/** server_waits() - a laptop has asked for the time until another shadow is
 *  there, or somebody who was told has not left yet */
bool server_waits(const struct server *sv);
/** server_free() - tell the clients goodbye and free everything */
void server_free(struct server *sv);

#endif
