/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_VALUE_TYPE_H
#define KT_CLI_VALUE_TYPE_H

#include "base/error.h"
#include "cli/command.h"

/* What value.c has in its table of types, and other files make */

/** value_set_fn - writes @field only when @text is good, else -EINVAL with
 *  @err. It may assume that the field is empty: value_set() has a fresh one */
typedef int value_set_fn(void *field, const struct option *opt,
			 const char *text, struct kt_error *err);

/* --- value.c -------------------------------------------------------------- */

value_set_fn value_set_string;

/* --- value_env.c ---------------------------------------------------------- */

value_set_fn value_set_env_from;
value_set_fn value_set_gateway;
value_set_fn value_set_header;
value_set_fn value_set_hook;
value_set_fn value_set_image_of;

#endif
