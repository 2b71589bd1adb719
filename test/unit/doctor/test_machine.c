/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of this machine; each machine is a child with a network, a mount
 * of /etc/resolv.conf, a home and privileges of its own */
#include "test.h"

#include "base/mem.h"
#include "base/str.h"
#include "doctor/machine.h"
#include "kube/rest.h"
#include "local/home.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMES "nameserver 10.9.8.7\nnameserver 10.9.8.6\n"

static char dir[] = "/tmp/ktctl-machine-XXXXXX";

/** struct machine - how it is made, and one line that is said of it */
struct machine {
	const char *resolv;
	void (*privileges)(void);
	void (*home)(const char *kt); /* NULL: there is no ~/.kt */
	const char *line;
};

/* --- privileges ----------------------------------------------------------- */

static void drop(uint32_t lower)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	data[0].effective &= ~lower;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void rules_only(void)
{
	drop(1U << CAP_SYS_ADMIN);
}

static void nobody(void)
{
	assert_int_equal(setgid(65534), 0);
	assert_int_equal(setuid(65534), 0);
}

/* A kernel without nf_tables: no socket of that family */
static void no_nftables(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NETLINK_NETFILTER, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

/* A machine without the package nftables */
static void no_nft(void)
{
	assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
	assert_int_equal(
		mount("/dev/null", "/usr/sbin/nft", "none", MS_BIND, NULL), 0);
}

/* --- the home ------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void a_folder(const char *kt)
{
	assert_int_equal(mkdir(kt, 0755), 0);
}

static void a_file(const char *kt)
{
	put(kt, "");
}

/* This test's name is like that of a ktctl: so is this child's */
static void a_connect(const char *kt)
{
	auto_free char *pids = xasprintf("%s/pid", kt);
	auto_free char *path = NULL;
	auto_free char *text = NULL;
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	a_folder(kt);
	a_folder(pids);
	path = xasprintf("%s/connect-%d.pid", pids, (int)pid);
	text = xasprintf("%d", (int)pid);
	put(path, text);
}

/* --- the whole ------------------------------------------------------------ */

static bool says(const struct findings *f, const char *line)
{
	const json_t *one;
	size_t i;

	json_array_foreach (f->list, i, one) {
		auto_free char *text =
			xasprintf("%s %s: %s", json_str(one, "state", NULL),
				  json_str(one, "check", NULL),
				  json_str(one, "text", NULL));

		if (str_starts(text, line))
			return true;
	}
	return false;
}

static int look(const struct machine *m, enum finding_state bad)
{
	auto_free char *file = xasprintf("%s/resolv.conf", dir);
	auto_free char *kt = xasprintf("%s/.kt", dir);
	struct findings f;
	struct home home;
	int rc = 0;

	put(file, m->resolv);
	assert_int_equal(unshare(CLONE_NEWNS | CLONE_NEWNET), 0);
	assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL),
			 0);
	assert_int_equal(mount(file, "/etc/resolv.conf", "none", MS_BIND, NULL),
			 0);
	if (m->home)
		m->home(kt);
	if (m->privileges)
		m->privileges();
	home_init(&home);
	findings_init(&f, false);
	machine_check(&f, &home, bad);
	if (!says(&f, m->line)) {
		auto_free char *dump = json_dumps(f.list, JSON_INDENT(1));

		fprintf(stderr, "no line '%s' in %s\n", m->line, dump);
		rc = 1;
	}
	findings_fini(&f);
	home_fini(&home);
	return rc;
}

static int remove_all(const char *path)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0) {
		execlp("rm", "rm", "-rf", path, NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void assert_line(const struct machine *m)
{
	auto_free char *kt = xasprintf("%s/.kt", dir);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		setpgid(0, 0);
		_exit(look(m, str_starts(m->line, "fail") ? FINDING_FAIL
							  : FINDING_WARN));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	kill(-pid, SIGKILL); /* its connect */
	assert_int_equal(status, 0);
	assert_int_equal(remove_all(kt), 0);
}

static void machines(void **state)
{
	auto_free char *large = xmalloc(1 << 21);
	const struct machine all[] = {
		{ NAMES, NULL, NULL, "ok privileges: may make" },
		{ NAMES, NULL, NULL, "ok nftables: tables and redirects" },
		{ NAMES, NULL, NULL, "ok names: name server 10.9.8.7:53 and" },
		{ NAMES, NULL, NULL, "ok home: " },
		{ NAMES, NULL, NULL, "ok connect: none runs" },
		{ NAMES, no_nftables, NULL,
		  "fail nftables: open nftables: nft: " },
		{ NAMES, no_nft, NULL,
		  "fail nftables: open nftables: the program nft is not on" },
		{ NAMES, rules_only, NULL,
		  "warn privileges: may change rules" },
		{ NAMES, rules_only, NULL, "ok nftables: " },
		{ NAMES, nobody, NULL, "warn privileges: only root" },
		{ NAMES, nobody, NULL, "fail privileges: only root" },
		{ "# Added by KtConnect\nnameserver 127.0.0.1\n", NULL, NULL,
		  "warn names: /etc/resolv.conf is as KT Connect changed it" },
		{ large, NULL, NULL, "warn names: read /etc/resolv.conf: " },
		/* resolv.conf(5): then it is on this machine */
		{ "", NULL, NULL, "ok names: name server 127.0.0.1:53" },
		{ NAMES, NULL, a_file, "warn home: open " },
		{ NAMES, NULL, a_folder, "ok home: " },
		{ NAMES, nobody, NULL, "warn home: " },
		{ NAMES, nobody, a_folder, "warn home: " },
		{ NAMES, NULL, a_connect, "warn connect: a connect runs" },
	};

	(void)state;
	memset(large, '#', (1 << 21) - 1);
	large[(1 << 21) - 1] = '\0';
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_line(&all[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines),
	};
	int rc;

	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return 1;
	setenv("HOME", dir, 1);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	return remove_all(dir) == 0 ? rc : 1;
}
