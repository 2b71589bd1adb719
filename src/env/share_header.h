/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_SHARE_HEADER_H
#define KT_ENV_SHARE_HEADER_H

#include "env/command.h"

#include <jansson.h>

/** share_header_route() - @route, a host name's, as it has to be now that
 *  @info's namespace has another header (returned, caller decrefs); NULL: it is
 *  so already. Pure. */
json_t *share_header_route(const json_t *route, const struct env_info *info);
/** share_header_all() - an environment of the namespace has a header: all host
 *  names of the others have to take it from who comes from outside, and set it,
 *  too. 0 or -errno with @err */
KT_CHECK int share_header_all(struct env_command *c, struct kt_error *err);

#endif
