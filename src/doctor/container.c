/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/container.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/ephemeral.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "kube/rest.h"

#include <string.h>

#define CONTAINER_CHECK "shadow container"
#define CONTAINER_OTHER "--mode selector needs nothing of the kind"
#define CONTAINER_PORT 20000 /* no program listens there in a dry run */

/* Return: false: it is said why there cannot be one */
static bool container_possible(struct findings *f,
			       const struct container_check *c)
{
	if (!c->global->pod.image)
		finding_add(f, CONTAINER_CHECK, FINDING_FAIL,
			    "name an image of the shadow with --image; "
			    "--mode selector needs none",
			    "a container that is added to a Pod cannot bring "
			    "its program along");
	else if (c->minor < EPHEMERAL_SINCE)
		finding_add(f, CONTAINER_CHECK, FINDING_FAIL, CONTAINER_OTHER,
			    "ephemeral containers are there from Kubernetes "
			    "1.%d on; this one is 1.%d",
			    EPHEMERAL_SINCE, c->minor);
	else if (!c->service)
		finding_add(f, CONTAINER_CHECK, FINDING_SKIP,
			    "name the Service: 'ktctl doctor exchange NAME'",
			    "it is tried in one of the Service's Pods");
	else
		return true;
	return false;
}

static const json_t *container_pod(const struct container_check *c)
{
	const json_t *one;
	size_t i;

	json_array_foreach (c->pods, i, one)
		if (ephemeral_eligible(one))
			return one;
	return NULL;
}

/* Return: 0, or -errno with @err */
static int container_dry_run(const struct container_check *c, const json_t *pod,
			     struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", c->ns, object_name(pod),
					 "ephemeralcontainers");
	auto_json json_t *alone = json_pack("[O]", pod);
	auto_json json_t *patch = NULL;
	auto_free char *serve = NULL;
	struct service_ports ports = { 0 };
	struct kube_request req = { .method = "PATCH",
				    .path = path,
				    .query = "dryRun=All",
				    .content = KUBE_STRATEGIC_PATCH };
	int rc = service_ports_make(&ports, c->service, alone, err);

	if (rc < 0)
		return rc;
	serve = ephemeral_serve(&ports, pod);
	service_ports_fini(&ports);
	patch = ephemeral_patch(
		pod, EPHEMERAL_PREFIX "doctor", c->global->pod.image,
		c->global->pod.force_update, serve, CONTAINER_PORT);
	req.body = patch;
	rc = kube_call(c->kube, &req, NULL, err);
	if (rc < 0)
		ephemeral_hint(err);
	return rc;
}

void container_check(struct findings *f, const struct container_check *c)
{
	struct kt_error err = { 0 };
	const json_t *pod;

	if (!container_possible(f, c))
		return;
	pod = container_pod(c);
	if (!pod)
		finding_add(f, CONTAINER_CHECK, FINDING_FAIL,
			    "--mode selector needs none",
			    "no Pod runs behind %s that it could be added to",
			    object_name(c->service));
	else if (container_dry_run(c, pod, &err) < 0)
		finding_error(f, CONTAINER_CHECK, FINDING_FAIL, &err);
	else
		finding_add(f, CONTAINER_CHECK, FINDING_OK, NULL,
			    "would be admitted into Pod %s, with image %s",
			    object_name(pod), c->global->pod.image);
}
