/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SHARE_H
#define KT_SHADOW_SHARE_H

#include "base/error.h"
#include "router/backend.h"
#include "wire/envmark.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: A host name that is an environment's (--share)
 *
 *     HOST,ENV,UNTIL[,HEADER]
 *
 * Whoever comes with the host name HOST is of the environment ENV until UNTIL
 * (seconds since 1970, 0: always), whatever he says of himself; after that, and
 * for any other host name, there is nothing here: 404. HEADER: the field that
 * names environments, too. Pure.
 */

#define SHARE_HOST_MAX 254

struct share {
	char host[SHARE_HOST_MAX];
	struct envmark mark;
	int64_t until;
};

/** share_parse() - 0, or -EINVAL with @err */
KT_CHECK int share_parse(struct share *s, const char *text,
			 struct kt_error *err);
/** share_takes() - @req (NULL: a connection that nobody looks into) is for it,
 * at
 *  @now; false: @said says why not */
bool share_takes(const struct share *s, const struct rule_request *req,
		 int64_t now, struct router_said *said);

#endif
