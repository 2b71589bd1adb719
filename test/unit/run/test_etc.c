/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "run/etc.h"
#include "run/namespaces.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void resolv_conf_is_the_pods(void **state)
{
	const struct strv none = { 0 };
	auto_strv struct strv servers = { 0 }, list = { 0 };
	char *text;

	(void)state;
	strv_add(&servers, "10.96.0.10");
	strv_add(&servers, "fd00::a");
	strv_add(&list, "t.svc.cluster.local");
	strv_add(&list, "svc.cluster.local");
	text = etc_resolv_conf(&servers, &list, 5);
	assert_string_equal(text, "nameserver 10.96.0.10\nnameserver fd00::a\n"
				  "search t.svc.cluster.local "
				  "svc.cluster.local\noptions ndots:5\n");
	free(text);
	text = etc_resolv_conf(&servers, &none, 1);
	assert_string_equal(text,
			    "nameserver 10.96.0.10\nnameserver fd00::a\n");
	free(text);
	assert_null(etc_resolv_conf(&none, &list, 5));
}

static void hosts_knows_this_machine(void **state)
{
	char *text = etc_hosts("gina");

	(void)state;
	assert_non_null(strstr(text, "127.0.0.1\tlocalhost\n"));
	assert_non_null(strstr(text, "::1\tlocalhost"));
	assert_non_null(strstr(text, "127.0.1.1\tgina\n"));
	free(text);
}

static void nsswitch_asks_files_and_dns(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "", "hosts: files dns\n" },
		{ "passwd: files systemd\nhosts: files mymachines resolve "
		  "[!UNAVAIL=return] dns\nnetworks: files\n",
		  "passwd: files systemd\nnetworks: files\nhosts: files "
		  "dns\n" },
		{ "  hosts:\tnis\n# hosts: x\nservices: db",
		  "# hosts: x\nservices: db\nhosts: files dns\n" },
		{ "hosts: a\nhosts: b", "hosts: files dns\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char *text = etc_nsswitch(t[i].in);

		assert_string_equal(text, t[i].out);
		free(text);
	}
}

/* --- what refuses a user namespace ---------------------------------------- */

/* @dir/@name says @text; without @text it goes, and its folder with it */
static void put(const char *dir, const char *name, const char *text)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);
	auto_free char *folder = xstrdup(path);
	FILE *f;

	*strrchr(folder, '/') = '\0';
	if (!text) {
		assert_int_equal(unlink(path), 0);
		assert_int_equal(rmdir(folder), 0);
		return;
	}
	assert_int_equal(mkdir(folder, 0755), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* the hint for @code when the switch @name says @text (NULL: none does) */
static void hint(const char *name, const char *text, int code,
		 const char *expected)
{
	char dir[] = "/tmp/kt-run-XXXXXX";
	struct kt_error err = { .code = code };

	assert_non_null(mkdtemp(dir));
	if (name)
		put(dir, name, text);
	namespaces_hint(&err, dir);
	if (name)
		put(dir, name, NULL);
	assert_int_equal(rmdir(dir), 0);
	if (*expected)
		assert_non_null(strstr(err.hint, expected));
	else
		assert_string_equal(err.hint, "");
}

static void a_refusal_names_what_refuses(void **state)
{
	(void)state;
	hint("kernel/unprivileged_userns_clone", "0\n", EPERM,
	     "sysctl -w kernel.unprivileged_userns_clone=1");
	hint("kernel/unprivileged_userns_clone", "1\n", EPERM, "seccomp");
	hint("user/max_user_namespaces", "0\n", ENOSPC,
	     "sysctl -w user.max_user_namespaces");
	hint("user/max_user_namespaces", "100\n", ENOSPC,
	     "sysctl -w user.max_user_namespaces");
	hint("kernel/apparmor_restrict_unprivileged_userns", "1\n", EPERM,
	     "kernel.apparmor_restrict_unprivileged_userns=0");
	hint("kernel/apparmor_restrict_unprivileged_userns", "0\n", EACCES,
	     "seccomp=unconfined");
	hint(NULL, NULL, EPERM, "seccomp=unconfined");
	hint(NULL, NULL, EINVAL, "CONFIG_USER_NS");
	hint(NULL, NULL, EIO, "");
}

static void a_limit_is_no_disk(void **state)
{
	(void)state;
	assert_string_equal(namespaces_reason(ENOSPC),
			    "there are too many of them");
	assert_string_equal(namespaces_reason(EUSERS),
			    "there are too many of them");
	assert_string_equal(namespaces_reason(EPERM), strerror(EPERM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolv_conf_is_the_pods),
		cmocka_unit_test(hosts_knows_this_machine),
		cmocka_unit_test(nsswitch_asks_files_and_dns),
		cmocka_unit_test(a_refusal_names_what_refuses),
		cmocka_unit_test(a_limit_is_no_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
