/* SPDX-License-Identifier: Apache-2.0 */
/* ktctl image push NAME: the shadow's image into a registry */
#include "base/mem.h"
#include "base/print.h"
#include "cli/app.h"
#include "cli/options.h"
#include "image/credentials.h"
#include "image/registry.h"

#include <string.h>

/* What is named comes before what names it, so that nobody ever finds half an
 * image; the tag comes last. */
static int push_image(struct registry *r, const struct oci_image *img,
		      const struct reference *ref, struct kt_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < img->n && rc == 0; i++) {
		const struct oci_platform *p = &img->platforms[i];

		rc = registry_put_blob(r, &p->layer, err);
		if (rc == 0)
			rc = registry_put_blob(r, &p->config, err);
		if (rc == 0)
			rc = registry_put_manifest(r, &p->manifest,
						   p->manifest.digest, err);
	}
	return rc ? rc : registry_put_manifest(r, &img->index, ref->tag, err);
}

static int push_to(struct app *app, const struct options *o,
		   const struct reference *ref, const struct oci_image *img,
		   struct kt_error *err)
{
	struct docker_auth auth = { 0 };
	const struct registry_config cfg = { .loop = app->loop,
					     .ref = ref,
					     .auth = &auth,
					     .insecure = o->image.insecure };
	struct registry *r = NULL;
	int rc = credentials_find(app->loop, reference_key(ref), &auth, err);

	if (rc == 0)
		rc = registry_open(&r, &cfg, err);
	if (rc == 0)
		rc = push_image(r, img, ref, err);
	registry_free(r);
	docker_auth_fini(&auth);
	return rc;
}

static void push_say(const struct reference *ref, const struct oci_image *img)
{
	auto_free char *platforms = oci_image_platforms(img);
	auto_free char *name = reference_text(ref);

	print_line(stdout, "%s@%s for %s", name, img->index.digest, platforms);
	print_line(stdout, "for all commands: ktctl config set global.image %s",
		   name);
}

int command_image_push(struct app *app, const struct options *o)
{
	struct kt_error err = { 0 };
	struct reference ref;
	struct oci_image img;
	int rc;

	if (reference_parse(&ref, o->args[0], &err) < 0)
		return app_usage(app, &err);
	rc = oci_image_make(&img, &err);
	if (rc == 0) {
		rc = push_to(app, o, &ref, &img, &err);
		if (rc == 0)
			push_say(&ref, &img);
		oci_image_fini(&img);
	}
	return rc < 0 ? app_fail(app, rc, &err) : EXIT_OK;
}
