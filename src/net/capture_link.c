/* SPDX-License-Identifier: Apache-2.0 */
#include "net/capture_link.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/netns.h"
#include "net/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define INNER "kt1"
#define TUN "t0"
#define SYN "tcp flags & (fin|syn|rst|ack) == syn"
#define MARK 1		/* "for a socket of ours" */
#define TABLE_LOCAL 101 /* marked packets: here */
#define TABLE_TUN 102	/* all others from the programs: to the TUN */
#define TUN_QUEUE 8192	/* packets; a burst of SYNs must not be lost */
#define UDP_BUFFER (8 << 20)
#define REPLACE_WAIT_MS 2000

static const uint8_t mac[NETLINK_MAC] = { 0x02, 'k', 't', 'c', 't', 'l' };

#define N_SYSCTLS6 8
/* What the inner namespace needs; the first column decides whether it is an
 * error when the kernel has no such switch. */
static const struct {
	bool must;
	const char *name, *value;
} sysctls[] = {
	{ true, "ipv4/ip_forward", "1" },
	{ true, "ipv4/conf/all/rp_filter", "0" },
	{ true, "ipv4/conf/default/rp_filter", "0" },
	/* our ICMP errors come in through t0 with the address of kt1 */
	{ true, "ipv4/conf/all/accept_local", "1" },
	{ true, "ipv4/conf/default/accept_local", "1" },
	{ false, "ipv4/conf/all/send_redirects", "0" },
	{ false, "ipv4/conf/default/send_redirects", "0" },
	{ false, "ipv4/conf/all/accept_redirects", "0" },
	{ false, "ipv4/conf/default/log_martians", "0" },
	{ false, "ipv4/conf/all/log_martians", "0" },
	/* a cookie's connection has no socket that a packet could be matched
	 * with; a long queue instead */
	{ false, "ipv4/tcp_syncookies", "0" },
	{ false, "ipv4/tcp_max_syn_backlog", "65535" },
	{ false, "core/somaxconn", "65535" },
	/* a SYN that meets a TIME_WAIT is to be forwarded to the TUN, which
	 * the kernel refuses for a packet that has found a socket */
	{ false, "ipv4/tcp_early_demux", "0" },
	{ false, "ipv4/udp_early_demux", "0" },
	{ false, "ipv4/tcp_slow_start_after_idle", "0" },
	/* nothing may keep the namespace alive when the process is gone */
	{ false, "ipv4/tcp_orphan_retries", "1" },
	{ false, "ipv4/tcp_fin_timeout", "15" },
	/* the last N_SYSCTLS6: */
	{ true, "ipv6/conf/all/disable_ipv6", "0" },
	{ true, "ipv6/conf/default/disable_ipv6", "0" },
	{ true, "ipv6/conf/lo/disable_ipv6", "0" },
	{ true, "ipv6/conf/all/forwarding", "1" },
	{ false, "ipv6/conf/default/forwarding", "1" },
	{ false, "ipv6/conf/default/accept_ra", "0" },
	{ false, "ipv6/conf/default/dad_transmits", "0" },
	{ false, "ipv6/conf/default/addr_gen_mode", "1" },
};

/* --- inside: the namespace N ---------------------------------------------- */

static int set_sysctls(bool ipv6, struct kt_error *err)
{
	size_t n = ARRAY_SIZE(sysctls) - (ipv6 ? 0 : N_SYSCTLS6);

	for (size_t i = 0; i < n; i++) {
		int rc;

		if (!sysctls[i].must) {
			netns_sysctl_try(sysctls[i].name, sysctls[i].value);
			continue;
		}
		rc = netns_sysctl_set(sysctls[i].name, sysctls[i].value, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int open_tun(struct kt_error *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	auto_close int fd = -1;

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		kt_fail(err, errno, "open /dev/net/tun: %s", strerror(errno));
		if (err->code == ENOENT || err->code == ENODEV ||
		    err->code == ENXIO)
			kt_hint(err, "load the module (modprobe tun); in a "
				     "container pass --device /dev/net/tun; or "
				     "use --mode sshuttle, or "
				     "--disableTunDevice (SOCKS5 proxy)");
		netns_hint(err);
		return -err->code;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), TUN);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		kt_fail(err, errno, "create TUN device: %s", strerror(errno));
		netns_hint(err);
		return -err->code;
	}
	return steal_fd(&fd);
}

