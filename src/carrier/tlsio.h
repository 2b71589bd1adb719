/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CARRIER_TLSIO_H
#define KT_CARRIER_TLSIO_H

#include "base/error.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/types.h>

/**
 * DOC: The bytes of a connection that libcurl made
 *
 * libcurl connects and shakes hands. Its way of moving bytes would then cost a
 * system call for the head of each TLS record (16 KiB), one for the rest of it,
 * and one to send each. Here OpenSSL gets a BIO of ours in place of libcurl's:
 * it receives as much as there is at once (read-ahead) and gathers the records
 * to send until tlsio_flush(), so that the kernel gets, and puts on the wire,
 * large pieces. Where TLS is not OpenSSL's, or there is none, or it is inside
 * that of a proxy, libcurl goes on.
 *
 * A receive that filled less than its room has emptied the socket: nothing more
 * is asked of it until tlsio_readable().
 */

struct tls_bio;

/** struct tlsio - embedded by its owner, beside the handle */
struct tlsio {
	CURL *easy;
	void *ssl;	     /* of OpenSSL, while @bio is set */
	struct tls_bio *bio; /* NULL: libcurl moves the bytes */
};

/** tlsio_init() - for the connection that @easy will make */
void tlsio_init(struct tlsio *t, CURL *easy);
/**
 * tlsio_begin() - take over from libcurl, if it can be
 * @fd: the connection's
 * @nested: its TLS is inside that of a proxy
 * Only after something was sent: the first tlsio_send() binds connection and
 * handle together again, and a connection that is not bound is an idle one to
 * libcurl, which it closes after a while. The end is the connection's.
 */
void tlsio_begin(struct tlsio *t, int fd, bool nested);
/** tlsio_readable() - the loop says that there are bytes */
void tlsio_readable(struct tlsio *t);
/** tlsio_recv() - bytes; 0: the peer's end; -EAGAIN; -ECONNRESET */
KT_CHECK ssize_t tlsio_recv(struct tlsio *t, void *data, size_t len);
/** tlsio_send() - bytes taken, sealed and kept; -EAGAIN; -EPIPE */
KT_CHECK ssize_t tlsio_send(struct tlsio *t, const void *data, size_t len);
/** tlsio_flush() - all that is kept to the socket; 0; -EAGAIN: it is full,
 *  again when it is writable; -EPIPE */
KT_CHECK int tlsio_flush(struct tlsio *t);
/** tlsio_pending() - bytes are kept for sending */
bool tlsio_pending(const struct tlsio *t);

#endif
