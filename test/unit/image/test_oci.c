/* SPDX-License-Identifier: Apache-2.0 */
/* The image of programs that are none: what a reader would find in it. */
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "image/archive.h"
#include "image/oci.h"
#include "image/reference.h"
#include "image/tar.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#define LONG 100000 /* bytes: more than a stored block */

struct made {
	uint8_t program[LONG], packed[LONG + 1000];
	size_t n, npacked;
};

/* As "gzip -n9" would */
static void pack(struct made *m, size_t n)
{
	z_stream z = { .next_in = m->program,
		       .avail_in = (uInt)n,
		       .next_out = m->packed,
		       .avail_out = sizeof(m->packed) };

	m->n = n;
	for (size_t i = 0; i < n; i++)
		m->program[i] = (uint8_t)(i * i >> 3);
	assert_int_equal(
		deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY),
		Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	m->npacked = z.total_out;
	deflateEnd(&z);
}

/* All members of @b, as gunzip does; returns the bytes */
static size_t unpack(const struct oci_blob *b, uint8_t *dst, size_t size)
{
	z_stream z = { .next_in = b->data,
		       .avail_in = (uInt)b->len,
		       .next_out = dst,
		       .avail_out = (uInt)size };
	int rc = Z_OK;

	assert_int_equal(inflateInit2(&z, 31), Z_OK);
	while (z.avail_in) {
		rc = inflate(&z, Z_NO_FLUSH);
		assert_int_equal(rc, Z_STREAM_END); /* check sums are right */
		assert_int_equal(inflateReset(&z), Z_OK);
	}
	inflateEnd(&z);
	return (size_t)(z.next_out - dst);
}

static void digest_of(const void *data, size_t n, char dst[OCI_DIGEST])
{
	char hex[SHA256_HEX];
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, data, n);
	snprintf(dst, OCI_DIGEST, "sha256:%s", sha256_end(&s, hex));
}

static json_t *document(const struct oci_blob *b)
{
	char digest[OCI_DIGEST];
	json_t *doc;

	digest_of(b->data, b->len, digest);
	assert_string_equal(b->digest, digest);
	doc = json_loadb((const char *)b->data, b->len, 0, NULL);
	assert_non_null(doc);
	return doc;
}

static void describes(const json_t *d, const struct oci_blob *b)
{
	assert_string_equal(json_str(d, "mediaType", NULL), b->type);
	assert_string_equal(json_str(d, "digest", NULL), b->digest);
	assert_int_equal(json_integer_value(json_object_get(d, "size")),
			 b->len);
}

static int add(struct oci_image *img, const char *arch, const uint8_t *packed,
	       size_t npacked, struct kt_error *err)
{
	const struct oci_program shadow = { "shadow", packed, npacked };

	return oci_image_add(img, arch, &shadow, 1, err);
}

/* both, one behind the other, and the tar's end once */
static void layer_has_two_programs(void **state)
{
	static uint8_t tar[LONG + 10 * TAR_BLOCK];
	static struct made a, b;
	struct oci_image img = { 0 };
	struct kt_error err = { 0 };
	struct oci_program v[2];
	char digest[OCI_DIGEST];
	json_t *config;
	size_t n;

	(void)state;
	pack(&a, 700);
	pack(&b, TAR_BLOCK);
	v[0] = (struct oci_program){ "shadow", a.packed, a.npacked };
	v[1] = (struct oci_program){ "gate", b.packed, b.npacked };
	assert_int_equal(oci_image_add(&img, "amd64", v, 2, &err), 0);
	n = unpack(&img.platforms[0].layer, tar, sizeof(tar));
	assert_int_equal(n, 5 * TAR_BLOCK + TAR_END);
	assert_string_equal((char *)tar, "shadow");
	assert_memory_equal(tar + TAR_BLOCK, a.program, 700);
	assert_string_equal((char *)tar + 3 * TAR_BLOCK, "gate");
	assert_memory_equal(tar + 4 * TAR_BLOCK, b.program, TAR_BLOCK);
	config = document(&img.platforms[0].config);
	digest_of(tar, n, digest);
	assert_string_equal(
		json_string_value(json_array_get(
			json_at(config, "rootfs", "diff_ids", NULL), 0)),
		digest);
	json_decref(config);
	oci_image_end(&img);
	oci_image_fini(&img);
}

