/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/tls_config.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <string.h>
#include <sys/random.h>

#define TLS_CONFIG_PINS 8

struct tls_config {
	size_t users;
	enum tls_side side;
	mbedtls_ssl_config inside;
	mbedtls_x509_crt own, authorities, pins;
	mbedtls_pk_context key;
	char name[256];
};

/* Those of TLS 1.2 with forward secrecy and AEAD, as browsers have them */
static const int tls_config_suites[] = {
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	0,
};

static int tls_config_random(void *user, unsigned char *p, size_t n)
{
	(void)user;
	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno != EINTR)
			return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
	return 0;
}

/* --- the two versions of the library -------------------------------------- */

#if MBEDTLS_VERSION_MAJOR >= 3
static int tls_config_parse_key(mbedtls_pk_context *key, const char *file)
{
	return mbedtls_pk_parse_keyfile(key, file, NULL, tls_config_random,
					NULL);
}

static int tls_config_check_pair(const mbedtls_pk_context *pub,
				 const mbedtls_pk_context *key)
{
	return mbedtls_pk_check_pair(pub, key, tls_config_random, NULL);
}

static void tls_config_version(mbedtls_ssl_config *c)
{
	mbedtls_ssl_conf_min_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_max_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2);
}
#else
static int tls_config_parse_key(mbedtls_pk_context *key, const char *file)
{
	return mbedtls_pk_parse_keyfile(key, file, NULL);
}

static int tls_config_check_pair(const mbedtls_pk_context *pub,
				 const mbedtls_pk_context *key)
{
	return mbedtls_pk_check_pair(pub, key);
}

