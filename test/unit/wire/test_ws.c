/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/ws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What was read, as a text: "(" at the first slice of a message, its op, the
 * payload bytes, ")" at the last. Slices of one message are joined.
 */
static const char *read_all(const uint8_t *data, size_t len, size_t step)
{
	static char out[4096];
	struct ws_rx rx = { 0 };
	size_t at = 0, n = 0;

	while (at < len) {
		size_t k = len - at < step ? len - at : step, used = 0;

		while (used < k) {
			struct ws_slice s;
			bool found;
			ssize_t rc = ws_rx_next(&rx, data + at + used, k - used,
						&s, &found);

			if (rc < 0)
				return "error";
			assert_true(rc > 0);
			used += (size_t)rc;
			if (!found)
				continue;
			if (s.first)
				n += (size_t)snprintf(out + n, 16,
						      "(%d:", s.op);
			memcpy(out + n, s.data, s.len);
			n += s.len;
			if (s.last)
				out[n++] = ')';
		}
		at += k;
	}
	out[n] = '\0';
	return out;
}

#define READ(bytes, step)                                                      \
	read_all((const uint8_t *)(bytes), sizeof(bytes) - 1, step)

static void reads_frames_cut_anywhere(void **state)
{
	static const char text[] = "\x82\x05hello"
				   "\x89\x02pi"	 /* PING */
				   "\x82\x00"	 /* empty */
				   "\x02\x03one" /* fragmented, a PING inside */
				   "\x89\x00"
				   "\x00\x03two"
				   "\x80\x01!"
				   "\x82\x7e\x00\x80"
				   "0123456789abcdef0123456789abcdef"
				   "0123456789abcdef0123456789abcdef"
				   "0123456789abcdef0123456789abcdef"
				   "0123456789abcdef0123456789abcdef"
				   "\x88\x02\x03\xe8";

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++)
		assert_string_equal(READ(text, step),
				    "(2:hello)(9:pi)(2:)(2:one(9:)two!)(2:"
				    "0123456789abcdef0123456789abcdef"
				    "0123456789abcdef0123456789abcdef"
				    "0123456789abcdef0123456789abcdef"
				    "0123456789abcdef0123456789abcdef"
				    ")(8:\x03\xe8)");
}

static void refuses_wrong_frames(void **state)
{
	(void)state;
	assert_string_equal(READ("\xc2\x01x", 9), "error");	/* RSV */
	assert_string_equal(READ("\x82\x81xxxxx", 9), "error"); /* masked */
	assert_string_equal(READ("\x83\x01x", 9), "error");	/* op */
	assert_string_equal(READ("\x80\x01x", 9), "error");	/* no message */
	assert_string_equal(READ("\x02\x01x\x82\x01x", 9), "error");
	assert_string_equal(READ("\x09\x01x", 9), "error"); /* cut PING */
	assert_string_equal(READ("\x89\x7e\x00\x80", 9), "error");
	assert_string_equal(READ("\x82\x7e\x00\x05", 9),
			    "error"); /* overlong */
	assert_string_equal(READ("\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x05", 9),
			    "error");
	assert_string_equal(
		READ("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x05", 99), "error");
}

static size_t head(uint64_t len, uint8_t dst[WS_MAX_HEAD])
{
	static const uint8_t key[4] = { 1, 2, 3, 4 };

	return ws_put_head(dst, WS_BINARY, len, key);
}

static void writes_heads(void **state)
{
	uint8_t h[WS_MAX_HEAD];

	(void)state;
	assert_int_equal(head(125, h), 6);
	assert_memory_equal(h, "\x82\xfd\1\2\3\4", 6);
	assert_int_equal(head(126, h), 8);
	assert_memory_equal(h, "\x82\xfe\x00\x7e\1\2\3\4", 8);
	assert_int_equal(head(65535, h), 8);
	assert_int_equal(head(65536, h), 14);
	assert_memory_equal(h, "\x82\xff\0\0\0\0\0\1\0\0\1\2\3\4", 14);
}

/* Any cut of the payload masks like the whole, byte by byte. */
static void masks_in_pieces(void **state)
{
	static const uint8_t key[4] = { 0xde, 0xad, 0xbe, 0xef };
	uint8_t src[67], want[67], got[67];

	(void)state;
	for (size_t i = 0; i < sizeof(src); i++) {
		src[i] = (uint8_t)(i * 7);
		want[i] = src[i] ^ key[i % 4];
	}
	for (size_t cut = 0; cut <= sizeof(src); cut++) {
		ws_mask_copy(got, src, cut, key, 0);
		ws_mask_copy(got + cut, src + cut, sizeof(src) - cut, key, cut);
		assert_memory_equal(got, want, sizeof(src));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_frames_cut_anywhere),
		cmocka_unit_test(refuses_wrong_frames),
		cmocka_unit_test(writes_heads),
		cmocka_unit_test(masks_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
