/* SPDX-License-Identifier: Apache-2.0 */
#include "env/router_secret.h"

#include "base/mem.h"
#include "cluster/declared.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <errno.h>

int env_router_secret(struct kube *k, const char *ns, const char *service,
		      bool declared, char **secret, struct kt_error *err)
{
	auto_free char *name = declared ? declared_router_name(service)
					: xasprintf("%s" KT_ROUTER, service);
	auto_free char *path =
		kube_path("apps/v1", "deployments", ns, name, NULL);
	auto_json json_t *obj = NULL;
	struct kt_error why = { 0 };
	int rc = kube_get(k, path, &obj, &why);

	*secret = NULL;
	if (rc == -ENOENT)
		return 0;
	if (rc < 0) {
		*err = why;
		return rc;
	}
	if (!declared && (object_is_ending(obj) || !object_is_of_ktctl(obj)))
		return 0;
	if (object_tls_secret(obj))
		*secret = xstrdup(object_tls_secret(obj));
	return 1;
}
