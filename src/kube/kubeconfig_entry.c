/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_entry.h"

#include "base/mem.h"
#include "base/str.h"
#include "kube/encode.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

char *kube_text_of(const json_t *v)
{
	if (json_is_string(v))
		return *json_string_value(v) ? xstrdup(json_string_value(v))
					     : NULL;
	if (json_is_integer(v))
		return xasprintf("%lld", (long long)json_integer_value(v));
	if (json_is_boolean(v))
		return xstrdup(json_is_true(v) ? "true" : "false");
	return NULL;
}

char *entry_text(const struct entry *e, const char *key)
{
	return kube_text_of(json_object_get(e->value, key));
}

bool entry_bool(const struct entry *e, const char *key)
{
	auto_free char *s = entry_text(e, key);

	return s && (strcasecmp(s, "true") == 0 || strcasecmp(s, "yes") == 0 ||
		     strcasecmp(s, "on") == 0);
}

char *entry_rooted(const struct entry *e, const char *path)
{
	return *path == '/' ? xstrdup(path) : xasprintf("%s/%s", e->dir, path);
}

char *entry_path(const struct entry *e, const char *key)
{
	auto_free char *s = entry_text(e, key);

	return s ? entry_rooted(e, s) : NULL;
}

int entry_pem(const struct entry *e, const char *key, char **out,
	      struct kt_error *err)
{
	auto_free char *data_key = xasprintf("%s-data", key);
	auto_free char *data = entry_text(e, data_key);
	auto_free char *path = entry_path(e, key);
	size_t len;

	if (data) {
		*out = base64_decode(data, &len);
		if (!*out)
			return kt_fail(err, EINVAL,
				       "%s: %s '%s': %s is not base64", e->file,
				       e->kind, e->name, data_key);
		return 0;
	}
	if (!path)
		return 0;
	*out = file_read(path, KUBE_MAX_PEM, &len);
	if (!*out)
		return kt_fail(err, errno, "%s: %s '%s': %s %s: %s", e->file,
			       e->kind, e->name, key, path, strerror(errno));
	return 0;
}
