/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_INCOMING_H
#define KT_RUN_INCOMING_H

#include "base/error.h"

#include <stdbool.h>

struct app;
struct options;
struct ports;

/**
 * DOC: Callers come to the program
 *
 * "run web --exchange" is exchange beside the program: "ktctl exchange web" is
 * started as a process of its own, in a session of its own (what the terminal
 * sends is for the program), which begins when the program listens, and whose
 * callers are connected by us (local/program_link.h). Likewise mesh and
 * preview. It ends when the link is closed, and so when we are killed.
 */

struct incoming;

struct incoming_ops {
	/** gone() - it has ended, with @status as of waitpid(); @asked: it was
	 *  asked to */
	void (*gone)(void *user, int status, bool asked);
};

/** incoming_check() - is the command line right? */
KT_CHECK int incoming_check(const struct options *o, struct kt_error *err);
/** incoming_start() - *@in NULL: nobody is to come */
KT_CHECK int incoming_start(struct incoming **in, struct app *app,
			    const struct options *o,
			    const struct incoming_ops *ops, void *user,
			    struct kt_error *err);
/** incoming_serve() - the program runs; @p is borrowed until incoming_end() */
void incoming_serve(struct incoming *in, struct ports *p);
/** incoming_leave() - the Service is given back, then comes gone(): true; false
 *  when it has ended, or was asked before. NULL is allowed */
bool incoming_leave(struct incoming *in);
/** incoming_hurry() - somebody is impatient; NULL is allowed */
void incoming_hurry(struct incoming *in);
/** incoming_end() - the program has gone: waits until all is given back;
 *  NULL is allowed */
void incoming_end(struct incoming *in);
/** incoming_free() - after incoming_end(); NULL is allowed */
void incoming_free(struct incoming *in);

#endif
