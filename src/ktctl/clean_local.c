/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/clean_local.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/print.h"
#include "base/process.h"
#include "base/str.h"
#include "cli/app.h"
#include "dns/hosts.h"
#include "local/home.h"
#include "local/pidfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_MAX 65536
#define REMOVED " # Removed by KtConnect"
#define ADDED "# Added by KtConnect"
#define IPTABLES_LIMIT (5 * NS_SEC)
#define IPTABLES_COPIES 16

/* --- /etc/resolv.conf ----------------------------------------------------- */

static bool line_ends(const char *line, size_t n, const char *with)
{
	size_t m = strlen(with);

	return n >= m && memcmp(line + n - m, with, m) == 0;
}

int resolvconf_restore(struct buf *out, const char *old, size_t len)
{
	int changed = 0, rc = 0;

	for (const char *p = old; p < old + len && rc == 0;) {
		size_t left = (size_t)(old + len - p);
		const char *nl = memchr(p, '\n', left);
		size_t n = nl ? (size_t)(nl - p) : left, full = n + !!nl;
		const char *line = p;

		p += full;
		if (line_ends(line, n, ADDED)) {
			changed = 1;
			continue;
		}
		if (n && line[0] == '#' && line_ends(line, n, REMOVED)) {
			changed = 1;
			rc = buf_put(out, line + 1, n - 1 - strlen(REMOVED));
			if (rc == 0 && nl)
				rc = buf_put(out, "\n", 1);
			continue;
		}
		rc = buf_put(out, line, full);
	}
	return rc < 0 ? rc : changed;
}

/* In place, as KT wrote it: the file may be a link or a mount of its own */
static int write_in_place(const char *path, const void *data, size_t len)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pwrite(fd, data, len, 0);
	if (n < 0 || (size_t)n != len)
		return n < 0 ? -errno : -EIO;
	return ftruncate(fd, (off_t)len) < 0 ? -errno : 0;
}

/* KT's rule for its resolver. @act: "-C", is it there?, or "-D", delete one;
 * true: it was. iptables' table and chain, which it makes, stay. */
static bool iptables_rule(struct loop *l, const char *act)
{
	const char *const words[] = {
		"iptables", "-w", "-t",	 "nat",	     act,
		"OUTPUT",   "-p", "udp", "-d",	     "127.0.0.1/32",
		"--dport",  "53", "-j",	 "REDIRECT", "--to-ports",
		"10053",    NULL,
	};
	char *argv[ARRAY_SIZE(words)];
	struct process_result res = { 0 };
	struct kt_error err = { 0 };
	int rc;

	memcpy(argv, words, sizeof(argv));
	rc = process_run(l, argv, NULL, NULL, 4096, IPTABLES_LIMIT, &res, &err);
	if (rc < 0)
		log_debug("iptables: %s", err.msg);
	rc = rc == 0 && res.status == 0;
	process_result_fini(&res);
	return rc;
}

static void clean_iptables(struct app *app, bool dry_run)
{
	static const char what[] = "KT Connect's iptables rule for port 53";

	if (dry_run && iptables_rule(app->loop, "-C"))
		print_line(stdout, "would remove %s", what);
	for (int i = 0; !dry_run && i < IPTABLES_COPIES; i++) {
		if (!iptables_rule(app->loop, "-D"))
			return;
		print_line(stdout, "removed %s", what);
	}
}

static int clean_resolv_conf(bool dry_run, struct kt_error *err)
{
	auto_free char *old = NULL;
	struct buf fresh;
	size_t len = 0;
	int rc;

	old = file_read(RESOLV_CONF, RESOLV_MAX, &len);
	if (!old)
		return 0; /* none, or none that KT could have written */
	buf_init(&fresh, RESOLV_MAX);
	rc = resolvconf_restore(&fresh, old, len);
	if (rc == 1 && !dry_run)
		rc = write_in_place(RESOLV_CONF, buf_data(&fresh), fresh.len)
			     ?: 1;
	buf_fini(&fresh);
	if (rc < 0)
		return kt_fail(err, -rc, "restore " RESOLV_CONF ": %s",
			       strerror(-rc));
	if (rc == 1)
		print_line(stdout, "%s KT Connect's lines in " RESOLV_CONF,
			   dry_run ? "would remove" : "removed");
	return 0;
}

/* --- /etc/hosts ----------------------------------------------------------- */

static int clean_hosts(struct app *app, bool dry_run, struct kt_error *err)
{
	const struct home *home = app->home;
	struct kt_error why = { 0 };
	struct hosts hosts;
	int rc, lock;

	if (!dry_run) {
		lock = home_open_dir(home, "lock", 1, &why);
		if (lock >= 0)
			close(lock);
		else /* the block can be removed all the same */
			log_debug("%s", why.msg);
	}
	hosts_init(&hosts, home->dir, home->uid, home->gid);
	if (dry_run) {
		auto_free char *text = file_read(hosts.path, HOSTS_MAX, NULL);

		rc = text && strstr(text, HOSTS_BEGIN);
	} else {
		rc = hosts_remove_stale(&hosts, app->loop, err);
	}
	if (rc > 0)
		print_line(stdout, "%s the block in %s",
			   dry_run ? "would remove" : "removed", hosts.path);
	hosts_fini(&hosts);
	return rc < 0 ? rc : 0;
}

/* --- ~/.kt * -------------------------------------------------------------- */

/* KT's keys of shadows; ours have none. Those of running processes are kept */
static int clean_keys(const struct home *home, bool dry_run)
{
	int fd = home_open_dir(home, "key", 0, NULL), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((e = readdir(d))) {
		if (!str_ends(e->d_name, ".key"))
			continue;
		if (dry_run || unlinkat(dirfd(d), e->d_name, 0) == 0)
			n++;
	}
	closedir(d);
	return n;
}

/* Under sudo also those in root's home, where KT Connect puts them then */
static void clean_all_keys(const struct home *home, bool dry_run)
{
	struct home root;
	int n = clean_keys(home, dry_run);

	if (home_init_root(&root, home)) {
		n += clean_keys(&root, dry_run);
		home_fini(&root);
	}
	if (n)
		print_line(stdout, "%s %d key file%s",
			   dry_run ? "would remove" : "removed", n,
			   n == 1 ? "" : "s");
}

int clean_local(struct app *app, bool dry_run, struct kt_error *err)
{
	const struct home *home = app->home;
	int stale = pidfile_sweep(home, dry_run), rc;

	if (stale)
		print_line(stdout, "%s %d stale pid file%s",
			   dry_run ? "would remove" : "removed", stale,
			   stale == 1 ? "" : "s");
	if (!pidfile_any(home, NULL))
		clean_all_keys(home, dry_run);
	if (pidfile_any(home, "connect"))
		return 0; /* what is there is in use */
	if (geteuid() != 0) {
		log_info("name resolution is not cleaned, for this run it "
			 "with sudo");
		return 0;
	}
	rc = clean_hosts(app, dry_run, err);
	if (rc == 0)
		rc = clean_resolv_conf(dry_run, err);
	clean_iptables(app, dry_run);
	return rc;
}
