/* SPDX-License-Identifier: Apache-2.0 */
#include "image/oci.h"

#include "base/mem.h"
#include "cluster/program.h"
#include "image/tar.h"
#include "wire/inflate.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#define OCI_EPOCH "1970-01-01T00:00:00Z"
#define OCI_MAX_LAYER ((size_t)64 << 20)
#define OCI_USER "65534:65534"

/* --- blobs ---------------------------------------------------------------- */

static void oci_digest(char dst[OCI_DIGEST], struct sha256 *s)
{
	char hex[SHA256_HEX];

	snprintf(dst, OCI_DIGEST, "sha256:%s", sha256_end(s, hex));
}

/* @data is taken */
static void oci_blob_set(struct oci_blob *b, const char *type, void *data,
			 size_t len)
{
	struct sha256 s;

	*b = (struct oci_blob){ .type = type, .data = data, .len = len };
	sha256_init(&s);
	sha256_add(&s, data, len);
	oci_digest(b->digest, &s);
}

char *oci_json(json_t *doc, size_t *len)
{
	char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(doc);
	if (!text)
		abort(); /* memory, or a text of ours that is not UTF-8 */
	*len = strlen(text);
	return text;
}

static void oci_blob_document(struct oci_blob *b, const char *type, json_t *doc)
{
	size_t len;
	char *text = oci_json(doc, &len);

	oci_blob_set(b, type, text, len);
}

json_t *oci_descriptor(const struct oci_blob *b)
{
	return json_pack("{s:s,s:s,s:I}", "mediaType", b->type, "digest",
			 b->digest, "size", (json_int_t)b->len);
}

/* --- the layer ------------------------------------------------------------ */

static void oci_put_le(uint8_t *to, size_t n, uint32_t v)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

/* One gzip member that holds @data as it is, at most 65,535 bytes */
static int oci_put_stored(struct buf *b, const uint8_t *data, size_t n)
{
	uint8_t head[15] = { 0x1f, 0x8b, 8, [9] = 3, [10] = 1 };
	uint8_t tail[8];
	int rc;

	oci_put_le(head + 11, 2, (uint32_t)n);
	oci_put_le(head + 13, 2, ~(uint32_t)n);
	oci_put_le(tail, 4, (uint32_t)crc32(0, data, (uInt)n));
	oci_put_le(tail + 4, 4, (uint32_t)n);
	rc = buf_put(b, head, sizeof(head));
	if (rc == 0)
		rc = buf_put(b, data, n);
	return rc ? rc : buf_put(b, tail, sizeof(tail));
}

/* @end: zeros behind the file and its padding; @s: of the layer unpacked */
static int oci_layer_file(struct buf *b, struct sha256 *s,
			  const struct oci_program *f, size_t end)
{
	static const uint8_t zeros[TAR_BLOCK + TAR_END];
	size_t size = gzip_size(f->packed, f->npacked);
	size_t tail = tar_padding(size) + end;
	auto_free uint8_t *program = NULL;
	uint8_t head[TAR_BLOCK];
	int rc;

	if (!size || size > OCI_MAX_LAYER)
		return -EPROTO;
	program = xmalloc(size);
	rc = gzip_inflate(f->packed, f->npacked, program, size);
	if (rc == 0)
		rc = tar_header(head, f->name, 0755, size);
	if (rc < 0)
		return rc;
	sha256_add(s, head, sizeof(head));
	sha256_add(s, program, size);
	sha256_add(s, zeros, tail);
	rc = oci_put_stored(b, head, sizeof(head));
	if (rc == 0)
		rc = buf_put(b, f->packed, f->npacked);
	return rc ? rc : oci_put_stored(b, zeros, tail);
}

/* @diff: digest of the layer unpacked */
static int oci_layer(struct buf *b, char diff[OCI_DIGEST],
		     const struct oci_program *v, size_t n)
{
	struct sha256 s;
	int rc = 0;

	sha256_init(&s);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = oci_layer_file(b, &s, &v[i], i + 1 < n ? 0 : TAR_END);
	oci_digest(diff, &s);
	return rc;
}

/* --- documents ------------------------------------------------------------ */

