/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/watch.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/jsonlines.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define STREAM_SECONDS 300	   /* the server ends the stream after this */
#define STREAM_GRACE (60 * NS_SEC) /* and we, when it forgot to */
#define MIN_PAUSE (NS_SEC / 2)
#define MAX_PAUSE (30 * NS_SEC)
/* a stream that lived so long: the next may come at once */
#define GOOD_STREAM (5 * NS_SEC)

/*
 * LIST (page by page) -> STREAM -> STREAM ... ; 410 leads back to LIST. @op is
 * the request under way, or NULL while @pause runs.
 */
struct kube_watch {
	struct kube *kube;
	const struct kube_watch_handler *handler;
	void *user;
	char *path, *query;

	struct kube_op *op;
	struct timer pause, overdue;
	int64_t backoff, began;
	bool stopped, listing, relist;

	char *version;	/* resourceVersion to resume at */
	char *cont;	/* of the next page */
	json_t *known;	/* "ns/name" -> the object's metadata */
	json_t *before; /* while listing: what was known and not seen yet */
	struct jsonlines lines;
};

static void watch_begin(struct kube_watch *w);

/* --- what is known -------------------------------------------------------- */

static char *key_of(const json_t *obj)
{
	const char *ns = json_str(obj, "metadata", "namespace", NULL);
	const char *name = json_str(obj, "metadata", "name", NULL);

	return xasprintf("%s/%s", ns ? ns : "", name ? name : "");
}

/* What a made-up DELETED will show. */
static json_t *stub_of(const json_t *obj)
{
	static const char *const top[] = { "apiVersion", "kind" };
	static const char *const meta[] = { "name", "namespace", "uid",
					    "resourceVersion", "labels" };
	json_t *stub = json_object(), *m = json_object(), *v;

	for (size_t i = 0; i < ARRAY_SIZE(top); i++)
		if ((v = json_object_get(obj, top[i])))
			json_object_set(stub, top[i], v);
	for (size_t i = 0; i < ARRAY_SIZE(meta); i++)
		if ((v = json_at(obj, "metadata", meta[i], NULL)))
			json_object_set(m, meta[i], v);
	json_object_set_new(stub, "metadata", m);
	return stub;
}

static void set_version(struct kube_watch *w, const char *v)
{
	if (!v || !*v)
		return;
	free(w->version);
	w->version = xstrdup(v);
}

/* True while the watch goes on. */
static bool emit(struct kube_watch *w, enum kube_event type, json_t *obj)
{
	w->handler->event(w->user, type, obj);
	return !w->stopped;
}

/* --- listing -------------------------------------------------------------- */

static bool listed(struct kube_watch *w, json_t *obj, const json_t *list)
{
	auto_free char *key = key_of(obj);
	auto_json json_t *old = NULL;
	const char *kind = json_str(list, "kind", NULL);
	json_t *api = json_object_get(list, "apiVersion");
	enum kube_event type = KUBE_ADDED;

	/* items of a list come without these two */
	if (kind && str_ends(kind, "List") && !json_object_get(obj, "kind"))
		json_object_set_new(obj, "kind",
				    json_stringn(kind, strlen(kind) - 4));
	if (api && !json_object_get(obj, "apiVersion"))
		json_object_set(obj, "apiVersion", api);
	old = json_incref(json_object_get(w->before, key));
	json_object_del(w->before, key);
	json_object_set_new(w->known, key, stub_of(obj));
	if (old && str_eq(json_str(old, "metadata", "uid", NULL),
			  json_str(obj, "metadata", "uid", NULL))) {
		if (str_eq(json_str(old, "metadata", "resourceVersion", NULL),
			   json_str(obj, "metadata", "resourceVersion", NULL)))
			return true;
		type = KUBE_MODIFIED;
	} else if (old && !emit(w, KUBE_DELETED, old)) {
		return false;
	}
	return emit(w, type, obj);
}

static bool take_page(struct kube_watch *w, const json_t *list)
{
	json_t *obj;
	size_t i;

	json_array_foreach (json_object_get(list, "items"), i, obj) {
		if (json_is_object(obj) && !listed(w, obj, list))
			return false;
	}
	return true;
}

