/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_SLEEP_INSIDE_H
#define KT_GATE_SLEEP_INSIDE_H

#include "base/list.h"
#include "gate/sleep.h"
#include "gate/sleep_api.h"
#include "gate/sleep_dial.h"
#include "net/listener.h"

/* What sleep.c, sleep_cluster.c and sleep_conn.c share */

#define SLEEP_POLL (200 * NS_MS) /* until a Pod is ready, or gone */
#define SLEEP_BACKOFF (200 * NS_MS)

struct join;
struct observer;

struct sleep_port {
	struct sleep *sleep;
	struct listener listener;
	struct ipport at; /* ours */
	char name[SLEEP_NAME_SIZE];
	struct ipport pods[SLEEP_ADDRESSES];
	size_t npods, next;
};

struct sleep {
	struct sleep_config c;
	enum sleep_state state;
	int64_t since; /* of the state */
	struct timer timer;
	struct list conns;
	size_t nconns;
	struct sleep_port *ports;
	size_t probed;		/* the port that was asked for last */
	struct sleep_dial dial; /* does it take connections? */
	bool answered;		/* by the API server, once */
	int64_t used;		/* in use the last time */
	bool scaled;		/* DRAINING, WAKING: the number is right ... */
	int64_t scaled_at;	/* ... as it was then */
	bool stale, empty;	/* AWAKE: look at the addresses, at the scale */
	int64_t looked;		/* at addresses, or the scale */
	int64_t again;		/* not before: the API server */
	unsigned int failures;	/* of it, one after the other */
	int64_t awake_until;	/* it was not possible to scale to 0 */
	struct sleep_scale scale;
	int wanted;	   /* Pods, when awake */
	char why[320];	   /* of the API server */
	char refused[160]; /* of a Pod */
};

enum sleep_phase {
	SLEEP_FRESH,	/* has not said anything, or not since its last answer*/
	SLEEP_HELD_,	/* waits for a Pod */
	SLEEP_DIALLING, /* for the connection to it */
	SLEEP_JOINED,
	SLEEP_ENDING, /* was told that there is none */
};

struct sleep_conn {
	struct list node;
	struct sleep *sleep;
	struct sleep_port *port;
	struct watch watch; /* owns the caller's fd */
	struct timer timer;
	enum sleep_phase phase;
	int tries;
	struct sleep_dial dial;
	struct join *join;
	struct observer *observer;
};

/* --- sleep.c -------------------------------------------------------------- */

/** sleep_on_call() - @c is held from now on */
void sleep_on_call(struct sleep_conn *c);
/** sleep_on_refused() - a Pod has not taken @c, which is held again */
void sleep_on_refused(struct sleep_conn *c);
/** sleep_on_late() - @c was held for as long as may be */
void sleep_on_late(struct sleep_conn *c);
/** sleep_enter() - another state, and why (borrowed, also of @s itself) */
void sleep_enter(struct sleep *s, enum sleep_state state, const char *why);
/** sleep_fail() - what the API server would not, or did not say: told once,
 *  tried again */
void sleep_fail(struct sleep *s, const char *why);
/** sleep_arm() - the next step, in @ns */
void sleep_arm(struct sleep *s, int64_t ns);
/** sleep_dial_all() - connect those who are held */
void sleep_dial_all(struct sleep *s);

/* --- sleep_cluster.c ------------------------------------------------------ */

/** sleep_ask_scale() - and act by its answer, or a step later */
void sleep_ask_scale(struct sleep *s);
/** sleep_ask_addresses() - likewise */
void sleep_ask_addresses(struct sleep *s);

/* --- sleep_conn.c --------------------------------------------------------- */

/** sleep_conn_take() - a caller; @fd is taken, also when it is refused */
void sleep_conn_take(struct sleep_port *p, int fd);
/** sleep_conn_dial() - connect a held one to a Pod, the next one's turn */
void sleep_conn_dial(struct sleep_conn *c);
/** sleep_conn_refuse() - of a held one: it is told why, and ends */
void sleep_conn_refuse(struct sleep_conn *c, const char *why);
/** sleep_conn_rest() - of a quiet one: the Pod's half ends */
void sleep_conn_rest(struct sleep_conn *c);
bool sleep_conn_is_used(const struct sleep_conn *c);
/** sleep_conn_end() - now; resets unless it is quiet */
void sleep_conn_end(struct sleep_conn *c);

#endif
