/* SPDX-License-Identifier: Apache-2.0 */
/* A TLS server in a child process, with certificates right and wrong. */
#include "test.h"

#include "base/mem.h"
#include "carrier/conn.h"
#include "kube/rest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

/* @ca NULL: it signs itself and is an authority; valid until now + @days */
static struct identity make(const char *name, const char *san, int days,
			    const struct identity *ca)
{
	struct identity id = { EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *subject = X509_get_subject_name(id.cert);
	const struct identity *by = ca ? ca : &id;
	static long serial = 1;

	X509_set_version(id.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), -86400L * 10);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), 86400L * days);
	X509_set_pubkey(id.cert, id.key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(id.cert, X509_get_subject_name(by->cert));
	if (!ca)
		add_ext(id.cert, id.cert, NID_basic_constraints,
			"critical,CA:TRUE");
	if (san)
		add_ext(id.cert, by->cert, NID_subject_alt_name, san);
	assert_true(X509_sign(id.cert, by->key, EVP_sha256()) > 0);
	return id;
}

static void identity_free(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
}

static char *bio_text(BIO *b)
{
	char *p, *s;
	long n = BIO_get_mem_data(b, &p);

	s = xstrndup(p, (size_t)n);
	BIO_free(b);
	return s;
}

static char *cert_pem(const struct identity *id)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(b, id->cert);
	return bio_text(b);
}

static char *key_pem(const struct identity *id)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey(b, id->key, NULL, NULL, 0, NULL, NULL);
	return bio_text(b);
}

/* --- the server ----------------------------------------------------------- */

struct server {
	pid_t pid;
	int fd;
	char url[64];
};

/* Everything comes back, in pieces that are no power of two. */
static void echo(SSL *ssl)
{
	static const char ok[] =
		"HTTP/1.1 101 Go on\r\nConnection: Upgrade\r\n\r\n";
	char mem[9973];
	int n;

	SSL_write(ssl, ok, sizeof(ok) - 1);
	while ((n = SSL_read(ssl, mem, sizeof(mem))) > 0)
		SSL_write(ssl, mem, n);
}

/* Answers with the name that the client gave in SNI and its Host line. */
static void serve_one(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);
	char in[4096], out[512], body[256];
	const char *sni, *host;
	int n;

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 &&
	    (n = SSL_read(ssl, in, sizeof(in) - 1)) > 0) {
		in[n] = '\0';
		if (strstr(in, "Upgrade: echo"))
			echo(ssl);
		sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		host = strstr(in, "Host: ");
		snprintf(body, sizeof(body),
			 "{\"sni\":\"%s\",\"host\":\"%.*s\"}", sni ? sni : "",
			 host ? (int)strcspn(host + 6, "\r") : 0,
			 host ? host + 6 : "");
		n = snprintf(out, sizeof(out),
			     "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
			     strlen(body), body);
		SSL_write(ssl, out, n);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	close(fd);
}

static void serve(int fd, const struct identity *id,
		  const struct identity *client_ca)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (SSL_CTX_use_certificate(ctx, id->cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, id->key) != 1)
		_exit(1);
	if (client_ca) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
				    client_ca->cert);
		SSL_CTX_set_verify(
			ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			NULL);
	}
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0)
			serve_one(ctx, c);
	}
}

static struct server server_start(const struct identity *id,
				  const struct identity *client_ca)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct server s = { .fd = socket(AF_INET, SOCK_STREAM, 0) };

	assert_int_equal(bind(s.fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(s.fd, 16), 0);
	getsockname(s.fd, (struct sockaddr *)&sin, &len);
	snprintf(s.url, sizeof(s.url), "https://127.0.0.1:%u",
		 ntohs(sin.sin_port));
	s.pid = fork();
	if (s.pid == 0)
		serve(s.fd, id, client_ca);
	return s;
}

static void server_stop(struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->fd);
}

/* --- one request ---------------------------------------------------------- */

