/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_SLEEP_H
#define KT_GATE_SLEEP_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct sleep;
struct sleep_api;

/**
 * DOC: A sleeper: a member that goes to 0 Pods while nobody asks for it
 *
 * It stands between a member's record and its Pods, which a Deployment makes.
 * Callers are connected to a Pod that is ready; when nobody has asked for the
 * idle time, the Deployment is scaled to 0; a request scales it back, and
 * waits.
 *
 *   STARTING -> AWAKE | ASLEEP | DOWN      the cluster says which
 *   AWAKE    -> DRAINING                   idle, and no connection is in use
 *            -> DOWN                       Pods are wanted and none is ready,
 * or they take no connection; of several ports one that takes none is told to
 * its callers alone
 *            -> ASLEEP, WAKING             somebody else has scaled it to 0
 *   DRAINING -> AWAKE                      a caller came first, or the server
 *                                          would not (tried again later)
 *            -> ASLEEP                     0 Pods are wanted, and none is led
 * to ASLEEP   -> WAKING                     a caller came, or somebody else has
 *                                          scaled it up
 *   WAKING   -> AWAKE                      a Pod is ready, and takes
 * connections
 *            -> DOWN                       not in time
 *   DOWN     -> AWAKE                      likewise, later
 *            -> ASLEEP                     somebody else has scaled it to 0
 *            -> DRAINING                   for the idle time: the next caller
 *                                          may try again
 *   any      -> GONE                       the Deployment was deleted
 *
 * A caller is *held* from its first byte on until it is connected. Nothing of
 * what it says is read before: it stays in the socket, so the kernel bounds its
 * bytes. How many are held is bounded (SLEEP_HELD), and how long each
 * (wake_ns); who is over gets 503 (HTTP/1) or GOAWAY (HTTP/2). In DOWN and GONE
 * nobody is taken at all, connections are refused: so routers know that the
 * member is down, and who answers in its place.
 *
 * In use is a connection from a request's first byte to its answer's last one;
 * of what is not HTTP/1 (WebSocket, HTTP/2) as long as it is open. Connections
 * that are kept between two requests do not keep the member awake: it loses
 * their other half, and the next request on them is a call like any other. So
 * no request can meet a Pod that ends.
 *
 * Pods are those of the Endpoints: one that ends is not in it, so a caller who
 * comes while the last Pods end waits for a new one.
 */

#define SLEEP_PORTS 64
#define SLEEP_CONNECTIONS 1024
#define SLEEP_HELD 256
#define SLEEP_NAME_SIZE 64

enum sleep_state {
	SLEEP_STARTING,
	SLEEP_AWAKE,
	SLEEP_DRAINING,
	SLEEP_ASLEEP,
	SLEEP_WAKING,
	SLEEP_DOWN,
	SLEEP_GONE,
	SLEEP_NSTATES_
};

/** struct sleep_serve - a port of ours, and which of the Endpoints' it leads to
 */
struct sleep_serve {
	struct ipport at;
	char name[SLEEP_NAME_SIZE]; /* "": the one without a name */
};

/** struct sleep_config - borrowed for good, but the ports */
struct sleep_config {
	struct loop *loop;
	struct sleep_api *api;
	const char *member; /* for people: "orders of environment pr-1" */
	int64_t idle_ns, wake_ns;
	int replicas; /* where nobody has said another number */
	const struct sleep_serve *serve;
	size_t nserve;
};

/** sleep_new() - NULL with @err: a port is taken */
struct sleep *sleep_new(const struct sleep_config *c, struct kt_error *err);
void sleep_free(struct sleep *s);

enum sleep_state sleep_state(const struct sleep *s);
const char *sleep_state_name(enum sleep_state state);
/** sleep_is_ready() - the API server has answered: it knows what it does */
bool sleep_is_ready(const struct sleep *s);
/** sleep_is_busy() - a connection is in use */
bool sleep_is_busy(const struct sleep *s);
/** sleep_why() - what is wrong, or was last; "": nothing. Borrowed. */
const char *sleep_why(const struct sleep *s);
/** sleep_at() - where port @i of the configuration is */
struct ipport sleep_at(const struct sleep *s, size_t i);

#endif
