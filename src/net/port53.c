/* SPDX-License-Identifier: Apache-2.0 */
#include "net/port53.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conntrack.h"
#include "net/nft.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_TEXT (256 * 1024)
#define OWN_ZONE 0x6b74 /* of conntrack: "kt" */
#define HINT "--dnsMode hosts works without a redirect"

struct port53 {
	struct nft *nft;
	struct conntrack *conntrack; /* NULL: cannot be asked */
};

/* "meta nfproto ipv4 udp dport 53 redirect to :1053" */
static int put_redirect(struct buf *b, const char *family, const char *proto,
			uint16_t port)
{
	if (!port)
		return 0;
	return buf_printf(b, "meta nfproto %s %s dport 53 redirect to :%u\n",
			  family, proto, port);
}

/*
 * Our own questions leave from ports that a program may use next, or used just
 * before, towards the same server: for conntrack one connection, and NAT is
 * decided once for each. So ours are of a zone of their own; only in their own
 * direction, for replies come without a mark.
 */
static int put_zone(struct buf *b, uint32_t mark)
{
	return buf_printf(b,
			  "chain own {\n"
			  "type filter hook output priority raw; "
			  "policy accept;\n"
			  "meta mark %u ct original zone set %u\n"
			  "}\n",
			  mark, OWN_ZONE);
}

/* "create" fails when the table exists, where "add" would share it. */
static int put_table(struct buf *b, const struct port53_config *cfg, bool zone)
{
	int rc;

	rc = buf_printf(
		b,
		"create table inet ktctl { flags owner; }\n"
		"add set inet ktctl exempt4 { type ipv4_addr; flags interval; "
		"auto-merge; }\n"
		"add set inet ktctl exempt6 { type ipv6_addr; flags interval; "
		"auto-merge; }\n"
		"table inet ktctl {\nflags owner\nchain output {\n"
		"type nat hook output priority -110; policy accept;\n"
		"meta l4proto != { tcp, udp } accept\n"
		"th dport != 53 accept\n"
		"meta mark %u accept\n"
		"ip daddr @exempt4 accept\n"
		"ip6 daddr @exempt6 accept\n",
		cfg->mark);
	if (rc < 0 ||
	    (rc = put_redirect(b, "ipv4", "udp", cfg->udp4_port)) < 0 ||
	    (rc = put_redirect(b, "ipv4", "tcp", cfg->tcp4_port)) < 0 ||
	    (rc = put_redirect(b, "ipv6", "udp", cfg->udp6_port)) < 0 ||
	    (rc = put_redirect(b, "ipv6", "tcp", cfg->tcp6_port)) < 0)
		return rc;
	rc = buf_printf(b, "}\n");
	if (rc >= 0 && zone)
		rc = put_zone(b, cfg->mark);
	if (rc >= 0)
		rc = buf_printf(b, "}\n");
	return rc < 0 ? rc : buf_put(b, "", 1);
}

static int run_table(struct port53 *p, const struct port53_config *cfg,
		     bool zone, struct kt_error *err)
{
	struct buf text;
	int rc;

	buf_init(&text, MAX_TEXT);
	rc = put_table(&text, cfg, zone);
	if (rc < 0) {
		buf_fini(&text);
		return kt_fail(err, -rc, "redirect port 53: %s", strerror(-rc));
	}
	rc = nft_run(p->nft, (const char *)buf_data(&text), "redirect port 53",
		     err);
	buf_fini(&text);
	return rc;
}

static int port53_load_table(struct port53 *p, const struct port53_config *cfg,
			     struct kt_error *err)
{
	struct kt_error first = { 0 };
	int rc = run_table(p, cfg, true, &first);