/* The last page is in: what was not seen again is gone. */
static bool finish_list(struct kube_watch *w)
{
	auto_json json_t *gone = w->before;
	const char *key;
	json_t *obj;

	w->before = NULL;
	w->listing = false;
	json_object_foreach (gone, key, obj) {
		json_object_del(w->known, key);
		if (!emit(w, KUBE_DELETED, obj))
			return false;
	}
	return emit(w, KUBE_SYNCED, NULL);
}

/* --- ends and pauses ------------------------------------------------------ */

static void on_pause(struct timer *t)
{
	watch_begin(container_of(t, struct kube_watch, pause));
}

static void watch_again(struct kube_watch *w, int64_t pause)
{
	loop_timer_stop(&w->overdue);
	loop_timer_start(kube_loop(w->kube), &w->pause, pause, on_pause);
}

static void watch_again_later(struct kube_watch *w, const struct kt_error *why)
{
	w->backoff = MIN(MAX(w->backoff * 2, MIN_PAUSE), MAX_PAUSE);
	if (why)
		log_debug("watch %s: %s; again in %lld ms", w->path, why->msg,
			  (long long)(w->backoff / NS_MS));
	watch_again(w, w->backoff);
}

static void list_anew(struct kube_watch *w)
{
	free(w->version);
	w->version = NULL;
	free(w->cont);
	w->cont = NULL;
	w->relist = false;
}

/* Forbidden or unknown: no back-off will help. */
static bool watch_is_final(const struct kube_watch *w, const struct kt_error *e)
{
	switch (e->http_status) {
	case 401:
		return !kube_was_accepted(w->kube);
	case 400:
	case 403:
	case 404:
	case 405:
	case 422:
		return true;
	default:
		return false;
	}
}

static void on_error(struct kube_watch *w, const struct kt_error *why)
{
	loop_timer_stop(&w->overdue);
	if (why->http_status == 410) {
		list_anew(w);
		watch_again_later(w, why);
	} else if (watch_is_final(w, why)) {
		w->handler->failed(w->user, why);
	} else {
		watch_again_later(w, why);
	}
}

/* --- the stream ----------------------------------------------------------- */

static bool on_object(struct kube_watch *w, enum kube_event type, json_t *obj)
{
	auto_free char *key = key_of(obj);

	set_version(w, json_str(obj, "metadata", "resourceVersion", NULL));
	if (type == KUBE_DELETED)
		json_object_del(w->known, key);
	else
		json_object_set_new(w->known, key, stub_of(obj));
	return emit(w, type, obj);
}

/* One line of the stream; false: stop reading it. */
static bool on_line(void *user, json_t *line)
{
	struct kube_watch *w = user;
	const char *type = json_str(line, "type", NULL);
	json_t *obj = json_object_get(line, "object");

	if (!json_is_object(obj))
		return true;
	if (str_eq(type, "ADDED"))
		return on_object(w, KUBE_ADDED, obj);
	if (str_eq(type, "MODIFIED"))
		return on_object(w, KUBE_MODIFIED, obj);
	if (str_eq(type, "DELETED"))
		return on_object(w, KUBE_DELETED, obj);
	if (str_eq(type, "BOOKMARK"))
		set_version(w,
			    json_str(obj, "metadata", "resourceVersion", NULL));
	/* ERROR: mostly 410, the version is too old */
	w->relist = str_eq(type, "ERROR") || w->relist;
	return !w->relist;
}

static void drop_request(struct kube_watch *w)
{
	kube_request_cancel(w->op);
	w->op = NULL;
}

static void watch_on_stream(void *user, const char *data, size_t len)
{
	struct kube_watch *w = user;
	int rc = jsonlines_feed(&w->lines, data, len, on_line, w);

	if (rc == 0 || w->stopped)
		return;
	drop_request(w);
	if (w->relist || rc != -ECANCELED)
		list_anew(w);
	watch_again_later(w, NULL);
}

static void on_overdue(struct timer *t)
{
	struct kube_watch *w = container_of(t, struct kube_watch, overdue);

	drop_request(w);
	watch_again_later(w, NULL);
}

