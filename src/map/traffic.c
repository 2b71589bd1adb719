/* SPDX-License-Identifier: Apache-2.0 */
#include "map/traffic.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/rest.h"

#include <string.h>

/* One second of one edge */
struct traffic_second {
	int64_t at; /* which */
	json_int_t calls, failed, local, timed;
	json_int_t latency; /* sum of those that are timed, microseconds */
};

struct traffic_edge {
	char *ns, *service, *from;
	int64_t last;
	struct traffic_second v[TRAFFIC_WINDOW + 1]; /* and the present one */
};

struct traffic_log {
	int64_t began;
	json_t *slots;	 /* "NAMESPACE/SERVICE FROM": place in @edge */
	json_t *tellers; /* "NAMESPACE/SERVICE": the session that counts */
	struct traffic_edge *edge;
	size_t n;
	json_int_t dropped;
};

struct traffic_log *traffic_new(int64_t now)
{
	struct traffic_log *t = xcalloc(1, sizeof(*t));

	t->began = now;
	t->slots = json_object();
	t->tellers = json_object();
	t->edge = xcalloc(TRAFFIC_EDGES + TRAFFIC_REST, sizeof(*t->edge));
	return t;
}

static void traffic_edge_fini(struct traffic_edge *e)
{
	free(e->ns);
	free(e->service);
	free(e->from);
}

void traffic_free(struct traffic_log *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		traffic_edge_fini(&t->edge[i]);
	free(t->edge);
	json_decref(t->slots);
	json_decref(t->tellers);
	free(t);
}

static char *traffic_key(const char *ns, const char *service, const char *from)
{
	return xasprintf("%s/%s %s", ns, service, from);
}

/* NULL: there are too many. What is left at the end is for callers that are
 * not told apart. */
static struct traffic_edge *traffic_edge_of(struct traffic_log *t,
					    const char *ns, const char *service,
					    const char *from)
{
	auto_free char *key = traffic_key(ns, service, from);
	const json_t *slot = json_object_get(t->slots, key);
	struct traffic_edge *e;

	if (slot)
		return &t->edge[json_integer_value(slot)];
	if (t->n >= TRAFFIC_EDGES + (*from ? 0 : TRAFFIC_REST))
		return NULL;
	e = &t->edge[t->n];
	*e = (struct traffic_edge){ xstrdup(ns), xstrdup(service),
				    xstrdup(from) };
	json_object_set_new(t->slots, key, json_integer((json_int_t)t->n));
	t->n++;
	return e;
}

static bool traffic_is_failed(const json_t *event)
{
	const char *by = json_str(event, "answered", NULL);

	return json_integer_value(json_object_get(event, "status")) >= 500 ||
	       str_eq(by, "router") || str_eq(by, "nobody");
}

static bool traffic_is_local(const json_t *event)
{
	return str_eq(json_str(event, "answered", NULL), "local");
}

static struct traffic_second *traffic_now(struct traffic_edge *e, int64_t now)
{
	struct traffic_second *s = &e->v[now % (TRAFFIC_WINDOW + 1)];

	if (s->at != now)
		*s = (struct traffic_second){ .at = now };
	e->last = now;
	return s;
}

static void traffic_count(struct traffic_second *s, const json_t *event)
{
	const json_t *latency = json_object_get(event, "latency_us");

	s->calls++;
	s->failed += traffic_is_failed(event);
	if (json_is_integer(latency)) {
		s->timed++;
		s->latency += json_integer_value(latency);
	}
}

/* A router tells each of its sessions all that it sees: one of them counts */
static bool traffic_counts(struct traffic_log *t, const char *ns,
			   const char *service, const char *session)
{
	auto_free char *key = xasprintf("%s/%s", ns, service);
	const char *teller = json_str(t->tellers, key, NULL);

	if (!session || str_eq(teller, session))
		return true;
	if (teller)
		return false;
	if (json_object_size(t->tellers) < TRAFFIC_EDGES)
		json_object_set_new(t->tellers, key, json_string(session));
	return true;
}

void traffic_add(struct traffic_log *t, const json_t *event, int64_t now)
{
	const char *ns = json_str(event, "namespace", NULL);
	const char *service = json_str(event, "service", NULL);
	const char *from = json_str(event, "from", NULL);
	struct traffic_edge *e;
	bool counts;

	if (str_eq(json_str(event, "type", NULL), "dropped")) {
		t->dropped +=
			json_integer_value(json_object_get(event, "count"));
		return;
	}
	if (!ns || !service)
		return;
	counts = traffic_counts(t, ns, service,
				json_str(event, "session", NULL));
	/* "other" to those whose program it is not */
	if (!counts && !traffic_is_local(event))
		return;
	e = traffic_edge_of(t, ns, service, from ? from : "");
	if (!e)
		e = traffic_edge_of(t, ns, service, "");
	if (!e) {
		t->dropped += counts;
		return;
	}
	traffic_now(e, now)->local += traffic_is_local(event);
	if (counts)
		traffic_count(traffic_now(e, now), event);
}

