/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

static void queue_keeps_order_and_maximum(void **state)
{
	struct buf b;
	uint8_t next = 0, want = 0;

	(void)state;
	buf_init(&b, 1000);
	for (int round = 0; round < 500; round++) {
		uint8_t in[37];

		for (size_t i = 0; i < sizeof(in); i++)
			in[i] = next++;
		assert_int_equal(buf_put(&b, in, sizeof(in)), 0);
		for (size_t i = 0; i < 37; i++) {
			assert_int_equal(buf_data(&b)[0], want++);
			buf_take(&b, 1);
		}
	}
	assert_int_equal(b.len, 0);
	assert_true(b.cap <= 1000);
	buf_fini(&b);
}

static void maximum_refuses_and_changes_nothing(void **state)
{
	char big[64] = { 0 };
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(buf_put(&b, big, 64), 0);
	assert_int_equal(buf_put(&b, big, 64), -ENOBUFS);
	assert_int_equal(b.len, 64);
	assert_int_equal(buf_printf(&b, "%s", "0123456789"), 0);
	assert_null(buf_reserve(&b, 27));
	assert_non_null(buf_reserve(&b, 26));
	buf_take(&b, 64);
	assert_memory_equal(buf_data(&b), "0123456789", 10);
	assert_null(buf_reserve(&b, SIZE_MAX));
	buf_fini(&b);
}

static void reader_stops_at_the_end(void **state)
{
	const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct rd r = rd_make(bytes, sizeof(bytes));
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;
	uint8_t v8;

	(void)state;
	assert_true(rd_u8(&r, &v8));
	assert_int_equal(v8, 1);
	assert_false(rd_u64(&(struct rd){ r.p, r.end - 1 }, &v64));
	assert_true(rd_u64(&r, &v64));
	assert_true(v64 == 0x0203040506070809ULL);
	assert_false(rd_u8(&r, &v8));
	r = rd_make(bytes, 3);
	assert_false(rd_u32(&r, &v32));
	assert_int_equal(rd_left(&r), 3);
	assert_true(rd_u16(&r, &v16));
	assert_int_equal(v16, 0x0102);
	assert_null(rd_bytes(&r, 2));
	assert_non_null(rd_bytes(&r, 1));
}

static void writer_marks_overrun(void **state)
{
	uint8_t out[7];
	struct wr w = wr_make(out, sizeof(out));

	(void)state;
	wr_u32(&w, 0x01020304);
	wr_u16(&w, 0x0506);
	assert_false(w.full);
	wr_u16(&w, 0x0708);
	assert_true(w.full);
	assert_int_equal(wr_len(&w), 6);
	assert_memory_equal(out, "\1\2\3\4\5\6", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_keeps_order_and_maximum),
		cmocka_unit_test(maximum_refuses_and_changes_nothing),
		cmocka_unit_test(reader_stops_at_the_end),
		cmocka_unit_test(writer_marks_overrun),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
