/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_DEVICE_H
#define KT_NET_DEVICE_H

#include <stddef.h>

#define DEVICE_TEXT 96

/** device_describe() - "docker0 (a bridge of Docker)", by the kernel's @kind
 *  (struct netlink_link) and the name; returns @dst */
const char *device_describe(char *dst, size_t size, const char *ifname,
			    const char *kind);

#endif
