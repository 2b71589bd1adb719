/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_GATE_PEER_H
#define KT_UNIT_GATE_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

/* Certificates made by OpenSSL, and OpenSSL as the other side */

/** struct peer_cert - with its key */
struct peer_cert {
	X509 *x509;
	EVP_PKEY *key;
};

/** peer_make() - @names: as in subjectAltName ("DNS:a,DNS:b"); @by: NULL:
 *  itself, an authority; @days: until its end, may be negative; @rsa: the key,
 *  else P-256 */
struct peer_cert peer_make(const char *names, const struct peer_cert *by,
			   int days, bool rsa);
void peer_free(struct peer_cert *c);
/** peer_write() - PEM of the certificate, and behind it @by's (or NULL) */
void peer_write(const struct peer_cert *c, const struct peer_cert *by,
		const char *file);
void peer_write_key(const struct peer_cert *c, const char *file);

/** struct peer - one connection, in a thread */
struct peer {
	int fd; /* taken; or one that accept() returns, in the thread */
	int listening;
	void *(*accept)(void *peer);
	/* a server's, or NULL: a client */
	const struct peer_cert *cert;
	const char *name; /* a client's SNI */
	const char *alpn; /* one protocol, or NULL */
	int version;	  /* the highest; 0: any */
	const char *ciphers;
	bool mute;	/* a server says nothing back */
	bool no_notify; /* ends without close_notify */
	bool again;	/* a client: asks to shake hands once more, and ends */
	/* a client: says @say bytes, finishes, reads to the end; a server
	 * says them first, too, reads to the end and says the same back */
	size_t say;
	/* results, after peer_join() */
	bool shaken, denied; /* denied: was told that it may not, @again */
	char got_alpn[32], got_name[64];
	X509 *got_cert; /* the other's */
	size_t got;
	bool same; /* every byte was the one that was said */
	bool over; /* atomic */
	unsigned long thread;
};
void peer_start(struct peer *p);
void peer_join(struct peer *p);

/** peer_byte() - what is said at @i */
unsigned char peer_byte(size_t i);

#endif
