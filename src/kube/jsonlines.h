/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_JSONLINES_H
#define KT_KUBE_JSONLINES_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>

#define JSONLINES_MAX ((size_t)16 << 20) /* one line */

/** struct jsonlines - a stream of JSON texts, one a line, cut anywhere */
struct jsonlines {
	struct buf line; /* the part of a line that came so far */
};

void jsonlines_init(struct jsonlines *j);
void jsonlines_fini(struct jsonlines *j);

/**
 * jsonlines_feed() - take the next bytes
 * @fn: called for each complete line, with its tree (borrowed); false stops
 * and drops what is left. It may not feed or end @j.
 * Return: 0; -EBADMSG for a line that is not JSON; -EFBIG; -ENOMEM;
 * -ECANCELED when @fn said stop.
 */
KT_CHECK int jsonlines_feed(struct jsonlines *j, const char *data, size_t len,
			    bool (*fn)(void *user, json_t *value), void *user);

#endif
