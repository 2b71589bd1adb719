/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_ROUTER_RIG_H
#define KT_UNIT_ROUTER_RIG_H

#include "base/buf.h"
#include "router/backend.h"
#include "router/router.h"

#include <stdbool.h>

/**
 * DOC: Rig
 *
 * A router between a caller and backends that are sockets in the test's hands.
 * A request's field "to" chooses: "a" and "b" are clients 1 and 2, "none" is
 * nobody, "m" is member 7, in whose place the origin answers, everything else
 * is the origin (0). The cookie "x=y; to=a" is client 1; the environment dev.a
 * is, too, and dev.b is client 2. The field "copy" names clients that want a
 * copy, a letter each: "c" is client 3, and "z" one that has no connection.
 */

#define RIG_OPENS 160

struct rig_open {
	struct backend_ref ref;
	int fd; /* our end; -1: closed */
	struct pipe *pipe;
	struct timer timer;
	int error; /* it is refused */
	struct rig *rig;
};

struct rig {
	struct router_env env;
	struct router_conn *conn; /* NULL: it is over */
	int caller;
	int refuse; /* openings get this -errno */
	bool moves; /* once: then "a" is client 2, who accepts */
	bool moved;
	uint64_t gone; /* client that serves no more; 0: none */
	unsigned int chosen;
	int refuse_member;  /* connections to members get this -errno */
	bool strict;	    /* and nobody answers in their place */
	const char *header; /* of env->header() */
	const char *mark; /* of every request without one, if it is asked for */
	int refuse_copies;	    /* connections for copies get this -errno */
	bool hold_copies;	    /* or no answer at all */
	unsigned int sent, dropped; /* copies */
	struct rig_open open[RIG_OPENS];
	unsigned int nopen;
};

void rig_init(struct rig *r, enum router_proto proto);
/** rig_init_dialled() - transparent, and the connection to the origin is there:
 *  open[0]; the mark is "dev.x" */
void rig_init_dialled(struct rig *r);
void rig_fini(struct rig *r);
/** rig_run() - until nothing happens any more */
void rig_run(struct rig *r);
/** rig_write() - all of it, while the router runs */
void rig_write(struct rig *r, int fd, const void *p, size_t n);
void rig_say(struct rig *r, int fd, const char *text);
/** rig_read() - what is there now; 0: nothing; -1: end; -2: reset */
ssize_t rig_read(struct rig *r, int fd, void *p, size_t n);
/** rig_hear() - what comes, as a string: @least bytes, and what more comes in
 * that moment */
void rig_hear(struct rig *r, int fd, size_t least, char *got, size_t size);

#endif
