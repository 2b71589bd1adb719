/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_SOURCES_H
#define KT_POD_SOURCES_H

#include "kube/client.h"

/** struct pod_sources - ConfigMaps, Secrets, Services and the Node that a Pod
 *  is made of, each read once; starts with kube, ns and the rest zeroed */
struct pod_sources {
	struct kube *kube; /* NULL: only what is in @read, for the tests */
	const char *ns;	   /* borrowed */
	json_t *read;	   /* "configmaps/NAME": object, or null: not there */
};

/**
 * pod_source() - "configmaps", "secrets" or "nodes" of that name
 * Waits in the loop.
 * Return: 0 with @out (borrowed); -ENOENT: there is none; or -errno with @err
 */
KT_CHECK int pod_source(struct pod_sources *s, const char *resource,
			const char *name, const json_t **out,
			struct kt_error *err);
/** pod_source_services() - all of the namespace (array, borrowed) */
KT_CHECK int pod_source_services(struct pod_sources *s, const char *ns,
				 const json_t **out, struct kt_error *err);
void pod_sources_fini(struct pod_sources *s);

#endif
