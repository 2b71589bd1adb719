/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/finding.h"

#include "base/mem.h"
#include "base/print.h"
#include "base/str.h"
#include "kube/rest.h"

#include <stdarg.h>
#include <string.h>

static const char *const finding_states[] = {
	[FINDING_OK] = "ok",
	[FINDING_WARN] = "warn",
	[FINDING_FAIL] = "fail",
	[FINDING_SKIP] = "skip",
};

void findings_init(struct findings *f, bool print)
{
	*f = (struct findings){ .list = json_array(), .print = print };
}

void findings_fini(struct findings *f)
{
	json_decref(f->list);
	f->list = NULL;
}

static void finding_print(const char *check, enum finding_state state,
			  const char *text, const char *remedy)
{
	struct strv lines = strv_split(remedy ? remedy : "", '\n');

	print_line(stdout, "%-4s  %-12s  %s", finding_states[state], check,
		   text);
	for (size_t i = 0; i < lines.n; i++)
		print_line(stdout, "      %-12s  %s%s", "",
			   i == 0 ? "-> " : "   ", lines.v[i]);
	strv_fini(&lines);
	fflush(stdout);
}

/* Foreign bytes may be no UTF-8, which JSON cannot hold */
static json_t *finding_string(const char *text)
{
	char clean[4096];

	print_clean(clean, sizeof(clean), text, strlen(text));
	return json_string(clean);
}

void finding_add(struct findings *f, const char *check,
		 enum finding_state state, const char *remedy, const char *fmt,
		 ...)
{
	json_t *one = json_pack("{s:s,s:s}", "check", check, "state",
				finding_states[state]);
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_set_new(one, "text", finding_string(text));
	if (remedy && *remedy)
		json_object_set_new(one, "remedy", finding_string(remedy));
	json_array_append_new(f->list, one);
	if (f->print)
		finding_print(check, state, text, remedy);
}

void finding_error(struct findings *f, const char *check,
		   enum finding_state state, const struct kt_error *err)
{
	finding_add(f, check, state, err->hint, "%s", err->msg);
}

void finding_set_role(struct findings *f, const char *role)
{
	size_t n = json_array_size(f->list);

	json_object_set_new(json_array_get(f->list, n - 1), "role",
			    json_string(role));
}

size_t findings_count(const struct findings *f, enum finding_state state)
{
	const json_t *one;
	size_t i, n = 0;

	json_array_foreach (f->list, i, one)
		n += str_eq(json_str(one, "state", NULL),
			    finding_states[state]);
	return n;
}
