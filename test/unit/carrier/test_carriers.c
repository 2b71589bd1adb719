/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include "base/mem.h"
#include "carrier/carriers.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static struct home home;
static char server[] = "https://api.test:6443";
static char proxy[] = "http://user:secret@proxy.test:3128";
static struct kube_config cfg = { .server = server };

static int set_up(void **state)
{
	(void)state;
	unsetenv("HTTPS_PROXY");
	unsetenv("https_proxy");
	return own_home(&home, "carriers");
}

/* The one file of ~/.kt/carrier, or NULL */
static char *the_file(void)
{
	auto_free char *path = home_path(&home, "carrier");
	DIR *d = opendir(path);
	char *found = NULL;
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.') {
			assert_null(found);
			found = xasprintf("%s/%s", path, e->d_name);
		}
	if (d)
		closedir(d);
	return found;
}

static int tear_down(void **state)
{
	auto_free char *file = the_file();
	auto_free char *sub = home_path(&home, "carrier");

	(void)state;
	if (file)
		unlink(file);
	rmdir(sub);
	rmdir(home.dir);
	rmdir(home.user);
	home_fini(&home);
	return 0;
}

static void begin(struct carriers *c)
{
	carriers_init(c, &home, &cfg, CARRIER_AUTO);
}

static bool fails(struct carriers *c, int http_status, int code)
{
	struct kt_error why = { .http_status = http_status, .code = code };

	return carriers_failed(c, &why);
}

static void tries_the_best_first(void **state)
{
	struct carriers c;

	(void)state;
	begin(&c);
	assert_int_equal(carriers_form(&c), PF_SPDY);
	assert_true(fails(&c, 403, EPERM));
	assert_int_equal(carriers_form(&c), PF_SPDY_WEBSOCKET);
	assert_true(fails(&c, 400, EINVAL));
	assert_int_equal(carriers_form(&c), PF_WEBSOCKET);
	assert_false(fails(&c, 0, ETIMEDOUT)); /* all were tried: a pause */
	assert_int_equal(carriers_form(&c), PF_SPDY);
	carriers_fini(&c);
}

static void stays_when_the_form_is_not_to_blame(void **state)
{
	struct carriers c;

	(void)state;
	begin(&c);
	assert_false(fails(&c, 0, ECONNREFUSED));
	assert_false(fails(&c, 0, EHOSTUNREACH));
	assert_false(fails(&c, 404, ENOENT));
	assert_false(fails(&c, 401, EACCES));
	assert_false(fails(&c, 0, EPROTONOSUPPORT));
	assert_int_equal(carriers_form(&c), PF_SPDY);
	carriers_fini(&c);
}

static void is_patient_with_one_that_was_up(void **state)
{
	struct carriers c;

	(void)state;
	begin(&c);
	carriers_worked(&c);
	assert_false(fails(&c, 503, EIO));
	assert_false(fails(&c, 503, EIO));
	assert_int_equal(carriers_form(&c), PF_SPDY);
	carriers_worked(&c);
	assert_false(fails(&c, 0, ECONNRESET));
	assert_false(fails(&c, 0, ECONNRESET));
	assert_true(fails(&c, 0, ECONNRESET));
	assert_int_equal(carriers_form(&c), PF_SPDY_WEBSOCKET);
	carriers_fini(&c);
}

/* SPDY and SPDY in WebSocket fail so; then WebSocket comes up. */
static void settle(int http_status, int code)
{
	struct carriers c;

	begin(&c);
	assert_true(fails(&c, http_status, code));
	assert_true(fails(&c, http_status, code));
	carriers_worked(&c);
	carriers_fini(&c);
}

static enum pf_form first_form(void)
{
	struct carriers c;
	enum pf_form form;

	begin(&c);
	form = carriers_form(&c);
	if (form == PF_WEBSOCKET) { /* the others follow, the best first */
		assert_true(fails(&c, 400, EINVAL));
		assert_int_equal(carriers_form(&c), PF_SPDY);
		assert_true(fails(&c, 400, EINVAL));
		assert_int_equal(carriers_form(&c), PF_SPDY_WEBSOCKET);
		assert_false(fails(&c, 400, EINVAL));
	}
	carriers_fini(&c);
	return form;
}

