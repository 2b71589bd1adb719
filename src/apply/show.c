/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/show.h"

#include "base/print.h"
#include "cli/command.h"

#include <string.h>

static const struct {
	char sign;
	const char *word;
} apply_show_acts[] = {
	[APPLY_KEEP] = { '=', "keep" },
	[APPLY_START] = { '+', "start" },
	[APPLY_CHANGE] = { '~', "change" },
	[APPLY_END] = { '-', "end" },
};

const char *apply_show_label(const struct apply_view *v,
			     const struct apply_step *s)
{
	return s->want != APPLY_NONE ? v->file->item[s->want].label
				     : v->sessions->v[s->have].label;
}

void apply_show_line(const struct apply_view *v, const struct apply_step *s)
{
	const bool other = s->act == APPLY_KEEP && s->have == APPLY_NONE;

	print_line(stdout, "%c %s%s", apply_show_acts[s->act].sign,
		   apply_show_label(v, s),
		   other ? " (runs already, not by this file)" : "");
}

void apply_show_text(const struct apply_view *v)
{
	for (size_t i = 0; i < v->plan->n; i++)
		apply_show_line(v, &v->plan->v[i]);
}

/* A file's name may be no UTF-8 */
static json_t *apply_show_string(const char *text)
{
	char clean[4096];

	if (!text)
		return json_null();
	print_clean(clean, sizeof(clean), text, strlen(text));
	return json_string(clean);
}

static json_t *apply_show_words(const struct strv *words)
{
	json_t *list = json_array();

	for (size_t i = 0; i < words->n; i++)
		json_array_append_new(list, apply_show_string(words->v[i]));
	return list;
}

static json_t *apply_show_step(const struct apply_view *v,
			       const struct apply_step *s)
{
	const struct apply_item *want =
		s->want == APPLY_NONE ? NULL : &v->file->item[s->want];
	const struct apply_session *have =
		s->have == APPLY_NONE ? NULL : &v->sessions->v[s->have];

	return json_pack("{s:s,s:s,s:o,s:o,s:s?}", "action",
			 apply_show_acts[s->act].word, "command",
			 want ? want->command->name : have->command, "args",
			 apply_show_words(want ? &want->args : &have->args),
			 "flags",
			 apply_show_words(want ? &want->flags : &have->flags),
			 "session", have ? have->id : NULL);
}

json_t *apply_show_json(const struct apply_view *v)
{
	json_t *jobs = json_array();

	for (size_t i = 0; i < v->plan->n; i++)
		json_array_append_new(jobs, apply_show_step(v, &v->plan->v[i]));
	return json_pack("{s:i,s:o,s:o,s:o,s:o}", "version", 1, "name",
			 apply_show_string(v->name), "file",
			 apply_show_string(v->identity), "jobs", jobs, "run",
			 apply_show_words(&v->file->run));
}