static void on_stream_end(void *user, const struct kube_reply *reply)
{
	struct kube_watch *w = user;

	w->op = NULL;
	if (reply->err) {
		on_error(w, reply->err);
		return;
	}
	/* the usual end after some minutes, unless it comes at once */
	if (clock_ns() - w->began > GOOD_STREAM) {
		w->backoff = 0;
		watch_again(w, 0);
	} else {
		watch_again_later(w, NULL);
	}
}

static void begin_stream(struct kube_watch *w)
{
	auto_free char *q = w->query ? xstrdup(w->query) : NULL;
	auto_free char *seconds = xasprintf("%d", STREAM_SECONDS);

	q = kube_query(q, "watch", "1");
	q = kube_query(q, "allowWatchBookmarks", "true");
	q = kube_query(q, "timeoutSeconds", seconds);
	q = kube_query(q, "resourceVersion", w->version ? w->version : "");

	const struct kube_request req = {
		.method = "GET",
		.path = w->path,
		.query = q,
		.timeout_ns = -1,
		.no_retry = true,
		.stream = watch_on_stream,
	};

	jsonlines_fini(&w->lines);
	jsonlines_init(&w->lines);
	w->began = clock_ns();
	w->op = kube_request_start(w->kube, &req, on_stream_end, w);
	loop_timer_start(kube_loop(w->kube), &w->overdue,
			 STREAM_SECONDS * NS_SEC + STREAM_GRACE, on_overdue);
}

/* --- requests ------------------------------------------------------------- */

static void on_list(void *user, const struct kube_reply *reply)
{
	struct kube_watch *w = user;
	const char *next;

	w->op = NULL;
	if (reply->err) {
		on_error(w, reply->err);
		return;
	}
	if (!take_page(w, reply->json))
		return;
	next = json_str(reply->json, "metadata", "continue", NULL);
	free(w->cont);
	w->cont = next && *next ? xstrdup(next) : NULL;
	if (!w->cont) {
		set_version(w, json_str(reply->json, "metadata",
					"resourceVersion", NULL));
		if (!finish_list(w))
			return;
	}
	w->backoff = 0;
	watch_begin(w);
}

static void begin_list(struct kube_watch *w)
{
	auto_free char *q = w->query ? xstrdup(w->query) : NULL;

	q = kube_query(q, "limit", "500");
	if (w->cont)
		q = kube_query(q, "continue", w->cont);

	const struct kube_request req = {
		.method = "GET",
		.path = w->path,
		.query = q,
	};

	if (!w->listing) { /* known so far: seen again, or gone */
		w->before = w->known;
		w->known = json_object();
		w->listing = true;
	} else if (!w->cont) { /* a list that began and broke off */
		json_object_update(w->before, w->known);
		json_object_clear(w->known);
	}
	w->op = kube_request_start(w->kube, &req, on_list, w);
}

static void watch_begin(struct kube_watch *w)
{
	if (w->version)
		begin_stream(w);
	else
		begin_list(w);
}

struct kube_watch *kube_watch_start(struct kube *k, const char *path,
				    const char *query,
				    const struct kube_watch_handler *h,
				    void *user)
{
	struct kube_watch *w = xcalloc(1, sizeof(*w));

	w->kube = k;
	w->handler = h;
	w->user = user;
	w->path = xstrdup(path);
	w->query = query && *query ? xstrdup(query) : NULL;
	w->known = json_object();
	jsonlines_init(&w->lines);
	watch_begin(w);
	return w;
}

/* The memory goes after the batch: a line may be in the middle of its way. */
static void watch_destroy(void *user)
{
	struct kube_watch *w = user;

	jsonlines_fini(&w->lines);
	json_decref(w->known);
	json_decref(w->before);
	free(w->path);
	free(w->query);
	free(w->version);
	free(w->cont);
	free(w);
}

void kube_watch_stop(struct kube_watch *w)
{
	if (!w || w->stopped)
		return;
	w->stopped = true;
	drop_request(w);
	loop_timer_stop(&w->pause);
	loop_timer_stop(&w->overdue);
	loop_defer(kube_loop(w->kube), watch_destroy, w);
}
