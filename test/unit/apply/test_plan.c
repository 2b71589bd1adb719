/* SPDX-License-Identifier: Apache-2.0 */
/* The difference between what is wanted and what there is */
#include "test.h"

#include "apply/plan.h"
#include "base/mem.h"

#include <string.h>

/* One line: what is wanted, what there is ("KEY/DIGEST", '!' before one that is
 * not settled, '@' before a wanted one that somebody else serves), and the plan
 * ("=WANT:HAVE", places from 0, '.' for none) */
static const struct plan_case {
	const char *name, *want, *have, *plan;
} plan_cases[] = {
	{ "nothing", "", "", "" },
	{ "all is new", "c/1 f/2", "", "+0:. +1:." },
	{ "all is there", "c/1 f/2", "f/2 c/1", "=0:1 =1:0" },
	{ "another form", "c/1 f/3", "c/1 f/2", "=0:0 ~1:1" },
	{ "no longer wanted", "c/1", "c/1 f/2", "=0:0 -.:1" },
	{ "all ends", "", "c/1 f/2", "-.:0 -.:1" },
	{ "another target", "f web/1", "f db/2", "+0:. -.:0" },
	{ "two of one key, one changes", "f/1 f/3", "f/2 f/1", "=0:1 ~1:0" },
	{ "two of one key, one goes", "f/1", "f/2 f/1", "=0:1 -.:0" },
	{ "two of one key, one comes", "f/1 f/2", "f/2", "+0:. =1:0" },
	{ "the same twice", "f/1", "f/1 f/1", "=0:0 -.:1" },
	{ "one that leaves begins anew", "f/1", "!f/1", "~0:0" },
	{ "one that leaves ends", "", "!f/1", "-.:0" },
	{ "one that leaves is not taken for another", "f/1", "!f/1 f/1",
	  "=0:1 -.:0" },
	{ "served by somebody else", "@c/1 f/2", "", "=0:. +1:." },
};

static size_t plan_words(char *line, char *word[8])
{
	size_t n = 0;
	char *p = line;

	while (*p && n < 8) {
		word[n++] = p;
		p += strcspn(p, ",");
		if (*p)
			*p++ = '\0';
	}
	return n;
}

/* blanks between words become commas, those of "f web" stay */
static char *plan_line(const char *text)
{
	char *line = xstrdup(text);

	for (char *p = line; *p; p++)
		if (*p == ' ' && p[-1] >= '0' && p[-1] <= '9')
			*p = ',';
	return line;
}

static void plan_print(const struct apply_plan *p, char *dst, size_t size)
{
	static const char sign[] = { [APPLY_KEEP] = '=',
				     [APPLY_START] = '+',
				     [APPLY_CHANGE] = '~',
				     [APPLY_END] = '-' };
	size_t n = 0;

	*dst = '\0';
	for (size_t i = 0; i < p->n; i++) {
		const struct apply_step *s = &p->v[i];

		n += (size_t)snprintf(
			dst + n, size - n, "%s%c%c:%c", i ? " " : "",
			sign[s->act],
			s->want == APPLY_NONE ? '.' : (char)('0' + s->want),
			s->have == APPLY_NONE ? '.' : (char)('0' + s->have));
	}
}

static void plan_case(const struct plan_case *c)
{
	auto_free char *wants = plan_line(c->want), *haves = plan_line(c->have);
	struct apply_want want[8] = { { 0 } };
	struct apply_have have[8] = { { 0 } };
	struct apply_plan plan;
	char *word[8], text[256];
	size_t nwant, nhave, changes;

	nwant = plan_words(wants, word);
	for (size_t i = 0; i < nwant; i++) {
		want[i].served = *word[i] == '@';
		want[i].key = strtok_r(word[i] + want[i].served, "/",
				       (char **)(uintptr_t)&want[i].digest);
	}
	nhave = plan_words(haves, word);
	for (size_t i = 0; i < nhave; i++) {
		have[i].unsettled = *word[i] == '!';
		have[i].key = strtok_r(word[i] + have[i].unsettled, "/",
				       (char **)(uintptr_t)&have[i].digest);
	}
	apply_plan_make(&plan, want, nwant, have, nhave);
	plan_print(&plan, text, sizeof(text));
	if (strcmp(text, c->plan) != 0)
		fail_msg("%s: '%s', not '%s'", c->name, text, c->plan);
	changes = apply_plan_count(&plan, APPLY_START) +
		  apply_plan_count(&plan, APPLY_CHANGE) +
		  apply_plan_count(&plan, APPLY_END);
	assert_int_equal(changes + apply_plan_count(&plan, APPLY_KEEP), plan.n);
	apply_plan_fini(&plan);
}

static void difference(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plan_cases); i++)
		plan_case(&plan_cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
