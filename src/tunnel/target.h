/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_TARGET_H
#define KT_TUNNEL_TARGET_H

#include "base/error.h"
#include "base/ipaddr.h"

#define TARGET_PATH_MAX 200

/**
 * DOC: Targets in request paths
 *
 *     /.well-known/masque/udp/ADDRESS/PORT/   (RFC 9298, section 2)
 *     /.well-known/ktctl/echo/ADDRESS/
 *
 * with the colons of an IPv6 address as %3A.
 */
void target_udp_path(char out[TARGET_PATH_MAX], const struct ipport *dst);
void target_echo_path(char out[TARGET_PATH_MAX], const struct ipaddr *dst);
/** target_udp_parse() - 0 or -EINVAL; addresses only, no names */
KT_CHECK int target_udp_parse(const char *path, struct ipport *dst);
KT_CHECK int target_echo_parse(const char *path, struct ipaddr *dst);

#endif
