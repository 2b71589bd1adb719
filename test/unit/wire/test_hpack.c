/* SPDX-License-Identifier: Apache-2.0 */
/* HPACK, beside the examples of RFC 7541 appendix C and nghttp2's */
#include "test.h"

#include "base/mem.h"
#include "wire/hpack.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

/* --- what was read, as text ----------------------------------------------- */

struct text {
	char s[65536];
	size_t n;
};

static void add(struct text *t, const void *p, size_t n)
{
	assert_in_range(t->n + n, 0, sizeof(t->s) - 1);
	if (n)
		memcpy(t->s + t->n, p, n);
	t->n += n;
	t->s[t->n] = '\0';
}

static void add_field(struct text *t, const void *name, size_t nname,
		      const void *value, size_t nvalue, bool never)
{
	add(t, name, nname);
	add(t, never ? "! " : ": ", 2);
	add(t, value, nvalue);
	add(t, "\n", 1);
}

static int on_field(void *user, const struct hpack_field *f)
{
	add_field(user, f->name, f->nname, f->value, f->nvalue, f->never);
	return 0;
}

static struct text got, want;

static const char *read_block(struct hpack_decoder *d, const uint8_t *p,
			      size_t n)
{
	int rc;

	memset(&got, 0, sizeof(got));
	rc = hpack_decode(d, p, n, on_field, &got);
	assert_true(rc == 0 || rc == -EBADMSG);
	return rc == 0 ? got.s : "error";
}

#define READ(d, bytes)                                                         \
	read_block(d, (const uint8_t *)(bytes), sizeof(bytes) - 1)

/* --- appendix C ----------------------------------------------------------- */

static void requests_of_the_rfc(void **state)
{
	struct hpack_decoder d;

	(void)state;
	hpack_decoder_init(&d);
	assert_string_equal(
		READ(&d, "\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0"
			 "\xab\x90\xf4\xff"),
		":method: GET\n:scheme: http\n:path: /\n"
		":authority: www.example.com\n");
	assert_int_equal(d.size, 57);
	assert_string_equal(
		READ(&d, "\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf"),
		":method: GET\n:scheme: http\n:path: /\n"
		":authority: www.example.com\ncache-control: no-cache\n");
	assert_int_equal(d.size, 110);
	assert_string_equal(
		READ(&d, "\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d"
			 "\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf"),
		":method: GET\n:scheme: https\n:path: /index.html\n"
		":authority: www.example.com\ncustom-key: custom-value\n");
	assert_int_equal(d.size, 164);
	assert_int_equal(d.count, 3);
	hpack_decoder_fini(&d);
}

static void a_table_that_is_full(void **state)
{
	struct hpack_decoder d;

	(void)state;
	hpack_decoder_init(&d);
	/* of 256 bytes, appendix C.5 */
	assert_string_equal(READ(&d, "\x3f\xe1\1"), "");
	assert_string_equal(READ(&d, "\x48\3"
				     "302"
				     "\x58\7private"
				     "\x61\x1dMon, 21 Oct 2013 20:13:21 GMT"
				     "\x6e\x17https://www.example.com"),
			    ":status: 302\ncache-control: private\n"
			    "date: Mon, 21 Oct 2013 20:13:21 GMT\n"
			    "location: https://www.example.com\n");
	assert_int_equal(d.size, 222);
	assert_string_equal(READ(&d, "\x48\3"
				     "307"
				     "\xc1\xc0\xbf"),
			    ":status: 307\ncache-control: private\n"
			    "date: Mon, 21 Oct 2013 20:13:21 GMT\n"
			    "location: https://www.example.com\n");
	assert_int_equal(d.count, 4);
	/* a larger entry than there is room empties it */
	hpack_decoder_limit(&d, 40);
	assert_string_equal(READ(&d, "\x40\4"
				     "name"
				     "\5"
				     "value"),
			    "name: value\n");
	assert_int_equal(d.count, 0);
	hpack_decoder_fini(&d);
}

