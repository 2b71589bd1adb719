/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_KUBECONFIG_ENTRY_H
#define KT_KUBE_KUBECONFIG_ENTRY_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

#define KUBE_MAX_PEM ((size_t)1 << 20)

/** struct entry - one cluster, user or context, with what errors and paths
 *  need; all borrowed */
struct entry {
	const char *kind, *name;
	const char *dir, *file;
	const json_t *value;
};

/** kube_text_of() - a scalar as the text it is written as, or NULL when it is
 *  empty or none; returned (caller frees) */
char *kube_text_of(const json_t *v);
/** entry_text() - the same of the value @key */
char *entry_text(const struct entry *e, const char *key);
bool entry_bool(const struct entry *e, const char *key);
/** entry_rooted() - @path, seen from the folder of the entry's file */
char *entry_rooted(const struct entry *e, const char *path);
char *entry_path(const struct entry *e, const char *key);
/** entry_pem() - "KEY-data" (base64) or the file "KEY" in @out (returned),
 *  NULL when there is neither; 0 or -errno with @err */
KT_CHECK int entry_pem(const struct entry *e, const char *key, char **out,
		       struct kt_error *err);

#endif
