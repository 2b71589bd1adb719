/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_SESSIONS_H
#define KT_APPLY_SESSIONS_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * DOC: Whose a session is
 *
 * A session that apply has started says so in its own command line:
 *
 *     ktctl forward --background --applied=DIGEST:FILE [--with=PID] [--debug]
 *         FLAGS -- ARGUMENTS
 *
 * There is no other record: so none can be lost or be of a dead process, and
 * by it the session can be started once more as it was. FILE is the absolute
 * path of the file, or "-:NAME" of one that was read from stdin. It is believed
 * only of processes of root, of our own user, and of who called sudo. What the
 * latter's say is never started as root: only as that user (run.c).
 */

struct home;
struct loop;

/** struct apply_session - one that runs on this machine */
struct apply_session {
	char *id, *command;
	char *context; /* of the kubeconfig, or NULL: not known */
	pid_t pid;
	uid_t uid; /* of who listens at its socket, or ASK_NOBODY */
	/* it ends; or it is not up yet, and who has started it is no more, or
	 * holds the lock */
	bool unsettled;
	const char *down; /* what it is instead of up: "lost", or NULL */
	bool captures;	  /* connect: not only a proxy, as far as can be seen */
	/* of those that this file's apply has started; else NULL and empty */
	char *digest, *key, *label;
	pid_t with; /* whose end is its own, or 0 */
	struct strv flags, args;
};

struct apply_sessions {
	struct apply_session *v;
	size_t n;
};

/** apply_sessions_find() - all that run, as "ktctl status" sees them; those of
 *  the file @identity are known by their digest; 0, or -EINTR with @err */
KT_CHECK int apply_sessions_find(struct apply_sessions *s, struct loop *l,
				 const struct home *h, const char *identity,
				 struct kt_error *err);
void apply_sessions_fini(struct apply_sessions *s);

/** apply_session_is_trusted() - the command line of a process may be taken at
 *  its word, @uid being who listens at its socket */
bool apply_session_is_trusted(const struct home *h, uid_t uid);
/** apply_session_read() - take digest, key, flags, arguments from a command
 *  line (words that end in NUL); false: it is none of @identity's */
bool apply_session_read(struct apply_session *s, const char *line, size_t len,
			const char *identity);
/** apply_session_down() - the word for state @state if that is not up, and
 *  whoever wants the session cannot use it; else NULL */
const char *apply_session_down(const char *state);
/** apply_session_argv() - a command line that begins as above */
void apply_session_argv(struct strv *argv, const char *command,
			const char *digest, const char *identity, pid_t with,
			bool debug, const struct strv *flags,
			const struct strv *args);

#endif
