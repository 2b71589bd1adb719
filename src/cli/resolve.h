/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_RESOLVE_H
#define KT_CLI_RESOLVE_H

#include "base/error.h"

struct config;
struct invocation;
struct options;

/**
 * options_resolve() - fill @o: flag > environment > configuration > default
 * @cfg: the configuration file, or NULL
 *
 * A wrong value in the configuration file is a warning and ignored; anywhere
 * else it is -EINVAL with @err. Values that contradict each other are found
 * here too. Free @o with options_fini() in either case.
 */
KT_CHECK int options_resolve(struct options *o, const struct invocation *inv,
			     const struct config *cfg, struct kt_error *err);

#endif
