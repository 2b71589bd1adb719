/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_MAP_GUARD_H
#define KT_MAP_GUARD_H

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Who may see the map
 *
 * Every program of this machine can connect to a port of 127.0.0.1, and so can
 * every page of every site that the user's browser has open. So a request must
 *
 *   name this server     Host is 127.0.0.1:PORT or localhost:PORT, once: a name
 *                        that its owner leads here (DNS rebinding) is refused
 *   come from our page   no Origin, or ours
 *   know the token       in the path; compared in constant time
 *   only read            GET or HEAD
 *
 * What is wrong in the first two is 403, a wrong token is 404 like any path
 * that is not there: nothing tells that one was near. Pure.
 */

#define GUARD_TOKEN_LEN 32 /* letters: 150 random bits */

struct guard {
	char token[GUARD_TOKEN_LEN + 1];
	uint16_t port;
};

/** struct guard_request - borrowed; NULL: it has none */
struct guard_request {
	const char *method;
	const char *path; /* decoded, without the query */
	const char *host;
	const char *origin;
	size_t hosts, origins; /* how often the field is there */
};

enum guard_answer {
	GUARD_PAGE,
	GUARD_EVENTS,
	GUARD_STATE,
	GUARD_FORBIDDEN,
	GUARD_NOT_FOUND,
	GUARD_METHOD,
};

/** guard_init() - a new token */
void guard_init(struct guard *g, uint16_t port);
/** guard_check() - what is it for? */
enum guard_answer guard_check(const struct guard *g,
			      const struct guard_request *r);
/** guard_url() - where the page is (returned, caller frees) */
char *guard_url(const struct guard *g);

#endif
