/* SPDX-License-Identifier: Apache-2.0 */
#include "birdseye/collect.h"

#include "base/mem.h"
#include "birdseye/rows.h"
#include "kube/rest.h"

#include <errno.h>

#define COLLECT_OURS "labelSelector=control-by%3Dkt"
#define COLLECT_CONNECT "labelSelector=kt-role%3Dshadow-connect"

#define COLLECT_PAGE "500"
/* of who stays: a page as it is parsed is most of all the memory */
#define COLLECT_PAGE_SMALL "50"
#define COLLECT_LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/** struct lister - one list, page by page; several are under way at a time */
struct lister {
	struct collecting *of;
	const char *api, *resource, *query;
	bool (*keep)(const json_t *item); /* NULL: all */
	bool selector_only;		  /* nothing else of their spec */
	char *path;
	json_t *items;
	struct kube_op *op;
	struct kt_error err;
};

struct collecting {
	struct kube *kube;
	const char *page; /* how many objects; NULL: COLLECT_PAGE */
	size_t open;
	bool done;
	void (*fn)(struct collecting *of); /* when all are there; or NULL */
};

static void lister_ask(struct lister *l, const char *from);

/* What is most of an object says nothing here */
static void lister_slim(json_t *item, bool selector_only)
{
	json_t *meta = json_object_get(item, "metadata");
	json_t *selector = json_at(item, "spec", "selector", NULL);

	json_object_del(meta, "managedFields");
	json_object_del(json_object_get(meta, "annotations"),
			COLLECT_LAST_APPLIED);
	if (!selector_only)
		return;
	json_object_del(item, "status");
	json_object_set_new(item, "spec",
			    json_pack("{s:O*}", "selector", selector));
}

static void lister_take(struct lister *l, const json_t *page)
{
	const char *next = json_str(page, "metadata", "continue", NULL);
	json_t *item;
	size_t i;

	/* of a large collection no more than a page is in memory */
	json_array_foreach (json_object_get(page, "items"), i, item) {
		if (l->keep && !l->keep(item))
			continue;
		lister_slim(item, l->selector_only);
		json_array_append(l->items, item);
	}
	if (next && *next)
		lister_ask(l, next);
}

static void lister_on_reply(void *user, const struct kube_reply *reply)
{
	struct lister *l = user;

	l->op = NULL;
	if (reply->err)
		l->err = *reply->err;
	else if (json_is_object(reply->json))
		lister_take(l, reply->json);
	else
		kt_fail(&l->err, EPROTO, "list %s: the answer is no list",
			l->path);
	if (l->op || --l->of->open > 0)
		return;
	l->of->done = true;
	if (l->of->fn)
		l->of->fn(l->of);
}

static void lister_ask(struct lister *l, const char *from)
{
	auto_free char *query = l->query ? xstrdup(l->query) : NULL;
	struct kube_request req = { .method = "GET", .path = l->path };

	query = kube_query(query, "limit",
			   l->of->page ? l->of->page : COLLECT_PAGE);
	if (from)
		query = kube_query(query, "continue", from);
	req.query = query;
	l->op = kube_request_start(l->of->kube, &req, lister_on_reply, l);
}

static void lister_start(struct lister *l, struct collecting *of,
			 const char *ns)
{
	l->of = of;
	l->path = kube_path(l->api, l->resource, ns, NULL, NULL);
	l->items = json_array();
	of->open++;
	lister_ask(l, NULL);
}

/* Until all have come; -EINTR: the loop was interrupted */
static int collect_wait(struct collecting *of, struct lister *l, size_t n)
{
	int rc = loop_run_until(kube_loop(of->kube), &of->done, -1);

	for (size_t i = 0; i < n; i++)
		kube_request_cancel(l[i].op);
	return rc;
}

static void lister_fini(struct lister *l)
{
	free(l->path);
	json_decref(l->items);
}

static void collect_note(struct collection *c, const char *what,
			 const struct kt_error *why)
{
	auto_free char *text = xasprintf("%s: %s", what, why->msg);

	if (!strv_has(&c->notes, text))
		strv_add(&c->notes, text);
}

enum { COLLECT_SERVICES, COLLECT_PODS, COLLECT_DEPLOYMENTS, COLLECT_N };

/* Whose a shadow is that is a Deployment; its Pod does not say it */
static int collect_take_deployments(struct collection *c,
				    const struct lister *l, json_t **out,
				    struct kt_error *err)
{
	if (!l->err.code) {
		*out = json_incref(l->items);
		return 0;
	}
	if (l->err.code != EPERM && l->err.code != ENOENT) {
		*err = l->err;
		return -err->code;
	}
	collect_note(c, "shadows that are Deployments have no names", &l->err);
	return 0;
}

/** struct collect_op - the Services, and what tells who has them */
struct collect_op {
	struct collecting of;
	struct lister l[COLLECT_N];
	bool everywhere;
	collect_fn fn;
	void *user;
};

