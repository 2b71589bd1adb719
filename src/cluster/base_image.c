/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/base_image.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define RUNNING "status.phase=Running"
#define PAGE "50" /* the first one will do, mostly */
#define MAX_PAGES 100

void base_image_fini(struct base_image *b)
{
	free(b->image);
	free(b->pod);
	json_decref(b->secrets);
	*b = (struct base_image){ 0 };
}

static const char *base_image_node(const json_t *pod, const char *label)
{
	return json_str(pod, "spec", "nodeSelector", label, NULL);
}

/* Nodes cannot be read with a Role; what the Pod itself says is a start. */
static bool base_image_fits(const json_t *pod, const char *arch)
{
	const char *os = json_str(pod, "spec", "os", "name", NULL);
	const char *node_os = base_image_node(pod, "kubernetes.io/os");
	const char *node_arch = base_image_node(pod, "kubernetes.io/arch");

	return str_eq(json_str(pod, "status", "phase", NULL), "Running") &&
	       !json_at(pod, "metadata", "deletionTimestamp", NULL) &&
	       (!os || strcmp(os, "linux") == 0) &&
	       (!node_os || strcmp(node_os, "linux") == 0) &&
	       (!node_arch || strcmp(node_arch, arch) == 0);
}

/* Of a container that runs: its image has been pulled */
static const char *base_image_of(const json_t *pod)
{
	const json_t *status =
		json_at(pod, "status", "containerStatuses", NULL);
	const json_t *list = json_at(pod, "spec", "containers", NULL), *c, *s;
	size_t i, k;

	json_array_foreach (list, i, c) {
		const char *name = json_str(c, "name", NULL);
		const char *image = json_str(c, "image", NULL);

		json_array_foreach (status, k, s)
			if (name && image && *image &&
			    str_eq(json_str(s, "name", NULL), name) &&
			    json_at(s, "state", "running", NULL))
				return image;
	}
	return NULL;
}

bool base_image_pick(struct base_image *b, const json_t *pods, const char *arch)
{
	const json_t *pod, *best = NULL;
	size_t i;

	json_array_foreach (pods, i, pod) {
		bool ours = str_eq(object_label(pod, KT_LABEL_CONTROL),
				   KT_LABEL_CONTROL_VALUE);

		if (!base_image_fits(pod, arch) || !base_image_of(pod))
			continue;
		if (!ours || !best)
			best = pod;
		if (!ours)
			break;
	}
	if (!best)
		return false;
	base_image_fini(b);
	b->image = xstrdup(base_image_of(best));
	b->pod = xstrdup(object_name(best));
	b->secrets =
		json_incref(json_at(best, "spec", "imagePullSecrets", NULL));
	return true;
}

/* Page by page, until one has some: a namespace may have thousands */
static int base_image_search(struct kube *k, const char *path,
			     const char *labels, const char *arch,
			     struct base_image *b, struct kt_error *err)
{
	auto_free char *cont = NULL;

	for (int page = 0; page < MAX_PAGES; page++) {
		auto_free char *q = kube_query(NULL, "fieldSelector", RUNNING);
		auto_json json_t *list = NULL;
		const char *next;
		int rc;

		q = kube_query(q, "limit", PAGE);
		if (labels)
			q = kube_query(q, "labelSelector", labels);
		if (cont)
			q = kube_query(q, "continue", cont);

		const struct kube_request req = { .method = "GET",
						  .path = path,
						  .query = q };

		rc = kube_call(k, &req, &list, err);
		if (rc < 0)
			return rc;
		if (base_image_pick(b, json_object_get(list, "items"), arch))
			return 1;
		next = json_str(list, "metadata", "continue", NULL);
		if (!next || !*next)
			return 0;
		free(cont);
		cont = xstrdup(next);
	}
	return 0;
}

static char *base_image_labels(const json_t *selector)
{
	char *out = NULL;
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)selector, key, v) {
		char *more =
			xasprintf("%s%s%s=%s", out ? out : "", out ? "," : "",
				  key, json_string_value(v));

		free(out);
		out = more;
	}
	return out;
}

int base_image_find(struct kube *k, const char *ns, const json_t *selector,
		    const char *arch, struct base_image *b,
		    struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", ns, NULL, NULL);
	auto_free char *labels = base_image_labels(selector);
	int rc = 0;

	if (labels)
		rc = base_image_search(k, path, labels, arch, b, err);
	if (rc == 0)
		rc = base_image_search(k, path, NULL, arch, b, err);
	if (rc < 0)
		return kt_wrap(err, rc, "find an image in namespace %s", ns);
	if (rc > 0) {
		log_debug("image %s, as Pod %s has it", b->image, b->pod);
		return 0;
	}
	kt_fail(err, ENOENT,
		"no Pod runs in namespace %s whose image the shadow could use",
		ns);
	kt_hint(err, "name any image that the cluster can pull with "
		     "--baseImage (nothing of it is used), or one of the "
		     "shadow with --image");
	return -ENOENT;
}