static int ask(const struct kube_config *cfg, json_t **out,
	       struct kt_error *err)
{
	struct loop *loop = loop_new();
	struct kube *k;
	int rc;

	*err = (struct kt_error){ 0 };
	assert_int_equal(kube_new(&k, loop, cfg, err), 0);
	rc = kube_get(k, "/x", out, err);
	kube_free(k);
	loop_free(loop);
	return rc;
}

static struct identity ca;
static char *ca_text;

static int setup(void **state)
{
	(void)state;
	ca = make("test CA", NULL, 100, NULL);
	ca_text = cert_pem(&ca);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	identity_free(&ca);
	free(ca_text);
	return 0;
}

static void accepts_its_authority(void **state)
{
	struct identity id = make("api", "IP:127.0.0.1", 10, &ca);
	struct server s = server_start(&id, NULL);
	struct kube_config cfg = { .server = s.url, .ca_pem = ca_text };
	struct kt_error err;
	json_t *out;

	(void)state;
	assert_int_equal(ask(&cfg, &out, &err), 0);
	json_decref(out);
	server_stop(&s);
	identity_free(&id);
}

static void refused(const struct identity *id, char *authority,
		    const char *want)
{
	struct server s = server_start(id, NULL);
	struct kube_config cfg = { .server = s.url, .ca_pem = authority };
	struct kt_error err;
	json_t *out;

	assert_int_equal(ask(&cfg, &out, &err), -EPROTO);
	assert_non_null(strstr(err.msg, want));
	assert_non_null(strstr(err.msg, s.url));
	assert_true(err.hint[0]);
	/* and without any check it would do */
	cfg.ca_pem = NULL;
	cfg.insecure = true;
	assert_int_equal(ask(&cfg, &out, &err), 0);
	json_decref(out);
	server_stop(&s);
}

static void says_what_is_wrong_with_a_certificate(void **state)
{
	struct identity other = make("other CA", NULL, 100, NULL);
	struct identity good = make("api", "IP:127.0.0.1", 10, &ca);
	struct identity old = make("api", "IP:127.0.0.1", -1, &ca);
	struct identity name = make("api", "DNS:api.internal", 10, &ca);
	auto_free char *other_text = cert_pem(&other);

	(void)state;
	refused(&good, other_text, "unknown authority");
	refused(&good, NULL, "unknown authority"); /* the system's */
	refused(&old, ca_text, "has expired");
	refused(&name, ca_text, "for another name");
	identity_free(&other);
	identity_free(&good);
	identity_free(&old);
	identity_free(&name);
}

/* A kubeconfig without a certificate-authority */
static int ask_by_file(const struct server *s, json_t **out,
		       struct kt_error *err)
{
	char path[] = "/tmp/ktctl-kubeconfig-XXXXXX";
	const struct kube_config_source src = { .files = path };
	struct kube_config *cfg = NULL;
	int fd = mkstemp(path), rc;

	*err = (struct kt_error){ 0 };
	*out = NULL;
	dprintf(fd,
		"current-context: x\ncontexts:\n- name: x\n"
		"  context: {cluster: x}\nclusters:\n- name: x\n"
		"  cluster: {server: '%s'}\n",
		s->url);
	close(fd);
	rc = kube_config_load(&cfg, &src, err);
	unlink(path);
	if (!rc)
		rc = ask(cfg, out, err);
	kube_config_free(cfg);
	json_decref(*out);
	return rc;
}

