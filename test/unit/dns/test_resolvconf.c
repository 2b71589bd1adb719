/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "dns/resolvconf_file.h"
#include "dns/resolvconf_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void reads_the_usual(void **state)
{
	static const char text[] = "# a comment\n"
				   "; another\n"
				   "domain old.test\n"
				   "nameserver 192.168.1.1\n"
				   "nameserver\t2001:db8::1  # trailing\n"
				   "nameserver fe80::1%eth0\n"
				   "nameserver nonsense\n"
				   "  search corp.test  lan\n"
				   "options edns0 ndots:3 timeout:1\n"
				   "sortlist 1.2.3.4\r\n"
				   "nameserver 8.8.8.8"; /* no line break */
	char buf[IPPORT_STRLEN];
	struct resolvconf rc;

	(void)state;
	resolvconf_parse(&rc, text, NULL);
	assert_int_equal(rc.nservers, 3);
	assert_string_equal(ipport_str(&rc.servers[0], buf), "192.168.1.1:53");
	assert_string_equal(ipport_str(&rc.servers[1], buf),
			    "[2001:db8::1]:53");
	assert_string_equal(ipport_str(&rc.servers[2], buf), "8.8.8.8:53");
	assert_int_equal(rc.search.n, 2);
	assert_string_equal(rc.search.v[1], "lan");
	assert_int_equal(rc.ndots, 3);
	resolvconf_fini(&rc);
}

static uint32_t zone_of(const char *zone)
{
	return strcmp(zone, "eth0") == 0 ? 7 : 0;
}

/* a server of a link comes with its link, or not at all */
static void keeps_the_scope(void **state)
{
	static const char text[] = "nameserver fe80::1%eth0\n"
				   "nameserver fe80::2%gone\n"
				   "nameserver fe80::3\n"
				   "nameserver fe80::4%\n"
				   "nameserver 2001:db8::1%eth0\n";
	char buf[IPPORT_STRLEN];
	struct resolvconf rc;

	(void)state;
	resolvconf_parse(&rc, text, zone_of);
	assert_int_equal(rc.nservers, 2);
	assert_string_equal(ipport_str(&rc.servers[0], buf), "[fe80::1%7]:53");
	assert_string_equal(ipport_str(&rc.servers[1], buf),
			    "[2001:db8::1]:53");
	resolvconf_fini(&rc);
}

static void bounds_everything(void **state)
{
	struct resolvconf rc;
	struct buf text;

	(void)state;
	buf_init(&text, 200000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(buf_printf(&text, "nameserver 10.0.0.%d\n", i),
				 0);
	assert_int_equal(buf_printf(&text, "search"), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&text, " d%d", i), 0);
	assert_int_equal(
		buf_printf(&text, "\noptions ndots:99 ndots:x ndots:-1\n"), 0);
	assert_int_equal(buf_put(&text, "", 1), 0);
	resolvconf_parse(&rc, (const char *)buf_data(&text), NULL);
	buf_fini(&text);
	assert_int_equal(rc.nservers, RESOLVCONF_SERVERS);
	assert_int_equal(rc.search.n, 32);
	assert_int_equal(rc.ndots, 15);
	resolvconf_fini(&rc);
	resolvconf_parse(&rc, "", NULL);
	assert_int_equal(rc.nservers, 0);
	assert_int_equal(rc.ndots, 1);
	resolvconf_fini(&rc);
}

static void loads_files(void **state)
{
	char path[] = "/tmp/kt-resolvconf-XXXXXX", buf[IPPORT_STRLEN];
	int fd = mkstemp(path);
	struct kt_error err = { 0 };
	struct resolvconf rc;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "nameserver 127.0.0.53\n", 22), 22);
	assert_int_equal(resolvconf_load(&rc, path, &err), 0);
	assert_true(rc.stub);
	assert_true(rc.nservers >= 1);
	resolvconf_fini(&rc);
	unlink(path);
	/* none: the local one */
	assert_int_equal(resolvconf_load(&rc, path, &err), 0);
	assert_int_equal(rc.nservers, 1);
	assert_string_equal(ipport_str(&rc.servers[0], buf), "127.0.0.1:53");
	assert_false(rc.stub);
	resolvconf_fini(&rc);
	/* a directory */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(resolvconf_load(&rc, path, &err), -EISDIR);
	assert_non_null(strstr(err.msg, path));
	rmdir(path);
	close(fd);
}

struct following {
	int n;
	char first[IPPORT_STRLEN];
};

static void count_change(void *user, const struct resolvconf *rc)
{
	struct following *f = user;

	f->n++;
	ipport_str(&rc->servers[0], f->first);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void expect(struct loop *l, const struct following *f, int n,
		   const char *first)
{
	for (int i = 0; i < 20 && f->n < n; i++)
		assert_int_equal(loop_sleep(l, 50 * NS_MS), 0);
	assert_int_equal(loop_sleep(l, 150 * NS_MS), 0);
	assert_int_equal(f->n, n);
	assert_string_equal(f->first, first);
}

/* As a VPN, NetworkManager, resolvconf and an editor change the file. */
static void follows_changes(void **state)
{
	char dir[] = "/tmp/kt-follow-XXXXXX", path[64], next[64], real[64];
	struct resolvconf_follow *follow;
	struct following f = { 0 };
	struct loop *l = loop_new();

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	snprintf(next, sizeof(next), "%s/resolv.conf.new", dir);
	snprintf(real, sizeof(real), "%s/run", dir);
	assert_int_equal(mkdir(real, 0700), 0);
	snprintf(real, sizeof(real), "%s/run/resolv.conf", dir);
	put(path, "nameserver 192.0.2.1\n");
	assert_int_equal(
		resolvconf_follow_start(&follow, l, path, count_change, &f), 0);
	put(path, "nameserver 192.0.2.2\n"); /* in place */
	expect(l, &f, 1, "192.0.2.2:53");
	put(path, "# other words, the same\nnameserver 192.0.2.2\n");
	expect(l, &f, 1, "192.0.2.2:53");
	put(next, "nameserver 192.0.2.3\n"); /* by a rename */
	assert_int_equal(rename(next, path), 0);
	expect(l, &f, 2, "192.0.2.3:53");
	put(path, "nameserver 192.0.2.4\n"); /* in place, the new one */
	expect(l, &f, 3, "192.0.2.4:53");
	put(real, "nameserver 192.0.2.5\n"); /* it becomes a link */
	assert_int_equal(symlink("run/resolv.conf", next), 0);
	assert_int_equal(rename(next, path), 0);
	expect(l, &f, 4, "192.0.2.5:53");
	put(next, "nameserver 192.0.2.6\n"); /* whose end is replaced */
	assert_int_equal(rename(next, real), 0);
	expect(l, &f, 5, "192.0.2.6:53");
	unlink(real); /* gone for a moment */
	assert_int_equal(loop_sleep(l, 20 * NS_MS), 0);
	put(real, "nameserver 192.0.2.7\n");
	expect(l, &f, 6, "192.0.2.7:53");
	resolvconf_follow_stop(follow);
	loop_once(l, 0);
	loop_free(l);
	unlink(real);
	unlink(path);
	snprintf(real, sizeof(real), "%s/run", dir);
	rmdir(real);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_usual),
		cmocka_unit_test(keeps_the_scope),
		cmocka_unit_test(bounds_everything),
		cmocka_unit_test(loads_files),
		cmocka_unit_test(follows_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
