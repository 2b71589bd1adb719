/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/rest.h"
#include "pod/files_impl.h"

#include <errno.h>
#include <string.h>

#define FILES_EVERY (20 * NS_SEC)

struct files_ask {
	struct pod_files *p;
	struct kube_op *op; /* NULL: answered */
	char *key;	    /* in sources.read; NULL: the Pod */
};

static void files_tick(struct timer *t);

/* --- a round is over ------------------------------------------------------ */

static void files_renew_volume(struct pod_files *p, size_t volume)
{
	struct files_volume *v = &p->volume[volume];
	struct kt_error err = { 0 };
	struct tree tree = { 0 }, old = v->tree;

	if (volume_make(&tree, p->found, files_spec(p, v), p->sources, &err) <
	    0) {
		log_debug("volume %s stays as it is: %s", v->name, err.msg);
		tree_fini(&tree);
		return;
	}
	if (tree_equal(&tree, &old)) {
		tree_fini(&tree);
		return;
	}
	v->tree = tree;
	if (files_write_volume(p, volume, &err) < 0) {
		log_warn("volume %s stays as it is: %s", v->name, err.msg);
		v->tree = old;
		tree_fini(&tree);
		return;
	}
	log_debug("volume %s has changed", v->name);
	tree_fini(&old);
}

static void files_forget_asks(struct pod_files *p)
{
	for (size_t i = 0; i < p->nasks; i++)
		free(p->asks[i].key);
	free(p->asks);
	p->asks = NULL;
	p->nasks = p->pending = 0;
}

/* Nothing is asked of the cluster here: what was in no answer is missing */
static void files_round_over(struct pod_files *p)
{
	struct kube *kube = p->sources->kube;

	files_forget_asks(p);
	p->sources->kube = NULL;
	for (size_t i = 0; i < p->nvolume; i++)
		if (p->volume[i].kind == VOLUME_MADE && p->volume[i].ok)
			files_renew_volume(p, i);
	p->sources->kube = kube;
	loop_timer_start(kube_loop(p->kube), &p->timer, FILES_EVERY,
			 files_tick);
}

/* --- answers -------------------------------------------------------------- */

/* Its tokens are good for nothing when it is gone */
static void files_take_pod(struct pod_files *p, const struct kube_reply *r)
{
	const char *uid = json_str(p->found->pod, "metadata", "uid", NULL);
	bool same = !r->err &&
		    str_eq(json_str(r->json, "metadata", "uid", NULL), uid);

	if (same)
		pod_found_update(p->found, r->json);
	if (same || p->pod_gone || (r->err && r->status != 404))
		return;
	p->pod_gone = true;
	log_info("Pod %s/%s is gone; the program keeps what it has of it",
		 p->found->ns, p->found->name);
}

static void files_take_token(struct pod_files *p, const char *key,
			     const struct kube_reply *r)
{
	json_t *token =
		r->err ? NULL
		       : volume_token_of(r->json, kube_cluster_time(p->kube));

	if (token) {
		json_object_set_new(token, "bound", json_boolean(!p->pod_gone));
		json_object_set_new(p->sources->read, key, token);
		p->told = false;
	} else if (!p->told) {
		log_warn("the token of the service account cannot be renewed: "
			 "%s",
			 r->err ? r->err->msg : "the answer is none");
		p->told = true;
	}
}

static void files_on_reply(void *user, const struct kube_reply *r)
{
	struct files_ask *a = user;
	struct pod_files *p = a->p;

	a->op = NULL;
	if (!a->key)
		files_take_pod(p, r);
	else if (str_starts(a->key, "token/"))
		files_take_token(p, a->key, r);
	else if (!r->err && r->json)
		json_object_set(p->sources->read, a->key, r->json);
	else if (r->status == 404)
		json_object_set_new(p->sources->read, a->key, json_null());
	if (--p->pending == 0)
		files_round_over(p);
}

/* --- a round -------------------------------------------------------------- */

/* @key is taken */
static struct files_ask *files_ask_new(struct pod_files *p, char *key)
{
	p->asks[p->nasks] = (struct files_ask){ .p = p, .key = key };
	p->pending++;
	return &p->asks[p->nasks++];
}

static void files_ask_get(struct pod_files *p, char *key, const char *resource,
			  const char *name)
{
	auto_free char *path =
		kube_path("v1", resource, p->found->ns, name, NULL);
	const struct kube_request req = { .method = "GET", .path = path };
	struct files_ask *a = files_ask_new(p, key);

	a->op = kube_request_start(p->kube, &req, files_on_reply, a);
}

static bool files_is_asked(const struct pod_files *p, const char *key)
{
	for (size_t i = 0; i < p->nasks; i++)
		if (str_eq(p->asks[i].key, key))
			return true;
	return false;
}

static bool files_token_due(const struct pod_files *p, const json_t *token)
{
	const json_t *bound = json_object_get(token, "bound");

	if (!token || (p->pod_gone && !json_is_false(bound)))
		return true;
	return volume_token_due(token, kube_cluster_time(p->kube));
}

static void files_ask_token(struct pod_files *p, const json_t *source)
{
	auto_free char *key = volume_token_key(source);
	auto_free char *path = volume_token_path(p->found);
	auto_json json_t *body =
		volume_token_request(p->found, source, !p->pod_gone);
	const struct kube_request req = { .method = "POST",
					  .path = path,
					  .body = body };
	struct files_ask *a;

	if (files_is_asked(p, key) ||
	    !files_token_due(p, json_object_get(p->sources->read, key)))
		return;
	a = files_ask_new(p, steal_ptr(&key));
	a->op = kube_request_start(p->kube, &req, files_on_reply, a);
}

static void files_count_token(struct pod_files *p, const json_t *source)
{
	(void)source;
	p->nasks++;
}

/* Room for all that may be asked */
static void files_make_room(struct pod_files *p)
{
	size_t n;

	files_each_token(p, files_count_token);
	n = p->nasks + json_object_size(p->sources->read) + 1;
	p->nasks = 0;
	p->asks = xcalloc(n, sizeof(*p->asks));
}

static void files_tick(struct timer *t)
{
	struct pod_files *p = container_of(t, struct pod_files, timer);
	const char *key;
	json_t *value;

	files_make_room(p);
	files_ask_get(p, NULL, "pods", p->found->name);
	json_object_foreach (p->sources->read, key, value) {
		const char *slash = strchr(key, '/');

		if (str_starts(key, "configmaps/") ||
		    str_starts(key, "secrets/")) {
			auto_free char *resource =
				xstrndup(key, (size_t)(slash - key));

			files_ask_get(p, xstrdup(key), resource, slash + 1);
		}
	}
	files_each_token(p, files_ask_token);
}

void pod_files_follow(struct pod_files *p)
{
	for (size_t i = 0; i < p->nvolume; i++)
		if (p->volume[i].kind == VOLUME_MADE && p->volume[i].ok) {
			loop_timer_start(kube_loop(p->kube), &p->timer,
					 FILES_EVERY, files_tick);
			return;
		}
}

void files_follow_stop(struct pod_files *p)
{
	loop_timer_stop(&p->timer);
	for (size_t i = 0; i < p->nasks; i++)
		kube_request_cancel(p->asks[i].op);
	files_forget_asks(p);
}
