/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_CONTROL_H
#define KT_CONTROL_CONTROL_H

#include "control/report.h"

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: The control socket of a running command
 *
 * "ktctl status" and "ktctl disconnect" talk to it (message.h). It lives in the
 * command's loop: while that does not run, nobody is answered, and the asker
 * says so. Who asks must be the same user, root, or the one who called sudo.
 *
 * "status" is answered when the far end of every tunnel has answered a ping
 * that was sent for this question, or after two seconds without: so what is
 * said is true now, and costs nothing while nobody asks.
 *
 *   starting  not ready yet
 *   up        the shadow has answered just now
 *   partial   so it has, but of several tunnels some are not up
 *   silent    the shadow has not answered within two seconds
 *   lost      there is no connection; it is tried again
 *   leaving   was told to end: cleans up
 */

struct control;
struct event;
struct event_place;
struct home;
struct loop;
struct signals;

struct control_config {
	struct loop *loop;
	struct signals *signals;
	const struct home *home;
	const char *command;
	const char *target; /* what the user named, or NULL */
	/* in the background: without a socket it cannot be (else a warning is
	 * enough), and it outlasts the user's login */
	bool needed;
};

/** control_new() - no socket yet: what is refused at once leaves nothing */
struct control *control_new(const struct control_config *cfg);
/** control_free() - it is gone; who had asked for the end is told @status, the
 *  exit status */
void control_free(struct control *c, int status);

/* NULL is allowed as @c in all that follow: a command may run without. */

/** control_id() - "connect-123", or NULL */
const char *control_id(const struct control *c);
/** control_open() - the kubeconfig's context, and the namespace, are known:
 * the socket is there from now on; 0, or -errno with @err where it is needed */
KT_CHECK int control_open(struct control *c, const char *context,
			  const char *ns, struct kt_error *err);
/** control_serve() - ask @src (borrowed; NULL: nobody) from now on */
void control_serve(struct control *c, const struct control_source *src,
		   void *user);
/** control_ready() - all is up; @log: its messages go to this file from now on
 *  (NULL: to the terminal) */
void control_ready(struct control *c, const char *log);

/** control_event() - for those who follow, now or later (feed.h); the session's
 *  name in @at is made here */
void control_event(struct control *c, const struct event *ev,
		   const struct event_place *at, uint64_t missed);
/** control_event_fail() - no events come, because of @why */
void control_event_fail(struct control *c, const char *why);

/** control_state() - the word for @r, @asked being when the last ping was sent
 */
const char *control_state(const struct control_report *r, int64_t asked);

#endif
