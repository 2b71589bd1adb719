/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_NAME_H
#define KT_ENV_NAME_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: Names of environments
 *
 * See wire/envmark.h for their form: labels joined by dots, the prefix is the
 * parent. At most 40 characters, so that the names of objects stay readable.
 * Pure.
 */

#define ENV_NAME_MAX 40

/** env_name_make() - the whole name of a new one: @name, below @parent (NULL or
 *  "": of nobody), unless it begins with it already; returned (caller frees),
 *  NULL with @err */
char *env_name_make(const char *name, const char *parent, struct kt_error *err);
/** env_name_is_tail() - @given is all of @name, or its last labels */
bool env_name_is_tail(const char *name, const char *given);
/** env_name_job() - "kt-env-NAME" (returned, caller frees) */
char *env_name_job(const char *name);

#define ENV_SERVICE_MAX 64
/** env_name_service() - of the Service with the addresses of its Pods: a DNS
 *  label, so the dots are "--". Where that could be another's name, or is too
 *  long, a hash is at its end. Returns @dst */
const char *env_name_service(const char *name, char dst[ENV_SERVICE_MAX]);

#endif
