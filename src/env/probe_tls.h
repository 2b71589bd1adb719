/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_PROBE_TLS_H
#define KT_ENV_PROBE_TLS_H

#include "base/error.h"

#include <sys/types.h>

/**
 * DOC: TLS of a probe
 *
 * The client's side of TLS on a socket that does not block. It takes whatever
 * certificate it gets: nothing that is anybody's is sent, and what is asked is
 * where a request comes to, not who answers.
 */

struct probe_tls;

/** probe_tls_new() - on @fd (borrowed), with @host as SNI (RFC 6066) and
 *  HTTP/1.1 as protocol (ALPN); NULL: it cannot be had */
struct probe_tls *probe_tls_new(int fd, const char *host);
void probe_tls_free(struct probe_tls *t); /* NULL is allowed */
/** probe_tls_send() - all of it, hands are shaken before. 0; -EAGAIN: call it
 *  again with the same when there is something to read; -EPROTO, -ECONNRESET */
KT_CHECK int probe_tls_send(struct probe_tls *t, const void *data, size_t len);
/** probe_tls_recv() - bytes; 0: the end; -EAGAIN; -EPROTO, -ECONNRESET */
KT_CHECK ssize_t probe_tls_recv(struct probe_tls *t, void *data, size_t len);
/** probe_tls_why() - of -EPROTO; borrowed, "": nothing to say */
const char *probe_tls_why(const struct probe_tls *t);

#endif
