/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_RULESAMPLE_H
#define KT_WIRE_RULESAMPLE_H

#include "base/buf.h"
#include "wire/rule.h"

/** rulesample_put() - a whole HTTP/1.1 request, without a body, that @m
 *  matches, for @host; 0, -EOPNOTSUPP: there is none that is also harmless or
 *  valid (method CONNECT, two methods, a blank in the path), or -E2BIG */
KT_CHECK int rulesample_put(struct buf *b, const struct rule_match *m,
			    const char *host);

#endif
