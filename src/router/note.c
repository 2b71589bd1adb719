/* SPDX-License-Identifier: Apache-2.0 */
#include "router/note.h"

#include "base/mem.h"

#include <string.h>
#include <time.h>

struct note {
	struct router_env *env;
	struct backend_ref ref;
	int64_t begin; /* CLOCK_MONOTONIC */
	struct event event;
};

static int64_t note_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static struct event note_event(const struct router_conn *rc,
			       enum event_kind kind, enum event_proto proto)
{
	return (struct event){ .when = note_time(),
			       .latency = -1,
			       .kind = kind,
			       .proto = proto,
			       .by = EVENT_NOBODY,
			       .port = rc->port,
			       .from = rc->from.addr };
}

void note_request(struct note **n, struct router_conn *rc,
		  enum event_proto proto, const struct rule_request *req,
		  struct backend_ref ref)
{
	struct router_env *env = rc->env;

	if (!*n && env->report) {
		*n = malloc(sizeof(**n));
		if (!*n)
			return;
		(*n)->env = env;
		(*n)->begin = clock_ns();
		(*n)->event = note_event(rc, EVENT_REQUEST, proto);
		if (req) {
			event_set_request(&(*n)->event, req->method, req->path);
			event_set_marks(&(*n)->event, req);
		}
	}
	if (!*n)
		return;
	(*n)->ref = ref;
	(*n)->event.mark[0] = (*n)->event.user[0] = '\0';
	env->whose(env, rc->port, ref, req, &(*n)->event);
}

/* @ref: who has answered; NONE: nobody of those whom one could ask */
static void note_end(struct note **n, struct backend_ref ref,
		     unsigned int status)
{
	struct note *note = steal_ptr(n);

	note->event.status = (uint16_t)status;
	if (status)
		note->event.latency = (clock_ns() - note->begin) / 1000;
	if (ref.kind == BACKEND_NONE)
		note->event.user[0] = '\0';
	note->env->report(note->env, ref, &note->event);
	free(note);
}

void note_answered(struct note **n, unsigned int status)
{
	if (!*n)
		return;
	(*n)->event.by =
		(*n)->ref.kind == BACKEND_ORIGIN ? EVENT_ORIGIN : EVENT_OTHER;
	note_end(n, (*n)->ref, status);
}

void note_refused(struct note **n, unsigned int status)
{
	if (!*n)
		return;
	(*n)->event.by = EVENT_ROUTER;
	note_end(n, (struct backend_ref){ .kind = BACKEND_NONE }, status);
}

void note_dropped(struct note **n)
{
	if (*n)
		note_end(n, (struct backend_ref){ .kind = BACKEND_NONE }, 0);
}

void note_connection(struct router_conn *rc, struct backend_ref ref)
{
	struct router_env *env = rc->env;
	struct event ev;

	if (!env->report)
		return;
	ev = note_event(rc, EVENT_CONNECTION, EVENT_TCP);
	ev.by = ref.kind == BACKEND_ORIGIN ? EVENT_ORIGIN : EVENT_OTHER;
	env->whose(env, rc->port, ref, NULL, &ev);
	env->report(env, ref, &ev);
}
