/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/show.h"

#include "base/print.h"
#include "cli/command.h"

static const struct {
	char sign;
	const char *word;
} apply_show_acts[] = {
	[APPLY_KEEP] = { '=', "keep" },
	[APPLY_START] = { '+', "start" },
	[APPLY_CHANGE] = { '~', "change" },
	[APPLY_END] = { '-', "end" },
};

char apply_show_sign(enum apply_act act)
{
	return apply_show_acts[act].sign;
}

const char *apply_show_label(const struct apply_view *v,
			     const struct apply_step *s)
{
	return s->want != APPLY_NONE ? v->file->item[s->want].label
				     : v->sessions->v[s->have].label;
}

void apply_show_text(const struct apply_view *v)
{
	for (size_t i = 0; i < v->plan->n; i++) {
		const struct apply_step *s = &v->plan->v[i];

		print_line(stdout, "%c %s", apply_show_sign(s->act),
			   apply_show_label(v, s));
	}
}

static json_t *apply_show_words(const struct strv *words)
{
	json_t *list = json_array();

	for (size_t i = 0; i < words->n; i++)
		json_array_append_new(list, json_string(words->v[i]));
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
	return json_pack("{s:i,s:s?,s:s,s:o,s:o}", "version", 1, "name",
			 v->name, "file", v->identity, "jobs", jobs, "run",
			 apply_show_words(&v->file->run));
}
