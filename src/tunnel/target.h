/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_TARGET_H
#define KT_TUNNEL_TARGET_H

#include "base/error.h"
#include "base/ipaddr.h"

#include <stdbool.h>
#include <stdint.h>

#define TARGET_PATH_MAX 320 /* with a name of DNS in it */
#define TARGET_HOST_MAX 256

/**
 * DOC: Targets in request paths
 *
 *     /.well-known/masque/udp/ADDRESS/PORT/   (RFC 9298, section 2)
 *     /.well-known/ktctl/echo/ADDRESS/
 *
 *     /.well-known/masque/udp/NAME/PORT/
 *     /.well-known/masque/udp/kt/PORT/        (inbound: of the shadow)
 *
 * with the colons of an IPv6 address as %3A.
 */
void target_udp_path(char out[TARGET_PATH_MAX], const struct ipport *dst);
/** target_udp_name_path() - the same with a name, which the shadow resolves;
 *  0, or -EINVAL: letters, digits, '-', '_' and '.' are what it may have */
KT_CHECK int target_udp_name_path(char out[TARGET_PATH_MAX], const char *host,
				  uint16_t port);
void target_echo_path(char out[TARGET_PATH_MAX], const struct ipaddr *dst);
/** target_udp_parse() - 0 or -EINVAL; addresses only, no names */
KT_CHECK int target_udp_parse(const char *path, struct ipport *dst);
/** target_udp_name_parse() - 0 or -EINVAL; names only */
KT_CHECK int target_udp_name_parse(const char *path, char host[TARGET_HOST_MAX],
				   uint16_t *port);
KT_CHECK int target_echo_parse(const char *path, struct ipaddr *dst);

#define TARGET_SESSION_LEN 16
/** target_continue_path() - "/.well-known/ktctl/continue/SESSION/STREAM/": the
 *  stream of another session, whose id is 32 hexadecimal digits (a secret:
 *  who knows it owns the session) */
void target_continue_path(char out[TARGET_PATH_MAX],
			  const uint8_t session[TARGET_SESSION_LEN],
			  uint32_t stream);
bool target_is_continue(const char *path);
KT_CHECK int target_continue_parse(const char *path,
				   uint8_t session[TARGET_SESSION_LEN],
				   uint32_t *stream);

#define TARGET_SECRET_MAX 64 /* with its NUL */
/** target_files_path() - "/.well-known/ktctl/files/SECRET/": a Pod's volumes,
 *  wire/fsmsg.h; 0, or -EINVAL: letters and digits are what it may have */
KT_CHECK int target_files_path(char out[TARGET_PATH_MAX], const char *secret);
KT_CHECK int target_files_parse(const char *path,
				char secret[TARGET_SECRET_MAX]);

/**
 * DOC: Targets of inbound streams
 *
 * TCP: the authority "kt:PORT"; UDP: the path above; PORT is the shadow's. Who
 * called stands in the field "forwarded" (RFC 7239): for="ADDRESS:PORT".
 */
#define TARGET_AUTHORITY_MAX 16
#define TARGET_FORWARDED_MAX (IPPORT_STRLEN + 8)
void target_inbound_authority(char out[TARGET_AUTHORITY_MAX], uint16_t port);
KT_CHECK int target_inbound_authority_parse(const char *s, uint16_t *port);
void target_inbound_udp_path(char out[TARGET_PATH_MAX], uint16_t port);
KT_CHECK int target_inbound_udp_parse(const char *path, uint16_t *port);
void target_forwarded(char out[TARGET_FORWARDED_MAX],
		      const struct ipport *from);
KT_CHECK int target_forwarded_parse(const char *s, struct ipport *from);

#endif
