/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_ASK_VERSION_H
#define KT_UPLINK_ASK_VERSION_H

#include "uplink/uplink.h"

#define ASK_VERSION_SIZE 32

/**
 * ask_version() - of the shadow at the other end of @u, which is opened for
 * that and freed (taken); waits in the loop, @limit for the answer
 * Return: 0 with @dst, or -errno with @err.
 */
KT_CHECK int ask_version(struct uplink *u, struct loop *loop, int64_t limit,
			 char dst[ASK_VERSION_SIZE], struct kt_error *err);

#endif
