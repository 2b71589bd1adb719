/* SPDX-License-Identifier: Apache-2.0 */
#include "env/probe_tls.h"

#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct probe_tls {
	SSL_CTX *ctx;
	SSL *ssl;
	char why[160];
};

struct probe_tls *probe_tls_new(int fd, const char *host)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	struct probe_tls *t = xcalloc(1, sizeof(*t));

	t->ctx = SSL_CTX_new(TLS_client_method());
	t->ssl = t->ctx ? SSL_new(t->ctx) : NULL;
	if (!t->ssl || !SSL_set_fd(t->ssl, fd) ||
	    !SSL_ctrl(t->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
		      TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)host) ||
	    SSL_set_alpn_protos(t->ssl, alpn, sizeof(alpn) - 1) != 0) {
		probe_tls_free(t);
		return NULL;
	}
	SSL_set_verify(t->ssl, SSL_VERIFY_NONE, NULL);
	SSL_set_connect_state(t->ssl);
	return t;
}

void probe_tls_free(struct probe_tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	free(t);
}

static int probe_tls_fail(struct probe_tls *t, int rc)
{
	int what = SSL_get_error(t->ssl, rc);
	unsigned long e = ERR_get_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	if (what != SSL_ERROR_SSL || !reason)
		return -ECONNRESET;
	snprintf(t->why, sizeof(t->why), "TLS: %s", reason);
	return -EPROTO;
}

int probe_tls_send(struct probe_tls *t, const void *data, size_t len)
{
	int rc;

	ERR_clear_error();
	rc = SSL_write(t->ssl, data, (int)len);
	return rc > 0 ? 0 : probe_tls_fail(t, rc);
}

ssize_t probe_tls_recv(struct probe_tls *t, void *data, size_t len)
{
	int rc;

	ERR_clear_error();
	rc = SSL_read(t->ssl, data, (int)len);
	if (rc > 0)
		return rc;
	return SSL_get_error(t->ssl, rc) == SSL_ERROR_ZERO_RETURN
		       ? 0
		       : probe_tls_fail(t, rc);
}

const char *probe_tls_why(const struct probe_tls *t)
{
	return t->why;
}
