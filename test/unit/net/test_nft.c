/* SPDX-License-Identifier: Apache-2.0 */
/* Rules by way of nft(8), with a real kernel; and an nft that is not there, or
 * is another program. */
#include "netns_test.h"

#include "base/mem.h"
#include "net/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NOBODY 65534
#define OWN_TABLE "create table inet t { flags owner; }"

static char dir[] = "/tmp/ktctl-nft-XXXXXX";

static void rules(void **state)
{
	struct kt_error err = { 0 };
	struct nft *n;

	(void)state;
	assert_int_equal(nft_new(&n, &err), 0);
	assert_int_equal(
		nft_run(n, "add table inet t { flags owner; }", "try", &err),
		0);
	/* all or nothing; the reason, and nothing printed */
	assert_true(nft_run(n, "add chain inet t one\nadd chain inet none two",
			    "try", &err) < 0);
	assert_memory_equal(err.msg, "try: nftables: ", 15);
	assert_non_null(strstr(err.msg, "No such file"));
	assert_int_equal(netns_test_shell("nft list chain inet t one"), 1);
	assert_true(nft_run(n, "nonsense", "try", &err) < 0);
	assert_non_null(strstr(err.msg, "syntax error"));
	assert_int_equal(netns_test_shell("nft list table inet t"), 0);
	nft_free(n);
	assert_int_equal(netns_test_shell("nft list table inet t"), 1);
}

/* --- an nft that is none -------------------------------------------------- */

static int begin_and_wait(struct nft **n, struct kt_error *err)
{
	struct loop *l = loop_new();
	int rc = nft_begin(n, l, err);

	if (rc == 0)
		rc = nft_give(*n, OWN_TABLE, err);
	if (rc == 0)
		rc = nft_await(*n, "try", err);
	return rc;
}