static void takes_authorities_of_the_environment(void **state)
{
	char dir[] = "/tmp/ktctl-roots-XXXXXX";
	struct identity id = make("api", "IP:127.0.0.1", 10, &ca);
	struct server s = server_start(&id, NULL);
	struct kt_error err;
	json_t *out;

	(void)state;
	assert_non_null(mkdtemp(dir));
	auto_free char *file = xasprintf("%s/some name", dir);
	auto_free char *list = xasprintf("/none:%s", dir);
	auto_free char *gone = xasprintf("%s/gone", dir);
	auto_fclose FILE *f = fopen(file, "w");

	fputs(ca_text, f);
	fflush(f);
	assert_int_equal(ask_by_file(&s, &out, &err), -EPROTO);
	assert_non_null(strstr(err.msg, "unknown authority"));
	assert_non_null(strstr(err.hint, "SSL_CERT_FILE"));
	assert_non_null(strstr(err.hint, "SSL_CERT_DIR"));
	setenv("SSL_CERT_FILE", file, 1);
	assert_int_equal(ask_by_file(&s, &out, &err), 0);
	setenv("SSL_CERT_FILE", gone, 1);
	assert_int_equal(ask_by_file(&s, &out, &err), -ENOENT);
	assert_non_null(strstr(err.msg, gone));
	unsetenv("SSL_CERT_FILE");
	setenv("SSL_CERT_DIR", list, 1);
	assert_int_equal(ask_by_file(&s, &out, &err), 0);
	unlink(file);
	assert_int_equal(ask_by_file(&s, &out, &err), -EPROTO);
	unsetenv("SSL_CERT_DIR");
	rmdir(dir);
	server_stop(&s);
	identity_free(&id);
}

/* Whoever made the configuration: libcurl must not look for a pass phrase */
static void put_authority(const char *path, const char *text)
{
	auto_fclose FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
}

struct upgrade {
	bool over;
	int code; /* 0: it went well */
};

static bool upgrade_opened(void *user, const struct http1_head *head,
			   struct kt_error *err)
{
	struct upgrade *u = user;

	(void)head;
	(void)err;
	u->over = true;
	return true;
}

static void upgrade_data(void *user, const uint8_t *p, size_t n)
{
	(void)user;
	(void)p;
	(void)n;
}

static void upgrade_push(void *user)
{
	(void)user;
}

static void upgrade_failed(void *user, const struct kt_error *why)
{
	struct upgrade *u = user;

	u->over = true;
	u->code = why->code;
}

/* 0, or what went wrong with an upgraded connection, as port-forwards are */
static int upgrade(struct kube *k, struct loop *loop)
{
	static const struct kube_conn_handler handler = {
		upgrade_opened, upgrade_data, upgrade_push, upgrade_failed
	};
	const struct kube_conn_request req = { .method = "GET",
					       .path = "/x",
					       .upgrade = "echo",
					       .timeout_ns = 60 * NS_SEC };
	struct upgrade u = { 0 };
	struct kube_conn *c = kube_conn_open(k, &req, &handler, &u);

	assert_int_equal(loop_run_until(loop, &u.over, 60 * NS_SEC), 0);
	kube_conn_close(c);
	return u.code;
}

/* The cluster's authority is another one, and so it is in the file that the
 * kubeconfig names: who is connected already finds it */
static void renew(bool by_upgrade)
{
	char path[] = "/tmp/ktctl-authority-XXXXXX";
	char conf[] = "/tmp/ktctl-kubeconfig-XXXXXX";
	const struct kube_config_source src = { .files = conf };
	struct identity next = make("next CA", NULL, 100, NULL);
	struct identity id = make("api", "IP:127.0.0.1", 10, &next);
	struct server s = server_start(&id, NULL);
	auto_free char *next_text = cert_pem(&next);
	struct kube_config *cfg = NULL;
	struct loop *loop = loop_new();
	struct kt_error err = { 0 };
	struct kube *k;
	json_t *out = NULL;

	close(mkstemp(path));
	put_authority(path, ca_text);
	dprintf(mkstemp(conf),
		"current-context: x\ncontexts:\n- name: x\n"
		"  context: {cluster: x}\nclusters:\n- name: x\n"
		"  cluster: {server: '%s', certificate-authority: '%s'}\n",
		s.url, path);
	assert_int_equal(kube_config_load(&cfg, &src, &err), 0);
	assert_int_equal(kube_new(&k, loop, cfg, &err), 0);
	/* nothing is trusted that the file does not name */
	assert_int_equal(upgrade(k, loop), EPROTO);
	assert_int_equal(kube_get(k, "/x", &out, &err), -EPROTO);
	assert_non_null(strstr(err.msg, "unknown authority"));
	put_authority(path, next_text);
	assert_int_equal(loop_sleep(loop, 2100 * NS_MS), 0);
	err = (struct kt_error){ 0 };
	assert_int_equal(by_upgrade ? upgrade(k, loop)
				    : kube_get(k, "/x", &out, &err),
			 0);
	json_decref(out);
	kube_free(k);
	loop_free(loop);
	kube_config_free(cfg);
	server_stop(&s);
	identity_free(&next);
	identity_free(&id);
	unlink(path);
	unlink(conf);
}

