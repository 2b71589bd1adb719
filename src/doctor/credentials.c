/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/credentials.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/encode.h"
#include "kube/rest.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#define CREDENTIALS_SOON (24 * 3600) /* seconds: worth a word */
#define TOKEN_MAX 65536

int64_t credentials_cert_end(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	struct tm tm;
	int64_t end = -1;

	if (cert && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1)
		end = (int64_t)timegm(&tm);
	X509_free(cert);
	BIO_free(bio);
	return end;
}

/* base64url without padding (RFC 7515, 2) as base64 (returned, caller frees) */
static char *credentials_base64(const char *text, size_t n)
{
	char *out = xmalloc(n + 4);
	size_t len = n;

	for (size_t i = 0; i < n; i++)
		out[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	while (len % 4)
		out[len++] = '=';
	out[len] = '\0';
	return out;
}

int64_t credentials_token_end(const char *token)
{
	const char *dot = strchr(token, '.');
	const char *end = dot ? strchr(dot + 1, '.') : NULL;
	auto_free char *text = NULL, *bytes = NULL;
	auto_json json_t *claims = NULL;
	const json_t *exp;
	size_t len = 0;

	if (!end || end - token > TOKEN_MAX)
		return -1;
	text = credentials_base64(dot + 1, (size_t)(end - dot - 1));
	bytes = base64_decode(text, &len);
	if (bytes)
		claims = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	exp = json_object_get(claims, "exp");
	return json_is_number(exp) ? (int64_t)json_number_value(exp) : -1;
}

static const char *credentials_kind(const struct kube_config *c)
{
	return c->exec	       ? "a credential plugin"
	       : c->cert_pem   ? "a client certificate"
	       : c->token_file ? "a token file"
	       : c->token      ? "a token"
	       : c->username   ? "a password"
			       : NULL;
}

static int64_t credentials_end(const struct kube_config *c)
{
	auto_free char *token = NULL;
	size_t len;

	if (c->exec)
		return -1; /* it renews them */
	if (c->cert_pem)
		return credentials_cert_end(c->cert_pem);
	if (c->token_file)
		token = file_read(c->token_file, TOKEN_MAX, &len);
	return token	  ? credentials_token_end(token)
	       : c->token ? credentials_token_end(c->token)
			  : -1;
}

static void credentials_date(int64_t at, char *dst, size_t size)
{
	time_t t = (time_t)at;
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    !strftime(dst, size, "%Y-%m-%d %H:%M UTC", &tm))
		snprintf(dst, size, "?");
}

void credentials_check(struct findings *f, const struct kube_config *cfg,
		       int64_t now)
{
	const char *kind = credentials_kind(cfg);
	int64_t end = credentials_end(cfg);
	char date[64];

	credentials_date(end, date, sizeof(date));
	if (!kind)
		finding_add(f, "credentials", FINDING_WARN,
			    "log in to the cluster as for kubectl",
			    "the kubeconfig names none for user '%s'",
			    cfg->user);
	else if (end < 0)
		finding_add(f, "credentials", FINDING_OK, NULL,
			    "%s of user '%s'", kind, cfg->user);
	else if (end <= now)
		finding_add(f, "credentials", FINDING_FAIL,
			    "log in to the cluster again, as for kubectl",
			    "%s of user '%s' has expired on %s", kind,
			    cfg->user, date);
	else
		finding_add(f, "credentials",
			    end - now < CREDENTIALS_SOON ? FINDING_WARN
							 : FINDING_OK,
			    end - now < CREDENTIALS_SOON
				    ? "log in to the cluster again before that"
				    : NULL,
			    "%s of user '%s', good until %s", kind, cfg->user,
			    date);
}
