/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/subject.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const struct {
	const char *word;
	enum subject_kind kind;
} words[] = {
	{ "service", SUBJECT_SERVICE },
	{ "svc", SUBJECT_SERVICE },
	{ "deployment", SUBJECT_DEPLOYMENT },
	{ "deploy", SUBJECT_DEPLOYMENT },
	{ "statefulset", SUBJECT_STATEFULSET },
	{ "sts", SUBJECT_STATEFULSET },
	{ "pod", SUBJECT_POD },
	{ "po", SUBJECT_POD },
};

static bool is_name(const char *text, size_t n, size_t max, bool dots)
{
	if (!n || n > max || !isalnum((unsigned char)text[0]) ||
	    !isalnum((unsigned char)text[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (!islower(c) && !isdigit(c) && c != '-' &&
		    !(dots && c == '.'))
			return false;
	}
	return true;
}

static int no_name(const char *name, enum subject_kind kind,
		   struct kt_error *err)
{
	return kt_fail(err, EINVAL, "'%s' is no name of a %s", name,
		       subject_kind_name(kind));
}

/* "", ".svc" or ".svc.cluster.domain" */
static bool is_rest(const char *s)
{
	return !*s || (str_starts(s, ".svc") && (!s[4] || s[4] == '.'));
}

static int service_name(struct subject *s, const char *text,
			struct kt_error *err)
{
	size_t n = strcspn(text, ".");
	const char *ns = text[n] ? text + n + 1 : NULL;
	size_t ns_len = ns ? strcspn(ns, ".") : 0;

	if (!is_name(text, n, 63, false) ||
	    (ns && !is_name(ns, ns_len, 63, false)) ||
	    (ns && !is_rest(ns + ns_len)))
		return no_name(text, SUBJECT_SERVICE, err);
	snprintf(s->name, sizeof(s->name), "%.*s", (int)n, text);
	snprintf(s->ns, sizeof(s->ns), "%.*s", (int)ns_len, ns ? ns : "");
	return 0;
}

int subject_parse(struct subject *s, const char *text, struct kt_error *err)
{
	const char *slash = strchr(text, '/');
	const char *name = slash ? slash + 1 : text;
	size_t n = slash ? (size_t)(slash - text) : 0, i = 0;

	*s = (struct subject){ .kind = SUBJECT_SERVICE };
	if (slash) {
		while (i < ARRAY_SIZE(words) &&
		       (strlen(words[i].word) != n ||
			memcmp(words[i].word, text, n) != 0))
			i++;
		if (i == ARRAY_SIZE(words) || strchr(name, '/'))
			return kt_fail(err, EINVAL,
				       "'%s' is none of NAME, NAME.NAMESPACE, "
				       "service/NAME, deployment/NAME, "
				       "statefulset/NAME, pod/NAME",
				       text);
		s->kind = words[i].kind;
	}
	if (s->kind == SUBJECT_SERVICE)
		return service_name(s, name, err);
	if (!is_name(name, strlen(name), 253, true))
		return no_name(name, s->kind, err);
	snprintf(s->name, sizeof(s->name), "%s", name);
	return 0;
}

const char *subject_kind_name(enum subject_kind kind)
{
	static const char *const name[] = {
		[SUBJECT_SERVICE] = "Service",
		[SUBJECT_DEPLOYMENT] = "Deployment",
		[SUBJECT_STATEFULSET] = "StatefulSet",
		[SUBJECT_POD] = "Pod",
	};

	return name[kind];
}
