/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_READER_H
#define KT_APPLY_READER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

/**
 * DOC: YAML as it is taken here: strictly, and with line numbers
 *
 * One document of UTF-8. A key is a plain text, and is there once; tags are
 * refused, and so is an alias: each value is looked at once, so a small file
 * is never a large one. (kube/yamltree reads what others have written, and
 * takes all of YAML.)
 */

#define READER_MAX_SIZE ((size_t)64 << 10)
#define READER_MAX_CHILDREN 256 /* of one mapping or sequence */

struct apply_reader {
	const char *name; /* of the file, for messages; borrowed */
	struct kt_error *err;
	yaml_document_t doc;
	bool *seen; /* by the node's number */
};

/** reader_init() - parse @text; the top node, or NULL with @err
 *  ("NAME:LINE: ..."). reader_fini() in either case. */
yaml_node_t *reader_init(struct apply_reader *r, const char *name,
			 const char *text, size_t len, struct kt_error *err);
void reader_fini(struct apply_reader *r);

/** reader_line() - where it stands, from 1 */
int reader_line(const yaml_node_t *node);
/** reader_fail() - "NAME:LINE: ..."; -EINVAL */
int reader_fail(struct apply_reader *r, const yaml_node_t *node,
		const char *fmt, ...) KT_PRINTF(3, 4);

/** reader_text() - of a scalar that says something; borrowed. @what: the key,
 *  for the message. NULL with the error set. */
const char *reader_text(struct apply_reader *r, const yaml_node_t *node,
			const char *what);

/** reader_fn - one "key: value", or one entry of a sequence (@key NULL); a
 *  negative result ends the walk */
typedef int (*reader_fn)(void *user, const char *key, yaml_node_t *at,
			 yaml_node_t *value);
/** reader_walk() - each child of a mapping or sequence, in order; @at is the
 *  node whose line is meant */
KT_CHECK int reader_walk(struct apply_reader *r, yaml_node_t *node,
			 reader_fn fn, void *user);

#endif
