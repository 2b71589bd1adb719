/* SPDX-License-Identifier: Apache-2.0 */
/* What zlib packs is the measure, and that what is damaged is never taken. */
#include "test.h"

#include "base/mem.h"
#include "wire/inflate.h"
#include "wire/sha256.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SIZE 200000

static uint8_t plain[SIZE], packed[2 * SIZE], back[SIZE];

/* Text-like, with repeats far and near, and noise at the end */
static void fill(unsigned int seed)
{
	srandom(seed);
	for (size_t i = 0; i < SIZE; i++)
		if (i > 40000 && random() % 8 == 0 && i + 300 < SIZE) {
			size_t n = 3 + (size_t)random() % 256;
			size_t far = 1 + (size_t)random() % 32768;

			for (size_t k = 0; k < n; k++)
				plain[i + k] = plain[i + k - far];
			i += n - 1;
		} else if (i > SIZE - 20000) {
			plain[i] = (uint8_t)random();
		} else {
			plain[i] = (uint8_t)("etaoin shrdlu\n"[random() % 14]);
		}
}

static size_t pack(size_t n, int level, int strategy)
{
	z_stream z = { .next_in = plain,
		       .avail_in = (uInt)n,
		       .next_out = packed,
		       .avail_out = sizeof(packed) };

	assert_int_equal(
		deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, strategy),
		Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void as_zlib_packs_it(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 300, 70000, SIZE };
	static const int strategies[] = { Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY,
					  Z_RLE, Z_FIXED };

	(void)state;
	fill(1);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (int level = 0; level <= 9; level += 3)
			for (size_t s = 0; s < ARRAY_SIZE(strategies); s++) {
				size_t n = pack(sizes[i], level, strategies[s]);

				assert_int_equal(gzip_size(packed, n),
						 sizes[i]);
				memset(back, 0xaa, sizeof(back));
				assert_int_equal(
					gzip_inflate(packed, n, back, sizes[i]),
					0);
				assert_memory_equal(back, plain, sizes[i]);
			}
}

static void not_what_is_cut_off(void **state)
{
	size_t n;

	(void)state;
	fill(2);
	n = pack(3000, 9, Z_DEFAULT_STRATEGY);
	for (size_t cut = 1; cut < n; cut++) {
		/* the end of the file stays, so that the size is right */
		auto_free uint8_t *in = malloc(n - cut);

		memcpy(in, packed, n - cut);
		if (n - cut >= 18)
			memcpy(in + n - cut - 8, packed + n - 8, 8);
		assert_true(gzip_inflate(in, n - cut, back, 3000) < 0);
	}
	assert_true(gzip_inflate(packed, n, back, 2999) < 0);
	assert_true(gzip_inflate(packed, n, back, 3001) < 0);
	packed[0] ^= 1;
	assert_int_equal(gzip_size(packed, n), 0);
	packed[0] ^= 1;
	assert_true(gzip_inflate(packed, 0, back, 0) < 0); /* no file at all */
	assert_true(gzip_inflate(packed, 17, back, 0) < 0);
	packed[3] = 8; /* a name follows */
	assert_int_equal(gzip_size(packed, n), 0);
}

/* One bit wrong anywhere: never past the end (valgrind, ASan), and where it is
 * taken zlib takes it as well, with the same bytes */
static void as_zlib_sees_damage(void **state)
{
	uint8_t other[3000];
	size_t n, taken = 0;

	(void)state;
	fill(3);
	n = pack(sizeof(other), 9, Z_DEFAULT_STRATEGY);
	for (size_t bit = 10 * 8; bit < (n - 8) * 8; bit += 3) {
		z_stream z = { .next_in = packed + 10,
			       .avail_in = (uInt)(n - 18),
			       .next_out = other,
			       .avail_out = sizeof(other) };
		int mine, rc;

		packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		mine = gzip_inflate(packed, n, back, sizeof(other));
		assert_int_equal(inflateInit2(&z, -15), Z_OK);
		rc = inflate(&z, Z_FINISH);
		inflateEnd(&z);
		packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(mine == 0,
				 rc == Z_STREAM_END &&
					 z.total_out == sizeof(other) &&
					 z.avail_in == 0);
		if (mine == 0)
			assert_memory_equal(back, other, sizeof(other));
		taken += mine == 0;
	}
	assert_true(taken > 0); /* a literal that is another one */
}

static void digest_is(const char *text, size_t step, const char *want)
{
	struct sha256 s;
	char got[SHA256_HEX];
	size_t n = strlen(text);

	sha256_init(&s);
	for (size_t i = 0; i < n; i += step)
		sha256_add(&s, text + i, n - i < step ? n - i : step);
	assert_string_equal(sha256_end(&s, got), want);
}

/* FIPS 180-4's examples, and lengths around the padding's edge */
static void sha256_examples(void **state)
{
	char text[1001];

	(void)state;
	digest_is("", 1,
		  "e3b0c44298fc1c149afbf4c8996fb924"
		  "27ae41e4649b934ca495991b7852b855");
	digest_is("abc", 1,
		  "ba7816bf8f01cfea414140de5dae2223"
		  "b00361a396177a9cb410ff61f20015ad");
	digest_is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  64,
		  "248d6a61d20638b8e5c026930c3e6039"
		  "a33ce45964ff2167f6ecedd419db06c1");
	memset(text, 'a', 1000);
	text[1000] = '\0';
	digest_is(text, 7,
		  "41edece42d63e8d9bf515a9ba6932e1c"
		  "20cbc9f5a5d134645adb5db1b9737ea3");
	text[64] = '\0';
	digest_is(text, 63,
		  "ffe054fe7ae0cb6dc65c3af9b61d5209"
		  "f439851db43d0ba5997337df154668eb");
	text[55] = '\0';
	digest_is(text, 55,
		  "9f4390f8d30c2dd92ec9f095b65e2b9a"
		  "e9b0a925a5258e241c9f1e910f734318");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_zlib_packs_it),
		cmocka_unit_test(not_what_is_cut_off),
		cmocka_unit_test(as_zlib_sees_damage),
		cmocka_unit_test(sha256_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
