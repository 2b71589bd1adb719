/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_EVENT_H
#define KT_WIRE_EVENT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/ipaddr.h"
#include "base/slice.h"
#include "wire/envmark.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: Events: what became of a request, or of a connection
 *
 * The router makes them, and so does the laptop's end where there is no router;
 * between the two they are lines of the control stream (wire/ruleline.h):
 *
 *     event SEQ WHEN KIND PROTO PORT FROM BY STATUS LATENCY USER MARK METHOD
 *           PATH [ENV TRACE]
 *
 * SEQ counts the events of one shadow, so a gap says how many were dropped.
 * WHEN is its clock (microseconds since 1970) when the request's head was
 * whole, LATENCY the microseconds from then to the answer's head. Words are
 * written as in rules; "-" is none. ENV is the environment that the request
 * asks for (wire/envmark.h); with a "+" before it the router has added it, as
 * the caller is a Pod of it. Older shadows do not have the last two, further
 * words are passed over.
 *
 * No header's value is in it but the marks' own, and of the path no query. With
 * one exception, which is opt-in by who calls: TRACE is the trace-id of
 * "traceparent" (W3C Trace Context) when it begins with EVENT_TRACE_PROBE, as
 * that of "ktctl env check" does. So a probe is known again at every router,
 * and nobody's trace is told.
 * Pure: no I/O, no clock.
 */

#define EVENT_PATH_MAX 256
#define EVENT_METHOD_MAX 24
#define EVENT_USER_MAX 128
#define EVENT_MARK_MAX 256
#define EVENT_SHADOW_MAX 32
#define EVENT_LINE_MAX 2048 /* with its verb and its LF */
#define EVENT_TRACE_LEN 32
#define EVENT_TRACE_PROBE "6b742d636865636b" /* "kt-check" */

enum event_kind { EVENT_REQUEST, EVENT_CONNECTION, EVENT_NKINDS_ };

enum event_proto {
	EVENT_TCP, /* a connection of something else, or of which nothing was
		      understood */
	EVENT_HTTP1,
	EVENT_HTTP2,
	EVENT_NPROTOS_
};

/** enum event_by - who has answered */
enum event_by {
	EVENT_LOCAL,  /* the local program of the one who is told */
	EVENT_OTHER,  /* that of another user of the router */
	EVENT_ORIGIN, /* the Service's own Pods */
	EVENT_ROUTER, /* the router itself: nobody could be reached, or what
			 came is no request that may go on */
	EVENT_NOBODY, /* the connection ended without an answer */
	EVENT_NBYS_
};

struct event {
	uint64_t seq; /* 0: of no shadow */
	/* whose number that is; not in the line, but known to who reads it */
	char shadow[EVENT_SHADOW_MAX];
	int64_t when;	 /* microseconds since 1970 */
	int64_t latency; /* microseconds, or -1: no answer */
	enum event_kind kind;
	enum event_proto proto;
	enum event_by by;
	uint16_t port;		   /* of the Service's Pods */
	uint16_t status;	   /* HTTP status, or 0 */
	struct ipaddr from;	   /* the caller; family 0: not known */
	char user[EVENT_USER_MAX]; /* of LOCAL and OTHER */
	char mark[EVENT_MARK_MAX]; /* the match (wire/rule.h); "": everything */
	char method[EVENT_METHOD_MAX];
	char path[EVENT_PATH_MAX];
	char env[ENVMARK_MAX]; /* that is asked for; "": none */
	bool env_added;	       /* by the router, which knows the caller */
	char trace[EVENT_TRACE_LEN + 1]; /* of a probe; "": it is none */
	bool old; /* read of a shadow that does not tell env and trace */
};

/* as they are written; NULL behind the last */
extern const char *const event_kinds[EVENT_NKINDS_ + 1];
extern const char *const event_protos[EVENT_NPROTOS_ + 1];
extern const char *const event_bys[EVENT_NBYS_ + 1];

/** event_set_request() - method and path (printable ASCII; what is longer than
 *  there is room for ends in "...") of a request with that target */
void event_set_request(struct event *ev, struct slice method,
		       struct slice target);
/** event_set_marks() - env and trace of @req */
void event_set_marks(struct event *ev, const struct rule_request *req);
/** event_set_mark() - cut likewise */
void event_set_mark(struct event *ev, const char *mark);

/** event_put() - append its line; 0, -ENOBUFS, -ENOMEM, -EMSGSIZE */
KT_CHECK int event_put(struct buf *out, const struct event *ev);
/** event_parse() - @line behind its verb; 0, or -EINVAL with @err */
KT_CHECK int event_parse(struct event *ev, const char *line,
			 struct kt_error *err);

#endif