/* the new entry's name is that of the entry it drives out */
static void a_name_that_goes(void **state)
{
	struct hpack_decoder d;

	(void)state;
	hpack_decoder_init(&d);
	assert_string_equal(READ(&d, "\x3f\x0b\x40\4"
				     "name"
				     "\1"
				     "a"),
			    "name: a\n");
	assert_int_equal(d.count, 1);
	assert_string_equal(READ(&d, "\x7e\1"
				     "b\xbe"),
			    "name: b\nname: b\n");
	assert_int_equal(d.count, 1);
	hpack_decoder_fini(&d);
}

/* --- beside nghttp2 ------------------------------------------------------- */

static bool inflate(nghttp2_hd_inflater *inf, const uint8_t *p, size_t n,
		    struct text *t)
{
	memset(t, 0, sizeof(*t));
	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t rc = nghttp2_hd_inflate_hd2(inf, &nv, &flags, p, n, 1);

		if (rc < 0)
			return false;
		p += rc;
		n -= (size_t)rc;
		if (flags & NGHTTP2_HD_INFLATE_EMIT)
			add_field(t, nv.name, nv.namelen, nv.value, nv.valuelen,
				  nv.flags & NGHTTP2_NV_FLAG_NO_INDEX);
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
	}
	nghttp2_hd_inflate_end_headers(inf);
	return true;
}

static void the_static_table(void **state)
{
	(void)state;
	for (unsigned int i = 0; i <= 70; i++) {
		const uint8_t block = (uint8_t)(0x80 | i);
		struct hpack_decoder d;
		nghttp2_hd_inflater *inf;
		bool good;

		hpack_decoder_init(&d);
		assert_int_equal(nghttp2_hd_inflate_new(&inf), 0);
		good = inflate(inf, &block, 1, &want);
		assert_int_equal(good, i >= 1 && i <= 61);
		assert_string_equal(read_block(&d, &block, 1),
				    good ? want.s : "error");
		nghttp2_hd_inflate_del(inf);
		hpack_decoder_fini(&d);
	}
}

static uint32_t seed = 1;

