/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_LEASE_ENV_H
#define KT_INBOUND_LEASE_ENV_H

#include "inbound/job.h"

/**
 * DOC: Members of environments
 *
 * A record of an environment (label kt-env) lives as long as the environment's
 * Job, which owns it. Who may not see Jobs goes by what the record says. What
 * waits in the loop is sequential code.
 */

/** lease_env_is_alive() - does the environment of @record? */
bool lease_env_is_alive(const struct job *job, const json_t *record);
/** lease_env_list() - the Jobs of all environments, asked for once, and only if
 *  one of @records wants them (returned, caller decrefs); NULL: they may not be
 *  seen */
json_t *lease_env_list(const struct job *job, const json_t *records);
/** lease_env_is_among() - lease_env_is_alive() by @envs of lease_env_list() */
bool lease_env_is_among(const struct job *job, const json_t *record,
			const json_t *envs);
/** lease_env_names() - "dev.a, dev.b": the environments of @records (returned,
 *  caller frees); NULL: they are of none */
char *lease_env_names(const json_t *records);

/** lease_env_records() - the records of the users of @service, dead or alive,
 *  are appended to @all; there may be some of other Services among them. Those
 * of environments say which Service they are of (KT_LABEL_ENV_RECORD), so this
 *  costs what the Service has, not the namespace. */
KT_CHECK int lease_env_records(struct kube *k, const char *ns,
			       const char *service, json_t **all,
			       struct kt_error *err);

#endif
