/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_ASK_H
#define KT_CONTROL_ASK_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

/**
 * DOC: Asking the commands that run on this machine
 *
 * All of them at once. Sockets of dead processes are removed on the way;
 * commands in another network namespace are another machine's, so to speak
 * (pidfile.h). Who does not answer within four seconds is "stopped" (SIGSTOP,
 * Ctrl-Z; known after half a second) or "hung", as who answers something else
 * is: another question, or as a session that it is not. What can be known of a
 * session without its word is the uid of who listens.
 */

struct home;
struct loop;
struct strv;

/** ask_sessions() - *@out: array of session objects (message.h), in the order
 *  in which they were started (returned); 0 or -EINTR with @err */
KT_CHECK int ask_sessions(struct loop *l, const struct home *h, json_t **out,
			  struct kt_error *err);

#define ASK_NOBODY ((uid_t)-1)

/** ask_sessions_of() - the same, and whose each of them is by what the kernel
 *  says of its socket (SO_PEERCRED), in the same order; ASK_NOBODY: not known.
 *  *@uids is returned, also with an error */
KT_CHECK int ask_sessions_of(struct loop *l, const struct home *h, json_t **out,
			     uid_t **uids, struct kt_error *err);

/** struct ask_end - what became of a command that was asked to leave */
struct ask_end {
	char *id;
	int rc;	    /* 0: it has ended, with @status; -errno: why not */
	int status; /* its exit status */
};

/**
 * ask_leave() - have every session of @ids end, and wait until all processes
 * are gone
 * @fn: each one as soon as it is known; borrowed
 * Return: 0 or -EINTR with @err.
 */
KT_CHECK int ask_leave(struct loop *l, const struct home *h, char *const *ids,
		       size_t n,
		       void (*fn)(void *user, const struct ask_end *end),
		       void *user, struct kt_error *err);

/** ask_names() - ids of the sessions, which are not asked anything */
void ask_names(const struct home *h, struct strv *names);
/** ask_is_command() - @id is that of a session of @command: "connect-123" */
bool ask_is_command(const char *id, const char *command);
/** ask_choose() - add to @ids those of @names that @word means, an id or a
 *  command, each once; 0 or -ENOENT with @err */
KT_CHECK int ask_choose(const struct strv *names, const char *word,
			struct strv *ids, struct kt_error *err);

#endif
