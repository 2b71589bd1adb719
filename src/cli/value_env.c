/* SPDX-License-Identifier: Apache-2.0 */
/* Types that options of environments have */
#include "base/mem.h"
#include "base/str.h"
#include "base/words.h"
#include "cli/form.h"
#include "cli/value_type.h"
#include "wire/envmark.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* The container has a DNS label as its name */
static bool value_is_image_of(const char *text)
{
	const char *eq = strchr(text, '=');
	auto_free char *container =
		eq ? xstrndup(text, (size_t)(eq - text)) : NULL;

	return eq ? *container && form_is_namespace(container) &&
			       form_is_image(eq + 1)
		  : form_is_image(text);
}

int value_set_image_of(void *field, const struct option *opt, const char *text,
		       struct kt_error *err)
{
	if (*text && !value_is_image_of(text))
		return kt_fail(err, EINVAL,
			       "'%.80s' is no image: "
			       "[CONTAINER=][REGISTRY/]REPOSITORY[:TAG]",
			       text);
	return value_set_string(field, opt, text, err);
}

static bool value_is_hook(const char *text)
{
	auto_strv struct strv words = { 0 };

	return words_split(text, &words) == 0 && words.n &&
	       (words.v[0][0] == '/' ? words.v[0][1] != '\0'
				     : isalnum((unsigned char)words.v[0][0]) &&
					       form_is_image(words.v[0]));
}

int value_set_hook(void *field, const struct option *opt, const char *text,
		   struct kt_error *err)
{
	if (*text && !value_is_hook(text))
		return kt_fail(err, EINVAL,
			       "'%.80s' is neither IMAGE [ARG...] nor "
			       "/PROGRAM [ARG...]",
			       text);
	return value_set_string(field, opt, text, err);
}

static bool value_is_gateway(const char *text)
{
	const char *slash = strchr(text, '/');
	auto_free char *ns = NULL;

	if (!slash)
		return form_is_name(text);
	ns = xstrndup(text, (size_t)(slash - text));
	return form_is_namespace(ns) && form_is_name(slash + 1);
}

int value_set_gateway(void *field, const struct option *opt, const char *text,
		      struct kt_error *err)
{
	if (*text && !value_is_gateway(text))
		return kt_fail(err, EINVAL,
			       "'%.80s' is no Gateway: [NAMESPACE/]NAME", text);
	return value_set_string(field, opt, text, err);
}

/* As HTTP/2 has it, whatever case it was typed in */
int value_set_header(void *field, const struct option *opt, const char *text,
		     struct kt_error *err)
{
	auto_free char *name = xstrdup(text);

	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (*name && !envmark_is_header(slice_of(name)))
		return kt_fail(err, EINVAL,
			       "'%.80s' cannot be a mark: a header of letters, "
			       "digits, '-' and '_', with a letter first, that "
			       "means nothing else to proxies and programs",
			       text);
	return value_set_string(field, opt, name, err);
}

static bool value_is_env_from(const char *text)
{
	static const char *const kinds[] = { "configmap/", "secret/" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_starts(text, kinds[i]))
			return form_is_name(text + strlen(kinds[i]));
	return false;
}

int value_set_env_from(void *field, const struct option *opt, const char *text,
		       struct kt_error *err)
{
	struct strv parts = strv_split(text, ',');

	(void)opt;
	for (size_t i = 0; i < parts.n; i++) {
		if (value_is_env_from(parts.v[i]))
			continue;
		kt_fail(err, EINVAL,
			"'%.80s' is neither configmap/NAME nor secret/NAME",
			parts.v[i]);
		strv_fini(&parts);
		return -EINVAL;
	}
	*(struct strv *)field = parts;
	return 0;
}