static uint32_t roll(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* one of a few names, one of a few values or random bytes */
static void random_field(nghttp2_nv *nv, uint8_t *mem)
{
	static const char *const names[] = { ":path",	     "x-cookie",
					     "x-trace",	     "content-type",
					     "x-long-name-", "x-secret" };
	size_t n = roll(8) ? roll(40) : roll(3000);
	uint8_t kind = (uint8_t)roll(3);

	for (size_t i = 0; i < n; i++)
		mem[i] = (uint8_t)(kind == 0   ? roll(256)
				   : kind == 1 ? 'a' + roll(26)
					       : '0');
	nv->name = (uint8_t *)(uintptr_t)names[roll(6)];
	nv->namelen = strlen((const char *)nv->name);
	nv->value = mem;
	nv->valuelen = n;
	nv->flags = roll(5) ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX;
}

#define FIELDS 8
#define BLOCK 65536

static void reads_what_nghttp2_writes(void **state)
{
	static uint8_t mem[FIELDS][3000], block[BLOCK];
	nghttp2_hd_deflater *def;
	struct hpack_decoder d;

	(void)state;
	hpack_decoder_init(&d);
	assert_int_equal(nghttp2_hd_deflate_new(&def, 4096), 0);
	for (int round = 0; round < 3000; round++) {
		nghttp2_nv nv[FIELDS];
		size_t n = 1 + roll(FIELDS);
		ssize_t len;

		memset(&want, 0, sizeof(want));
		for (size_t i = 0; i < n; i++) {
			random_field(&nv[i], mem[i]);
			add_field(&want, nv[i].name, nv[i].namelen, nv[i].value,
				  nv[i].valuelen,
				  nv[i].flags & NGHTTP2_NV_FLAG_NO_INDEX);
		}
		if (roll(50) == 0)
			nghttp2_hd_deflate_change_table_size(def, roll(4097));
		len = nghttp2_hd_deflate_hd(def, block, sizeof(block), nv, n);
		assert_true(len > 0);
		read_block(&d, block, (size_t)len);
		assert_int_equal(got.n, want.n);
		assert_memory_equal(got.s, want.s, want.n);
	}
	nghttp2_hd_deflate_del(def);
	hpack_decoder_fini(&d);
}

static void writes_what_nghttp2_reads(void **state)
{
	static uint8_t mem[3000];
	nghttp2_hd_inflater *inf;
	struct buf block;

	(void)state;
	buf_init(&block, BLOCK);
	assert_int_equal(nghttp2_hd_inflate_new(&inf), 0);
	for (int round = 0; round < 3000; round++) {
		size_t n = 1 + roll(FIELDS);

		memset(&want, 0, sizeof(want));
		for (size_t i = 0; i < n; i++) {
			struct hpack_field f;
			nghttp2_nv nv;

			random_field(&nv, mem);
			f = (struct hpack_field){
				nv.name, nv.value, nv.namelen, nv.valuelen,
				nv.flags & NGHTTP2_NV_FLAG_NO_INDEX
			};
			assert_int_equal(hpack_encode(&block, &f), 0);
			(void)on_field(&want, &f);
		}
		assert_true(inflate(inf, buf_data(&block), block.len, &got));
		assert_int_equal(got.n, want.n);
		assert_memory_equal(got.s, want.s, want.n);
		buf_fini(&block);
	}
	nghttp2_hd_inflate_del(inf);
}

static void short_for_what_everybody_says(void **state)
{
	const struct hpack_field f = { (const uint8_t *)":method",
				       (const uint8_t *)"POST", 7, 4, false };
	struct buf block;

	(void)state;
	buf_init(&block, BLOCK);
	assert_int_equal(hpack_encode(&block, &f), 0);
	assert_int_equal(block.len, 1);
	assert_int_equal(*buf_data(&block), 0x83);
	buf_fini(&block);
}

/* --- wrong ---------------------------------------------------------------- */

#define WRONG(bytes)                                                           \
	{                                                                      \
		bytes, sizeof(bytes) - 1                                       \
	}

static void wrong_blocks_are_refused(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} wrong[] = {
		WRONG("\x80"),			   /* index 0 */
		WRONG("\xbe"),			   /* no such entry */
		WRONG("\xff\x80\x80\x80\x80\x01"), /* an integer too large */
		WRONG("\xff\xff\xff\xff\xff"),	   /* and one that has no end */
		WRONG("\x7f\x00\1a"),		   /* a name of no entry */
		WRONG("\x40\1"),		   /* a text cut off */
		WRONG("\x40\1a\5val"),
		WRONG("\x40\1a"),
		WRONG("\x82\x20"),		    /* a size behind a field */
		WRONG("\x3f\xe2\x1f"),		    /* 4097, too large */
		WRONG("\0\1a\x84\xff\xff\xff\xff"), /* EOS */
		WRONG("\0\1a\x82\x1f\xff"), /* padding of more than 7 bits */
		WRONG("\0\1a\x81\x18"),	    /* padding that is not of EOS */
		WRONG("\0\1a\x81\xfe"),	    /* a part of a code */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct hpack_decoder d;
		const char *text;

		hpack_decoder_init(&d);
		text = read_block(&d, (const uint8_t *)wrong[i].p, wrong[i].n);
		if (strcmp(text, "error") != 0)
			fail_msg("%zu: read as %s", i, text);
		hpack_decoder_fini(&d);
	}
}

static void a_limit_holds(void **state)
{
	struct hpack_decoder d;

	(void)state;
	hpack_decoder_init(&d);
	assert_string_equal(READ(&d, "\x40\1"
				     "a\1"
				     "b"),
			    "a: b\n");
	hpack_decoder_limit(&d, 0);
	assert_string_equal(READ(&d, "\xbe"), "error");
	assert_string_equal(READ(&d, "\x21"), "error");
	assert_string_equal(READ(&d, "\x20\x40\1"
				     "a\1"
				     "b"),
			    "a: b\n");
	assert_int_equal(d.count, 0);
	hpack_decoder_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_of_the_rfc),
		cmocka_unit_test(a_table_that_is_full),
		cmocka_unit_test(a_name_that_goes),
		cmocka_unit_test(the_static_table),
		cmocka_unit_test(reads_what_nghttp2_writes),
		cmocka_unit_test(writes_what_nghttp2_reads),
		cmocka_unit_test(short_for_what_everybody_says),
		cmocka_unit_test(wrong_blocks_are_refused),
		cmocka_unit_test(a_limit_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
