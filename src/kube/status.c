/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/status.h"

#include "base/str.h"
#include "kube/denied.h"
#include "kube/internal.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <string.h>

/* --- a reply that says no ------------------------------------------------- */

static int code_of(int http_status, const char *reason)
{
	switch (http_status) {
	case 401:
		return EACCES;
	case 403:
		return EPERM;
	case 404:
		return ENOENT;
	case 409:
		return str_eq(reason, "AlreadyExists") ? EEXIST : EBUSY;
	case 410:
		return ESTALE;
	case 429:
		return EAGAIN;
	default:
		return http_status >= 500 ? EIO : EINVAL;
	}
}

void status_hint_forbidden(struct kt_error *err)
{
	struct denied d;

	if (denied_anonymous(err->msg)) {
		kt_hint(err, "you are not logged in: the API server got no "
			     "credentials that it knows; log in, or choose "
			     "another --context");
	} else if (denied_parse(&d, err->msg)) {
		if (d.ns[0])
			kt_hint(err,
				"a Role in namespace %s must allow '%s' on "
				"'%s'",
				d.ns, d.verb, d.resource);
		else
			kt_hint(err, "a ClusterRole must allow '%s' on '%s'",
				d.verb, d.resource);
	} else if (strstr(err->msg, "exceeded quota")) {
		kt_hint(err, "free something in the namespace, or ask for a "
			     "larger ResourceQuota");
	} else if (strstr(err->msg, "failed quota")) {
		kt_hint(err, "the namespace wants every Pod to name its needs: "
			     "--podQuota 0.5c,128m");
	} else if (strstr(err->msg, "error looking up service account")) {
		kt_hint(err, "--serviceAccount must name one of the namespace; "
			     "'default' is everywhere");
	} else if (strstr(err->msg, "must be in the ranges")) {
		kt_hint(err, "the shadow runs as user 65534, which the "
			     "namespace's range of user ids leaves out: let "
			     "--serviceAccount name one that may use it (on "
			     "OpenShift with the constraint nonroot-v2)");
	} else if (strstr(err->msg, "violates PodSecurity")) {
		kt_hint(err, "the namespace's PodSecurity level forbids this "
			     "Pod");
	}
}

static void status_add_hint(struct kt_error *err)
{
	if (err->http_status == 401)
		kt_hint(err, "the API server does not accept the credentials: "
			     "log in again, or choose another --context");
	else if (err->http_status == 403)
		status_hint_forbidden(err);
	else if (err->http_status == 404 && str_starts(err->msg, "namespaces "))
		kt_hint(err, "choose another with --namespace; 'kubectl get "
			     "namespaces' lists them");
}

/* A body that is no Status: its first line, if it is text at all. */
static void first_line(char *dst, size_t size, const char *text)
{
	size_t n = text ? strcspn(text, "\r\n") : 0;

	if (n >= size)
		n = size - 1;
	memcpy(dst, text ? text : "", n);
	dst[n] = '\0';
	if (dst[0] == '<') /* some proxy's HTML page */
		dst[0] = '\0';
}

int status_fail(struct kt_error *err, int http_status, const char *what,
		const json_t *json, const char *text)
{
	const json_t *kind = json_object_get(json, "kind");
	const char *reason = "", *msg = NULL;
	char line[256];
	int code;

	if (str_eq(json_string_value(kind), "Status")) {
		reason = json_string_value(json_object_get(json, "reason"));
		msg = json_string_value(json_object_get(json, "message"));
	}
	code = code_of(http_status, reason);
	first_line(line, sizeof(line), text);
	if (msg && *msg && strchr(msg, '"'))
		kt_fail(err, code, "%s", msg);
	else if (msg && *msg) /* it does not say about what */
		kt_fail(err, code, "%s: %s", what, msg);
	else
		kt_fail(err, code, "%s: HTTP status %d%s%s", what, http_status,
			line[0] ? ": " : "", line);
	if (!err)
		return -code;
	err->http_status = http_status;
	snprintf(err->reason, sizeof(err->reason), "%s", reason ? reason : "");
	status_add_hint(err);
	return -code;
}

/* What a body that we cannot use begins with, on one line and harmless: an HTML
 * page by its title. */
