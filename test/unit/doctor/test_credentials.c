/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "doctor/credentials.h"
#include "kube/rest.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#define NOW 1800000000

/* A certificate that ends at @end, in PEM (returned, caller frees) */
static char *cert_until(int64_t end)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *pem;
	long n;

	X509_set_pubkey(cert, key);
	ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)end - 100);
	ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)end);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(bio, cert);
	n = BIO_get_mem_data(bio, &data);
	pem = xstrndup(data, (size_t)n);
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
	return pem;
}

static void ends(void **state)
{
	auto_free char *pem = cert_until(NOW + 5);

	(void)state;
	assert_int_equal(credentials_cert_end(pem), NOW + 5);
	assert_int_equal(credentials_cert_end("no certificate"), -1);
	/* {"exp":1800000007}, base64url without padding */
	assert_int_equal(
		credentials_token_end("e30.eyJleHAiOjE4MDAwMDAwMDd9.c2ln"),
		1800000007);
	assert_int_equal(credentials_token_end("e30.e30.c2ln"), -1);
	assert_int_equal(credentials_token_end("opaque"), -1);
	assert_int_equal(credentials_token_end("a.b"), -1);
	assert_int_equal(credentials_token_end("a.$$$.c"), -1);
	assert_int_equal(credentials_token_end(".."), -1);
	/* {"exp":"x"} */
	assert_int_equal(credentials_token_end("e30.eyJleHAiOiJ4In0.c2ln"), -1);
}

static void assert_said(const struct kube_config *c, const char *result,
			const char *text)
{
	struct findings f;
	const json_t *one;

	findings_init(&f, false);
	credentials_check(&f, c, NOW);
	one = json_array_get(f.list, 0);
	assert_string_equal(json_str(one, "state", NULL), result);
	assert_non_null(strstr(json_str(one, "text", NULL), text));
	findings_fini(&f);
}

static void kinds(void **state)
{
	auto_free char *old = cert_until(NOW - 1), *soon = cert_until(NOW + 60);
	auto_free char *good = cert_until(NOW + 90000);
	struct kube_exec exec = { 0 };
	struct kube_config c = { .user = (char[]){ "ann" } };

	(void)state;
	assert_said(&c, "warn", "names none for user 'ann'");
	c.cert_pem = old;
	assert_said(&c, "fail", "certificate of user 'ann' has expired on");
	c.cert_pem = soon;
	assert_said(&c, "warn", "good until");
	c.cert_pem = good;
	assert_said(&c, "ok", "good until 2027-01-16");
	c.exec = &exec; /* it renews them */
	assert_said(&c, "ok", "a credential plugin of user 'ann'");
	c.exec = NULL;
	c.cert_pem = NULL;
	c.token = (char[]){ "opaque" };
	assert_said(&c, "ok", "a token of user 'ann'");
	c.token = (char[]){ "e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln" };
	assert_said(&c, "fail", "a token of user 'ann' has expired");
	c.token = NULL;
	c.username = (char[]){ "ann" };
	assert_said(&c, "ok", "a password");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends),
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
