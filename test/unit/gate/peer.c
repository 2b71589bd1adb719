/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include "test.h"

#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

unsigned char peer_byte(size_t i)
{
	return (unsigned char)(i * 2654435761U >> 13);
}

/* --- certificates ------------------------------------------------------- */

static void peer_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

struct peer_cert peer_make(const char *names, const struct peer_cert *by,
			   int days, bool rsa)
{
	static long serial = 1;
	struct peer_cert c = { X509_new(),
			       rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256") };
	X509_NAME *name = X509_get_subject_name(c.x509);
	X509 *issuer = by ? by->x509 : c.x509;

	assert_non_null(c.key);
	X509_set_version(c.x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c.x509), -3 * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(c.x509), days * 86400L);
	X509_set_pubkey(c.x509, c.key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)(by ? "leaf" : "ca"),
				   -1, -1, 0);
	X509_set_issuer_name(c.x509, X509_get_subject_name(issuer));
	if (!by)
		peer_extend(c.x509, issuer, NID_basic_constraints,
			    "critical,CA:TRUE");
	if (names)
		peer_extend(c.x509, issuer, NID_subject_alt_name, names);
	assert_true(X509_sign(c.x509, by ? by->key : c.key, EVP_sha256()) > 0);
	return c;
}

void peer_free(struct peer_cert *c)
{
	X509_free(c->x509);
	EVP_PKEY_free(c->key);
}

void peer_write(const struct peer_cert *c, const struct peer_cert *by,
		const char *file)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(PEM_write_X509(f, c->x509));
	if (by)
		assert_true(PEM_write_X509(f, by->x509));
	assert_int_equal(fclose(f), 0);
}

void peer_write_key(const struct peer_cert *c, const char *file)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL));
	assert_int_equal(fclose(f), 0);
}

/* --- the other side ----------------------------------------------------- */

/* of a server: the one protocol, if the client has it */
static int peer_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n,
			const unsigned char *in, unsigned int nin, void *arg)
{
	const struct peer *p = arg;
	unsigned char want[32];
	unsigned char *to;

	(void)ssl;
	want[0] = (unsigned char)strlen(p->alpn);
	memcpy(want + 1, p->alpn, want[0]);
	if (SSL_select_next_proto(&to, n, want, want[0] + 1U, in, nin) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = to;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *peer_context(struct peer *p)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	unsigned char alpn[32];

	SSL_CTX_set_security_level(ctx, 0); /* old versions are tried, too */
	if (p->version) {
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, p->version);
	}
	if (p->ciphers)
		SSL_CTX_set_cipher_list(ctx, p->ciphers);
	if (p->cert) {
		SSL_CTX_use_certificate(ctx, p->cert->x509);
		SSL_CTX_use_PrivateKey(ctx, p->cert->key);
		if (p->alpn)
			SSL_CTX_set_alpn_select_cb(ctx, peer_on_alpn, p);
	} else if (p->alpn) {
		alpn[0] = (unsigned char)strlen(p->alpn);
		memcpy(alpn + 1, p->alpn, alpn[0]);
		SSL_CTX_set_alpn_protos(ctx, alpn, alpn[0] + 1U);
	}
	return ctx;
}

static void peer_talk(struct peer *p, SSL *ssl)
{
	unsigned char mem[5000];
	size_t said = 0;
	int n;

	p->same = true;
	while (said < p->say) {
		size_t want = MIN(sizeof(mem), p->say - said);

		for (size_t i = 0; i < want; i++)
			mem[i] = peer_byte(said + i);
		n = SSL_write(ssl, mem, (int)want);
		if (n <= 0)
			break;
		said += (size_t)n;
	}
	if (!p->cert)
		SSL_shutdown(ssl);
	while ((n = SSL_read(ssl, mem, sizeof(mem))) > 0) {
		for (int i = 0; i < n; i++)
			p->same &= mem[i] == peer_byte(p->got + (size_t)i);
		p->got += (size_t)n;
		if (p->cert && !p->mute && SSL_write(ssl, mem, n) != n)
			break;
	}
	if (p->cert && !p->no_notify)
		SSL_shutdown(ssl);
}

static void peer_ask_again(struct peer *p, SSL *ssl)
{
	ERR_clear_error();
	if (SSL_renegotiate(ssl) == 1 && SSL_do_handshake(ssl) != 1)
		p->denied = ERR_GET_REASON(ERR_peek_error()) ==
			    SSL_R_NO_RENEGOTIATION;
}

static void *peer_main(void *arg)
{
	struct peer *p = arg;
	SSL_CTX *ctx = peer_context(p);
	SSL *ssl = SSL_new(ctx);
	const unsigned char *alpn;
	const char *name;
	unsigned int n;

	if (p->accept)
		p->fd = (int)(intptr_t)p->accept(p);
	SSL_set_fd(ssl, p->fd);
	if (p->name)
		SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
			 TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)p->name);
	if ((p->cert ? SSL_accept(ssl) : SSL_connect(ssl)) == 1) {
		p->shaken = true;
		SSL_get0_alpn_selected(ssl, &alpn, &n);
		snprintf(p->got_alpn, sizeof(p->got_alpn), "%.*s", (int)n,
			 (const char *)alpn);
		name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		snprintf(p->got_name, sizeof(p->got_name), "%s",
			 p->cert && name ? name : "");
		p->got_cert = SSL_get1_peer_certificate(ssl);
		if (p->again)
			peer_ask_again(p, ssl);
		else
			peer_talk(p, ssl);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(p->fd);
	__atomic_store_n(&p->over, true, __ATOMIC_RELEASE);
	return NULL;
}

void peer_start(struct peer *p)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, peer_main, p), 0);
	p->thread = (unsigned long)t;
}

void peer_join(struct peer *p)
{
	pthread_join((pthread_t)p->thread, NULL);
}
