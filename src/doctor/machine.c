/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/machine.h"

#include "dns/resolvconf_file.h"
#include "dns/resolved.h"
#include "local/home.h"
#include "local/pidfile.h"
#include "net/capture.h"
#include "net/netlink.h"
#include "net/netns.h"
#include "net/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

/* Nothing is sent there (RFC 5737): where it would go is where the rest of the
 * world is */
#define MACHINE_ELSEWHERE "192.0.2.1"
#define MACHINE_ELSEWHERE6 "2001:db8::1"

static bool machine_check_rights(struct findings *f, enum finding_state bad)
{
	struct kt_error err = { 0 };

	if (netns_check(true, &err) == 0) {
		finding_add(f, "privileges", FINDING_OK, NULL,
			    "may make network namespaces and devices");
		return true;
	}
	if (netns_check(false, &(struct kt_error){ 0 }) == 0) {
		finding_add(f, "privileges", FINDING_WARN,
			    "use connect --mode sshuttle, or add the "
			    "capability SYS_ADMIN",
			    "may change rules of nftables, but make no network "
			    "namespace");
		return true;
	}
	finding_add(f, "privileges", bad,
		    "run it with sudo; or use connect --disableTunDevice "
		    "(a SOCKS5 proxy), which needs no privilege. The other "
		    "commands need none",
		    "%s", err.msg);
	return false;
}

/* A table of its own, which goes with the socket, as that of connect does */
static void machine_check_nft(struct findings *f)
{
	struct kt_error err = { 0 };
	struct nft *nft = NULL;
	int rc = nft_new(&nft, &err);

	if (rc == 0)
		rc = nft_run(nft,
			     "table inet ktctl_doctor {\n"
			     "flags owner\n"
			     "chain out { type nat hook output priority -100; }"
			     "\n}\n",
			     "make a table", &err);
	nft_free(nft);
	if (rc < 0)
		finding_error(f, "nftables", FINDING_FAIL, &err);
	else
		finding_add(f, "nftables", FINDING_OK, NULL,
			    "tables and redirects can be made");
}

static void machine_check_names(struct findings *f)
{
	struct resolvconf conf = { 0 };
	struct kt_error err = { 0 };
	char at[IPPORT_STRLEN];

	if (resolvconf_is_kt(NULL)) {
		finding_add(f, "names", FINDING_WARN,
			    "run 'ktctl clean --localOnly' when no KT Connect "
			    "runs any more",
			    "/etc/resolv.conf is as KT Connect changed it");
		return;
	}
	if (resolvconf_load(&conf, NULL, &err) < 0)
		finding_error(f, "names", FINDING_WARN, &err);
	else if (!conf.nservers)
		finding_add(f, "names", FINDING_WARN,
			    "cluster names will work, others will not",
			    "/etc/resolv.conf names no server");
	else
		finding_add(f, "names", FINDING_OK, NULL, "name server %s%s%s",
			    ipport_str(&conf.servers[0], at),
			    conf.nservers > 1 ? " and others" : "",
			    resolved_is_running() ? ", systemd-resolved" : "");
	resolvconf_fini(&conf);
}

static void machine_check_alone(struct findings *f, const struct home *home)
{
	pid_t pid = pidfile_alive(home, "connect");

	if (pid)
		finding_add(f, "connect", FINDING_WARN,
			    "one is enough for a machine; leave it first to "
			    "begin another",
			    "a connect runs on this machine (pid %d)",
			    (int)pid);
	else
		finding_add(f, "connect", FINDING_OK, NULL,
			    "none runs on this machine");
}