static void begins_with(char *dst, size_t size, const char *text)
{
	const char *title = strcasestr(text, "<title>");
	const char *p = title ? title + strlen("<title>") : text;
	size_t n = 0;

	p += strspn(p, " \t\r\n");
	while (n + 1 < size && *p && *p != '\n' && !(title && *p == '<')) {
		dst[n++] = (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p;
		p++;
	}
	dst[n] = '\0';
}

int status_not_json(struct kt_error *err, int http_status, const char *what,
		    const char *type, const char *text)
{
	char line[120];

	begins_with(line, sizeof(line), text);
	kt_fail(err, EPROTO, "%s: HTTP status %d, but the answer is %s%s%s%s%s",
		what, http_status, *text ? "no JSON object" : "empty",
		type ? ", it is " : "", type ? type : "", line[0] ? ": " : "",
		line);
	kt_hint(err, "something between here and the API server answers in its "
		     "place (a proxy, a login page): check server and proxy");
	return -EPROTO;
}

/* --- no reply ------------------------------------------------------------- */

static void hint_authority(struct kt_error *err, const struct kube_config *c)
{
	if (c->ca_pem)
		kt_hint(err, "certificate-authority in the kubeconfig must be "
			     "the authority of this cluster");
	else
		kt_hint(err, "the kubeconfig names no certificate-authority: "
			     "add it there, or name its file in SSL_CERT_FILE "
			     "or its directory in SSL_CERT_DIR ('sudo' drops "
			     "both: use 'sudo -E')");
}

static int certificate_fail(struct kt_error *err, const struct kube_config *c,
			    long verify, const char *problem)
{
	const char *server = c->server;

	/* names are compared by curl, after OpenSSL's verdict */
	if (strstr(problem, "subject name"))
		verify = X509_V_OK;
	switch (verify) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		kt_fail(err, EPROTO,
			"the certificate of API server %s has expired", server);
		kt_hint(err, "check this machine's clock; else the cluster "
			     "must renew its certificate");
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		kt_fail(err, EPROTO,
			"the certificate of API server %s is not valid yet",
			server);
		kt_hint(err, "check this machine's clock");
		break;
	case X509_V_OK:
		kt_fail(err, EPROTO,
			"the certificate of API server %s is for another "
			"name: %s",
			server, problem);
		kt_hint(err, "use a name of the certificate as server, or set "
			     "tls-server-name in the kubeconfig");
		break;
	default:
		kt_fail(err, EPROTO,
			"the certificate of API server %s is signed by an "
			"unknown authority (%s)",
			server, X509_verify_cert_error_string(verify));
		hint_authority(err, c);
		break;
	}
	return -EPROTO;
}

static int tls_fail(struct kt_error *err, const char *server,
		    const char *problem)
{
	kt_fail(err, EPROTO, "API server %s: TLS: %s", server, problem);
	if (strstr(problem, "wrong version number"))
		kt_hint(err, "the server does not speak TLS there: is the "
			     "port right, should it be http://?");
	else if (strstr(problem, "alert"))
		kt_hint(err, "the server may want another client certificate");
	return -EPROTO;
}

int unreachable_fail(struct kt_error *err, const struct kube *k, int code,
		     const char *why)
{
	const char *server = k->cfg->server;

	if (k->proxy)
		kt_fail(err, code,
			"API server %s cannot be reached through proxy %s:%u: "
			"%s",
			server, k->proxy_host.host, k->proxy_host.port, why);
	else
		kt_fail(err, code, "API server %s cannot be reached: %s",
			server, why);
	kt_hint(err, "is the cluster running, the VPN up, the context right?");
	return -code;
}

static int connect_fail(struct kt_error *err, const struct kube *k, CURL *easy,
			const char *problem)
{
	long os = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os);
	if (os <= 0)
		os = ECONNREFUSED;
	return unreachable_fail(err, k, (int)os,
				os == ECONNREFUSED ? "connection refused"
				: os == EHOSTUNREACH || os == ENETUNREACH ||
						os == ETIMEDOUT || !*problem
					? strerror((int)os)
					: problem);
}

int curl_fail(struct kt_error *err, const struct kube *k, CURL *easy,
	      CURLcode rc, const char *problem)
{
	const char *server = k->cfg->server;
	long verify = 0;

	if (!*problem)
		problem = curl_easy_strerror(rc);
	switch (rc) {
	case CURLE_PEER_FAILED_VERIFICATION:
		curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verify);
		return certificate_fail(err, k->cfg, verify, problem);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return tls_fail(err, server, problem);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return unreachable_fail(err, k, EHOSTUNREACH, problem);
	case CURLE_COULDNT_CONNECT:
		return connect_fail(err, k, easy, problem);
	case CURLE_OPERATION_TIMEDOUT:
		return unreachable_fail(err, k, ETIMEDOUT, problem);
	case CURLE_WRITE_ERROR:
		return kt_fail(err, EFBIG, "API server %s: reply too large",
			       server);
	default:
		if (strstr(problem, "alert"))
			return tls_fail(err, server, problem);
		/* curl asks a dead socket for its peer, and tells only that */
		if (strstr(problem, "getpeername"))
			problem = "connection reset";
		return unreachable_fail(err, k, ECONNRESET, problem);
	}
}
