/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_MESSAGE_H
#define KT_CONTROL_MESSAGE_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * DOC: What is said on a control socket
 *
 * One line of JSON asks, one answers, and a further one tells the end:
 *
 *     {"version": 1, "ask": "status"}     {"version": 1, "session": {...}}
 *     {"version": 1, "ask": "leave"}      {"version": 1, "leaving": true}
 *                                         {"version": 1, "ended": 0}
 *     {"version": 1, "ask": "events",     {"version": 1, "following": true}
 *      "since": SECONDS}                  {"version": 1, "event": {...}} ...
 *     anything else                       {"version": 1, "error": "..."}
 *
 * Who asks in the last moment, whatever it is, is told the end.
 *
 * A session object is an element of docs/schema/status.json, an event one of
 * docs/schema/event.json: those from so many seconds ago on that are known
 * still, and all that come, until either side closes. Both sides take
 * exactly this: an unknown member, one that is there twice, another type or
 * another version is an error.
 */

#define MESSAGE_VERSION 1
#define MESSAGE_REQUEST_MAX 256	 /* bytes of a line, with its end */
#define MESSAGE_ANSWER_MAX 16384 /* likewise */

enum message_ask { MESSAGE_STATUS, MESSAGE_LEAVE, MESSAGE_EVENTS };

#define MESSAGE_SINCE_MAX 86400

/** message_request() - the line that asks (returned, caller frees); @since: of
 *  EVENTS */
char *message_request(enum message_ask ask, int64_t since);
/** message_read_request() - of @line, without its end; 0, or -EPROTO with @err
 */
KT_CHECK int message_read_request(enum message_ask *ask, int64_t *since,
				  const char *line, size_t len,
				  struct kt_error *err);

enum message_kind {
	MESSAGE_SESSION,
	MESSAGE_LEAVING,
	MESSAGE_ENDED,
	MESSAGE_FOLLOWING,
	MESSAGE_EVENT,
};

struct message_answer {
	enum message_kind kind;
	json_t *session; /* MESSAGE_SESSION, MESSAGE_EVENT (the event):
			    json_decref() it */
	int status;	 /* MESSAGE_ENDED: the exit status */
};

/** message_read_answer() - of @line, without its end; 0, -EPROTO (no answer of
 *  ours) or -EREMOTEIO (an error was answered) with @err */
KT_CHECK int message_read_answer(struct message_answer *a, const char *line,
				 size_t len, struct kt_error *err);

/** message_session() - a session of which no more than this is known yet: the
 *  object with all its members (returned) */
json_t *message_session(const char *command, pid_t pid, const char *state);
/** message_is_session() - has it all the members, of the right types? */
bool message_is_session(const json_t *session);

/** message_line() - {"version": 1, @name: @value} and a line end (returned,
 *  caller frees); @value is taken */
char *message_line(const char *name, json_t *value);

#endif
