/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_REST_H
#define KT_KUBE_REST_H

#include "kube/client.h"

/**
 * DOC: Verbs
 *
 * Short forms of kube_call() for sequential code: each waits in the loop.
 */

/**
 * kube_path() - "/api/v1/namespaces/NS/RESOURCE/NAME/SUB", each part escaped
 * @api: "v1" or "GROUP/VERSION"; @ns, @name, @sub: NULL to leave out
 * Return: the path (returned, caller frees)
 */
char *kube_path(const char *api, const char *resource, const char *ns,
		const char *name, const char *sub);

/** kube_query() - append "key=value", escaped, with '&' where needed, to @q,
 *  which may be NULL; takes @q and returns the longer one (caller frees) */
char *kube_query(char *q, const char *key, const char *value);

KT_CHECK int kube_get(struct kube *k, const char *path, json_t **out,
		      struct kt_error *err);
/** kube_list() - every item, page by page; *@out is the last page's List with
 *  all items in it. @query may be NULL */
KT_CHECK int kube_list(struct kube *k, const char *path, const char *query,
		       json_t **out, struct kt_error *err);
/** kube_list_metadata() - the same with nothing but their metadata */
KT_CHECK int kube_list_metadata(struct kube *k, const char *path,
				const char *query, json_t **out,
				struct kt_error *err);
/** kube_create() - POST; @out may be NULL */
KT_CHECK int kube_create(struct kube *k, const char *path, const json_t *obj,
			 json_t **out, struct kt_error *err);
/** kube_replace() - PUT; @out may be NULL */
KT_CHECK int kube_replace(struct kube *k, const char *path, const json_t *obj,
			  json_t **out, struct kt_error *err);
/** kube_patch() - a merge patch (RFC 7396); @out may be NULL */
KT_CHECK int kube_patch(struct kube *k, const char *path, const json_t *patch,
			json_t **out, struct kt_error *err);
/** kube_delete() - @grace_s: -1 leaves the object's own grace period. An object
 *  that is gone already is a success. */
KT_CHECK int kube_delete(struct kube *k, const char *path, int grace_s,
			 struct kt_error *err);

/** kube_delete_as() - kube_delete() of @obj as it was read: when somebody has
 *  written since, it stays, and the error is -EBUSY */
KT_CHECK int kube_delete_as(struct kube *k, const char *path, const json_t *obj,
			    int grace_s, struct kt_error *err);

/** json_str() - the text at @keys (NULL-terminated path), or NULL; borrowed */
const char *json_str(const json_t *obj, ...) __attribute__((sentinel));
/** json_at() - the value at @keys (NULL-terminated path), or NULL; borrowed */
json_t *json_at(const json_t *obj, ...) __attribute__((sentinel));
/** auto_json - decref at the end of the scope */
static inline void rest_cleanup_json(json_t **v)
{
	json_decref(*v);
}
#define auto_json __attribute__((cleanup(rest_cleanup_json)))

#endif
