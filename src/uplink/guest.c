/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/guest.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/ephemeral.h"
#include "cluster/objects.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

#define GUEST_LOOK (100 * NS_MS)
#define GUEST_NAME_SIZE (sizeof(EPHEMERAL_GUEST_PREFIX) + 5)

int guest_check(const struct pod_options *o, struct kt_error *err)
{
	if (o->image)
		return 0;
	kt_hint(err, "name an image of the shadow that the cluster can pull "
		     "with --image");
	return kt_fail(err, EINVAL,
		       "--inPod needs an image: a container that is added to a "
		       "Pod cannot bring its program along");
}

static int guest_check_version(const struct guest_config *cfg,
			       struct kt_error *err)
{
	auto_json json_t *version = NULL;
	const char *minor;
	long n;
	int rc = kube_get(cfg->kube, "/version", &version, err);

	if (rc < 0)
		return rc;
	minor = json_str(version, "minor", NULL);
	n = minor ? strtol(minor, NULL, 10) : 0;
	if (n == 0 || n >= EPHEMERAL_SINCE)
		return 0;
	return kt_fail(err, EOPNOTSUPP,
		       "--inPod: ephemeral containers are there from "
		       "Kubernetes 1.%d on; this one is 1.%ld",
		       EPHEMERAL_SINCE, n);
}

static int guest_check_pod(const struct guest_config *cfg, struct kt_error *err)
{
	int rc = guest_check(cfg->options, err);

	if (rc == 0)
		rc = guest_check_version(cfg, err);
	if (rc < 0)
		return rc;
	if (json_is_true(json_at(cfg->pod, "spec", "hostNetwork", NULL)))
		return kt_fail(err, EINVAL,
			       "--inPod: Pod %s/%s has the network of its node",
			       cfg->ns, object_name(cfg->pod));
	if (!ephemeral_eligible(cfg->pod))
		return kt_fail(err, ENOENT, "--inPod: Pod %s/%s does not run",
			       cfg->ns, object_name(cfg->pod));
	return 0;
}

static int guest_patch(const struct guest_config *cfg, const char *name,
		       uint16_t port, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "pods", cfg->ns, object_name(cfg->pod),
			  "ephemeralcontainers");
	const struct ephemeral_guest guest = {
		.name = name,
		.image = cfg->options->image,
		.always_pull = cfg->options->force_update,
		.listen = port,
		.keep_s = (long)(cfg->keep_ns / NS_SEC),
		.volumes = cfg->volumes,
		.digest = cfg->digest,
		.pod = cfg->pod,
		.container = cfg->container,
	};
	auto_json json_t *patch = ephemeral_guest_patch(&guest);
	char machine[SHADOW_MACHINE_SIZE];
	struct kube_request req = { .method = "PATCH",
				    .path = path,
				    .content = KUBE_STRATEGIC_PATCH,
				    .body = patch };
	int rc;

	ephemeral_sign(patch, shadow_user(), shadow_machine(machine));
	rc = kube_call(cfg->kube, &req, NULL, err);
	return rc < 0 ? kt_wrap(err, rc, "add a container to Pod %s/%s",
				cfg->ns, object_name(cfg->pod))
		      : 0;
}

static int guest_await(const struct guest_config *cfg, const char *name,
		       struct kt_error *err)
{
	int64_t end =
		clock_ns() + cfg->options->creation_timeout * (int64_t)NS_SEC;
	auto_free char *path =
		kube_path("v1", "pods", cfg->ns, object_name(cfg->pod), NULL);
	struct kt_error why = { 0 };

	while (clock_ns() < end) {
		auto_json json_t *pod = NULL;
		int rc = kube_get(cfg->kube, path, &pod, err);

		if (rc < 0)
			return rc;
		if (ephemeral_look(pod, name, &why) == EPHEMERAL_RUNNING)
			return 0;
		if (why.code) { /* it has ended, or will not start */
			*err = why;
			return -why.code;
		}
		if (loop_sleep(kube_loop(cfg->kube), GUEST_LOOK) < 0)
			return kt_fail(err, EINTR, "interrupted");
	}
	return kt_fail(err, ETIMEDOUT,
		       "container %s of Pod %s/%s does not start", name,
		       cfg->ns, object_name(cfg->pod));
}

int guest_add(const struct guest_config *cfg, struct shadow_pod *s,
	      struct kt_error *err)
{
	char name[GUEST_NAME_SIZE] = EPHEMERAL_GUEST_PREFIX;
	uint16_t port = ephemeral_port(cfg->pod);
	int rc = guest_check_pod(cfg, err);

	str_random(name + strlen(EPHEMERAL_GUEST_PREFIX), 5);
	if (rc == 0)
		rc = guest_patch(cfg, name, port, err);
	if (rc == 0)
		rc = guest_await(cfg, name, err);
	if (rc == 0)
		shadow_adopt_guest(s, object_name(cfg->pod), name, port);
	return rc;
}
