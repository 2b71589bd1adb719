/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_TLS_CONFIG_H
#define KT_GATE_TLS_CONFIG_H

#include "gate/tls.h"

#include <mbedtls/ssl.h>
#include <stdbool.h>
#include <stddef.h>

/* What tls.c needs of a configuration; nobody else includes this */

/** tls_config_get() - one reference more */
struct tls_config *tls_config_get(struct tls_config *c);
const mbedtls_ssl_config *tls_config_inside(const struct tls_config *c);
/** tls_config_believes() - hands are shaken: may bytes go to this peer? Else
 *  @why */
bool tls_config_believes(const struct tls_config *c,
			 const mbedtls_ssl_context *ssl, char *why, size_t n);

#endif