static void remembers_what_worked(void **state)
{
	auto_free char *file = NULL;

	(void)state;
	assert_int_equal(first_form(), PF_SPDY);
	settle(400, EINVAL);
	assert_int_equal(first_form(), PF_WEBSOCKET);
	/* another server, another proxy: another way */
	cfg.proxy_url = proxy;
	assert_int_equal(first_form(), PF_SPDY);
	cfg.proxy_url = NULL;
	file = the_file();
	assert_non_null(file);
	assert_null(strstr(file, "secret"));
}

static void remembers_a_timeout_but_no_accident(void **state)
{
	(void)state;
	settle(0, ECONNRESET);
	settle(502, EIO);
	assert_int_equal(first_form(), PF_SPDY);
	settle(0, ETIMEDOUT);
	assert_int_equal(first_form(), PF_WEBSOCKET);
}

static void write_file(const char *text)
{
	auto_free char *file = the_file();
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void forgets(void **state)
{
	long now = (long)time(NULL);
	auto_free char *fresh =
		xasprintf("websocket %ld %s\n", now - 3600, server);
	auto_free char *old =
		xasprintf("websocket %ld %s\n", now - 25 * 3600, server);
	auto_free char *future =
		xasprintf("websocket %ld %s\n", now + 100, server);
	auto_free char *other = xasprintf("websocket %ld https://other\n", now);
	auto_free char *unknown = xasprintf("carrot %ld %s\n", now, server);
	const char *const bad[] = { old,
				    future,
				    other,
				    unknown,
				    "",
				    "\n",
				    "spdy",
				    "websocket x y",
				    "websocket 99999999999999999999 " };

	(void)state;
	settle(400, EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_file(bad[i]);
		assert_int_equal(first_form(), PF_SPDY);
	}
	write_file(fresh);
	assert_int_equal(first_form(), PF_WEBSOCKET);
}

static void obeys(void **state)
{
	static const enum pf_form form[] = {
		[CARRIER_SPDY] = PF_SPDY,
		[CARRIER_SPDY_WEBSOCKET] = PF_SPDY_WEBSOCKET,
		[CARRIER_WEBSOCKET] = PF_WEBSOCKET,
	};
	struct carriers c;

	(void)state;
	settle(400, EINVAL);
	for (int o = CARRIER_SPDY; o <= CARRIER_WEBSOCKET; o++) {
		carriers_init(&c, &home, &cfg, o);
		assert_true(carriers_forced(&c));
		assert_int_equal(carriers_form(&c), form[o]);
		assert_false(fails(&c, 400, EINVAL));
		assert_int_equal(carriers_form(&c), form[o]);
		carriers_worked(&c);
		carriers_fini(&c);
	}
	assert_int_equal(first_form(), PF_WEBSOCKET); /* not written over */
}

/* as long as others were not tried, silence is waited for a short time only */
static void is_soon_done_with_silence(void **state)
{
	const int64_t whole = 10 * NS_SEC;
	struct carriers c;

	(void)state;
	begin(&c);
	assert_true(carriers_patience(&c, whole) < 4 * NS_SEC);
	/* the whole is for all of them */
	assert_int_equal(carriers_patience(&c, NS_SEC), NS_SEC / 3);
	assert_true(fails(&c, 0, ETIMEDOUT));
	assert_true(carriers_patience(&c, whole) < 4 * NS_SEC);
	assert_true(fails(&c, 0, ETIMEDOUT));
	assert_int_equal(carriers_patience(&c, whole), whole); /* the last */
	assert_false(fails(&c, 0, ETIMEDOUT));
	assert_int_equal(carriers_patience(&c, whole), whole); /* once more */
	carriers_worked(&c);
	assert_int_equal(carriers_patience(&c, whole), whole);
	carriers_fini(&c);
	carriers_init(&c, &home, &cfg, CARRIER_SPDY);
	assert_int_equal(carriers_patience(&c, whole), whole);
	carriers_fini(&c);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(tries_the_best_first),
		ROW(stays_when_the_form_is_not_to_blame),
		ROW(is_patient_with_one_that_was_up),
		ROW(remembers_what_worked),
		ROW(remembers_a_timeout_but_no_accident),
		ROW(forgets),
		ROW(obeys),
		ROW(is_soon_done_with_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