static void tls_config_version(mbedtls_ssl_config *c)
{
	mbedtls_ssl_conf_min_version(c, MBEDTLS_SSL_MAJOR_VERSION_3,
				     MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_max_version(c, MBEDTLS_SSL_MAJOR_VERSION_3,
				     MBEDTLS_SSL_MINOR_VERSION_3);
}
#endif

/* --- files ---------------------------------------------------------------- */

static int tls_config_why(struct kt_error *err, const char *act,
			  const char *file, int rc)
{
	char text[160];

	mbedtls_strerror(rc, text, sizeof(text));
	return kt_fail(err, EINVAL, "%s %s: %s", act, file, text);
}

/* > 0: so many of the file's certificates are none that it knows */
static int tls_config_certs(mbedtls_x509_crt *to, const char *file,
			    struct kt_error *err)
{
	int rc = mbedtls_x509_crt_parse_file(to, file);

	if (rc > 0)
		return kt_fail(err, EINVAL,
			       "certificates of %s: %d cannot be read", file,
			       rc);
	return rc < 0 ? tls_config_why(err, "certificates of", file, rc) : 0;
}

static int tls_config_own(struct tls_config *c, const struct tls_rules *r,
			  struct kt_error *err)
{
	int rc = tls_config_certs(&c->own, r->cert_file, err);

	if (rc < 0)
		return rc;
	rc = tls_config_parse_key(&c->key, r->key_file);
	if (rc < 0)
		return tls_config_why(err, "key of", r->key_file, rc);
	if (tls_config_check_pair(&c->own.pk, &c->key) != 0)
		return kt_fail(err, EINVAL,
			       "the key of %s is not that of the first "
			       "certificate of %s",
			       r->key_file, r->cert_file);
	return mbedtls_ssl_conf_own_cert(&c->inside, &c->own, &c->key)
		       ? kt_fail(err, ENOMEM, "out of memory")
		       : 0;
}

/* subjectAltName is a list of its own after the first (RFC 5280, 4.2.1.6) */
static void tls_config_find_name(struct tls_config *c)
{
	const int dns = MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2;

	for (const mbedtls_x509_sequence *s = &c->own.subject_alt_names; s;
	     s = s->next) {
		const char *text = (const char *)s->buf.p;
		size_t n = s->buf.len;

		if (s->buf.tag != dns || !n || n >= sizeof(c->name) ||
		    memchr(text, '*', n) || memchr(text, 0, n))
			continue;
		memcpy(c->name, text, n);
		return;
	}
}

static int tls_config_pin(struct tls_config *c, const char *file,
			  struct kt_error *err)
{
	mbedtls_x509_crt all;
	int rc;

	mbedtls_x509_crt_init(&all);
	rc = tls_config_certs(&all, file, err);
	if (rc == 0 &&
	    mbedtls_x509_crt_parse_der(&c->pins, all.raw.p, all.raw.len) != 0)
		rc = kt_fail(err, ENOMEM, "out of memory");
	mbedtls_x509_crt_free(&all);
	return rc;
}

static int tls_config_files(struct tls_config *c, const struct tls_rules *r,
			    struct kt_error *err)
{
	int rc = r->cert_file ? tls_config_own(c, r, err) : 0;

	if (rc == 0 && r->cert_file)
		tls_config_find_name(c);
	if (rc == 0 && r->ca_file)
		rc = tls_config_certs(&c->authorities, r->ca_file, err);
	if (rc == 0 && r->pin_file)
		rc = tls_config_pin(c, r->pin_file, err);
	return rc;
}

/* --- the whole ------------------------------------------------------------ */

static int tls_config_fill(struct tls_config *c, const struct tls_rules *r,
			   struct kt_error *err)
{
	bool client = c->side == TLS_CLIENT;
	int rc = mbedtls_ssl_config_defaults(
		&c->inside,
		client ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER,
		MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

	if (rc == 0 && r->alpn)
		rc = mbedtls_ssl_conf_alpn_protocols(&c->inside, r->alpn);
	if (rc)
		return kt_fail(err, ENOMEM, "out of memory");
	tls_config_version(&c->inside);
#ifdef MBEDTLS_SSL_RENEGOTIATION
	mbedtls_ssl_conf_renegotiation(&c->inside,
				       MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
	mbedtls_ssl_conf_ciphersuites(&c->inside, tls_config_suites);
	mbedtls_ssl_conf_rng(&c->inside, tls_config_random, NULL);
	/* a client's is judged when hands are shaken (tls_config_believes) */
	mbedtls_ssl_conf_authmode(&c->inside,
				  client ? MBEDTLS_SSL_VERIFY_OPTIONAL
					 : MBEDTLS_SSL_VERIFY_NONE);
	rc = tls_config_files(c, r, err);
	if (rc == 0 && r->ca_file)
		mbedtls_ssl_conf_ca_chain(&c->inside, &c->authorities, NULL);
	return rc;
}

struct tls_config *tls_config_new(enum tls_side side, const struct tls_rules *r,
				  struct kt_error *err)
{
	struct tls_config *c = xcalloc(1, sizeof(*c));

	c->users = 1;
	c->side = side;
	mbedtls_ssl_config_init(&c->inside);
	mbedtls_x509_crt_init(&c->own);
	mbedtls_x509_crt_init(&c->authorities);
	mbedtls_x509_crt_init(&c->pins);
	mbedtls_pk_init(&c->key);
	if (tls_config_fill(c, r, err) == 0)
		return c;
	tls_config_put(c);
	return NULL;
}

struct tls_config *tls_config_get(struct tls_config *c)
{
	c->users++;
	return c;
}

void tls_config_put(struct tls_config *c)
{
	if (!c || --c->users)
		return;
	mbedtls_ssl_config_free(&c->inside);
	mbedtls_x509_crt_free(&c->own);
	mbedtls_x509_crt_free(&c->authorities);
	mbedtls_x509_crt_free(&c->pins);
	mbedtls_pk_free(&c->key);
	free(c);
}

const char *tls_config_name(const struct tls_config *c)
{
	return c->name;
}

const mbedtls_ssl_config *tls_config_inside(const struct tls_config *c)
{
	return &c->inside;
}

static bool tls_config_is_pin(const struct tls_config *c,
			      const mbedtls_x509_crt *peer)
{
	for (const mbedtls_x509_crt *p = &c->pins; p; p = p->next)
		if (p->raw.p && peer->raw.len == p->raw.len &&
		    memcmp(peer->raw.p, p->raw.p, p->raw.len) == 0)
			return true;
	return false;
}

void tls_config_pin_too(struct tls_config *c, const struct tls_config *before)
{
	size_t n = 1;

	for (const mbedtls_x509_crt *p = &before->pins;
	     p && p->raw.p && n < TLS_CONFIG_PINS; p = p->next)
		if (!tls_config_is_pin(c, p) &&
		    mbedtls_x509_crt_parse_der(&c->pins, p->raw.p,
					       p->raw.len) == 0)
			n++;
}

bool tls_config_believes(const struct tls_config *c,
			 const mbedtls_ssl_context *ssl, char *why, size_t n)
{
	const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(ssl);
	uint32_t flags = mbedtls_ssl_get_verify_result(ssl);

	if (c->side == TLS_SERVER)
		return true;
	if (peer && (flags == 0 || tls_config_is_pin(c, peer)))
		return true;
	if (!peer)
		snprintf(why, n, "the server has no certificate");
	else
		mbedtls_x509_crt_verify_info(why, n, "", flags);
	/* a line for each flag */
	for (char *p = why; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ';' : 0;
	return false;
}