/* In a child, with @dir for PATH, @open fails so */
static void assert_none_by(int (*open_fn)(struct nft **n, struct kt_error *err),
			   int rc, const char *msg, const char *hint)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct kt_error err = { 0 };
		struct nft *n;

		setenv("PATH", dir, 1);
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("/dev/null", "/usr/sbin/nft", "none", MS_BIND, NULL) <
			    0)
			_exit(9);
		if (open_fn(&n, &err) != rc || strcmp(err.msg, msg) != 0 ||
		    !strstr(err.hint, hint)) {
			fprintf(stderr, "%d '%s' '%s'\n", err.code, err.msg,
				err.hint);
			_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void assert_none(int rc, const char *msg, const char *hint)
{
	assert_none_by(nft_new, rc, msg, hint);
	assert_none_by(begin_and_wait, rc, msg, hint);
}

static void put_program(const char *text)
{
	auto_free char *path = xasprintf("%s/nft", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void no_nft(void **state)
{
	(void)state;
	assert_none(-ENOENT,
		    "open nftables: the program nft is not on this machine",
		    "install the package nftables");
	put_program("#!/bin/sh\necho 'nft: no -i in this build' >&2\n");
	assert_none(-EPIPE, "open nftables: nft: nft: no -i in this build", "");
	put_program("#!/bin/sh\nexit 3\n");
	assert_none(-EPIPE, "open nftables: nft: it has ended", "");
	put_program("#!/bin/sh\necho 'netlink: Error: cache initialization "
		    "failed: Protocol not supported' >&2\n"
		    "exec sleep 60\n");
	assert_none(-EPROTONOSUPPORT,
		    "open nftables: nft: Protocol not supported", "");
	put_program("#!/bin/sh\necho 'Operation not permitted (you must be "
		    "root)\nnetlink: Error: cache initialization failed: "
		    "Operation not permitted' >&2\n");
	assert_none(-EPERM, "open nftables: nft: Operation not permitted", "");
}

static pid_t only_child(void)
{
	FILE *f = fopen("/proc/thread-self/children", "r");
	int pid = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static void killed(void **state)
{
	struct kt_error err = { 0 };
	struct nft *n;

	(void)state;
	assert_int_equal(nft_new(&n, &err), 0);
	assert_int_equal(kill(only_child(), SIGKILL), 0);
	assert_int_equal(nft_run(n, "list tables", "try", &err), -EPIPE);
	assert_string_equal(err.msg, "try: nft: it has ended");
	nft_free(n);
}

/* --- one that is followed ------------------------------------------------- */

static pid_t before; /* that of the child that was killed */
static pid_t ours;   /* the thread whose children they are */

static pid_t child_of_ours(void)
{
	auto_free char *path =
		xasprintf("/proc/self/task/%d/children", (int)ours);
	FILE *f = fopen(path, "r");
	int pid = 0;

	if (!f || fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

/* In another thread, while the loop is served */
static long until_another(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		pid_t now = child_of_ours();

		if (now && now != before &&
		    netns_test_shell("nft list chain inet t two") == 0)
			return 1;
		usleep(10000);
	}
	return 0;
}

static void followed(void **state)
{
	struct kt_error err = { 0 };
	struct loop *l = loop_new();
	struct nft *n;

	(void)state;
	ours = gettid();
	assert_non_null(l);
	assert_int_equal(nft_new(&n, &err), 0);
	assert_int_equal(nft_follow(n, l), 0);
	assert_int_equal(nft_run(n, OWN_TABLE, "try", &err), 0);
	assert_int_equal(nft_run(n, "add chain inet t one", "try", &err), 0);
	assert_true(nft_run(n, "nonsense", "try", &err) < 0);
	assert_int_equal(nft_run(n, "delete chain inet t one", "try", &err), 0);
	assert_int_equal(nft_run(n, "add chain inet t two", "try", &err), 0);
	before = child_of_ours();
	assert_int_equal(kill(before, SIGKILL), 0);
	assert_int_equal(netns_test_client(l, until_another, NULL), 1);
	assert_int_equal(netns_test_shell("nft list chain inet t one"), 1);
	/* a command that comes first finds it out, too */
	before = child_of_ours();
	assert_int_equal(kill(before, SIGKILL), 0);
	assert_int_equal(nft_run(n, "add chain inet t three", "try", &err), 0);
	assert_int_not_equal(child_of_ours(), before);
	assert_int_equal(netns_test_shell("nft list chain inet t two"), 0);
	assert_int_equal(netns_test_shell("nft list chain inet t three"), 0);
	nft_free(n);
	loop_free(l);
	assert_int_equal(netns_test_shell("nft list table inet t"), 1);
}

/* --- one that is waited for ----------------------------------------------- */

static struct loop *served;

static void nft_test_on_timer(struct timer *t)
{
	loop_timer_start(served, t, NS_MS, nft_test_on_timer);
}

/* Since it was asked last */
static bool loop_has_run(const struct timer *t, int64_t *due)
{
	bool has = t->due != *due;

	*due = t->due;
	return has;
}

static void served_while_it_is_waited_for(void **state)
{
	struct kt_error err = { 0 };
	struct loop *l = loop_new();
	struct timer t = { 0 };
	struct nft *n;
	int64_t due;

	(void)state;
	assert_non_null(l);
	served = l;
	loop_timer_start(l, &t, 0, nft_test_on_timer);
	due = t.due;
	assert_int_equal(nft_begin(&n, l, &err), 0);
	assert_int_equal(nft_give(n, OWN_TABLE, &err), 0);
	assert_false(loop_has_run(&t, &due));
	assert_int_equal(nft_await(n, "try", &err), 0);
	assert_true(loop_has_run(&t, &due));
	assert_int_equal(netns_test_shell("nft list tables | grep 'inet t'"),
			 0);
	assert_int_equal(nft_follow(n, l), 0);
	usleep(2000); /* the timer is due */
	assert_true(nft_run(n, "nonsense", "try", &err) < 0);
	assert_true(loop_has_run(&t, &due));
	/* it is followed none the less: this one finds out that it has ended */
	ours = gettid();
	assert_int_equal(kill(child_of_ours(), SIGKILL), 0);
	assert_int_equal(nft_run(n, OWN_TABLE, "try", &err), 0);
	nft_serve_none(n);
	loop_has_run(&t, &due);
	usleep(2000);
	assert_int_equal(nft_run(n, "add chain inet t one", "try", &err), 0);
	assert_false(loop_has_run(&t, &due));
	/* whoever leaves meanwhile */
	nft_free(n);
	loop_interrupt(l);
	assert_int_equal(nft_begin(&n, l, &err), 0);
	assert_int_equal(nft_give(n, OWN_TABLE, &err), 0);
	assert_int_equal(nft_await(n, "try", &err), -EINTR);
	nft_free(n);
	loop_timer_stop(&t);
	loop_free(l);
}

/* --- rights --------------------------------------------------------------- */

static int try_table(void)
{
	struct kt_error err = { 0 };
	struct nft *n;
	int rc = nft_new(&n, &err);

	if (rc == 0)
		rc = nft_run(n, OWN_TABLE, "try", &err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.msg);
	return rc == 0 ? 0 : 1;
}

static void keep_only(uint32_t capability)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = capability, .permitted = capability }
	};

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
	    setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
	    syscall(SYS_capset, &head, data) < 0)
		_exit(9);
}

static void another_user(void **state)
{
	static const struct {
		uint32_t capability;
		int status;
	} v[] = { { 1U << CAP_NET_ADMIN, 0 }, { 1U << CAP_CHOWN, 1 } };

	(void)state;
	if (*(bool *)*state)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			keep_only(v[i].capability);
			_exit(try_table());
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, v[i].status << 8);
	}
}

