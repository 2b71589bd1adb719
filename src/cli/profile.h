/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLI_PROFILE_H
#define KT_CLI_PROFILE_H

#include "base/error.h"

struct home;
struct strv;

/** profile_list() - append the names of the saved profiles, sorted */
KT_CHECK int profile_list(const struct home *h, struct strv *names,
			  struct kt_error *err);

#endif
