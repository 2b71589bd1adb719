/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers differ in what they look at: containerd (ctr, kind, k3s), podman and
 * skopeo take index.json, and find all architectures there; docker takes it,
 * too, where it keeps its images in containerd, else manifest.json, which knows
 * one: that of the machine that this ktctl is for.
 */
#include "image/archive.h"

#include "base/mem.h"
#include "image/reference.h"
#include "image/tar.h"

#include <errno.h>
#include <string.h>

static char *archive_path(const struct oci_blob *b)
{
	return xasprintf("blobs/sha256/%s", strchr(b->digest, ':') + 1);
}

static int archive_put(struct buf *b, const struct oci_blob *blob)
{
	auto_free char *path = archive_path(blob);

	return tar_put(b, path, 0644, blob->data, blob->len);
}

/* @doc is taken */
static int archive_put_json(struct buf *b, const char *name, json_t *doc)
{
	size_t len;
	auto_free char *text = oci_json(doc, &len);

	return tar_put(b, name, 0644, text, len);
}

static json_t *archive_index(const struct oci_image *img,
			     const struct reference *ref)
{
	auto_free char *name = reference_text(ref);
	json_t *d = oci_descriptor(&img->index);

	json_object_set_new(d, "annotations",
			    json_pack("{s:s,s:s}", "io.containerd.image.name",
				      name, "org.opencontainers.image.ref.name",
				      ref->tag));
	return json_pack("{s:i,s:s,s:[o]}", "schemaVersion", 2, "mediaType",
			 OCI_INDEX, "manifests", d);
}

static json_t *archive_docker(const struct oci_platform *p,
			      const struct reference *ref)
{
	auto_free char *name = reference_text(ref);
	auto_free char *config = archive_path(&p->config);
	auto_free char *layer = archive_path(&p->layer);

	return json_pack("[{s:s,s:[s],s:[s]}]", "Config", config, "RepoTags",
			 name, "Layers", layer);
}

int archive_make(struct buf *b, const struct oci_image *img,
		 const struct reference *ref)
{
	int rc = archive_put_json(
		b, "oci-layout",
		json_pack("{s:s}", "imageLayoutVersion", "1.0.0"));

	if (rc == 0)
		rc = archive_put_json(b, "index.json", archive_index(img, ref));
	if (rc == 0)
		rc = archive_put_json(b, "manifest.json",
				      archive_docker(&img->platforms[0], ref));
	if (rc == 0)
		rc = archive_put(b, &img->index);
	for (size_t i = 0; i < img->n && rc == 0; i++) {
		const struct oci_platform *p = &img->platforms[i];

		rc = archive_put(b, &p->manifest);
		if (rc == 0)
			rc = archive_put(b, &p->config);
		if (rc == 0)
			rc = archive_put(b, &p->layer);
	}
	return rc ? rc : tar_put_zeros(b, TAR_END);
}
