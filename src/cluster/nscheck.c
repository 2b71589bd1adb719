/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/nscheck.h"

#include "base/mem.h"
#include "kube/client.h"
#include "kube/rest.h"

#include <errno.h>

int nscheck(struct kube *k, const char *ns, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "namespaces", NULL, ns, NULL);
	auto_json json_t *obj = NULL;
	struct kt_error why = { 0 };

	/* whoever may not see it may use it all the same */
	if (kube_get(k, path, &obj, &why) != -ENOENT)
		return 0;
	kt_hint(err, "'kubectl get namespaces' shows what there is");
	return kt_fail(err, ENOENT, "namespace %s: there is none of this name",
		       ns);
}
