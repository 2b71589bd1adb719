/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/ahead.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/internal.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

struct ahead_item {
	char *path;
	const char *query; /* or NULL */
	bool otherwise;
	bool done, taken; /* answered, or not asked for after all; given away */
	int64_t when;	  /* it was answered */
	json_t *json;	  /* NULL: by an error */
	struct kt_error err;
};

struct ahead {
	struct kube *kube;
	struct ahead_item *items;
	size_t n, next; /* all; the one that is asked for */
	struct kube_op *op;
	struct ahead_item *awaited;
	bool arrived; /* @awaited is done */
};

static void ahead_ask(struct ahead *a);

/* An answer of the server's, or of somebody before it */
static bool ahead_is_answer(const struct ahead_item *it)
{
	return it->json || it->err.http_status;
}

static void ahead_done(struct ahead *a, struct ahead_item *it)
{
	it->done = true;
	a->next++;
	if (it == a->awaited)
		a->arrived = true;
}

static void ahead_on_reply(void *user, const struct kube_reply *reply)
{
	struct ahead *a = user;
	struct ahead_item *it = &a->items[a->next];

	a->op = NULL;
	it->when = clock_ns();
	if (reply->err)
		it->err = *reply->err;
	else
		it->json = json_incref(reply->json);
	ahead_done(a, it);
	ahead_ask(a);
}

static void ahead_ask(struct ahead *a)
{
	struct ahead_item *it;
	struct kube_request req = { .method = "GET" };

	while (a->next < a->n && a->items[a->next].otherwise && a->next &&
	       a->items[a->next - 1].json)
		ahead_done(a, &a->items[a->next]);
	if (a->next == a->n)
		return;
	it = &a->items[a->next];
	req.path = it->path;
	req.query = it->query;
	a->op = kube_request_start(a->kube, &req, ahead_on_reply, a);
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	kube_request_cancel(a->op);
	for (size_t i = 0; i < a->n; i++) {
		free(a->items[i].path);
		json_decref(a->items[i].json);
	}
	free(a->items);
	loop_defer_free(a->kube->loop, a);
}

void kube_ask_ahead(struct kube *k, const struct ahead_want *want, size_t n)
{
	struct ahead *a = xcalloc(1, sizeof(*a));

	ahead_free(k->ahead);
	k->ahead = a;
	a->kube = k;
	a->n = n;
	a->items = xcalloc(n, sizeof(*a->items));
	for (size_t i = 0; i < n; i++) {
		a->items[i].path = xstrdup(want[i].path);
		a->items[i].query = want[i].object ? NULL : "limit=" REST_PAGE;
		a->items[i].otherwise = want[i].otherwise;
	}
	ahead_ask(a);
}

static bool ahead_is_for(const struct ahead_item *it,
			 const struct kube_request *req)
{
	return !it->taken && str_eq(it->path, req->path) &&
	       (it->query ? str_eq(it->query, req->query) : !req->query);
}

static struct ahead_item *ahead_find(const struct ahead *a,
				     const struct kube_request *req)
{
	if (!a || strcmp(req->method, "GET") != 0 || req->as || req->stream)
		return NULL;
	for (size_t i = 0; i < a->n; i++)
		if (ahead_is_for(&a->items[i], req))
			return &a->items[i];
	return NULL;
}

bool ahead_take(struct kube *k, const struct kube_request *req, json_t **reply,
		struct kt_error *err, int *rc)
{
	struct ahead *a = k->ahead;
	struct ahead_item *it = ahead_find(a, req);

	if (!it)
		return false;
	it->taken = true;
	a->awaited = it;
	a->arrived = it->done;
	*rc = loop_run_until(k->loop, &a->arrived, -1);
	a->awaited = NULL;
	if (*rc < 0) {
		kt_fail(err, -*rc, "GET %s: interrupted", req->path);
		return true;
	}
	if (!ahead_is_answer(it) || clock_ns() - it->when > AHEAD_FRESH) {
		log_debug("GET %s: asked for ahead in vain", req->path);
		json_decref(steal_ptr(&it->json));
		return false;
	}
	if (!it->json && err)
		*err = it->err;
	*rc = it->json ? 0 : -it->err.code;
	if (reply)
		*reply = steal_ptr(&it->json);
	return true;
}