static void follows_a_renewed_authority(void **state)
{
	(void)state;
	renew(false);
	renew(true);
}

static void survives_an_encrypted_key(void **state)
{
	struct identity id = make("api", "IP:127.0.0.1", 10, &ca);
	struct identity user = make("user", NULL, 10, &ca);
	struct server s = server_start(&id, &ca);
	struct kube_config cfg = { .server = s.url, .ca_pem = ca_text };
	auto_free char *cert = cert_pem(&user), *key = NULL;
	unsigned char phrase[] = "x";
	BIO *b = BIO_new(BIO_s_mem());
	struct kt_error err;
	json_t *out;

	(void)state;
	PEM_write_bio_PrivateKey(b, user.key, EVP_aes_128_cbc(), phrase, 1,
				 NULL, NULL);
	key = bio_text(b);
	cfg.cert_pem = cert;
	cfg.key_pem = key;
	assert_int_equal(ask(&cfg, &out, &err), -EPROTO);
	server_stop(&s);
	identity_free(&id);
	identity_free(&user);
}

static void uses_tls_server_name(void **state)
{
	char name[] = "api.internal";
	struct identity id = make("api", "DNS:api.internal", 10, &ca);
	struct server s = server_start(&id, NULL);
	struct kube_config cfg = { .server = s.url,
				   .ca_pem = ca_text,
				   .tls_server_name = name };
	struct kt_error err;
	json_t *out;

	(void)state;
	assert_int_equal(ask(&cfg, &out, &err), 0);
	assert_string_equal(json_str(out, "sni", NULL), name);
	assert_string_equal(json_str(out, "host", NULL), s.url + 8);
	json_decref(out);
	server_stop(&s);
	identity_free(&id);
}

static void shows_a_client_certificate(void **state)
{
	struct identity id = make("api", "IP:127.0.0.1", 10, &ca);
	struct identity user = make("user", NULL, 10, &ca);
	struct server s = server_start(&id, &ca);
	struct kube_config cfg = { .server = s.url, .ca_pem = ca_text };
	auto_free char *cert = cert_pem(&user), *key = key_pem(&user);
	struct kt_error err;
	json_t *out;

	(void)state;
	/* TLS 1.3 tells after the handshake: an alert, or just a reset */
	assert_true(ask(&cfg, &out, &err) < 0);
	assert_true(err.code == EPROTO || err.code == ECONNRESET);
	assert_null(strstr(err.msg, "getpeername"));
	cfg.cert_pem = cert;
	cfg.key_pem = key;
	assert_int_equal(ask(&cfg, &out, &err), 0);
	json_decref(out);
	server_stop(&s);
	identity_free(&id);
	identity_free(&user);
}

