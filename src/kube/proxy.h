/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_PROXY_H
#define KT_KUBE_PROXY_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/** struct url_host - where a URL leads */
struct url_host {
	char host[256]; /* without brackets */
	uint16_t port;
	bool tls;
};

/** url_host_parse() - scheme, host and port (its default when none is given)
 *  of an http, https, socks5 or socks5h URL; 0 or -EINVAL */
KT_CHECK int url_host_parse(struct url_host *u, const char *url);

/** no_proxy_match() - the NO_PROXY list names this host (as Go reads it:
 *  "*", domain suffixes, addresses, CIDRs, each with an optional port) */
bool no_proxy_match(const char *list, const char *host, uint16_t port);

/**
 * proxy_for() - the proxy to use for @server
 * @explicit_url: proxy-url of the kubeconfig, or NULL: the environment decides
 * Return: the URL in curl's spelling (returned, caller frees), or NULL.
 */
char *proxy_for(const char *server, const char *explicit_url);

#endif
