/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_FAULTS_H
#define KT_TUNNEL_FAULTS_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "tunnel/client.h"
#include "wire/fault.h"

/**
 * DOC: Faults in force
 *
 * Which fault hits what this machine sends into the tunnel. The names of
 * targets are resolved by the cluster's DNS, with the search list of the
 * shadow's Pod, and again every five seconds, so that a Service that gets
 * another address is followed. A connection, a datagram or a question of DNS
 * takes the first fault that is about it and whose percent hits it.
 *
 * Who has no faults has no struct faults: NULL is allowed wherever one is
 * borrowed, and nothing is hit then.
 */

struct faults;

/** faults_new() - of @list (copied); NULL when it is empty.
 *  @seed: of what percent and jitter draw; 0: another one each time */
struct faults *faults_new(struct loop *loop, struct tunnel *t,
			  const struct fault_list *list, uint64_t seed);
/** faults_stop() - before tunnel_free(): names are not followed any more; NULL
 *  is allowed */
void faults_stop(struct faults *f);
/** faults_free() - after tunnel_free(), and after all that borrows them;
 *  connections that are slowed down stay so; NULL is allowed */
void faults_free(struct faults *f);

/** faults_start() - with the tunnel up: resolve the names; waits. 0, or -errno
 *  with @err: the cluster's DNS does not know one, or does not answer */
KT_CHECK int faults_start(struct faults *f, struct kt_error *err);
/** faults_say() - each of them in one line of the log */
void faults_say(const struct faults *f);
/** faults_say_hits() - likewise, how often it has hit */
void faults_say_hits(const struct faults *f);
/** faults_list() - them, with what they have hit; borrowed */
const struct fault *faults_list(const struct faults *f, size_t *n);

/** enum fault_way - which effects one can meet: a datagram meets latency on its
 *  way back, refuse and drop on its way out */
enum fault_way { FAULT_BOTH, FAULT_OUT, FAULT_BACK };

/**
 * faults_pick() - what hits this one, which is counted
 * @host: it is dialled by that name, NULL or "": by @to->addr
 * Return: borrowed; NULL: nothing.
 */
const struct fault *faults_pick(struct faults *f, enum fault_proto proto,
				enum fault_way way, const char *host,
				const struct ipport *to);
/** faults_random() - for its jitter */
uint64_t faults_random(struct faults *f);

/* --- names: fault_name.c -------------------------------------------------- */

#define FAULT_NAME_ADDRS 512 /* more are not hit, and a warning says so */

/** struct fault_name - a target's name and the addresses that it has now */
struct fault_name {
	struct loop *loop;
	struct tunnel *tunnel;
	const struct strv *search; /* borrowed */
	const char *name;	   /* borrowed */
	struct tunnel_dns *query;
	struct timer timer;
	size_t candidate; /* which of the search list; its end: as it is */
	bool six;	  /* AAAA is asked */
	bool absent, bad; /* of some candidate: there is none; an error */
	char asked[512], full[512]; /* full: that was found, or "" */
	struct ipaddr addr[FAULT_NAME_ADDRS], fresh[FAULT_NAME_ADDRS];
	size_t n, nfresh;
	bool full_once; /* there were more addresses; said already */
	bool known;	/* asked once to the end */
	int error;	/* of that: 0, -ENOENT, or that DNS does not answer */
	void (*done)(void *user);
	void *user;
};

/** fault_name_start() - ask, and again every five seconds; @done: after each
 *  time, may be NULL */
void fault_name_start(struct fault_name *n, struct loop *loop, struct tunnel *t,
		      const struct strv *search, const char *name,
		      void (*done)(void *user), void *user);
void fault_name_stop(struct fault_name *n);
/** fault_name_is() - @host (or, with NULL, @addr) is what the name means */
bool fault_name_is(const struct fault_name *n, const char *host,
		   const struct ipaddr *addr);

#endif
