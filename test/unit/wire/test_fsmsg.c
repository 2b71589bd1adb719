/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "wire/fsmsg.h"

#include <errno.h>
#include <string.h>

static void a_request_is_read_when_all_of_it_is_there(void **state)
{
	const struct fsmsg_request q = { .id = 7,
					 .op = FSMSG_READ,
					 .handle = 3,
					 .offset = 1ULL << 40,
					 .size = 4096,
					 .path = "a/b c/\xc3\xa4",
					 .len = 8 };
	struct fsmsg_request r;
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	assert_int_equal(fsmsg_put_request(&b, &q), 0);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(fsmsg_get_request(buf_data(&b), n, &r), 0);
	assert_int_equal(fsmsg_put_request(&b, &q), 0); /* the next one */
	assert_int_equal(fsmsg_get_request(buf_data(&b), b.len, &r), b.len / 2);
	assert_int_equal(r.id, 7);
	assert_int_equal(r.op, FSMSG_READ);
	assert_int_equal(r.handle, 3);
	assert_true(r.offset == 1ULL << 40);
	assert_int_equal(r.size, 4096);
	assert_int_equal(r.len, q.len);
	assert_memory_equal(r.path, q.path, q.len);
	buf_fini(&b);
}

static void a_path_stays_below_the_folder(void **state)
{
	static const char *const good[] = { "",	   "a",	       "a/b",
					    "...", "a/..b/c.", ".a" };
	static const char *const bad[] = { "/",	   "/a",   "a/",    "a//b",
					   ".",	   "..",   "a/./b", "a/..",
					   "../a", "a/..", "a/../b" };
	char long_name[FSMSG_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(fsmsg_path_good(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(fsmsg_path_good(bad[i], strlen(bad[i])));
	assert_false(fsmsg_path_good("a\0b", 3));
	memset(long_name, 'x', sizeof(long_name));
	assert_true(fsmsg_path_good(long_name, FSMSG_NAME_MAX));
	assert_false(fsmsg_path_good(long_name, FSMSG_NAME_MAX + 1));
}

static void what_is_no_message_is_refused(void **state)
{
	uint8_t bytes[FSMSG_REQUEST_HEAD + 2] = { 0, 0, 0, 5 };
	struct fsmsg_request q;
	struct fsmsg_answer a;
	const struct fsmsg_request up = { .op = FSMSG_STAT,
					  .path = "../etc",
					  .len = 6 };
	struct buf b;

	(void)state;
	assert_int_equal(fsmsg_get_request(bytes, sizeof(bytes), &q), -EPROTO);
	assert_int_equal(fsmsg_get_answer(bytes, sizeof(bytes), &a), -EPROTO);
	memset(bytes, 0xff, 4);
	assert_int_equal(fsmsg_get_request(bytes, sizeof(bytes), &q), -EPROTO);
	assert_int_equal(fsmsg_get_answer(bytes, sizeof(bytes), &a), -EPROTO);
	buf_init(&b, 65536);
	assert_int_equal(fsmsg_put_request(&b, &up), 0);
	assert_int_equal(fsmsg_get_request(buf_data(&b), b.len, &q), -EPROTO);
	buf_fini(&b);
}

static void what_an_answer_has_is_read_as_it_was_written(void **state)
{
	const struct fsmsg_attr attr = { .ino = 1,
					 .size = 2,
					 .blocks = 3,
					 .atime = { -4, 5 },
					 .mtime = { 6, 7 },
					 .ctime = { 8, 999999999 },
					 .mode = 0100644,
					 .nlink = 9,
					 .rdev = 10,
					 .blksize = 11,
					 .dev = 12 };
	const struct fsmsg_entry e = { attr, 42, "name", 4 };
	const struct fsmsg_entry bad = { attr, 42, "na/e", 4 };
	const struct fsmsg_statfs fs = { 1, 2, 3, 4, 5, 6, 7 };
	struct fsmsg_statfs fs2 = { 0 };
	struct fsmsg_attr again = { 0 };
	struct fsmsg_entry e2;
	uint8_t room[512];
	struct wr w = wr_make(room, sizeof(room));
	struct rd r;

	(void)state;
	fsmsg_put_attr(&w, &attr);
	assert_int_equal(wr_len(&w), FSMSG_ATTR_SIZE);
	fsmsg_put_statfs(&w, &fs);
	fsmsg_put_entry(&w, &e);
	fsmsg_put_entry(&w, &bad);
	assert_false(w.full);
	r = rd_make(room, wr_len(&w));
	assert_true(fsmsg_get_attr(&r, &again));
	assert_true(again.atime.s == -4 && again.ctime.ns == 999999999);
	assert_true(again.ino == 1 && again.size == 2 && again.blocks == 3 &&
		    again.dev == 12);
	assert_int_equal(again.mode, 0100644);
	assert_int_equal(again.blksize, 11);
	assert_true(fsmsg_get_statfs(&r, &fs2));
	assert_memory_equal(&fs, &fs2, sizeof(fs));
	assert_true(fsmsg_get_entry(&r, &e2));
	assert_true(e2.next == 42 && e2.len == 4);
	assert_memory_equal(e2.name, "name", 4);
	assert_false(fsmsg_get_entry(&r, &e2)); /* a name with a '/' */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read_when_all_of_it_is_there),
		cmocka_unit_test(a_path_stays_below_the_folder),
		cmocka_unit_test(what_is_no_message_is_refused),
		cmocka_unit_test(what_an_answer_has_is_read_as_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
