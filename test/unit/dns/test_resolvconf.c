/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "dns/resolvconf_file.h"

#include <errno.h>
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
	resolvconf_parse(&rc, text);
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
	resolvconf_parse(&rc, (const char *)buf_data(&text));
	buf_fini(&text);
	assert_int_equal(rc.nservers, RESOLVCONF_SERVERS);
	assert_int_equal(rc.search.n, 32);
	assert_int_equal(rc.ndots, 15);
	resolvconf_fini(&rc);
	resolvconf_parse(&rc, "");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_usual),
		cmocka_unit_test(bounds_everything),
		cmocka_unit_test(loads_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
