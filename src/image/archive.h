/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_IMAGE_ARCHIVE_H
#define KT_IMAGE_ARCHIVE_H

#include "base/buf.h"
#include "image/oci.h"

struct reference;

/** archive_make() - @img in one file, an OCI image layout in a tar, which has
 *  docker's manifest.json as well
 *  @ref: what it will be called where it is loaded
 *  @b: gets the bytes; 0 or -errno */
KT_CHECK int archive_make(struct buf *b, const struct oci_image *img,
			  const struct reference *ref);

#endif
