/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "wire/fusemsg.h"

#include <errno.h>
#include <string.h>

/* A request with @n bytes behind its head; how long it is */
static size_t make(uint8_t *out, uint32_t opcode, const void *body, size_t n)
{
	struct fuse_in_header head = { .len = (uint32_t)(sizeof(head) + n),
				       .opcode = opcode,
				       .unique = 9,
				       .nodeid = 5,
				       .pid = 77 };

	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), body, n);
	return sizeof(head) + n;
}

static void a_request_has_what_its_operation_needs(void **state)
{
	const struct fuse_read_in in = { .fh = 3, .offset = 4096, .size = 10 };
	const struct fuse_interrupt_in aim = { 12 };
	uint8_t room[512];
	struct fusemsg m;
	size_t n = make(room, FUSE_READ, &in, sizeof(in));

	(void)state;
	assert_int_equal(fusemsg_get(room, n, &m), 0);
	assert_true(m.unique == 9 && m.nodeid == 5 && m.pid == 77);
	assert_true(m.fh == 3 && m.offset == 4096 && m.size == 10);
	assert_int_equal(fusemsg_get(room, n - 1, &m), -EPROTO);
	assert_true(m.unique == 9); /* who can be told */
	assert_int_equal(fusemsg_get(room, 10, &m), -EPROTO);
	assert_true(m.unique == 0);
	n = make(room, FUSE_LOOKUP, "name", 5);
	assert_int_equal(fusemsg_get(room, n, &m), 0);
	assert_int_equal(m.len, 4);
	assert_memory_equal(m.name, "name", 4);
	n = make(room, FUSE_LOOKUP, "name", 4); /* without its NUL */
	assert_int_equal(fusemsg_get(room, n, &m), -EPROTO);
	n = make(room, FUSE_INTERRUPT, &aim, sizeof(aim));
	assert_int_equal(fusemsg_get(room, n, &m), 0);
	assert_true(m.aim == 12);
}

static void forgets_end_where_the_bytes_do(void **state)
{
	struct {
		struct fuse_batch_forget_in in;
		struct fuse_forget_one one[2];
	} body = { { .count = 1000 }, { { 3, 1 }, { 4, 2 } } };
	uint8_t room[512];
	struct fusemsg m;
	uint64_t id, count;
	size_t n = make(room, FUSE_BATCH_FORGET, &body, sizeof(body));

	(void)state;
	assert_int_equal(fusemsg_get(room, n, &m), 0);
	assert_true(fusemsg_next_forget(&m, &id, &count));
	assert_true(id == 3 && count == 1);
	assert_true(fusemsg_next_forget(&m, &id, &count));
	assert_true(id == 4 && count == 2);
	assert_false(fusemsg_next_forget(&m, &id, &count));
}

static void only_what_was_offered_is_taken(void **state)
{
	struct fuse_init_in in = { .major = 7,
				   .minor = 27,
				   .max_readahead = 1000,
				   .flags =
					   FUSE_ASYNC_READ | FUSE_POSIX_LOCKS };
	struct fuse_init_out out;

	(void)state;
	assert_int_equal(fusemsg_init(&in, &out), sizeof(out));
	assert_int_equal(out.flags, FUSE_ASYNC_READ);
	assert_int_equal(out.max_readahead, 1000);
	assert_true(out.max_write >= 4096);
	in.minor = 8;
	assert_int_equal(fusemsg_init(&in, &out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_has_what_its_operation_needs),
		cmocka_unit_test(forgets_end_where_the_bytes_do),
		cmocka_unit_test(only_what_was_offered_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
