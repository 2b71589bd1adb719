/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/proxy.h"

#include "base/ipaddr.h"
#include "base/mem.h"
#include "base/str.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static uint16_t default_port(const char *scheme)
{
	if (strcasecmp(scheme, "https") == 0)
		return 443;
	return str_starts(scheme, "socks") ? 1080 : 80;
}

static int from_curl_url(struct url_host *u, CURLU *h)
{
	char *host = NULL, *port = NULL, *scheme = NULL;
	size_t n;
	long v = 0;
	int rc = -EINVAL;

	if (curl_url_get(h, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(h, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK) {
		bool v6 = *host == '[';

		n = strlen(host) - (v6 ? 2 : 0);
		u->tls = strcasecmp(scheme, "https") == 0;
		u->port = default_port(scheme);
		if (curl_url_get(h, CURLUPART_PORT, &port, 0) == CURLUE_OK &&
		    str_to_long(port, &v) == 0)
			u->port = (uint16_t)v;
		if (n < sizeof(u->host)) {
			memcpy(u->host, host + (v6 ? 1 : 0), n);
			u->host[n] = '\0';
			rc = 0;
		}
	}
	curl_free(host);
	curl_free(port);
	curl_free(scheme);
	return rc;
}

int url_host_parse(struct url_host *u, const char *url)
{
	CURLU *h = curl_url();
	int rc = -EINVAL;

	if (h && curl_url_set(h, CURLUPART_URL, url,
			      CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
		rc = from_curl_url(u, h);
	curl_url_cleanup(h);
	return rc;
}

/* One entry without its port: "*", CIDR, address, "dom.ain" or ".dom.ain" */
static bool entry_match(const char *e, const char *host,
			const struct ipaddr *addr)
{
	size_t n = strlen(host), m;
	struct ipprefix p;

	if (strcmp(e, "*") == 0)
		return true;
	if (ipprefix_parse(&p, e) == 0)
		return addr->family && ipprefix_has(&p, addr);
	if (*e == '*')
		e++;
	m = strlen(e);
	if (*e != '.' && strcasecmp(host, e) == 0)
		return true;
	if (n <= m || strcasecmp(host + n - m, e) != 0)
		return false;
	return *e == '.' || host[n - m - 1] == '.';
}

static bool entry_match_port(char *e, const char *host,
			     const struct ipaddr *addr, uint16_t port)
{
	char *colon = strrchr(e, ':');
	struct ipprefix whole;
	long v;

	/* an IPv6 entry has colons of its own */
	if (colon && ipprefix_parse(&whole, e) < 0 &&
	    str_to_long(colon + 1, &v) == 0) {
		if (v != port)
			return false;
		*colon = '\0';
	}
	if (*e == '[' && strlen(e) > 1 && e[strlen(e) - 1] == ']') {
		e[strlen(e) - 1] = '\0';
		e++;
	}
	return entry_match(e, host, addr);
}

bool no_proxy_match(const char *list, const char *host, uint16_t port)
{
	auto_strv struct strv entries = strv_split(list, ',');
	struct ipaddr addr = { 0 };

	if (ipaddr_parse(&addr, host) < 0)
		addr.family = 0;
	for (size_t i = 0; i < entries.n; i++)
		if (entry_match_port(entries.v[i], host, &addr, port))
			return true;
	return false;
}

static bool is_local(const char *host)
{
	struct ipprefix loop4, loop6;
	struct ipaddr a;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	return ipaddr_parse(&a, host) == 0 &&
	       ipprefix_parse(&loop4, "127.0.0.0/8") == 0 &&
	       ipprefix_parse(&loop6, "::1") == 0 &&
	       (ipprefix_has(&loop4, &a) || ipprefix_has(&loop6, &a));
}

static const char *env_of(const char *upper, const char *lower)
{
	const char *v = getenv(upper);

	if (!v || !*v)
		v = getenv(lower);
	return v && *v ? v : NULL;
}

/* Go's socks5 lets the proxy resolve the name; curl calls that socks5h. */
static char *spelling(const char *url)
{
	if (str_starts(url, "socks5://"))
		return xasprintf("socks5h%s", url + strlen("socks5"));
	return strstr(url, "://") ? xstrdup(url) : xasprintf("http://%s", url);
}

char *proxy_for(const char *server, const char *explicit_url)
{
	const char *url, *no;
	struct url_host u;

	if (explicit_url)
		return spelling(explicit_url);
	if (url_host_parse(&u, server) < 0)
		return NULL;
	url = u.tls ? env_of("HTTPS_PROXY", "https_proxy")
		    : env_of("HTTP_PROXY", "http_proxy");
	no = env_of("NO_PROXY", "no_proxy");
	if (!url || is_local(u.host) ||
	    (no && no_proxy_match(no, u.host, u.port)))
		return NULL;
	return spelling(url);
}
