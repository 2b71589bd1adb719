/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_VALUE_H
#define KT_CLI_VALUE_H

#include "base/error.h"

struct option;
struct options;

/** value_set() - put @text into the field of @opt, in place of what it held;
 *  -EINVAL with a sentence that quotes @text, and the field unchanged */
KT_CHECK int value_set(const struct option *opt, struct options *o,
		       const char *text, struct kt_error *err);

/** value_plain() - no control character but @allowed, and no megabyte; 0 or
 *  -EINVAL */
KT_CHECK int value_plain(const char *text, char allowed, struct kt_error *err);
/** value_check() - would value_set() take it? */
KT_CHECK int value_check(const struct option *opt, const char *text,
			 struct kt_error *err);

/** value_fini() - free what the field of @opt holds */
void value_fini(const struct option *opt, struct options *o);

#endif
