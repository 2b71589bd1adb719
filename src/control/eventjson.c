/* SPDX-License-Identifier: Apache-2.0 */
#include "control/eventjson.h"

#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENTJSON_TIME 40

/* T: text, t: text or null, n: number of something, i: likewise or null */
struct eventjson_member {
	const char *name;
	char type;
};

static const struct eventjson_member eventjson_members[] = {
	{ "version", 'n' },    { "type", 'T' },	     { "time", 'T' },
	{ "session", 'T' },    { "namespace", 't' }, { "service", 't' },
	{ "port", 'n' },       { "from", 't' },	     { "protocol", 'T' },
	{ "method", 't' },     { "path", 't' },	     { "mark", 't' },
	{ "answered", 'T' },   { "user", 't' },	     { "status", 'i' },
	{ "latency_us", 'i' }, { "id", 't' },
};

static const struct eventjson_member eventjson_dropped_members[] = {
	{ "version", 'n' }, { "type", 'T' },  { "time", 'T' },
	{ "session", 'T' }, { "count", 'n' },
};

const struct expect_field eventjson_fields[] = {
	{ "service", EXPECT_TEXT, NULL },
	{ "namespace", EXPECT_TEXT, NULL },
	{ "session", EXPECT_TEXT, NULL },
	{ "type", EXPECT_TEXT, event_kinds },
	{ "answered", EXPECT_TEXT, event_bys },
	{ "method", EXPECT_TEXT, NULL },
	{ "path", EXPECT_TEXT, NULL },
	{ "status", EXPECT_NUMBER, NULL },
	{ "mark", EXPECT_TEXT, NULL },
	{ "user", EXPECT_TEXT, NULL },
	{ "from", EXPECT_TEXT, NULL },
	{ "port", EXPECT_NUMBER, NULL },
	{ "protocol", EXPECT_TEXT, event_protos },
	{ "latency_us", EXPECT_NUMBER, NULL },
	{ 0 },
};

static void eventjson_time(char dst[EVENTJSON_TIME], int64_t us)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;
	size_t n = 0;

	if (us >= 0 && gmtime_r(&t, &tm))
		n = strftime(dst, EVENTJSON_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!n) /* what a broken clock says */
		n = (size_t)snprintf(dst, EVENTJSON_TIME,
				     "1970-01-01T00:00:00");
	snprintf(dst + n, EVENTJSON_TIME - n, ".%06dZ",
		 (int)(us >= 0 ? us % 1000000 : 0));
}

/* What others wrote may be in it; "" is null */
static json_t *eventjson_text(const char *text)
{
	char clean[1024];

	if (!text || !*text)
		return json_null();
	print_clean(clean, sizeof(clean), text, strlen(text));
	return json_string(clean);
}

json_t *eventjson_make(const struct event *ev, const struct event_place *at)
{
	char when[EVENTJSON_TIME], from[IPADDR_STRLEN] = "";
	char id[EVENT_SHADOW_MAX + 24] = "";

	eventjson_time(when, ev->when);
	if (ev->from.family)
		ipaddr_str(&ev->from, from);
	if (*ev->shadow)
		snprintf(id, sizeof(id), "%s/%" PRIu64, ev->shadow, ev->seq);
	return json_pack(
		"{s:i,s:s,s:s,s:s,s:o,s:o,s:i,s:o,s:s,s:o,s:o,s:o,s:s,s:o,s:o,"
		"s:o,s:o}",
		"version", EVENTJSON_VERSION, "type", event_kinds[ev->kind],
		"time", when, "session", at->session, "namespace",
		eventjson_text(at->ns), "service", eventjson_text(at->service),
		"port", at->port, "from", eventjson_text(from), "protocol",
		event_protos[ev->proto], "method", eventjson_text(ev->method),
		"path", eventjson_text(ev->path), "mark",
		eventjson_text(ev->mark), "answered", event_bys[ev->by], "user",
		eventjson_text(ev->user), "status",
		ev->status ? json_integer(ev->status) : json_null(),
		"latency_us",
		ev->latency >= 0 ? json_integer(ev->latency) : json_null(),
		"id", eventjson_text(id));
}

json_t *eventjson_dropped(const char *session, int64_t when, uint64_t n)
{
	char text[EVENTJSON_TIME];

	eventjson_time(text, when);
	return json_pack("{s:i,s:s,s:s,s:s,s:I}", "version", EVENTJSON_VERSION,
			 "type", "dropped", "time", text, "session", session,
			 "count", (json_int_t)MIN(n, (uint64_t)INT64_MAX));
}

json_t *eventjson_member(const struct event_place *at, const char *env,
			 const char *state)
{
	char now[EVENTJSON_TIME];

	eventjson_time(now, eventjson_now());
	return json_pack("{s:i,s:s,s:s,s:s,s:o,s:o,s:s,s:s}", "version",
			 EVENTJSON_VERSION, "type", "member", "time", now,
			 "session", at->session, "namespace",
			 eventjson_text(at->ns), "service",
			 eventjson_text(at->service), "environment", env,
			 "state", state);
}

/* --- reading -------------------------------------------------------------- */

static bool eventjson_fits(const json_t *v, char type)
{
	switch (type) {
	case 'T':
		return json_is_string(v);
	case 't':
		return json_is_string(v) || json_is_null(v);
	default: /* n, i */
		return (json_is_integer(v) && json_integer_value(v) >= 0) ||
		       (type == 'i' && json_is_null(v));
	}
}

static bool eventjson_has(const json_t *obj, const struct eventjson_member *m,
			  size_t n)
{
	if (json_object_size(obj) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!eventjson_fits(json_object_get(obj, m[i].name), m[i].type))
			return false;
	return json_integer_value(json_object_get(obj, "version")) ==
		       EVENTJSON_VERSION &&
	       eventjson_when(obj) > 0;
}

bool eventjson_is(const json_t *obj)
{
	const char *type = json_string_value(json_object_get(obj, "type"));

	if (str_eq(type, "dropped"))
		return eventjson_has(obj, eventjson_dropped_members,
				     ARRAY_SIZE(eventjson_dropped_members));
	return (str_eq(type, "request") || str_eq(type, "connection")) &&
	       eventjson_has(obj, eventjson_members,
			     ARRAY_SIZE(eventjson_members));
}

bool eventjson_id(const json_t *obj, char router[EVENT_SHADOW_MAX],
		  uint64_t *seq)
{
	const char *id = json_string_value(json_object_get(obj, "id"));
	const char *slash = id ? strrchr(id, '/') : NULL;
	size_t n = slash ? (size_t)(slash - id) : 0;
	char *end;

	if (!n || n >= EVENT_SHADOW_MAX || slash[1] < '1' || slash[1] > '9')
		return false;
	memcpy(router, id, n);
	router[n] = '\0';
	errno = 0;
	*seq = strtoull(slash + 1, &end, 10);
	return !errno && !*end && *seq < UINT64_MAX / 2;
}

int64_t eventjson_when(const json_t *obj)
{
	const char *text = json_string_value(json_object_get(obj, "time"));
	struct tm tm = { 0 };
	const char *rest =
		text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int us = 0, n = 0;

	if (!rest || sscanf(rest, ".%6dZ%n", &us, &n) != 1 || rest[n])
		return 0;
	return (int64_t)timegm(&tm) * 1000000 + us;
}

int64_t eventjson_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
