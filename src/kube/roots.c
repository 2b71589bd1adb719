/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/roots.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_ROOTS ((size_t)16 << 20)

/* Where distributions keep them, for a libcurl that was built elsewhere: a
 * program that is linked statically meets any of these */
static const char *const roots_known[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch, Alpine, Gentoo */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, Red Hat */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* the same, new */
	"/etc/ssl/ca-bundle.pem",			     /* SUSE */
	"/var/lib/ca-certificates/ca-bundle.pem",	     /* SUSE, new */
	"/etc/ssl/cert.pem",				     /* Alpine */
	NULL,
};

/* The file that libcurl was built to find; NULL: it is not on this machine */
static char *roots_of_curl(void)
{
	CURL *easy = curl_easy_init();
	char *path = NULL, *copy;

	if (easy)
		curl_easy_getinfo(easy, CURLINFO_CAINFO, &path);
	copy = path && access(path, R_OK) == 0 ? xstrdup(path) : NULL;
	curl_easy_cleanup(easy);
	return copy;
}

static char *roots_of_system(void)
{
	for (size_t i = 0; roots_known[i]; i++)
		if (access(roots_known[i], R_OK) == 0)
			return xstrdup(roots_known[i]);
	return NULL;
}

/* The file that the system has; NULL: none. @curl: libcurl finds it itself */
static char *roots_default(bool *curl)
{
	char *path = roots_of_curl();

	*curl = path;
	return path ? path : roots_of_system();
}

static int roots_put(struct buf *b, const char *path)
{
	size_t len;
	auto_free char *text = file_read(path, MAX_ROOTS, &len);
	int rc;

	if (!text)
		return -errno;
	if (!strstr(text, "-----BEGIN CERTIFICATE-----"))
		return 0;
	rc = buf_put(b, text, len);
	return rc ? rc : buf_put(b, "\n", 1);
}

/* Files that are no certificates, or cannot be read, are not meant. */
static int roots_put_dir(struct buf *b, const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	int rc = 0;

	if (!d)
		return 0;
	while (rc != -ENOBUFS && (e = readdir(d))) {
		auto_free char *file = xasprintf("%s/%s", path, e->d_name);

		if (e->d_name[0] != '.')
			rc = roots_put(b, file);
	}
	closedir(d);
	return rc == -ENOBUFS ? rc : 0;
}

int roots_from_env(char **pem, bool *alone, struct kt_error *err)
{
	const char *file = getenv("SSL_CERT_FILE");
	const char *dir = getenv("SSL_CERT_DIR");
	auto_strv struct strv dirs = strv_split(dir ? dir : "", ':');
	auto_free char *own = NULL;
	bool curl;
	struct buf b;
	int rc = 0;

	*pem = NULL;
	*alone = dirs.n;
	file = file && *file ? file : NULL;
	if (!file)
		own = roots_default(&curl);
	if (!file && !dirs.n && (!own || curl))
		return 0;
	buf_init(&b, MAX_ROOTS);
	if (file)
		rc = roots_put(&b, file);
	else if (own)
		(void)!roots_put(&b, own); /* where there is none: none */
	if (rc < 0)
		kt_fail(err, -rc, "SSL_CERT_FILE=%s: %s", file, strerror(-rc));
	for (size_t i = 0; !rc && i < dirs.n; i++)
		rc = roots_put_dir(&b, dirs.v[i]);
	if (rc == -ENOBUFS)
		rc = kt_fail(err, EFBIG, "SSL_CERT_DIR=%s: more than 16 MiB",
			     dir);
	else if (!rc && !b.len && (file || dirs.n))
		rc = kt_fail(err, ENOENT, "%s=%s: no certificate there",
			     file ? "SSL_CERT_FILE" : "SSL_CERT_DIR",
			     file ? file : dir);
	if (!rc && b.len)
		*pem = xstrndup((char *)buf_data(&b), b.len);
	buf_fini(&b);
	return rc;
}