/* This program with a capability of its own (setcap), called by somebody who
 * has none and says where nft is */
static void more_than_the_caller(void **state)
{
	struct vfs_cap_data data = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = 1U << CAP_NET_ADMIN,
	};
	auto_free char *copy = xasprintf("%s/copy", dir);
	auto_free char *theirs = xasprintf("%s/theirs", dir);
	auto_free char *text = xasprintf("#!/bin/sh\n: >'%s'\n", theirs);
	pid_t pid;
	int status;

	if (*(bool *)*state)
		skip();
	assert_int_equal(
		netns_test_shell("cp /proc/%d/exe %s", (int)getpid(), copy), 0);
	if (setxattr(copy, "security.capability", &data, sizeof(data), 0) < 0)
		skip();
	put_program(text);
	assert_int_equal(chmod(dir, 0777), 0);
	pid = fork();
	if (pid == 0) {
		setenv("PATH", dir, 1);
		keep_only(0);
		execl(copy, copy, "try", (char *)NULL);
		_exit(8);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(theirs, F_OK), -1);
}

/* --- the end -------------------------------------------------------------- */

#define TRACKED "/proc/thread-self/net/nf_conntrack"

static int tracked(const char *state)
{
	return netns_test_shell("grep -q 'tcp .*%s.*dport=4242' "
				"/proc/net/nf_conntrack",
				state);
}

static void make_pair(int fd[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(4242),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 },
				    sizeof(int)),
			 0);
	assert_int_equal(bind(l, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(connect(fd[0], (struct sockaddr *)&at, sizeof(at)), 0);
	fd[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd[1] >= 0);
	close(l);
}

/* A connection that is closed after the rules is not remembered as open */
static void tracking_lasts(void **state)
{
	static const char rule[] =
		OWN_TABLE "\ntable inet t {\nflags owner\nchain o {\n"
			  "type nat hook output priority -110;\n"
			  "tcp dport 4243 redirect to :4242\n}\n}\n";
	struct nft_last last = { 0 };
	struct kt_error err = { 0 };
	struct nft *n;
	int fd[2];

	(void)state;
	if (access(TRACKED, R_OK) < 0)
		skip();
	assert_int_equal(nft_new(&n, &err), 0);
	if (nft_run(n, rule, "try", &err) < 0)
		fail_msg("%s", err.msg);
	make_pair(fd);
	assert_int_equal(tracked("ESTABLISHED"), 0);
	nft_free_last(n, "t", &last);
	assert_int_equal(last.n, 1);
	assert_int_equal(netns_test_shell("nft list ruleset | grep redirect"),
			 1);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(tracked("ESTABLISHED"), 1);
	assert_int_equal(tracked(""), 0);
	nft_last_free(&last);
	assert_int_equal(last.n, 0);
	assert_int_equal(netns_test_shell("nft list table inet t"), 1);
	/* where nobody wants that, or there is no such table */
	nft_free_last(NULL, "t", &last);
	assert_int_equal(nft_new(&n, &err), 0);
	nft_free_last(n, "t", &last);
	assert_int_equal(last.n, 0);
	assert_int_equal(nft_new(&n, &err), 0);
	nft_free_last(n, "t", NULL);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(int argc, char **argv)
{
	bool mapped = geteuid() != 0;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(no_nft),
		cmocka_unit_test(killed),
		cmocka_unit_test(followed),
		cmocka_unit_test(served_while_it_is_waited_for),
		cmocka_unit_test(tracking_lasts),
		cmocka_unit_test_prestate(another_user, &mapped),
		cmocka_unit_test_prestate(more_than_the_caller, &mapped),
	};
	int rc;

	(void)argv;
	if (argc > 1)
		_exit(try_table());
	netns_test_enter();
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	return netns_test_shell("rm -rf %s", dir) == 0 ? rc : 1;
}
