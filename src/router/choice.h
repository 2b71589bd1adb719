/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ROUTER_CHOICE_H
#define KT_ROUTER_CHOICE_H

#include "router/backend.h"
#include "router/table.h"
#include "wire/envtable.h"

/**
 * DOC: Whose a request is, with environments
 *
 * The rule table (laptops) and the table of the environments (what answers in
 * the cluster) together: a mark of somebody's own first; then the environment
 * that the request asks for and those above it, the nearest one that has a
 * member of either kind; then who has everything; then the Service's own Pods.
 *
 * A member that is down is passed over, and said so: whoever answers does it in
 * its place. Not where it is strict: then nobody does.
 *
 * Pure: no I/O, no clock.
 */

struct choice_ask {
	const struct table *table;
	const struct envtable *envs; /* NULL: there are none */
	uint16_t port;
	const struct rule_request *req; /* NULL: nobody looks into it */
	int64_t now;			/* CLOCK_MONOTONIC, ns */
	int64_t time;			/* seconds since 1970 */
	/* of members in the cluster only those of environments with shorter
	 * names: the others were asked already; 0: all */
	size_t below;
	/** down() - it has just refused; NULL: none has */
	bool (*down)(void *user, const struct envtable_member *m);
	void *user;
};

struct choice_made {
	enum backend_kind kind; /* ORIGIN: nobody's; NONE: never */
	uint64_t client;	/* CLIENT */
	const struct envtable_member *member;
	const char *env; /* whose member it is; "": of none, borrowed */
	/* whose member is down, the nearest one; "": none. With BACKEND_DOWN
	 * the one that is strict */
	char missed[ENVMARK_MAX];
};

void choice_make(const struct choice_ask *ask, struct choice_made *out);

#endif