static int capture_link_set_int(int fd, int level, int opt, int v)
{
	return setsockopt(fd, level, opt, &v, sizeof(v));
}

/* Options that accepted sockets inherit. */
static int set_tcp_options(int fd)
{
	/* close() is an abort, and leaves nothing: see capture_tcp_finish() */
	struct linger abort = { .l_onoff = 1, .l_linger = 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)) < 0 ||
	    capture_link_set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1) < 0 ||
	    capture_link_set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 120) < 0 ||
	    capture_link_set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 30) < 0 ||
	    capture_link_set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 4) < 0 ||
	    capture_link_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0)
		return -errno;
	return listen(fd, 65535) < 0 ? -errno : 0;
}

static int set_udp_options(int fd, int family)
{
	int rc;

	if (family == AF_INET)
		rc = capture_link_set_int(fd, SOL_IP, IP_RECVORIGDSTADDR, 1);
	else
		rc = capture_link_set_int(fd, SOL_IPV6, IPV6_RECVORIGDSTADDR,
					  1);
	if (rc < 0)
		return -errno;
	if (capture_link_set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER) <
	    0)
		(void)capture_link_set_int(fd, SOL_SOCKET, SO_RCVBUF,
					   UDP_BUFFER);
	return 0;
}

/* A socket on the loopback address, which takes packets for any address. */
static int open_transparent(int family, int type, struct ipport *at)
{
	int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	auto_close int fd = socket(family, type | flags, 0);
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	int rc;

	if (fd < 0)
		return -errno;
	if (family == AF_INET)
		rc = capture_link_set_int(fd, SOL_IP, IP_TRANSPARENT, 1);
	else
		rc = capture_link_set_int(fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
	len = ipport_to_sockaddr(at, &ss);
	if (rc < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	rc = type == SOCK_STREAM ? set_tcp_options(fd)
				 : set_udp_options(fd, family);
	if (rc < 0)
		return rc;
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	rc = ipport_from_sockaddr(at, (struct sockaddr *)&ss);
	return rc < 0 ? rc : steal_fd(&fd);
}

static int open_sockets(struct capture_link *l, unsigned int tcp_port[2],
			unsigned int udp_port[2], struct kt_error *err)
{
	static const char *const loopback[2] = { "127.0.0.1", "::1" };

	for (int f = 0; f < capture_link_families(l); f++) {
		struct ipport tcp = { 0 }, udp;
		int family = f ? AF_INET6 : AF_INET;

		if (ipaddr_parse(&tcp.addr, loopback[f]) < 0)
			return kt_fail(err, EINVAL, "loopback");
		udp = tcp;
		l->tcp[f] = open_transparent(family, SOCK_STREAM, &tcp);
		if (l->tcp[f] < 0)
			return kt_fail(err, -l->tcp[f],
				       "open capture socket (TCP): %s",
				       strerror(-l->tcp[f]));
		l->udp[f] = open_transparent(family, SOCK_DGRAM, &udp);
		if (l->udp[f] < 0)
			return kt_fail(err, -l->udp[f],
				       "open capture socket (UDP): %s",
				       strerror(-l->udp[f]));
		tcp_port[f] = tcp.port;
		udp_port[f] = udp.port;
	}
	return 0;
}

static int add_policy(struct netlink *nl, int family, int tun, int lo,
		      struct kt_error *err)
{
	struct netlink_rule marked = { .family = family,
				       .priority = 1000,
				       .table = TABLE_LOCAL,
				       .mark = MARK };
	struct netlink_rule other = { .family = family,
				      .priority = 1001,
				      .table = TABLE_TUN,
				      .iif = INNER };
	struct netlink_route here = { .dst.addr.family = (uint8_t)family,
				      .ifindex = lo,
				      .table = TABLE_LOCAL,
				      .local = true };
	struct netlink_route out = { .dst.addr.family = (uint8_t)family,
				     .ifindex = tun,
				     .table = TABLE_TUN };
	int rc;

	if ((rc = netlink_rule_add(nl, &marked, err)) < 0 ||
	    (rc = netlink_rule_add(nl, &other, err)) < 0 ||
	    (rc = netlink_route_add(nl, &here, err)) < 0 ||
	    (rc = netlink_route_add(nl, &out, err)) < 0)
		return rc;
	return 0;
}

/*
 * A SYN from the programs (INNER) goes to the TUN and is held; the same SYN
 * coming back from there goes to the listener, whatever its address. Later
 * segments find their socket; one that we sent back, because it came too early
 * for that, finds it now or is dropped. UDP goes to a socket, which reassembles
 * it.
 */
static int give_rules(struct nft *nft, const unsigned int tcp_port[2],
		      const unsigned int udp_port[2], bool ipv6,
		      struct kt_error *err)
{
	char text[2048], rules6[512] = "";

	if (ipv6)
		snprintf(rules6, sizeof(rules6),
			 "iifname " INNER " meta nfproto ipv6 meta l4proto udp "
			 "tproxy ip6 to [::1]:%u meta mark set %d accept\n"
			 "iifname " TUN " meta nfproto ipv6 " SYN " "
			 "tproxy ip6 to [::1]:%u meta mark set %d accept\n",
			 udp_port[1], MARK, tcp_port[1], MARK);
	snprintf(text, sizeof(text),
		 "table inet kt {\n chain in {\n"
		 "type filter hook prerouting priority mangle\n"
		 "iifname " INNER " meta nfproto ipv4 meta l4proto udp "
		 "tproxy ip to 127.0.0.1:%u meta mark set %d accept\n"
		 "iifname " INNER " " SYN " accept\n"
		 "iifname " INNER " meta l4proto tcp socket transparent 1 "
		 "meta mark set %d accept\n"
		 "iifname " TUN " meta nfproto ipv4 " SYN " "
		 "tproxy ip to 127.0.0.1:%u meta mark set %d accept\n"
		 "iifname " TUN " meta l4proto tcp socket transparent 1 "
		 "meta mark set %d accept\n"
		 "%s"
		 "iifname " TUN " tcp flags & (syn | rst) == 0 drop\n"
		 " }\n}\n",
		 udp_port[0], MARK, MARK, tcp_port[0], MARK, MARK, rules6);
	return nft_give(nft, text, err);
}

/* In force they need no nft any more */
static int await_rules(struct capture_link *l, struct kt_error *err)
{
	int rc = nft_await(l->rules, "capture rules", err);

	nft_free(l->rules);
	l->rules = NULL;
	if (rc < 0 && rc != -EINTR && !err->hint[0])
		kt_hint(err, "the kernel needs nf_tables with nft_tproxy and "
			     "nft_socket (in every Debian kernel); "
			     "--disableTunDevice works without (SOCKS5)");
	return rc;
}

struct inside {
	struct loop *loop; /* or NULL */
	struct capture_link *l;
	struct netlink *nl;
};

static int set_up_inside(void *user, struct kt_error *err)
{
	unsigned int tcp_port[2] = { 0 }, udp_port[2] = { 0 };
	struct inside *in = user;
	struct capture_link *l = in->l;
	int lo, tun, rc;

	/* it begins meanwhile */
	if ((rc = nft_begin(&l->rules, in->loop, err)) < 0)
		return rc;
	/* first: new devices take over what "default" says */
	if ((rc = set_sysctls(l->ipv6, err)) < 0 ||
	    (rc = netlink_open(&in->nl, err)) < 0)
		return rc;
	l->tun = open_tun(err);
	if (l->tun < 0)
		return l->tun;
	lo = netlink_link_index(in->nl, "lo");
	tun = netlink_link_index(in->nl, TUN);
	if (lo < 0 || tun < 0)
		return kt_fail(err, ENODEV, "find network device %s",
			       lo < 0 ? "lo" : TUN);
	if ((rc = netlink_link_up(in->nl, lo, 0, 0, err)) < 0 ||
	    (rc = netlink_link_up(in->nl, tun, l->mtu, TUN_QUEUE, err)) < 0 ||
	    (rc = add_policy(in->nl, AF_INET, tun, lo, err)) < 0 ||
	    (l->ipv6 && (rc = add_policy(in->nl, AF_INET6, tun, lo, err)) < 0))
		return rc;
	if ((rc = open_sockets(l, tcp_port, udp_port, err)) < 0)
		return rc;
	return give_rules(l->rules, tcp_port, udp_port, l->ipv6, err);
}

/* --- the pair ------------------------------------------------------------- */

struct capture_overlap {
	struct ipprefix net;
	bool taken;
};

static void note_overlap(void *user, const struct netlink_net *n)
{
	struct capture_overlap *o = user;

	/* a wider net (169.254.0.0/16, the default route) does no harm */
	if (n->net.addr.family == o->net.addr.family &&
	    (ipprefix_covers(&o->net, &n->net) ||
	     (n->net.len >= 24 && ipprefix_covers(&n->net, &o->net))))
		o->taken = true;
}

/* A pair of addresses that nobody here uses: the first and second host of
 * a small network, tried one after the other. */
static int choose_addrs(struct capture_link *l, int f, const char *base,
			unsigned int len, unsigned int byte, unsigned int step,
			struct kt_error *err)
{
	struct ipaddr a;
	int rc;

	if (ipaddr_parse(&a, base) < 0)
		return kt_fail(err, EINVAL, "address %s", base);
	for (unsigned int i = 0; i + step <= 256; i += step) {
		struct capture_overlap o = { .net = ipprefix_make(&a, len) };

		o.net.addr.b[byte] = (uint8_t)i;
		if ((rc = netlink_addr_each(l->netlink, note_overlap, &o)) <
			    0 ||
		    (rc = netlink_route_each(l->netlink, note_overlap, &o)) < 0)
			return kt_fail(err, -rc, "list addresses: %s",
				       strerror(-rc));
		if (o.taken)
			continue;
		l->host[f] = l->inner[f] = o.net.addr;
		l->host[f].b[ipaddr_size(&a) - 1] += 1;
		l->inner[f].b[ipaddr_size(&a) - 1] += 2;
		return 0;
	}
	return kt_fail(err, EADDRINUSE, "no free address for %s in %s",
		       l->ifname, base);
}

static void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* A pair that we make is known by its address from its first moment on. */
static bool capture_link_foreign(struct capture_link *l,
				 struct netlink_link *found)
{
	return netlink_link_look(l->netlink, l->ifname, found) == 0 &&
	       (strcmp(found->kind, "veth") != 0 ||
		memcmp(found->mac, mac, sizeof(mac)) != 0);
}

static int capture_link_taken(const struct capture_link *l,
			      const struct netlink_link *found,
			      struct kt_error *err)
{
	kt_hint(err,
		"it is left alone; remove it (ip link del %s) or give it "
		"another name (ip link set %s down name NEW), or use "
		"--disableTunDevice (SOCKS5 proxy)",
		l->ifname, l->ifname);
	return kt_fail(err, EEXIST,
		       "a network device %s that is not of ktctl (%s) exists "
		       "already",
		       l->ifname, found->kind[0] ? found->kind : "no veth");
}

/* The kernel takes a moment to bury the device of a killed process: wait. Told
 * that no other capture lives, push. What is not ours is left alone. */
static int make_pair(struct capture_link *l, int ns, bool replace,
		     struct kt_error *err)
{
	struct netlink_veth v = { .name = l->ifname,
				  .peer = INNER,
				  .peer_netns = ns,
				  .mtu = l->mtu };
	struct netlink_link found;
	struct kt_error why;
	int rc;

	memcpy(v.mac, mac, sizeof(v.mac));
	for (int waited = 0;; waited += 10) {
		why = (struct kt_error){ 0 };
		rc = netlink_veth_add(l->netlink, &v, &why);
		if (rc != -EEXIST || waited >= REPLACE_WAIT_MS)
			break;
		if (capture_link_foreign(l, &found))
			return capture_link_taken(l, &found, err);
		if (replace)
			netlink_link_del(l->netlink, l->ifname, NULL);
		sleep_ms(10);
	}
	if (rc == 0)
		return 0;
	*err = why;
	if (rc == -EEXIST) {
		kt_fail(err, EEXIST, "network device %s exists already",
			l->ifname);
		kt_hint(err, "another ktctl connect is running here; end it "
			     "first");
	} else if (rc == -EOPNOTSUPP) {
		kt_hint(err, "load the module (modprobe veth)");
	}
	netns_hint(err);
	return rc;
}

static int connect_inside(struct capture_link *l, struct netlink *nl,
			  struct kt_error *err)
{
	int kt1 = netlink_link_index(nl, INNER);
	int rc;

	if (kt1 < 0)
		return kt_fail(err, -kt1, "find network device " INNER);
	rc = netlink_link_up(nl, kt1, 0, 0, err);
	for (int f = 0; rc == 0 && f < capture_link_families(l); f++) {
		struct netlink_route back = {
			.dst.addr.family = l->host[f].family,
			.ifindex = kt1,
			.via = l->host[f],
		};

		rc = netlink_addr_add(nl, kt1, &l->inner[f], f ? 126 : 30, err);
		if (rc == 0)
			rc = netlink_route_add(nl, &back, err);
	}
	return rc;
}

static int connect_host(struct capture_link *l, struct kt_error *err)
{
	char text[80];
	int rc;

	l->ifindex = netlink_link_index(l->netlink, l->ifname);
	if (l->ifindex < 0)
		return kt_fail(err, -l->ifindex, "find network device %s",
			       l->ifname);
	snprintf(text, sizeof(text), "ktctl, process %d", (int)getpid());
	netlink_link_alias(l->netlink, l->ifindex, text, NULL);
	if (l->ipv6) {
		/* no address of its own making, no packets to announce it */
		snprintf(text, sizeof(text), "ipv6/conf/%s/addr_gen_mode",
			 l->ifname);
		netns_sysctl_try(text, "1");
	}
	rc = netlink_link_up(l->netlink, l->ifindex, 0, 0, err);
	if (rc < 0)
		return rc;
	return netlink_addr_add(l->netlink, l->ifindex, &l->host[0], 30, err);
}

/* --- the whole ------------------------------------------------------------ */

static int capture_link_open_all(struct capture_link *l,
				 const struct capture_config *cfg,
				 struct inside *in, struct kt_error *err)
{
	auto_close int ns = -1;
	int rc;

	if ((rc = netlink_open(&l->netlink, err)) < 0 ||
	    (rc = choose_addrs(l, 0, "169.254.77.0", 30, 3, 4, err)) < 0)
		return rc;
	if (l->ipv6 &&
	    (rc = choose_addrs(l, 1, "fd6b:7463:746c::", 126, 7, 1, err)) < 0)
		return rc;
	ns = netns_new(err);
	if (ns < 0)
		return ns;
	if ((rc = netns_run(ns, set_up_inside, in, err)) < 0 ||
	    (rc = make_pair(l, ns, cfg->replace, err)) < 0 ||
	    (rc = connect_inside(l, in->nl, err)) < 0 ||
	    (rc = connect_host(l, err)) < 0 ||
	    (rc = netlink_link_wait(l->netlink, l->ifindex, err)) < 0 ||
	    (rc = netlink_link_wait(in->nl, netlink_link_index(in->nl, INNER),
				    err)) < 0)
		return rc;
	return await_rules(l, err);
}

int capture_link_open(struct capture_link *l, struct loop *loop,
		      const struct capture_config *cfg, struct kt_error *err)
{
	struct kt_error local = { 0 };
	struct inside in = { .loop = loop, .l = l };
	int rc;

	*l = (struct capture_link){
		.mtu = cfg->mtu ? cfg->mtu : 65520,
		.ipv6 = cfg->ipv6 && access("/proc/sys/net/ipv6", F_OK) == 0,
		.tun = -1,
		.tcp = { -1, -1 },
		.udp = { -1, -1 },
	};
	snprintf(l->ifname, sizeof(l->ifname), "%s",
		 cfg->ifname ? cfg->ifname : CAPTURE_IFNAME);
	if (cfg->ifname && strlen(cfg->ifname) >= sizeof(l->ifname))
		return kt_fail(err, EINVAL, "device name '%s' is too long",
			       cfg->ifname);
	rc = capture_link_open_all(l, cfg, &in, &local);
	netlink_close(in.nl);
	if (rc < 0) {
		capture_link_close(l);
		if (err)
			*err = local;
	}
	return rc;
}

void capture_link_move(struct capture_link *to, struct capture_link *from)
{
	*to = *from;
	*from = (struct capture_link){
		.tun = -1,
		.tcp = { -1, -1 },
		.udp = { -1, -1 },
	};
}

void capture_link_pass(const struct capture_link *l, int fds[CAPTURE_LINK_FDS])
{
	const int all[CAPTURE_LINK_FDS] = { netlink_fd(l->netlink),
					    l->tun,
					    l->tcp[0],
					    l->tcp[1],
					    l->udp[0],
					    l->udp[1] };

	memcpy(fds, all, sizeof(all));
}

int capture_link_adopt(struct capture_link *l, const int fds[CAPTURE_LINK_FDS])
{
	l->elsewhere = true;
	l->rules = NULL; /* @l may be another process's words */
	l->tun = fds[1];
	l->tcp[0] = fds[2];
	l->tcp[1] = fds[3];
	l->udp[0] = fds[4];
	l->udp[1] = fds[5];
	l->netlink = netlink_adopt(fds[0]);
	if (l->netlink)
		return 0;
	l->ifindex = 0;
	capture_link_close(l);
	return -ENOMEM;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void capture_link_close(struct capture_link *l)
{
	nft_free(l->rules);
	l->rules = NULL;
	/* at once, rather than when the kernel gets round to it */
	if (l->ifindex > 0)
		netlink_link_del(l->netlink, l->ifname, NULL);
	l->ifindex = 0;
	for (int f = 0; f < 2; f++) {
		close_fd(&l->tcp[f]);
		close_fd(&l->udp[f]);
	}
	close_fd(&l->tun);
	netlink_close(l->netlink);
	l->netlink = NULL;
}

/* Only now: an IPv6 address makes programs ask for AAAA and try them. */
static int add_ipv6_addr(struct capture_link *l, struct kt_error *err)
{
	char name[80];
	int rc;

	if (l->ipv6_addr)
		return 0;
	if (!l->elsewhere) {
		snprintf(name, sizeof(name), "ipv6/conf/%s/disable_ipv6",
			 l->ifname);
		netns_sysctl_try(name, "0");
	}
	rc = netlink_addr_add(l->netlink, l->ifindex, &l->host[1], 126, err);
	l->ipv6_addr = rc == 0;
	return rc;
}

int capture_link_route(struct capture_link *l, const struct ipprefix *p,
		       bool add, struct kt_error *err)
{
	int f = capture_fam(p->addr.family);
	struct netlink_route r = { .dst = *p, .ifindex = l->ifindex };
	int rc;

	if (f && !l->ipv6)
		return kt_fail(err, EAFNOSUPPORT,
			       "this machine has no IPv6 to capture");
	r.via = l->inner[f];
	if (!add)
		return netlink_route_del(l->netlink, &r, err);
	if (f && (rc = add_ipv6_addr(l, err)) < 0)
		return rc;
	r.src = l->host[f];
	return netlink_route_add(l->netlink, &r, err);
}