static void collect_begin(struct collect_op *op, struct kube *k, const char *ns)
{
	op->of.kube = k;
	op->everywhere = !ns;
	op->l[COLLECT_SERVICES] = (struct lister){ .api = "v1",
						   .resource = "services",
						   .selector_only = true };
	/* an ephemeral container cannot be asked for */
	op->l[COLLECT_PODS] = (struct lister){ .api = "v1",
					       .resource = "pods",
					       .keep = rows_wants_pod };
	op->l[COLLECT_DEPLOYMENTS] = (struct lister){
		.api = "apps/v1",
		.resource = "deployments",
		.query = COLLECT_OURS,
	};
	for (size_t i = 0; i < COLLECT_N; i++)
		lister_start(&op->l[i], &op->of, ns);
}

static int collect_take(const struct collect_op *op, struct collection *c,
			struct kt_error *err)
{
	const struct lister *l = op->l;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < COLLECT_DEPLOYMENTS; i++)
		if (l[i].err.code) {
			*err = l[i].err;
			rc = -err->code;
		}
	if (rc == -EPERM && op->everywhere)
		kt_hint(err, "without -A it is the own namespace alone, for "
			     "which a Role is enough");
	if (rc == 0)
		rc = collect_take_deployments(c, &l[COLLECT_DEPLOYMENTS],
					      &c->deployments, err);
	c->services = json_incref(l[COLLECT_SERVICES].items);
	c->pods = json_incref(l[COLLECT_PODS].items);
	return rc;
}

static void collect_end(struct collect_op *op)
{
	for (size_t i = 0; i < COLLECT_N; i++)
		lister_fini(&op->l[i]);
}

static int collect_services(struct collection *c, struct kube *k,
			    const char *ns, struct kt_error *err)
{
	struct collect_op op = { 0 };
	int rc;

	collect_begin(&op, k, ns);
	rc = collect_wait(&op.of, op.l, COLLECT_N);
	if (rc == 0)
		rc = collect_take(&op, c, err);
	collect_end(&op);
	return rc;
}

/* @ns NULL: everywhere */
static int collect_connectors_of(struct collection *c, struct kube *k,
				 const char *ns, struct kt_error *err)
{
	struct collecting of = { .kube = k };
	struct lister l[] = {
		{ .api = "v1", .resource = "pods", .query = COLLECT_CONNECT },
		{ .api = "apps/v1",
		  .resource = "deployments",
		  .query = COLLECT_OURS },
	};
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(l); i++)
		lister_start(&l[i], &of, ns);
	rc = collect_wait(&of, l, ARRAY_SIZE(l));
	if (rc == 0 && l[0].err.code) {
		*err = l[0].err;
		rc = -err->code;
	}
	if (rc == 0)
		rc = collect_take_deployments(c, &l[1], &c->connect_deployments,
					      err);
	if (rc == 0)
		c->connect_pods = json_incref(l[0].items);
	for (size_t i = 0; i < ARRAY_SIZE(l); i++)
		lister_fini(&l[i]);
	return rc;
}

/* Of all namespaces, as KT Connect; who may not see them sees the own one */
static int collect_connectors(struct collection *c, struct kube *k,
			      const char *own, struct kt_error *err)
{
	struct kt_error why = { 0 };
	int rc = collect_connectors_of(c, k, NULL, &why);

	if (rc == -EPERM) {
		collect_note(c, "connectors of other namespaces are left out",
			     &why);
		return collect_connectors_of(c, k, own, err);
	}
	if (rc < 0)
		*err = why;
	return rc;
}

int collect(struct collection *c, struct kube *k, const char *ns,
	    const char *connect_ns, struct kt_error *err)
{
	int rc;

	*c = (struct collection){ 0 };
	rc = collect_services(c, k, ns, err);
	if (rc == 0 && connect_ns)
		rc = collect_connectors(c, k, connect_ns, err);
	if (rc == -EINTR && !err->code)
		kt_fail(err, EINTR, "interrupted");
	return rc;
}

static void collect_on_done(struct collecting *of)
{
	struct collect_op *op = container_of(of, struct collect_op, of);
	struct kt_error err = { 0 };
	struct collection c = { 0 };
	int rc = collect_take(op, &c, &err);

	collect_end(op);
	loop_defer_free(kube_loop(of->kube), op);
	op->fn(op->user, rc, &c, &err);
	collection_fini(&c);
}

struct collect_op *collect_start(struct kube *k, const char *ns, collect_fn fn,
				 void *user)
{
	struct collect_op *op = xcalloc(1, sizeof(*op));

	op->fn = fn;
	op->user = user;
	op->of.fn = collect_on_done;
	op->of.page = COLLECT_PAGE_SMALL;
	collect_begin(op, k, ns);
	return op;
}

void collect_cancel(struct collect_op *op)
{
	if (!op)
		return;
	for (size_t i = 0; i < COLLECT_N; i++)
		kube_request_cancel(op->l[i].op);
	collect_end(op);
	loop_defer_free(kube_loop(op->of.kube), op);
}

void collection_fini(struct collection *c)
{
	json_decref(c->services);
	json_decref(c->pods);
	json_decref(c->deployments);
	json_decref(c->connect_pods);
	json_decref(c->connect_deployments);
	strv_fini(&c->notes);
	*c = (struct collection){ 0 };
}