void traffic_ended(struct traffic_log *t, const char *session)
{
	const char *key;
	const json_t *teller;
	void *tmp;

	json_object_foreach_safe(
		t->tellers, tmp, key,
		teller) if (str_eq(json_string_value(teller), session))
		json_object_del(t->tellers, key);
}

static void traffic_forget(struct traffic_log *t, int64_t now)
{
	for (size_t i = t->n; i-- > 0;) {
		struct traffic_edge *e = &t->edge[i],
				    *last = &t->edge[t->n - 1];
		auto_free char *key = NULL, *moved = NULL;

		if (now - e->last < TRAFFIC_KEEP)
			continue;
		key = traffic_key(e->ns, e->service, e->from);
		moved = traffic_key(last->ns, last->service, last->from);
		json_object_set_new(t->slots, moved,
				    json_integer((json_int_t)i));
		json_object_del(t->slots, key);
		traffic_edge_fini(e);
		if (e != last)
			*e = *last;
		t->n--;
	}
}

/* --- what is told --------------------------------------------------------- */

/* Whole seconds behind this one that are known of; of the first and of this one
 * there is but a part */
static int64_t traffic_seconds(const struct traffic_log *t, int64_t now)
{
	return MIN(now - t->began - 1, (int64_t)TRAFFIC_WINDOW);
}

static struct traffic_second traffic_sum(const struct traffic_edge *e,
					 int64_t now, int64_t seconds)
{
	struct traffic_second sum = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(e->v); i++) {
		const struct traffic_second *s = &e->v[i];

		if (s->at >= now || now - s->at > seconds)
			continue;
		sum.calls += s->calls;
		sum.failed += s->failed;
		sum.local += s->local;
		sum.timed += s->timed;
		sum.latency += s->latency;
	}
	return sum;
}

static void traffic_plus(json_t *row, const char *name, json_int_t n)
{
	json_int_t old = json_integer_value(json_object_get(row, name));

	json_object_set_new(row, name, json_integer(old + n));
}

/* The row of @key in @rows, a new one from @fresh (taken) */
static json_t *traffic_row(json_t *rows, json_t *by_key, const char *key,
			   json_t *fresh)
{
	json_t *row = json_object_get(by_key, key);

	if (row) {
		json_decref(fresh);
		return row;
	}
	json_object_set(by_key, key, fresh);
	json_array_append_new(rows, fresh);
	return fresh;
}

static void traffic_put(json_t *row, const struct traffic_second *sum)
{
	traffic_plus(row, "calls", sum->calls);
	traffic_plus(row, "failed", sum->failed);
	traffic_plus(row, "local", sum->local);
	traffic_plus(row, "timed", sum->timed);
	traffic_plus(row, "latency_us", sum->latency);
}

/* A sum of latencies becomes their mean; null: none was timed */
static void traffic_mean(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		json_int_t n =
			json_integer_value(json_object_get(row, "timed"));
		json_int_t sum =
			json_integer_value(json_object_get(row, "latency_us"));

		json_object_set_new(row, "latency_us",
				    n ? json_integer(sum / n) : json_null());
		json_object_del(row, "timed");
	}
}

/* The caller's name, or its address; "": it is not known */
static const char *traffic_caller(const json_t *names, const char *from)
{
	const char *name = json_str(names, from, NULL);

	return name ? name : from;
}

static void traffic_tell(const struct traffic_edge *e, const json_t *names,
			 struct traffic_second sum, json_t *services,
			 json_t *edges, json_t *by_key)
{
	const char *caller = traffic_caller(names, e->from);
	auto_free char *of = xasprintf("%s/%s", e->ns, e->service);
	auto_free char *key = traffic_key(e->ns, e->service, caller);

	traffic_put(traffic_row(services, by_key, of,
				json_pack("{s:s,s:s}", "namespace", e->ns,
					  "name", e->service)),
		    &sum);
	traffic_put(traffic_row(edges, by_key, key,
				json_pack("{s:s,s:s,s:s?}", "namespace", e->ns,
					  "name", e->service, "caller",
					  *caller ? caller : NULL)),
		    &sum);
}

json_t *traffic_json(struct traffic_log *t, const json_t *names, int64_t now)
{
	auto_json json_t *by_key = json_object();
	json_t *services = json_array(), *edges = json_array();
	int64_t seconds = traffic_seconds(t, now);

	traffic_forget(t, now);
	for (size_t i = 0; i < t->n; i++)
		traffic_tell(&t->edge[i], names,
			     traffic_sum(&t->edge[i], now, seconds), services,
			     edges, by_key);
	traffic_mean(services);
	traffic_mean(edges);
	return json_pack("{s:i,s:I,s:o,s:o,s:I}", "version", 1, "seconds",
			 (json_int_t)MAX(seconds, (int64_t)1), "services",
			 services, "edges", edges, "dropped", t->dropped);
}
