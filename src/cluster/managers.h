/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_MANAGERS_H
#define KT_CLUSTER_MANAGERS_H

#include <jansson.h>
#include <stdbool.h>

/**
 * DOC: Whose fields they are
 *
 * The API server remembers in metadata.managedFields who wrote which field.
 * Whoever applies a manifest on the server's side (kubectl apply --server-side,
 * Helm, Flux) is refused when it changes a field that another wrote meanwhile:
 * what we lend from a user's object would stay ours for ever.
 *
 * So each change takes two writes. The first one makes it, and puts down in the
 * annotation kt-managers whose the field was. The second one changes no field,
 * so that the server takes managedFields as they are given: as before, without
 * us. When we die in between, whoever writes next to the object finds the
 * annotation and makes up for it.
 *
 * @field is one below spec ("selector"), NULL means all of spec. Pure.
 */

#define KT_ANNOTATION_MANAGERS "kt-managers"
#define KT_MANAGER "ktctl" /* as the server calls us, by our User-Agent */

/** managers_record() - @now is about to be changed by @then, a changed copy or
 * a merge patch: put down in it whose the field is, unless that was done before
 *  or the field does not change */
void managers_record(json_t *then, const json_t *now, const char *field);
/** managers_restored() - @obj as it is now: its managedFields as they shall be
 *  (returned, caller decrefs); NULL: they are so */
json_t *managers_restored(const json_t *obj, const char *field);
/** managers_last() - who has written @field last, since @since (as in "time" of
 *  managedFields); NULL: all of the object, and by another than us; borrowed,
 *  NULL when nobody did, or nothing says so */
const char *managers_last(const json_t *obj, const char *field,
			  const char *since);

#endif
