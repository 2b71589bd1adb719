/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_FSMSG_H
#define KT_WIRE_FSMSG_H

#include "base/buf.h"

#include <stdint.h>
#include <sys/types.h>

/**
 * DOC: Files of a Pod, read from afar
 *
 * A stream of its own (extended CONNECT, protocol "kt-files"), in it requests
 * one way and answers the other way, in any order:
 *
 *     request: u32 length | u32 id | u8 operation | u32 handle | u64 offset |
 *              u32 size | path
 *     answer:  u32 length | u32 id | u32 errno of Linux, 0: none | body
 *
 * A length counts what follows it. A path is relative to the folder that is
 * served ("" is that folder), its parts are separated by one '/', and none of
 * them is ".", ".." or a link: the server follows no link, the client's kernel
 * does. Where it stands with a handle ("" path) the open file is meant.
 *
 *     STAT      path or handle          attributes
 *     OPEN      path: a regular file    u32 handle | attributes
 *     OPENDIR   path: a folder          u32 handle | attributes
 *     READ      handle, offset, size    bytes; fewer than size: the end
 *     READDIR   handle, offset, size    entries: attributes | u64 next offset |
 *                                       u16 length | name; none: the end
 *     READLINK  path                    text
 *     STATFS    path                    struct fsmsg_statfs
 *     CLOSE     handle                  no answer
 *
 * The offset of READDIR is 0 or what an entry says; the sum of FSMSG_ENTRY and
 * the name's length is at most size. There is no operation that changes
 * anything.
 */

#define FSMSG_DATA_MAX ((uint32_t)128 << 10) /* of READ and READDIR */
#define FSMSG_PATH_MAX 4095
#define FSMSG_NAME_MAX 255
#define FSMSG_ENTRY 160
#define FSMSG_REQUEST_HEAD 25
#define FSMSG_REQUEST_MAX (FSMSG_REQUEST_HEAD + FSMSG_PATH_MAX)
#define FSMSG_ANSWER_HEAD 12
#define FSMSG_ANSWER_MAX (FSMSG_ANSWER_HEAD + FSMSG_DATA_MAX)
#define FSMSG_ATTR_SIZE 84

enum fsmsg_op {
	FSMSG_STAT = 1,
	FSMSG_OPEN,
	FSMSG_OPENDIR,
	FSMSG_READ,
	FSMSG_READDIR,
	FSMSG_READLINK,
	FSMSG_STATFS,
	FSMSG_CLOSE,
};

struct fsmsg_request {
	uint32_t id;
	uint8_t op;	 /* enum fsmsg_op */
	uint32_t handle; /* 0: none */
	uint64_t offset;
	uint32_t size;
	const char *path; /* borrowed, without a NUL */
	size_t len;	  /* of it */
};

struct fsmsg_answer {
	uint32_t id;
	uint32_t error;
	const uint8_t *body; /* borrowed */
	size_t len;
};

/** struct fsmsg_time - since 1970 */
struct fsmsg_time {
	int64_t s;
	uint32_t ns;
};

/** struct fsmsg_attr - as stat(2) has it; whose the file is does not matter */
struct fsmsg_attr {
	uint64_t ino, size, blocks;
	struct fsmsg_time atime, mtime, ctime;
	uint32_t mode, nlink, rdev, blksize;
	uint64_t dev; /* two files with one ino are not one where it differs */
};

struct fsmsg_statfs {
	uint64_t blocks, bfree, bavail, files, ffree;
	uint32_t bsize, namelen;
};

/** struct fsmsg_entry - of a folder */
struct fsmsg_entry {
	struct fsmsg_attr attr;
	uint64_t next;
	const char *name; /* borrowed, without a NUL */
	size_t len;
};

/** fsmsg_put_request() - append it; 0, -ENAMETOOLONG, -ENOBUFS or -ENOMEM */
KT_CHECK int fsmsg_put_request(struct buf *b, const struct fsmsg_request *q);
/** fsmsg_get_request() - the first of @n bytes: how many it has, 0: not all of
 *  it is there yet, -EPROTO: it is none */
KT_CHECK ssize_t fsmsg_get_request(const uint8_t *p, size_t n,
				   struct fsmsg_request *q);
/** fsmsg_path_good() - as the server takes it */
bool fsmsg_path_good(const char *path, size_t len);

/** fsmsg_answer_head() - of an answer with a body of @len bytes */
void fsmsg_answer_head(uint8_t out[FSMSG_ANSWER_HEAD], uint32_t id,
		       uint32_t error, size_t len);
/** fsmsg_get_answer() - as fsmsg_get_request() */
KT_CHECK ssize_t fsmsg_get_answer(const uint8_t *p, size_t n,
				  struct fsmsg_answer *a);

void fsmsg_put_attr(struct wr *w, const struct fsmsg_attr *a);
KT_CHECK bool fsmsg_get_attr(struct rd *r, struct fsmsg_attr *a);
void fsmsg_put_statfs(struct wr *w, const struct fsmsg_statfs *s);
KT_CHECK bool fsmsg_get_statfs(struct rd *r, struct fsmsg_statfs *s);
void fsmsg_put_entry(struct wr *w, const struct fsmsg_entry *e);
/** fsmsg_get_entry() - the next one; false: none is left, or it is none (bytes
 *  are left then). A name is one of a file: no '/', no NUL, not empty. */
KT_CHECK bool fsmsg_get_entry(struct rd *r, struct fsmsg_entry *e);

#endif
