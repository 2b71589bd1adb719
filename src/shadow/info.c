/* SPDX-License-Identifier: Apache-2.0 */
/* What the Pod looks like from inside, as "key=value" lines. */
#include "shadow/info.h"

#include "base/buf.h"
#include "base/ipaddr.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/sockdiag.h"
#include "shadow/envs.h"
#include "shadow/reply.h"
#include "shadow/serve.h"
#include "shadow/shadow.h"
#include "tunnel/mux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>

#define INFO_MAX (512 * 1024)
#define FILE_MAX (1024 * 1024)

/* a full buffer cuts the list short; what fits is still right */
#define put(b, ...) ((void)!buf_printf(b, __VA_ARGS__))

static unsigned int mask_len(const struct sockaddr *mask)
{
	struct ipport m;
	unsigned int n = 0;

	if (!mask || ipport_from_sockaddr(&m, mask) < 0)
		return mask && mask->sa_family == AF_INET6 ? 128 : 32;
	for (size_t i = 0; i < ipaddr_size(&m.addr); i++)
		n += (unsigned int)__builtin_popcount(m.addr.b[i]);
	return n;
}

static bool link_local(const struct ipaddr *a)
{
	return (a->family == AF_INET6 && a->b[0] == 0xfe &&
		(a->b[1] & 0xc0) == 0x80) ||
	       (a->family == AF_INET && a->b[0] == 169 && a->b[1] == 254);
}

static void put_address(struct buf *b, const struct ifaddrs *ifa)
{
	char text[IPADDR_STRLEN], ptext[IPPREFIX_STRLEN];
	struct ipprefix p;
	struct ipport at;
	unsigned int len;

	if (!ifa->ifa_addr || (ifa->ifa_flags & IFF_LOOPBACK) ||
	    ipport_from_sockaddr(&at, ifa->ifa_addr) < 0 ||
	    link_local(&at.addr))
		return;
	len = MIN(mask_len(ifa->ifa_netmask), ipaddr_bits(&at.addr));
	p = ipprefix_make(&at.addr, len);
	put(b, "pod_ip=%s\n", ipaddr_str(&at.addr, text));
	put(b, "prefix=%s\n", ipprefix_str(&p, ptext));
}

static void put_addresses(struct buf *b)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *i = all; i; i = i->ifa_next)
		put_address(b, i);
	freeifaddrs(all);
}

static void put_route4(struct buf *b, const char *line)
{
	char dev[32], text[IPPREFIX_STRLEN];
	unsigned int dst, gw, flags, mask;
	struct ipprefix p;
	struct ipaddr a;

	/* addresses are the kernel's words in host order of a network word */
	if (sscanf(line, "%31s %x %x %x %*d %*d %*d %x", dev, &dst, &gw, &flags,
		   &mask) != 5)
		return;
	a = ipaddr_v4(&dst);
	p = ipprefix_make(&a, (unsigned int)__builtin_popcount(mask));
	if (p.len)
		put(b, "route=%s\n", ipprefix_str(&p, text));
}

