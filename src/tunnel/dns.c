/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "tunnel/fetch.h"
#include "tunnel/internal.h"

#include <errno.h>

#define DNS_MAX 65535 /* bytes of a message */

/*
 * A query is a fetch and nothing more; the type of its own keeps the interface
 * apart from how it is done.
 */
struct tunnel_dns *tunnel_dns_query(
	struct tunnel *t, const uint8_t *msg, size_t len, bool tcp,
	void (*done)(void *user, int error, const uint8_t *reply, size_t len),
	void *user)
{
	const char *path = tcp ? "/dns-query?transport=tcp" : "/dns-query";

	if (!len || len > DNS_MAX) {
		errno = EMSGSIZE;
		return NULL;
	}
	return (struct tunnel_dns *)fetch_start(t, path,
						"application/dns-message", msg,
						len, DNS_MAX, done, user);
}

void tunnel_dns_cancel(struct tunnel_dns *q)
{
	fetch_cancel((struct fetch *)q);
}
