/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SOURCE_H
#define KT_SHADOW_SOURCE_H

#include "base/ipaddr.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/slice.h"

struct envs;
struct shadow;
struct source;
struct sources;

/**
 * DOC: Whose Pod a caller is
 *
 * The cluster's name server knows behind which Services a Pod is, by the PTR
 * records of their endpoints:
 *
 *     10-1-2-3.kt-env-dev.shop.svc.cluster.local
 *
 * What it says of an address is kept for SOURCE_KNOWN_NS where it is of use,
 * else for SOURCE_OTHER_NS, and as long as that address has a connection. A new
 * connection waits for it, SOURCE_WAIT_NS at most, and none behind one that has
 * waited so long; what comes later serves its next request. A change is asked
 * for beside requests, which do not wait. Where the name server fails, what it
 * said last holds for a connection that is there, for twice SOURCE_KNOWN_NS,
 * and it is asked again each SOURCE_OTHER_NS.
 */

#define SOURCE_WAIT_NS (300 * NS_MS)
#define SOURCE_KNOWN_NS (30 * NS_SEC)
#define SOURCE_OTHER_NS (5 * NS_SEC)
#define SOURCE_KEPT 4096 /* addresses without a connection */
#define SOURCE_LABELS 4	 /* Services of one address */

/** struct source_use - of one connection; zeroed before its first use */
struct source_use {
	struct list node;
	struct source *source; /* NULL: none */
	struct timer limit;
	void (*known)(void *user); /* NULL: nobody waits */
	void *user;
};

/** sources_new() - @ns: the namespace of the Services; both borrowed. NULL:
 *  memory */
struct sources *sources_new(struct shadow *sh, const struct envs *envs,
			    const char *ns);
void sources_free(struct sources *s); /* with no uses left; NULL is allowed */

/**
 * sources_use() - a connection from @addr begins
 * Return: true: it need not wait; false: @known is called, once, from the loop
 */
bool sources_use(struct sources *s, struct source_use *u,
		 const struct ipaddr *addr, void (*known)(void *user),
		 void *user);
/** source_use_end() - it is over; also of one that was never used */
void source_use_end(struct source_use *u);

/** sources_changed() - the table has changed: who is of no environment may be
 * now
 */
void sources_changed(struct sources *s);

/** sources_env() - whose Pod is at @addr; NULL: nobody's, or not known */
const char *sources_env(struct sources *s, const struct ipaddr *addr);

#endif