static void put_route6(struct buf *b, const char *line)
{
	char hex[33], dev[32], text[IPPREFIX_STRLEN];
	struct ipprefix p;
	unsigned int len;
	struct ipaddr a;
	uint8_t bytes[16];

	if (sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %*x %31s", hex, &len,
		   dev) != 3 ||
	    strlen(hex) != 32 || strcmp(dev, "lo") == 0 || !len || len > 128)
		return;
	for (size_t i = 0; i < 16; i++) {
		const char two[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		bytes[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	a = ipaddr_v6(bytes);
	p = ipprefix_make(&a, len);
	if (!link_local(&a) && a.b[0] != 0xff)
		put(b, "route=%s\n", ipprefix_str(&p, text));
}

static void put_port(struct buf *b, unsigned int port)
{
	put(b, "listening=%u\n", port);
}

/* Who can be called at 127.0.0.1 */
static void put_listener(void *user, const struct ipport *at)
{
	static const struct ipaddr none;

	if (memcmp(at->addr.b, none.b, sizeof(none.b)) == 0 ||
	    (at->addr.family == AF_INET && at->addr.b[0] == 127))
		put_port(user, at->port);
}

/* The address is the kernel's words as above, and so ends in 127, or in one of
 * zeros where any will do */
static void put_listening(struct buf *b, const char *line)
{
	unsigned int port, state;
	char hex[33];
	size_t n;

	if (sscanf(line, "%*d: %32[^:]:%x %*s %x", hex, &port, &state) != 3 ||
	    state != TCP_LISTEN)
		return;
	n = strlen(hex);
	if (strspn(hex, "0") == n || (n > 2 && strcmp(hex + n - 2, "7F") == 0))
		put_port(b, port);
}

static void put_lines(struct buf *b, const char *path,
		      void (*put_line)(struct buf *, const char *))
{
	auto_free char *text = file_read(path, FILE_MAX, NULL);
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		put_line(b, line);
}

/* The files are what a kernel without the module, or a sandbox, has: to read
 * them the kernel walks all that could be connected, 20 ms each on a large
 * machine */
static void put_listeners(struct buf *b)
{
	struct nlsock *s = xmalloc(sizeof(*s));
	size_t before = b->len;
	int rc = nlsock_open(s, NETLINK_SOCK_DIAG);

	if (rc == 0) {
		rc = sockdiag_listeners(s, put_listener, b);
		nlsock_close(s);
	}
	free(s);
	if (rc == 0)
		return;
	b->len = before;
	put_lines(b, "/proc/net/tcp", put_listening);
	put_lines(b, "/proc/net/tcp6", put_listening);
}

static void put_names(struct buf *b, const struct resolvconf *rc)
{
	char text[IPADDR_STRLEN];

	for (size_t i = 0; i < rc->nservers; i++)
		put(b, "nameserver=%s\n",
		    ipaddr_str(&rc->servers[i].addr, text));
	for (size_t i = 0; i < rc->search.n; i++)
		put(b, "search=%s\n", rc->search.v[i]);
	put(b, "ndots=%u\n", rc->ndots);
}

bool info_ranges_good(const char *text)
{
	auto_strv struct strv list = strv_split(text, ',');
	struct ipprefix p;

	for (size_t i = 0; i < list.n; i++)
		if (!strchr(list.v[i], '/') ||
		    ipprefix_parse(&p, list.v[i]) < 0 || !p.len)
			return false;
	return true;
}

/* What the manifest says of the cluster; it was checked at the start */
static void put_ranges(struct buf *b, const char *key, const char *env)
{
	auto_strv struct strv list = strv_split(env ? env : "", ',');

	for (size_t i = 0; i < list.n; i++)
		put(b, "%s=%s\n", key, list.v[i]);
}

static void info_put_member(void *user, const char *env)
{
	struct buf *b = user;

	put(b, "env_member=%s\n", env);
}

void info_serve(struct shadow *sh, const struct serve *sv, struct mux_stream *s)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	char name[256] = "";
	struct buf b;

	buf_init(&b, INFO_MAX);
	gethostname(name, sizeof(name) - 1);
	put(&b, "version=%s\nhostname=%s\n", KT_VERSION, name);
	if (host)
		put(&b, "service_host=%s\n", host);
	if (port)
		put(&b, "service_port=%s\n", port);
	put(&b, "accepted=%" PRIu64 "\n", serve_accepted(sv));
	put(&b, "able=env\n");
	put_ranges(&b, "service_range", getenv(KT_ENV_SERVICE_RANGES));
	put_ranges(&b, "pod_range", getenv(KT_ENV_POD_RANGES));
	put_names(&b, &sh->resolv);
	put_addresses(&b);
	put_lines(&b, "/proc/net/route", put_route4);
	put_lines(&b, "/proc/net/ipv6_route", put_route6);
	put_listeners(&b);
	if (sh->envs)
		envs_each(sh->envs, info_put_member, &b);
	reply_send(sh->loop, s, "text/plain", buf_data(&b), b.len);
	buf_fini(&b);
}
