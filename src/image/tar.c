/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tar.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

/* The header's fields, in order; numbers are octal text */
struct tar_fields {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char chksum[8];
	char typeflag;
	char linkname[100];
	char magic[6], version[2];
	char uname[32], gname[32];
	char devmajor[8], devminor[8];
	char prefix[155];
	char rest[12];
};
_Static_assert(sizeof(struct tar_fields) == TAR_BLOCK, "a tar header");

static void tar_octal(char *dst, size_t size, uint64_t v)
{
	dst[--size] = '\0';
	while (size--) {
		dst[size] = (char)('0' + (v & 7));
		v >>= 3;
	}
}

int tar_header(uint8_t dst[TAR_BLOCK], const char *name, unsigned int mode,
	       uint64_t size)
{
	struct tar_fields f = { .typeflag = '0',
				.magic = "ustar",
				.version = { '0', '0' } };
	unsigned int sum = 0;

	if (strlen(name) > sizeof(f.name))
		return -ENAMETOOLONG;
	if (size >> 33)
		return -EFBIG;
	memcpy(f.name, name, strlen(name));
	tar_octal(f.mode, sizeof(f.mode), mode);
	tar_octal(f.uid, sizeof(f.uid), 0);
	tar_octal(f.gid, sizeof(f.gid), 0);
	tar_octal(f.size, sizeof(f.size), size);
	tar_octal(f.mtime, sizeof(f.mtime), 0);
	/* of all bytes, with blanks where the sum will be */
	memset(f.chksum, ' ', sizeof(f.chksum));
	memcpy(dst, &f, sizeof(f));
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += dst[i];
	tar_octal(f.chksum, sizeof(f.chksum) - 1, sum);
	memcpy(dst, &f, sizeof(f));
	return 0;
}

size_t tar_padding(uint64_t size)
{
	return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

int tar_put_zeros(struct buf *b, size_t n)
{
	uint8_t *to = buf_reserve(b, n);

	if (!to)
		return -ENOBUFS;
	memset(to, 0, n);
	buf_commit(b, n);
	return 0;
}

int tar_put(struct buf *b, const char *name, unsigned int mode,
	    const void *data, size_t n)
{
	uint8_t head[TAR_BLOCK];
	int rc = tar_header(head, name, mode, n);

	if (rc == 0)
		rc = buf_put(b, head, sizeof(head));
	if (rc == 0)
		rc = buf_put(b, data, n);
	return rc ? rc : tar_put_zeros(b, tar_padding(n));
}
