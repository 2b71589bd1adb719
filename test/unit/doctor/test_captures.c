/* SPDX-License-Identifier: Apache-2.0 */
/* Which way run takes; each machine is a child with rights of its own */
#include "test.h"

#include "base/mem.h"
#include "doctor/captures.h"
#include "kube/rest.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* As a container's default profile has it */
static void no_namespaces(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	assert_int_equal(setgid(65534), 0);
	assert_int_equal(setuid(65534), 0);
	/* as after an exec */
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

static void supervised_already(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	no_namespaces();
	assert_true(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog) >= 0);
}

static void says(void (*rights)(void), const char *check, const char *state,
		 const char *text)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct findings f;
		const json_t *one;
		size_t i;
		int rc = 1;

		if (rights)
			rights();
		findings_init(&f, false);
		captures_check(&f);
		json_array_foreach (f.list, i, one)
			if (strcmp(json_str(one, "check", NULL), check) == 0 &&
			    strcmp(json_str(one, "state", NULL), state) == 0 &&
			    strstr(json_str(one, "text", NULL), text))
				rc = 0;
		if (rc)
			json_dumpf(f.list, stderr, JSON_INDENT(1));
		findings_fini(&f);
		_exit(rc);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void each_way_is_tried(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	says(NULL, "namespaces", "ok", "TUN");
	says(NULL, "capture", "ok", "run takes namespaces");
	says(no_namespaces, "namespaces", "warn", "not permitted");
	says(no_namespaces, "seccomp", "ok", "can be supervised");
	says(no_namespaces, "capture", "warn", "run takes seccomp");
	says(supervised_already, "seccomp", "warn", "busy");
	says(supervised_already, "capture", "warn", "SOCKS5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