static void layer_is_a_tar_of_the_program(void **state)
{
	static uint8_t tar[LONG + 10 * TAR_BLOCK];
	static struct made m;
	static const size_t sizes[] = { 1, TAR_BLOCK - 1, TAR_BLOCK, LONG };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct oci_image img = { 0 };
		struct kt_error err = { 0 };
		char digest[OCI_DIGEST];
		json_t *config;
		size_t n;

		pack(&m, sizes[i]);
		assert_int_equal(add(&img, "amd64", m.packed, m.npacked, &err),
				 0);
		n = unpack(&img.platforms[0].layer, tar, sizeof(tar));
		assert_int_equal(n, TAR_BLOCK + sizes[i] +
					    tar_padding(sizes[i]) + TAR_END);
		assert_string_equal((char *)tar, "shadow");
		assert_string_equal((char *)tar + 100, "0000755");
		assert_memory_equal(tar + TAR_BLOCK, m.program, sizes[i]);
		config = document(&img.platforms[0].config);
		digest_of(tar, n, digest);
		assert_string_equal(
			json_string_value(json_array_get(
				json_at(config, "rootfs", "diff_ids", NULL),
				0)),
			digest);
		json_decref(config);
		oci_image_end(&img);
		oci_image_fini(&img);
	}
}

static void documents_lead_to_all(void **state)
{
	static struct made m;
	struct oci_image img = { 0 };
	struct kt_error err = { 0 };
	const char *arch[] = { "amd64", "arm64" };
	json_t *index;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pack(&m, 1000 + i);
		assert_int_equal(add(&img, arch[i], m.packed, m.npacked, &err),
				 0);
	}
	oci_image_end(&img);
	index = document(&img.index);
	for (size_t i = 0; i < 2; i++) {
		const struct oci_platform *p = &img.platforms[i];
		const json_t *d =
			json_array_get(json_object_get(index, "manifests"), i);
		json_t *manifest = document(&p->manifest);
		json_t *config = document(&p->config);

		describes(d, &p->manifest);
		assert_string_equal(
			json_str(d, "platform", "architecture", NULL), arch[i]);
		assert_string_equal(json_str(config, "architecture", NULL),
				    arch[i]);
		describes(json_object_get(manifest, "config"), &p->config);
		describes(
			json_array_get(json_object_get(manifest, "layers"), 0),
			&p->layer);
		json_decref(config);
		json_decref(manifest);
	}
	json_decref(index);
	oci_image_fini(&img);
}

static void damaged_programs_are_refused(void **state)
{
	static struct made m;
	struct oci_image img = { 0 };
	struct kt_error err = { 0 };

	(void)state;
	pack(&m, LONG);
	assert_int_equal(add(&img, "amd64", m.packed, m.npacked / 2, &err),
			 -EPROTO);
	assert_int_equal(add(&img, "amd64", m.program, m.n, &err), -EPROTO);
	assert_int_equal(img.n, 0);
	oci_image_fini(&img);
}

static void archives_are_the_same_twice(void **state)
{
	static struct made m;
	struct kt_error err = { 0 };
	struct reference ref;
	struct buf b[2];

	(void)state;
	pack(&m, 5000);
	assert_int_equal(reference_parse(&ref, "r.example/a:b", &err), 0);
	for (size_t i = 0; i < 2; i++) {
		struct oci_image img = { 0 };

		assert_int_equal(add(&img, "amd64", m.packed, m.npacked, &err),
				 0);
		oci_image_end(&img);
		buf_init(&b[i], 1 << 20);
		assert_int_equal(archive_make(&b[i], &img, &ref), 0);
		oci_image_fini(&img);
	}
	assert_int_equal(b[0].len, b[1].len);
	assert_int_equal(b[0].len % TAR_BLOCK, 0);
	assert_memory_equal(buf_data(&b[0]), buf_data(&b[1]), b[0].len);
	buf_fini(&b[0]);
	buf_fini(&b[1]);
}

static void tar_has_bounds(void **state)
{
	uint8_t head[TAR_BLOCK];
	char name[102];
	unsigned int sum = 0;

	(void)state;
	memset(name, 'n', 101);
	name[101] = '\0';
	assert_int_equal(tar_header(head, name, 0644, 1), -ENAMETOOLONG);
	name[100] = '\0';
	assert_int_equal(tar_header(head, name, 0644, (uint64_t)1 << 33),
			 -EFBIG);
	assert_int_equal(tar_header(head, name, 0644, ((uint64_t)1 << 33) - 1),
			 0);
	assert_memory_equal(head, name, 100);
	assert_string_equal((char *)head + 124, "77777777777");
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : head[i];
	assert_int_equal(strtoul((char *)head + 148, NULL, 8), sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layer_is_a_tar_of_the_program),
		cmocka_unit_test(layer_has_two_programs),
		cmocka_unit_test(documents_lead_to_all),
		cmocka_unit_test(damaged_programs_are_refused),
		cmocka_unit_test(archives_are_the_same_twice),
		cmocka_unit_test(tar_has_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
