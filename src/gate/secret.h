/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_SECRET_H
#define KT_GATE_SECRET_H

#include "base/loop.h"

#include <stdbool.h>

struct secret;
struct tls_config;

/**
 * DOC: A Secret of kubernetes.io/tls that is mounted
 *
 * Callers see its certificate. Towards those behind the router it says whom to
 * believe: who shows the very same certificate (the Service's Pods and the
 * copies of their workload have the same Secret), or one by its ca.crt.
 *
 * The files are looked at every few seconds, and read again when they are
 * others: connections that are there keep what they began with. What cannot be
 * read leaves what was. Certificates of before are still believed, because the
 * Service's Pods may take their time, or a restart, to have the new one.
 */

/** secret_new() - looked at every @look_ns; NULL with @err */
struct secret *secret_new(struct loop *l, const char *dir, int64_t look_ns,
			  struct kt_error *err);
void secret_free(struct secret *s); /* NULL is allowed */
/** enum secret_speak - what is offered (ALPN), HTTP/2 first */
enum secret_speak { SECRET_HTTP1, SECRET_HTTP2, SECRET_BOTH, SECRET_SPEAKS };

/** secret_server(), secret_client() - borrowed until the loop runs again */
struct tls_config *secret_server(const struct secret *s, enum secret_speak k);
struct tls_config *secret_client(const struct secret *s, enum secret_speak k);
/** secret_name() - of the certificate, see tls_config_name() */
const char *secret_name(const struct secret *s);

#endif
