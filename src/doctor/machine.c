/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/machine.h"

#include "dns/resolvconf_file.h"
#include "dns/resolved.h"
#include "local/home.h"
#include "local/pidfile.h"
#include "net/netns.h"
#include "net/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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
