/* SPDX-License-Identifier: Apache-2.0 */
#include "router/choice.h"

#include <string.h>

/* the environment @name itself; false: nobody of it is there */
static bool choice_at(const struct choice_ask *a, const char *name,
		      struct choice_made *out)
{
	const struct envtable_member *m = envtable_find(a->envs, name, a->time);
	bool down, strict;

	if (m && !m->local && !(a->below && strlen(name) >= a->below) &&
	    !(a->down && a->down(a->user, m))) {
		out->kind = BACKEND_MEMBER;
		out->member = m;
		out->env = m->env;
		return true;
	}
	/* its line is of the Service: of this port it has taken nothing */
	if (m && m->local && table_env_here(a->table, name, a->now))
		return false;
	down = m || table_env_away(a->table, a->port, name, a->req, a->now);
	strict = down && ((m && m->strict) ||
			  envtable_is_strict(a->envs, name, a->time));
	if (strict || (down && !out->missed[0]))
		memcpy(out->missed, name, strlen(name) + 1);
	if (strict) {
		out->kind = BACKEND_DOWN;
		out->env = "";
	}
	return strict;
}

void choice_make(const struct choice_ask *a, struct choice_made *out)
{
	char name[ENVMARK_MAX];
	const char *rule = NULL;
	uint64_t id =
		table_choose_env(a->table, a->port, a->req, a->now, &rule);

	*out = (struct choice_made){ .kind = id ? BACKEND_CLIENT
						: BACKEND_ORIGIN,
				     .client = id,
				     .env = rule ? rule : "" };
	if ((id && !rule) || !a->envs || !a->req || !envmark_of(a->req, name))
		return;
	do {
		if (id && strcmp(rule, name) == 0)
			return;
		if (choice_at(a, name, out)) {
			out->client = 0;
			return;
		}
	} while (envmark_parent(name));
}
