/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_APPLY_SHOW_H
#define KT_APPLY_SHOW_H

#include "apply/file.h"
#include "apply/plan.h"
#include "apply/sessions.h"

#include <jansson.h>

/** struct apply_view - what is shown of a run of apply; borrowed */
struct apply_view {
	const char *name;     /* of what is applied, or NULL */
	const char *identity; /* of the file */
	const struct apply_file *file;
	const struct apply_sessions *sessions;
	const struct apply_plan *plan;
};

/** apply_show_label() - "forward db.prod 5432"; borrowed */
const char *apply_show_label(const struct apply_view *v,
			     const struct apply_step *s);
/** apply_show_line() - "+ forward db.prod 5432" on stdout */
void apply_show_line(const struct apply_view *v, const struct apply_step *s);
/** apply_show_text() - one line for each step */
void apply_show_text(const struct apply_view *v);
/** apply_show_json() - as docs/schema/apply-plan.json says (returned) */
json_t *apply_show_json(const struct apply_view *v);

#endif