static void machine_check_home(struct findings *f, const struct home *home)
{
	struct kt_error err = { 0 };
	int fd = home_open_dir(home, "", 0, &err);
	bool writable;

	if (fd < 0 && err.code != ENOENT) {
		finding_error(f, "home", FINDING_WARN, &err);
		return;
	}
	/* what is not there yet will be made in the home directory */
	writable = fd >= 0 ? faccessat(fd, ".", W_OK, AT_EACCESS) == 0
			   : faccessat(AT_FDCWD, home->user, W_OK,
				       AT_EACCESS) == 0;
	if (!writable)
		finding_add(f, "home", FINDING_WARN,
			    "a killed ktctl is not recognized by the next one",
			    "%s cannot be written: %s", home->dir,
			    strerror(errno));
	else
		finding_add(f, "home", FINDING_OK, NULL, "%s can be written",
			    home->dir);
	if (fd >= 0)
		close(fd);
}

void machine_check(struct findings *f, const struct home *home,
		   enum finding_state bad)
{
	if (machine_check_rights(f, bad))
		machine_check_nft(f);
	machine_check_names(f);
	machine_check_home(f, home);
	machine_check_alone(f, home);
}

/* --- ranges --------------------------------------------------------------- */

struct machine_ranges {
	struct findings *findings;
	struct netlink *nl;
	const struct prefixset *ranges;
	int own; /* the device of a connect that runs; < 0: there is none */
	size_t told;
};

static void machine_on_net(void *user, const struct netlink_net *n)
{
	struct machine_ranges *r = user;
	char range[IPPREFIX_STRLEN], net[IPPREFIX_STRLEN];

	for (size_t i = 0; i < r->ranges->n; i++) {
		const struct ipprefix *p = &r->ranges->v[i];

		if (n->net.len == 0 || n->ifindex == r->own ||
		    !ipprefix_covers(p, &n->net))
			continue;
		r->told++;
		finding_add(r->findings, "ranges", FINDING_WARN,
			    "give that network other addresses, or leave it "
			    "out of connect: --excludeIps",
			    "%s of the cluster's range %s is a network of this "
			    "machine, too",
			    ipprefix_str(&n->net, net), ipprefix_str(p, range));
	}
}

/* A rule before the table main: what connect adds there is not looked at */
static void machine_check_way(struct machine_ranges *r,
			      const struct ipprefix *p)
{
	char range[IPPREFIX_STRLEN];
	struct netlink_hop there, world;
	struct ipaddr other;

	if (ipaddr_parse(&other, p->addr.family == AF_INET6
					 ? MACHINE_ELSEWHERE6
					 : MACHINE_ELSEWHERE) < 0 ||
	    netlink_route_get(r->nl, &p->addr, &there) < 0)
		return;
	if (there.table == RT_TABLE_MAIN || there.table == RT_TABLE_LOCAL)
		return;
	if (netlink_route_get(r->nl, &other, &world) == 0 &&
	    world.table == there.table)
		return; /* a default route of another table is told once */
	r->told++;
	finding_add(r->findings, "ranges", FINDING_WARN,
		    "'ip rule add to RANGE lookup main priority 100' puts the "
		    "table main first; connect --excludeIps leaves it out",
		    "the cluster's range %s is led to device %s by table %u, "
		    "which comes before the table main",
		    ipprefix_str(p, range), there.ifname, there.table);
}

void machine_check_ranges(struct findings *f, const struct prefixset *ranges)
{
	struct machine_ranges r = { .findings = f, .ranges = ranges };
	struct kt_error err = { 0 };
	int rc = netlink_open(&r.nl, &err);

	if (rc == 0)
		r.own = netlink_link_index(r.nl, CAPTURE_IFNAME);
	if (rc == 0)
		rc = netlink_addr_each(r.nl, machine_on_net, &r);
	if (rc == 0)
		rc = netlink_route_each(r.nl, machine_on_net, &r);
	for (size_t i = 0; rc == 0 && i < ranges->n; i++)
		machine_check_way(&r, &ranges->v[i]);
	netlink_close(r.nl);
	if (rc < 0)
		finding_add(f, "ranges", FINDING_SKIP, NULL,
			    "the routes of this machine: %s",
			    err.msg[0] ? err.msg : strerror(-rc));
	else if (!r.told)
		finding_add(f, "ranges", FINDING_OK, NULL,
			    "no network of this machine is in the way");
}
