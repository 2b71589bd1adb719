/* SPDX-License-Identifier: Apache-2.0 */
#include "carrier/tlsio.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#define READ_AHEAD ((size_t)256 << 10)
#define OUT_MAX ((size_t)160 << 10) /* more than one record */

/* owned by the BIO, which the SSL owns */
struct tls_bio {
	BIO_METHOD *method;
	int fd;
	bool dry;    /* the socket has nothing, until tlsio_readable() */
	bool broken; /* it takes nothing any more */
	struct buf out;
};

/* --- under OpenSSL -------------------------------------------------------- */

/* What the socket takes of @out. */
static void tlsio_drain(struct tls_bio *t)
{
	while (t->out.len && !t->broken) {
		ssize_t n = send(t->fd, buf_data(&t->out), t->out.len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno != EINTR)
			t->broken = true;
		if (n > 0)
			buf_take(&t->out, (size_t)n);
	}
}

static int bio_write(BIO *b, const char *data, int n)
{
	struct tls_bio *t = BIO_get_data(b);
	size_t len = (size_t)n;

	BIO_clear_retry_flags(b);
	if (t->out.len + len > OUT_MAX)
		tlsio_drain(t);
	if (t->broken)
		return -1;
	if (buf_put(&t->out, data, len) == 0)
		return n;
	BIO_set_retry_write(b);
	return -1;
}

static int bio_read(BIO *b, char *data, int len)
{
	struct tls_bio *t = BIO_get_data(b);
	ssize_t n = -1;

	BIO_clear_retry_flags(b);
	while (!t->dry) {
		n = recv(t->fd, data, (size_t)len, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		t->dry = n < 0 ? errno == EAGAIN : n > 0 && n < len;
		break;
	}
	if (n < 0 && t->dry)
		BIO_set_retry_read(b);
	return (int)n;
}

static long bio_ctrl(BIO *b, int what, long number, void *p)
{
	struct tls_bio *t = BIO_get_data(b);

	(void)number;
	(void)p;
	switch (what) {
	case BIO_CTRL_FLUSH: /* what is left goes with the next flush */
		tlsio_drain(t);
		return 1;
	case BIO_CTRL_WPENDING:
		return (long)t->out.len;
	default:
		return 0;
	}
}

static int bio_destroy(BIO *b)
{
	struct tls_bio *t = BIO_get_data(b);

	buf_fini(&t->out);
	BIO_meth_free(t->method);
	free(t);
	return 1;
}

static BIO *bio_new(struct tls_bio *t)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "ktctl");
	BIO *b = NULL;

	if (m && BIO_meth_set_write(m, bio_write) &&
	    BIO_meth_set_read(m, bio_read) && BIO_meth_set_ctrl(m, bio_ctrl) &&
	    BIO_meth_set_destroy(m, bio_destroy))
		b = BIO_new(m);
	if (!b) {
		BIO_meth_free(m);
		return NULL;
	}
	t->method = m;
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	return b;
}

/* --- taking over ---------------------------------------------------------- */

static CURLcode on_context(CURL *easy, void *ctx, void *user)
{
	(void)easy;
	(void)user;
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	return CURLE_OK;
}

void tlsio_init(struct tlsio *t, CURL *easy)
{
	const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;

	*t = (struct tlsio){ .easy = easy };
	/* the context of another library would be another type */
	if (tls && strncmp(tls, "OpenSSL/", strlen("OpenSSL/")) == 0)
		curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
}

void tlsio_begin(struct tlsio *t, int fd, bool nested)
{
	const struct curl_tlssessioninfo *info = NULL;
	struct tls_bio *io;
	BIO *b;

	if (t->bio || nested ||
	    curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &info) !=
		    CURLE_OK ||
	    !info || info->backend != CURLSSLBACKEND_OPENSSL ||
	    !info->internals)
		return;
	t->ssl = info->internals;
	io = xcalloc(1, sizeof(*io));
	io->fd = fd;
	buf_init(&io->out, OUT_MAX);
	b = bio_new(io);
	if (!b) {
		free(io);
		return;
	}
	SSL_set_mode(t->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
				     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* as long as it is open it keeps its buffers: no malloc per record */
	SSL_clear_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_set_bio(t->ssl, b, b);
	t->bio = io;
}

/* --- over it -------------------------------------------------------------- */

static ssize_t curl_result(CURLcode rc, size_t n, int broken)
{
	if (rc == CURLE_AGAIN)
		return -EAGAIN;
	return rc == CURLE_OK ? (ssize_t)n : -broken;
}

static ssize_t ssl_result(struct tlsio *t, int n, int broken)
{
	switch (n > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, n)) {
	case SSL_ERROR_NONE:
		return n;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return -broken;
	}
}

void tlsio_readable(struct tlsio *t)
{
	if (t->bio)
		t->bio->dry = false;
}

ssize_t tlsio_recv(struct tlsio *t, void *data, size_t len)
{
	size_t n = 0;
	CURLcode rc;

	if (t->bio) {
		ERR_clear_error();
		return ssl_result(t, SSL_read(t->ssl, data, (int)len),
				  ECONNRESET);
	}
	rc = curl_easy_recv(t->easy, data, len, &n);
	return curl_result(rc, n, ECONNRESET);
}

/* OpenSSL takes one record each time. */
static ssize_t ssl_send(struct tlsio *t, const uint8_t *p, size_t len)
{
	ssize_t n = 0;
	size_t done = 0;

	while (done < len) {
		ERR_clear_error();
		n = ssl_result(t,
			       SSL_write(t->ssl, p + done, (int)(len - done)),
			       EPIPE);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done || !n ? (ssize_t)done : n;
}

ssize_t tlsio_send(struct tlsio *t, const void *data, size_t len)
{
	size_t n = 0;
	CURLcode rc;

	if (t->bio)
		return ssl_send(t, data, len);
	rc = curl_easy_send(t->easy, data, len, &n);
	return curl_result(rc, n, EPIPE);
}

int tlsio_flush(struct tlsio *t)
{
	if (!t->bio)
		return 0;
	tlsio_drain(t->bio);
	if (t->bio->broken)
		return -EPIPE;
	return t->bio->out.len ? -EAGAIN : 0;
}

bool tlsio_pending(const struct tlsio *t)
{
	return t->bio && t->bio->out.len;
}