	if (rc == -EOPNOTSUPP || rc == -ENOENT || rc == -EINVAL) {
		log_debug("%s: once more without a zone", first.msg);
		rc = run_table(p, cfg, false, err);
	} else if (rc < 0) {
		*err = first;
	}
	if (rc == -EEXIST || rc == -EBUSY)
		kt_hint(err, "another ktctl connect redirects port 53 here "
			     "already; " HINT);
	else if ((rc == -EPERM || rc == -EACCES) && geteuid() == 0)
		kt_hint(err, "another process has table inet ktctl (is it a "
			     "ktctl connect?), or CAP_NET_ADMIN is "
			     "missing; " HINT);
	else if (rc == -EPERM || rc == -EACCES)
		kt_hint(err, "run it as root; " HINT);
	else if (rc < 0)
		kt_hint(err, "the kernel needs nf_tables with tables that have "
			     "an owner (Linux 5.12); " HINT);
	return rc;
}

int port53_open(struct port53 **out, const struct port53_config *cfg,
		struct kt_error *err)
{
	struct port53 *p;
	int rc;

	if (!cfg->mark)
		return kt_fail(err, EINVAL, "redirect port 53: no mark");
	p = xcalloc(1, sizeof(*p));
	rc = nft_new(&p->nft, err);
	if (rc == 0)
		rc = port53_load_table(p, cfg, err);
	if (rc < 0) {
		port53_close(p);
		return rc;
	}
	rc = conntrack_open(&p->conntrack);
	if (rc < 0)
		log_debug("port 53: conntrack: %s", strerror(-rc));
	*out = p;
	return 0;
}

void port53_close(struct port53 *p)
{
	if (!p)
		return;
	conntrack_close(p->conntrack);
	nft_free(p->nft); /* the table goes with its socket */
	free(p);
}

static int put_elements(struct buf *b, int family, const struct ipprefix *list,
			size_t n)
{
	int v = family == AF_INET ? 4 : 6;
	bool first = true;
	int rc = buf_printf(b, "flush set inet ktctl exempt%d\n", v);

	for (size_t i = 0; rc >= 0 && i < n; i++) {
		char text[IPPREFIX_STRLEN];

		if (list[i].addr.family != family)
			continue;
		if (first)
			rc = buf_printf(b, "add element inet ktctl exempt%d { ",
					v);
		if (rc >= 0)
			rc = buf_printf(b, "%s%s", first ? "" : ", ",
					ipprefix_str(&list[i], text));
		first = false;
	}
	if (rc >= 0 && !first)
		rc = buf_printf(b, " }\n");
	return rc;
}

int port53_set_exempt(struct port53 *p, const struct ipprefix *list, size_t n,
		      struct kt_error *err)
{
	static const char what[] = "exempt networks from the redirect of port "
				   "53";
	struct buf text;
	int rc;

	buf_init(&text, MAX_TEXT);
	rc = put_elements(&text, AF_INET, list, n);
	if (rc >= 0)
		rc = put_elements(&text, AF_INET6, list, n);
	if (rc >= 0)
		rc = buf_put(&text, "", 1);
	if (rc < 0)
		kt_fail(err, -rc, "%s: %s", what, strerror(-rc));
	else
		rc = nft_run(p->nft, (const char *)buf_data(&text), what, err);
	buf_fini(&text);
	return rc;
}

int port53_original_udp(struct port53 *p, const struct ipport *client,
			const struct ipport *listener, struct ipport *orig)
{
	int rc;

	if (!p->conntrack)
		return -ENOENT;
	rc = conntrack_original_udp(p->conntrack, client, listener, orig);
	if (rc < 0)
		return rc;
	/* a query sent to the listener itself was not redirected */
	return ipport_eq(orig, listener) ? -ENOENT : 0;
}

int port53_original_tcp(int fd, struct ipport *orig)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct ipport local;
	int rc;

	rc = conntrack_original_tcp(fd, orig);
	if (rc < 0)
		return rc;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	rc = ipport_from_sockaddr(&local, (struct sockaddr *)&ss);
	if (rc < 0)
		return rc;
	return ipport_eq(orig, &local) ? -ENOENT : 0;
}
