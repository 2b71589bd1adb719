/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_IMAGE_TAR_H
#define KT_IMAGE_TAR_H

#include "base/buf.h"
#include "base/error.h"

/**
 * DOC: Writing tar
 *
 * POSIX ustar (IEEE 1003.1, pax, "ustar Interchange Format"), and of it what an
 * image needs: files that belong to root and date from 1970, so that the same
 * content is the same bytes.
 */

#define TAR_BLOCK 512

/** tar_header() - the block before a file's bytes; 0, -ENAMETOOLONG (100 bytes)
 *  or -EFBIG (8 GiB) */
KT_CHECK int tar_header(uint8_t dst[TAR_BLOCK], const char *name,
			unsigned int mode, uint64_t size);
/** tar_padding() - zeros behind a file of @size bytes */
size_t tar_padding(uint64_t size);
/** tar_put() - a whole file; 0 or -errno */
KT_CHECK int tar_put(struct buf *b, const char *name, unsigned int mode,
		     const void *data, size_t n);
#define TAR_END ((size_t)2 * TAR_BLOCK) /* zeros behind the last file */
/** tar_put_zeros() - padding, or the end */
KT_CHECK int tar_put_zeros(struct buf *b, size_t n);

#endif