/* A server that answers in plain text on what is meant to be TLS. */
static void notices_plain_text(void **state)
{
	struct kube_config cfg = { .ca_pem = ca_text };
	struct server s = { .fd = -1 };
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct kt_error err;
	json_t *out;

	(void)state;
	s.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s.fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(s.fd, 16), 0);
	getsockname(s.fd, (struct sockaddr *)&sin, &len);
	snprintf(s.url, sizeof(s.url), "https://127.0.0.1:%u",
		 ntohs(sin.sin_port));
	s.pid = fork();
	if (s.pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (s.pid == 0) {
		int c = accept(s.fd, NULL, NULL);

		if (write(c, "HTTP/1.1 400 no\r\n\r\n", 19) == 19)
			shutdown(c, SHUT_WR);
	}
	cfg.server = s.url;
	assert_int_equal(ask(&cfg, &out, &err), -EPROTO);
	assert_non_null(strstr(err.hint, "does not speak TLS"));
	server_stop(&s);
}

/* --- an upgraded connection ----------------------------------------------- */

#define ECHO_SIZE ((size_t)8 << 20)

struct echo {
	struct kube_conn *c;
	struct loop *loop;
	struct timer start;
	uint8_t *out;
	size_t sent, got;
	bool over;
};

static void echo_push(void *user)
{
	struct echo *e = user;
	ssize_t n = 1;

	while (n > 0 && e->sent < ECHO_SIZE) {
		n = kube_conn_send(e->c, e->out + e->sent, ECHO_SIZE - e->sent);
		if (n > 0)
			e->sent += (size_t)n;
	}
	n = kube_conn_flush(e->c);
	assert_true(n == 0 || n == -EAGAIN);
}

static void echo_start(struct timer *t)
{
	echo_push(container_of(t, struct echo, start));
}

static bool echo_opened(void *user, const struct http1_head *head,
			struct kt_error *err)
{
	struct echo *e = user;

	(void)head;
	(void)err;
	loop_timer_start(e->loop, &e->start, 0, echo_start);
	return true;
}

static void echo_data(void *user, const uint8_t *data, size_t len)
{
	struct echo *e = user;

	assert_true(e->got + len <= ECHO_SIZE);
	assert_memory_equal(data, e->out + e->got, len);
	e->got += len;
	e->over = e->got == ECHO_SIZE;
}

static void echo_failed(void *user, const struct kt_error *why)
{
	(void)user;
	fail_msg("%s", why->msg);
}

/* more than every buffer on the way holds, both ways at once */
static void an_upgraded_connection_carries_all(void **state)
{
	static const struct kube_conn_handler handler = { echo_opened,
							  echo_data, echo_push,
							  echo_failed };
	const struct kube_conn_request req = { .method = "GET",
					       .path = "/x",
					       .upgrade = "echo",
					       .timeout_ns = 60 * NS_SEC };
	struct identity id = make("api", "IP:127.0.0.1", 10, &ca);
	struct server s = server_start(&id, NULL);
	struct kube_config cfg = { .server = s.url, .ca_pem = ca_text };
	struct echo e = { .loop = loop_new(), .out = malloc(ECHO_SIZE) };
	struct kt_error err = { 0 };
	struct kube *k;

	(void)state;
	for (size_t i = 0; i < ECHO_SIZE; i++)
		e.out[i] = (uint8_t)(i * 31 + (i >> 8) * 7);
	assert_int_equal(kube_new(&k, e.loop, &cfg, &err), 0);
	e.c = kube_conn_open(k, &req, &handler, &e);
	assert_int_equal(loop_run_until(e.loop, &e.over, 60 * NS_SEC), 0);
	loop_timer_stop(&e.start);
	kube_conn_close(e.c);
	kube_free(k);
	loop_free(e.loop);
	free(e.out);
	server_stop(&s);
	identity_free(&id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_its_authority),
		cmocka_unit_test(says_what_is_wrong_with_a_certificate),
		cmocka_unit_test(takes_authorities_of_the_environment),
		cmocka_unit_test(follows_a_renewed_authority),
		cmocka_unit_test(survives_an_encrypted_key),
		cmocka_unit_test(uses_tls_server_name),
		cmocka_unit_test(shows_a_client_certificate),
		cmocka_unit_test(notices_plain_text),
		cmocka_unit_test(an_upgraded_connection_carries_all),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
