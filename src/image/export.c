/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl image export FILE: the shadow's image for "kind load", "ctr images
 * import", "docker load" */
#include "base/log.h"
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/options.h"
#include "image/archive.h"
#include "image/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define EXPORT_MAX ((size_t)256 << 20)

static int export_write_all(int fd, const struct buf *b)
{
	const uint8_t *p = buf_data(b);

	for (size_t n = 0; n < b->len;) {
		ssize_t k = write(fd, p + n, b->len - n);

		if (k < 0 && errno != EINTR)
			return -errno;
		n += k > 0 ? (size_t)k : 0;
	}
	return 0;
}

/* A regular file is there as a whole, or as it was before */
static int export_write_file(const char *path, const struct buf *b)
{
	auto_free char *next = xasprintf("%s.new", path);
	auto_close int fd = -1;
	struct stat st;
	int rc;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		return fd < 0 ? -errno : export_write_all(fd, b);
	}
	fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	rc = export_write_all(fd, b);
	if (close(steal_fd(&fd)) < 0 && rc == 0) /* NFS, a quota */
		rc = -errno;
	if (rc == 0 && rename(next, path) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(next);
	return rc;
}

static int export_write(const char *path, const struct buf *b,
			struct kt_error *err)
{
	bool out = strcmp(path, "-") == 0;
	int rc;

	if (out && isatty(STDOUT_FILENO))
		return kt_fail(err, EINVAL,
			       "the image is not written to a terminal");
	rc = out ? export_write_all(STDOUT_FILENO, b)
		 : export_write_file(path, b);
	if (rc < 0) {
		kt_fail(err, -rc, "write %s: %s", out ? "to stdout" : path,
			strerror(-rc));
		kt_hint_errno(err);
	}
	return rc;
}

static int export_image(const char *path, const struct reference *ref,
			const struct oci_image *img, struct kt_error *err)
{
	auto_free char *platforms = oci_image_platforms(img);
	auto_free char *name = reference_text(ref);
	struct buf b;
	int rc;

	buf_init(&b, EXPORT_MAX);
	rc = archive_make(&b, img, ref);
	if (rc < 0)
		kt_fail(err, -rc, "make the archive: %s", strerror(-rc));
	else
		rc = export_write(path, &b, err);
	buf_fini(&b);
	if (rc < 0)
		return rc;
	if (strcmp(path, "-") == 0)
		log_info("%s for %s", name, platforms);
	else
		print_line(stdout, "%s: %s for %s", path, name, platforms);
	return 0;
}

int command_image_export(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	struct reference ref;
	struct oci_image img;
	int rc;

	if (reference_parse(&ref, o->image.name, &err) < 0)
		return app_usage(app, &err);
	rc = oci_image_make(&img, &err);
	if (rc == 0) {
		rc = export_image(o->args[0], &ref, &img, &err);
		oci_image_fini(&img);
	}
	return rc < 0 ? app_fail(app, rc, &err) : EXIT_OK;
}
