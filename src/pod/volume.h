/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_VOLUME_H
#define KT_POD_VOLUME_H

#include "pod/find.h"
#include "pod/sources.h"
#include "pod/tree.h"

#include <stdint.h>

/**
 * DOC: What is in a volume
 *
 * ConfigMaps, Secrets, projected volumes and those of the downward API are made
 * of objects of the API, with the paths, modes and contents that the kubelet
 * gives them. All others have their data somewhere else.
 */

enum volume_kind {
	VOLUME_MADE,  /* of objects: volume_make() */
	VOLUME_EMPTY, /* emptyDir */
	VOLUME_OTHER, /* not to be had here */
};

/** volume_kind() - of a volume of the spec; @name: what it is called, for
 *  VOLUME_OTHER ("persistentVolumeClaim"); borrowed */
enum volume_kind volume_kind(const json_t *volume, const char **name);

/** volume_find() - of the Pod, by its name, or NULL; borrowed */
const json_t *volume_find(const json_t *pod, const char *name);

/**
 * volume_make() - its files into @t, which is empty
 * @s: what is not in it yet is read, where it has a client; tokens are those
 * of volume_token_key()
 * Return: 0, or -errno with @err
 */
KT_CHECK int volume_make(struct tree *t, const struct pod_found *f,
			 const json_t *volume, struct pod_sources *s,
			 struct kt_error *err);

/** volume_dir_mode() - of the folders in the volumes of @pod */
unsigned int volume_dir_mode(const json_t *pod);

/* --- tokens --------------------------------------------------------------- */

/** volume_token_key() - where the token that @source (serviceAccountToken)
 *  asks for is in pod_sources.read: {"token": "...", "expires": s, "since": s}
 *  (returned, caller frees) */
char *volume_token_key(const json_t *source);
/** volume_token_request() - a TokenRequest for it (returned, caller decrefs)
 *  @bound: the token is good for as long as the Pod is there */
json_t *volume_token_request(const struct pod_found *f, const json_t *source,
			     bool bound);
/** volume_token_path() - where it is POSTed (returned, caller frees) */
char *volume_token_path(const struct pod_found *f);
/** volume_token_of() - the answer, as in pod_sources.read (returned, caller
 *  decrefs); NULL: it is none */
json_t *volume_token_of(const json_t *reply, int64_t now);
/** volume_token_due() - a token, as there, wants to be renewed at @now: 80 of
 *  100 of its time are over, or a day, as the kubelet does */
bool volume_token_due(const json_t *token, int64_t now);

#endif
