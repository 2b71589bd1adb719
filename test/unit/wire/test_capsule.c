/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/capsule.h"
#include "wire/echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the n-th allocation fails (linked with --wrap=malloc) ---------------- */

static long fail_at; /* 0: never */

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *__wrap_malloc(size_t n)
{
	if (fail_at && --fail_at == 0)
		return NULL;
	return __real_malloc(n);
}

static void integers(void **state)
{
	/* RFC 9000, appendix A.1 */
	static const struct {
		uint64_t v;
		size_t n;
		uint8_t raw[8];
	} good[] = {
		{ 151288809941952652u,
		  8,
		  { 0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c } },
		{ 494878333, 4, { 0x9d, 0x7f, 0x3e, 0x7d } },
		{ 15293, 2, { 0x7b, 0xbd } },
		{ 37, 1, { 0x25 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct rd r = rd_make(good[i].raw, good[i].n);
		uint8_t out[8];
		struct wr w = wr_make(out, sizeof(out));
		uint64_t v;

		assert_true(varint_get(&r, &v));
		assert_true(v == good[i].v);
		assert_int_equal(rd_left(&r), 0);
		varint_put(&w, v);
		assert_int_equal(wr_len(&w), good[i].n);
		assert_memory_equal(out, good[i].raw, good[i].n);
		r = rd_make(good[i].raw, good[i].n - 1);
		assert_false(varint_get(&r, &v));
		assert_int_equal(rd_left(&r), good[i].n - 1);
	}
}

static uint8_t value[CAPSULE_VALUE_MAX];
static const size_t sizes[] = { 0, 1, 5, 63, 64, 1500, 16384, 65507 };
#define NSIZES (sizeof(sizes) / sizeof(*sizes))

static void put_some(struct buf *b)
{
	static const uint8_t context = 0;

	for (size_t i = 0; i < NSIZES; i++)
		assert_int_equal(
			capsule_put(b, i % 2 ? CAPSULE_ERROR : CAPSULE_DATAGRAM,
				    &context, 1, value + i, sizes[i]),
			0);
}

/* feed @b in pieces of @step; how many capsules came, or -errno */
static int feed(const struct buf *b, size_t step)
{
	struct capsule_parser p;
	struct capsule c;
	int n = 0, rc = 0;

	capsule_parser_init(&p);
	for (size_t off = 0; off < b->len && rc >= 0; off += step) {
		size_t len = step < b->len - off ? step : b->len - off;
		struct rd in = rd_make(buf_data(b) + off, len);

		while ((rc = capsule_parse(&p, &in, &c)) == 1) {
			assert_int_equal(c.len, sizes[n] + 1);
			assert_int_equal(c.type, n % 2 ? CAPSULE_ERROR
						       : CAPSULE_DATAGRAM);
			assert_memory_equal(c.value + 1, value + n, sizes[n]);
			n++;
		}
	}
	capsule_parser_fini(&p);
	return rc < 0 ? rc : n;
}

static void parses_any_pieces(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	put_some(&b);
	for (size_t step = 1; step < 200; step++)
		assert_int_equal(feed(&b, step), NSIZES);
	for (size_t step = 1000; step < b.len + 1000; step += 997)
		assert_int_equal(feed(&b, step), NSIZES);
	buf_fini(&b);
}

static void passes_over_the_too_long(void **state)
{
	static uint8_t big[CAPSULE_VALUE_MAX + 1];
	struct capsule_parser p;
	struct capsule c;
	struct buf b;
	struct rd in;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_int_equal(capsule_put(&b, 0, big, sizeof(big), NULL, 0), 0);
	assert_int_equal(capsule_put(&b, 0, "x", 1, "yz", 2), 0);
	capsule_parser_init(&p);
	in = rd_make(buf_data(&b), b.len);
	assert_int_equal(capsule_parse(&p, &in, &c), 1);
	assert_int_equal(c.len, 3);
	assert_memory_equal(c.value, "xyz", 3);
	assert_int_equal(capsule_parse(&p, &in, &c), 0);
	capsule_parser_fini(&p);
	buf_fini(&b);
}

static void is_bounded(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(capsule_put(&b, 0, value, 90, NULL, 0), 0);
	assert_int_equal(capsule_put(&b, 0, value, 9, NULL, 0), -ENOBUFS);
	assert_int_equal(b.len, 93);
	buf_fini(&b);
}

static void survives_no_memory(void **state)
{
	struct buf b;
	int rc;

	(void)state;
	buf_init(&b, 1 << 20);
	put_some(&b);
	for (long n = 1;; n++) {
		fail_at = n;
		rc = feed(&b, 777);
		if (fail_at) {
			fail_at = 0;
			break; /* fewer than n allocations were made */
		}
		assert_int_equal(rc, -ENOMEM);
	}
	assert_int_equal(rc, NSIZES);
	buf_fini(&b);
	fail_at = 1;
	assert_int_equal(capsule_put(&b, 0, value, 90, NULL, 0), -ENOMEM);
	fail_at = 0;
	assert_int_equal(b.len, 0);
}

static void echo_messages(void **state)
{
	const struct echo_request q = { 0x1234, 0x5678, 64 };
	struct echo_answer a = { 1, 2, 3, 4, { AF_INET6, { 0xfd, 1, 2 } } };
	uint8_t req[ECHO_REQUEST_HEAD], ans[ECHO_ANSWER_HEAD];
	struct echo_request q2 = { 0 };
	struct echo_answer a2;

	(void)state;
	echo_put_request(req, &q);
	assert_int_equal(echo_get_request(req, sizeof(req), &q2), 0);
	assert_true(q2.id == q.id && q2.seq == q.seq && q2.ttl == q.ttl);
	for (size_t n = 0; n < sizeof(req); n++)
		assert_int_equal(echo_get_request(req, n, &q2), -EPROTO);
	echo_put_answer(ans, &a);
	assert_int_equal(echo_get_answer(ans, sizeof(ans), &a2), 0);
	assert_true(ipaddr_eq(&a.from, &a2.from));
	assert_int_equal(a2.code, 4);
	for (size_t n = 0; n < sizeof(ans); n++)
		assert_int_equal(echo_get_answer(ans, n, &a2), -EPROTO);
	ans[7] = 5;
	assert_int_equal(echo_get_answer(ans, sizeof(ans), &a2), -EPROTO);
	req[0] = 1;
	assert_int_equal(echo_get_request(req, sizeof(req), &q2), -EPROTO);
}

static int fill(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 5 + (i >> 8));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers),
		cmocka_unit_test(parses_any_pieces),
		cmocka_unit_test(passes_over_the_too_long),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(survives_no_memory),
		cmocka_unit_test(echo_messages),
	};

	return cmocka_run_group_tests(tests, fill, NULL);
}
