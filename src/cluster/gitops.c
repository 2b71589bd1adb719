/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/gitops.h"

#include "base/mem.h"
#include "cluster/objects.h"

#define ARGO_HINT                                                              \
	"it may put the Service back while we have it: add its "               \
	"/spec/selector "                                                      \
	"to ignoreDifferences of the Application, or use 'exchange --mode "    \
	"ephemeral', which leaves the Service alone"
#define FLUX_HINT                                                              \
	"it may put the Service back while we have it: annotate it with "      \
	"kustomize.toolkit.fluxcd.io/reconcile=disabled for that time, or "    \
	"use "                                                                 \
	"'exchange --mode ephemeral', which leaves the Service alone"

const char *gitops_manager(const json_t *obj, const char **pause)
{
	static const struct {
		const char *key, *name, *pause;
	} known[] = {
		{ "argocd.argoproj.io/tracking-id", "Argo CD", ARGO_HINT },
		{ "argocd.argoproj.io/instance", "Argo CD", ARGO_HINT },
		{ "kustomize.toolkit.fluxcd.io/name", "Flux", FLUX_HINT },
		{ "helm.toolkit.fluxcd.io/name", "Flux", FLUX_HINT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!object_label(obj, known[i].key) &&
		    !object_annotation(obj, known[i].key))
			continue;
		*pause = known[i].pause;
		return known[i].name;
	}
	return NULL;
}