static json_t *oci_config(const char *arch, const char *diff)
{
	return json_pack(
		"{s:s,s:s,s:s,s:{s:[s],s:s},s:{s:s,s:[s]},s:[{s:s,s:s}]}",
		"architecture", arch, "os", "linux", "created", OCI_EPOCH,
		"config", "Entrypoint", "/shadow", "User", OCI_USER, "rootfs",
		"type", "layers", "diff_ids", diff, "history", "created",
		OCI_EPOCH, "created_by", "ktctl " KT_VERSION);
}

int oci_image_add(struct oci_image *img, const char *arch,
		  const struct oci_program *v, size_t n, struct kt_error *err)
{
	struct oci_platform *p = &img->platforms[img->n];
	char diff[OCI_DIGEST];
	struct buf b;
	int rc;

	if (img->n == OCI_PLATFORMS)
		return kt_fail(err, ENOSPC, "too many architectures");
	buf_init(&b, OCI_MAX_LAYER);
	rc = oci_layer(&b, diff, v, n);
	if (rc < 0) {
		buf_fini(&b);
		return kt_fail(err, -rc, "a program for %s is damaged", arch);
	}
	snprintf(p->arch, sizeof(p->arch), "%s", arch);
	oci_blob_set(&p->layer, OCI_LAYER, b.mem, b.len);
	oci_blob_document(&p->config, OCI_CONFIG, oci_config(arch, diff));
	oci_blob_document(&p->manifest, OCI_MANIFEST,
			  json_pack("{s:i,s:s,s:o,s:[o]}", "schemaVersion", 2,
				    "mediaType", OCI_MANIFEST, "config",
				    oci_descriptor(&p->config), "layers",
				    oci_descriptor(&p->layer)));
	img->n++;
	return 0;
}

void oci_image_end(struct oci_image *img)
{
	json_t *list = json_array();

	for (size_t i = 0; i < img->n; i++) {
		const struct oci_platform *p = &img->platforms[i];
		json_t *d = oci_descriptor(&p->manifest);

		json_object_set_new(d, "platform",
				    json_pack("{s:s,s:s}", "architecture",
					      p->arch, "os", "linux"));
		json_array_append_new(list, d);
	}
	oci_blob_document(&img->index, OCI_INDEX,
			  json_pack("{s:i,s:s,s:o,s:{s:s}}", "schemaVersion", 2,
				    "mediaType", OCI_INDEX, "manifests", list,
				    "annotations",
				    "org.opencontainers.image.version",
				    KT_VERSION));
}

void oci_image_fini(struct oci_image *img)
{
	for (size_t i = 0; i < img->n; i++) {
		free(img->platforms[i].layer.data);
		free(img->platforms[i].config.data);
		free(img->platforms[i].manifest.data);
	}
	free(img->index.data);
	*img = (struct oci_image){ 0 };
}

/* The index is the same from clients of both: by name, not ours first. NULL:
 * there is none behind @after */
static const struct program *oci_program_after(const char *after)
{
	const struct program *p, *next = NULL;

	for (size_t i = 0; (p = program_at(i)); i++)
		if (strcmp(p->arch, after) > 0 &&
		    (!next || strcmp(p->arch, next->arch) < 0))
			next = p;
	return next;
}

static int oci_image_add_all(struct oci_image *img, const struct program *p,
			     struct kt_error *err)
{
	const struct program *gate = program_gate_for(p->arch);
	struct oci_program v[2] = { { p->name, p->packed, p->npacked } };
	size_t n = 1;

	if (gate)
		v[n++] = (struct oci_program){ gate->name, gate->packed,
					       gate->npacked };
	return oci_image_add(img, p->arch, v, n, err);
}

int oci_image_make(struct oci_image *img, struct kt_error *err)
{
	const struct program *p;
	int rc;

	*img = (struct oci_image){ 0 };
	for (p = oci_program_after(""); p; p = oci_program_after(p->arch)) {
		rc = oci_image_add_all(img, p, err);
		if (rc < 0) {
			oci_image_fini(img);
			return rc;
		}
	}
	if (!img->n)
		return kt_fail(err, ENOENT,
			       "this ktctl was built without the shadow's "
			       "program");
	oci_image_end(img);
	return 0;
}

char *oci_image_platforms(const struct oci_image *img)
{
	char *all = xstrdup("");

	for (size_t i = 0; i < img->n; i++) {
		char *more = xasprintf("%s%slinux/%s", all, i ? ", " : "",
				       img->platforms[i].arch);

		free(all);
		all = more;
	}
	return all;
}
