/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_IMAGE_OCI_H
#define KT_IMAGE_OCI_H

#include "base/error.h"
#include "wire/sha256.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: The shadow's image
 *
 * An image of the OCI (image-spec 1.0): one index, and for each architecture a
 * manifest, a configuration and one layer, a tar with our two programs, /shadow
 * and /gate. The same programs give the same bytes.
 *
 * A program is there as a gzip file (cluster/program.h), and a gzip file may
 * have several members (RFC 1952, 2.2), which unpack to one after the other. So
 * the layer is for each of them the header of the tar, stored in a member of
 * its own, the program's file as it is, and a member with what goes behind it.
 * Nothing is packed here, and no version of a packer is in the bytes.
 */

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define OCI_LAYER "application/vnd.oci.image.layer.v1.tar+gzip"

#define OCI_DIGEST (sizeof("sha256:") - 1 + SHA256_HEX)

/** struct oci_blob - a piece of an image, known by its digest */
struct oci_blob {
	const char *type; /* media type */
	char digest[OCI_DIGEST];
	uint8_t *data;
	size_t len;
};

/** struct oci_platform - what nodes of one architecture take */
struct oci_platform {
	char arch[16];
	struct oci_blob layer, config, manifest;
};

#define OCI_PLATFORMS 4

struct oci_image {
	struct oci_platform platforms[OCI_PLATFORMS];
	size_t n;
	struct oci_blob index;
};

/** struct oci_program - a file of the image; borrowed */
struct oci_program {
	const char *name;
	const uint8_t *packed; /* a gzip file of one member */
	size_t npacked;
};

/** oci_image_add() - a platform with these @n programs
 *  Return: 0, or -errno with @err */
KT_CHECK int oci_image_add(struct oci_image *img, const char *arch,
			   const struct oci_program *v, size_t n,
			   struct kt_error *err);
/** oci_image_end() - no more of them: makes the index */
void oci_image_end(struct oci_image *img);
void oci_image_fini(struct oci_image *img);

/** oci_image_make() - of the programs that this ktctl brings along */
KT_CHECK int oci_image_make(struct oci_image *img, struct kt_error *err);
/** oci_image_platforms() - "linux/amd64, linux/arm64" (returned, caller frees)
 */
char *oci_image_platforms(const struct oci_image *img);

/** oci_descriptor() - how others name @b (returned, caller decrefs) */
json_t *oci_descriptor(const struct oci_blob *b);
/** oci_json() - the document's bytes, the same for equal documents (returned,
 *  caller frees); takes @doc */
char *oci_json(json_t *doc, size_t *len);

#endif
