/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_SPEC_H
#define KT_ENV_SPEC_H

#include "base/str.h"
#include "env/job.h"

#include <jansson.h>

/**
 * DOC: What was asked for, of a member
 *
 *     {"image": "r/orders:2", "set": {"A": "b"}, "envFrom": ["secret/s"],
 *      "replicas": 2, "onJoin": "r/db branch", "onDelete": "r/db drop",
 *      "idle": "30m", "wakeTimeout": "2m"}
 *     {"selector": {"app": "orders", "track": "canary"}}
 *     {"service": "orders-next"}
 *     {"local": "ann@laptop"}
 *
 * What is as it always is, is left out. The first is on the copy (annotation
 * kt-env-spec), the others are told by the record. Pure.
 */

#define KT_ANNOTATION_SPEC "kt-env-spec"
#define ENV_WAKE_DEFAULT ((int64_t)60000000000) /* --wakeTimeout, ns */

/** env_spec_map() - {"K": "V"} of "K=V,K=V", ',' being @between (returned,
 *  caller decrefs) */
json_t *env_spec_map(const char *text, char between);
/** env_spec_image() - of a member with an image (returned, caller decrefs) */
json_t *env_spec_image(const char *image, const struct pairs *set,
		       const struct strv *env_from, int replicas);
/** env_spec_idle() - ... that sleeps after @idle_ns (0: it does not) */
void env_spec_idle(json_t *spec, int64_t idle_ns, int64_t wake_ns);
/** env_spec_span() - "30m" of ns, in whole seconds (returned, caller decrefs)
 */
json_t *env_spec_span(int64_t ns);
/** env_spec_of() - of the member of @record (a Service); @deployments: array of
 *  the environment's (returned, caller decrefs); NULL: it does not say */
json_t *env_spec_of(const json_t *record, const json_t *deployments);
/** env_spec_all() - {SERVICE: spec} of all @records (returned, caller decrefs);
 *  each has "user", whose it is, too */
json_t *env_spec_all(const json_t *records, const json_t *deployments);
/** env_spec_yaml() - the file of `env apply`: @specs as from env_spec_all();
 *  returned, caller frees */
char *env_spec_yaml(const struct env_info *info, const json_t *specs);

#endif
