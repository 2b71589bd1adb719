/* SPDX-License-Identifier: Apache-2.0 */
/* Who answers, by the rule table and the table of the environments: beside a
 * model that looks at all of them one after the other. */
#include "test.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "router/choice.h"

#include <stdio.h>
#include <string.h>

#define PORT 80
#define TIME 1000

/* --- by hand -------------------------------------------------------------- */

static struct table *rules;
static struct envtable *envs;
static const char *is_down; /* env of the member that refuses */

static uint64_t laptop(const char *user, const char *rule)
{
	struct table_conflict c;
	uint64_t id = table_join(rules);
	struct rule r;

	assert_int_equal(rule_parse(&r, rule, NULL), 0);
	assert_int_equal(table_commit(rules, id, user, NS_SEC, &r, 1, 0, &c),
			 0);
	return id;
}

static void table(const char *text)
{
	envtable_free(envs);
	envs = envtable_new(slice_of(text), "web", NULL, NULL);
	assert_non_null(envs);
}

static int begin(void **state)
{
	(void)state;
	is_down = NULL;
	rules = table_new();
	assert_non_null(rules);
	table("");
	return 0;
}

static int end(void **state)
{
	(void)state;
	table_free(rules);
	envtable_free(envs);
	envs = NULL;
	return 0;
}

static bool refuses(void *user, const struct envtable_member *m)
{
	(void)user;
	return is_down && strcmp(m->env, is_down) == 0;
}

static struct choice_made last;

/* "KIND ENV/MISSED" */
static const char *who_below(const char *mark, int64_t now, size_t below)
{
	static char text[2 * ENVMARK_MAX + 32];
	char value[256];
	const struct rule_field f = { slice_of("baggage"), { value, 0 } };
	struct rule_field field = f;
	const struct rule_request req = { slice_of("GET"), slice_of("/"),
					  &field, mark ? 1 : 0 };
	const struct choice_ask ask = { .table = rules,
					.envs = envs,
					.port = PORT,
					.req = &req,
					.now = now,
					.time = TIME,
					.below = below,
					.down = refuses };
	static const char *const kinds[] = { "none", "origin", "client",
					     "member", "down" };

	field.value.n = (size_t)snprintf(value, sizeof(value), "kt-env=%s",
					 mark ? mark : "");
	choice_make(&ask, &last);
	snprintf(text, sizeof(text), "%s %s/%s", kinds[last.kind], last.env,
		 last.missed);
	return text;
}

static const char *who(const char *mark)
{
	return who_below(mark, 0, 0);
}

static void nearest_of_both_kinds(void **state)
{
	uint64_t id;

	(void)state;
	table("member dev web dev.x. 0 -\nmember dev.p.q web q.x. 0 -\n");
	id = laptop("ann", "80 env:dev.p");
	assert_string_equal(who("dev.p.q.r"), "member dev.p.q/");
	assert_string_equal(last.member->host, "q.x.");
	assert_string_equal(who("dev.p.q"), "member dev.p.q/");
	assert_string_equal(who("dev.p.z"), "client dev.p/");
	assert_int_equal(last.client, id);
	assert_string_equal(who("dev.p"), "client dev.p/");
	assert_string_equal(who("dev.px"), "member dev/");
	assert_string_equal(who("dev"), "member dev/");
	assert_string_equal(who("de"), "origin /");
	assert_string_equal(who("dev2"), "origin /");
	assert_string_equal(who("Dev"), "origin /");
	assert_string_equal(who("dev."), "origin /");
	assert_string_equal(who(NULL), "origin /");
}

static void everything_comes_last_and_own_marks_first(void **state)
{
	struct rule_field f[] = {
		{ slice_of("baggage"), slice_of("kt-env=dev") },
		{ slice_of("me"), slice_of("1") },
	};
	struct rule_request req = { slice_of("GET"), slice_of("/"), f, 2 };
	struct choice_ask ask = {
		.table = rules, .port = PORT, .req = &req, .time = TIME
	};
	struct choice_made c;
	uint64_t all, own;

	(void)state;
	table("member dev web dev.x. 0 -\n");
	ask.envs = envs;
	all = laptop("ann", "80 all");
	own = laptop("bob", "80 header:me=1");
	choice_make(&ask, &c);
	assert_int_equal(c.kind, BACKEND_CLIENT);
	assert_int_equal(c.client, own);
	f[1].value = slice_of("2");
	choice_make(&ask, &c);
	assert_int_equal(c.kind, BACKEND_MEMBER);
	f[0].value = slice_of("kt-env=other");
	choice_make(&ask, &c);
	assert_int_equal(c.kind, BACKEND_CLIENT);
	assert_int_equal(c.client, all);
	ask.req = NULL;
	choice_make(&ask, &c);
	assert_int_equal(c.client, all);
	ask.envs = NULL; /* no table: rules alone */
	ask.req = &req;
	f[0].value = slice_of("kt-env=dev");
	choice_make(&ask, &c);
	assert_int_equal(c.client, all);
}

static void others_answer_for_who_is_down(void **state)
{
	(void)state;
	table("member dev web dev.x. 0 -\nmember dev.p web p.x. 0 -\n");
	is_down = "dev.p";
	assert_string_equal(who("dev.p.q"), "member dev/dev.p");
	is_down = "dev";
	assert_string_equal(who("dev.p"), "member dev.p/");
	assert_string_equal(who("dev"), "origin /dev");
	is_down = NULL;
	/* it was asked just now, and its parent next */
	assert_string_equal(who_below("dev.p.q", 0, strlen("dev.p")),
			    "member dev/dev.p");
	assert_string_equal(who_below("dev.p.q", 0, strlen("dev")),
			    "origin /dev.p");
	/* over */
	table("member dev web dev.x. 1001 -\nmember dev.p web p.x. 1000 -\n");
	assert_string_equal(who("dev.p"), "member dev/");
}

static void nobody_answers_for_who_is_strict(void **state)
{
	(void)state;
	table("member dev web dev.x. 0 -\nmember dev.p web p.x. 0 strict\n"
	      "member dev.p.q web q.x. 0 -\n");
	is_down = "dev.p";
	assert_string_equal(who("dev.p"), "down /dev.p");
	is_down = "dev.p.q";
	assert_string_equal(who("dev.p.q"), "member dev.p/dev.p.q");
	assert_string_equal(who_below("dev.p.q", 0, strlen("dev.p")),
			    "down /dev.p");
	/* the environment's own word counts likewise */
	table("member dev web dev.x. 0 -\nenv dev kt-env-dev 0 strict\n");
	is_down = "dev";
	assert_string_equal(who("dev"), "down /dev");
	table("member dev web dev.x. 0 -\nenv dev kt-env-dev 1000 strict\n");
	assert_string_equal(who("dev"), "origin /dev");
}

static void laptops_that_are_away(void **state)
{
	struct table_conflict c;
	uint64_t id;

	(void)state;
	table("member dev web dev.x. 0 -\n"
	      "env dev.p kt-env-x 0 -\nenv dev.s kt-env-y 0 strict\n");
	id = laptop("ann", "80 env:dev.p");
	table_lost(rules, id, 0);
	assert_string_equal(who_below("dev.p", NS_SEC - 1, 0), "client dev.p/");
	assert_string_equal(who_below("dev.p", NS_SEC, 0), "member dev/dev.p");
	assert_int_equal(table_back(rules, id, NS_SEC, &c), 0);
	assert_string_equal(who_below("dev.p", NS_SEC, 0), "client dev.p/");
	table_leave(rules, id);
	assert_string_equal(who("dev.p"), "member dev/");
	id = laptop("ann", "80 env:dev.s");
	assert_string_equal(who("dev.s"), "client dev.s/");
	table_lost(rules, id, 0);
	assert_string_equal(who_below("dev.s", NS_SEC, 0), "down /dev.s");
	assert_string_equal(who_below("dev.s.t", NS_SEC, 0), "down /dev.s");
	table_leave(rules, id);
	/* whose session is over, and who has a line */
	table("member dev web dev.x. 0 -\nmember dev.p web - 0 -\n"
	      "member dev.s web - 0 strict\n");
	assert_string_equal(who("dev.p"), "member dev/dev.p");
	assert_string_equal(who("dev.s"), "down /dev.s");
	laptop("ann", "80 env:dev.s");
	assert_string_equal(who("dev.s"), "client dev.s/");
	assert_string_equal(who("dev"), "member dev/");
}

/* the line is of a Service, rules are of ports: of this one it takes nothing */
static void laptops_that_took_another_port(void **state)
{
	(void)state;
	table("member dev web dev.x. 0 -\nmember dev.p web - 0 -\n"
	      "member dev.s web - 0 strict\n");
	laptop("ann", "81 env:dev.p");
	laptop("ann", "81 env:dev.s");
	assert_string_equal(who("dev.p"), "member dev/");
	assert_string_equal(who("dev.s"), "member dev/");
	assert_string_equal(who("dev.s.t"), "member dev/");
}

/* --- beside a model ------------------------------------------------------- */

#define NAMES 120

enum here { NOBODY, LAPTOP, AWAY, MEMBER, REFUSES, OVER };

struct model {
	char name[ENVMARK_MAX];
	enum here here;
	bool strict;
	uint64_t id;
};

static struct model model[NAMES];
static uint64_t chance = 88172645463325252u;

static unsigned int any(unsigned int n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned int)(chance >> 33) % n;
}

static struct model *model_find(const char *name, size_t n)
{
	for (size_t i = 0; i < NAMES; i++)
		if (strlen(model[i].name) == n &&
		    memcmp(model[i].name, name, n) == 0)
			return &model[i];
	return NULL;
}

static void model_name(char *out, size_t size)
{
	static const char *const label[] = { "a",  "b",	  "dev", "pr-1",
					     "p2", "x-y", "42",	 "q" };
	size_t n = 0;
	unsigned int depth = 1 + any(4);

	for (unsigned int i = 0; i < depth; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? "." : "",
				      label[any(ARRAY_SIZE(label))]);
}

static void model_build(void)
{
	static char text[NAMES * 256];
	size_t n = 0;

	for (size_t i = 0; i < NAMES; i++) {
		struct model *m = &model[i];
		char rule[ENVMARK_MAX + 16];

		do
			model_name(m->name, sizeof(m->name));
		while (model_find(m->name, strlen(m->name)) != m);
		m->here = (enum here)any(OVER + 1);
		m->strict = any(6) == 0;
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "env %s src-%zu 0 %s\n", m->name, i,
				      m->strict ? "strict" : "-");
		snprintf(rule, sizeof(rule), "%d env:%s", PORT, m->name);
		if (m->here == LAPTOP || m->here == AWAY)
			m->id = laptop("ann", rule);
		if (m->here == AWAY)
			table_lost(rules, m->id, -10 * NS_SEC);
		if (m->here >= MEMBER)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      "member %s web h-%zu.x. %d -\n",
					      m->name, i,
					      m->here == OVER ? TIME : 0);
	}
	table(text);
}

static bool model_refuses(void *user, const struct envtable_member *m)
{
	(void)user;
	return model_find(m->env, strlen(m->env))->here == REFUSES;
}

/* what is to come of the mark @name (NULL: none that means anything) */
static void model_choose(const char *name, struct choice_made *out)
{
	size_t n = name ? strlen(name) : 0;

	*out = (struct choice_made){ .kind = BACKEND_ORIGIN, .env = "" };
	while (n) {
		const struct model *m = model_find(name, n);

		if (m && (m->here == LAPTOP || m->here == MEMBER)) {
			out->kind = m->here == LAPTOP ? BACKEND_CLIENT
						      : BACKEND_MEMBER;
			out->client = m->here == LAPTOP ? m->id : 0;
			out->env = m->name;
			return;
		}
		if (m && (m->here == AWAY || m->here == REFUSES)) {
			if (m->strict || !out->missed[0])
				snprintf(out->missed, sizeof(out->missed), "%s",
					 m->name);
			if (m->strict) {
				out->kind = BACKEND_DOWN;
				return;
			}
		}
		while (n && name[n - 1] != '.')
			n--;
		n -= n > 0;
	}
}

/* A mark of some form. Returns the name that it has; NULL: it means nothing */
static const char *mark_plain(char *value, size_t size, char *name)
{
	static const char *const junk[] = {
		"",	   ".",	       "..",	     "Dev",    "dev.",
		".dev",	   "a..b",     "a b",	     "-a",     "a-",
		"dev;x",   "\xff\xfe", "%00",	     "%2",     "\"dev\"",
		"dev\t.a", "a_b",      "kt-env=dev", "../../", "${dev}"
	};

	if (any(5) == 0) {
		snprintf(value, size, "%s", junk[any(ARRAY_SIZE(junk))]);
		return NULL;
	}
	if (any(40) == 0) { /* too long */
		memset(value, 'a', 200);
		value[200] = '\0';
		return NULL;
	}
	if (any(3))
		snprintf(name, ENVMARK_MAX, "%s", model[any(NAMES)].name);
	else
		model_name(name, 64);
	if (any(3) == 0)
		snprintf(name + strlen(name), 8, ".%c%c", 'a' + (int)any(26),
			 'a' + (int)any(26));
	snprintf(value, size, "%s", name);
	return name;
}

/* some characters of baggage's value stand as %XX */
static void mark_encode(char *out, size_t size, const char *value)
{
	size_t n = 0;

	for (; *value && n + 4 < size; value++)
		if (any(8) == 0)
			n += (size_t)snprintf(out + n, size - n, "%%%02x",
					      (unsigned char)*value);
		else
			out[n++] = *value;
	out[n] = '\0';
}

struct made {
	struct rule_field field[8];
	size_t n;
	char text[8][512];
};

static void made_field(struct made *m, const char *name, const char *value)
{
	snprintf(m->text[m->n], sizeof(m->text[0]), "%s", value);
	m->field[m->n] =
		(struct rule_field){ slice_of(name), slice_of(m->text[m->n]) };
	m->n++;
}

/* Returns what it asks for, as the model has it; NULL: nothing */
static const char *make(struct made *m, char *name)
{
	char value[256], coded[512], text[900];
	const char *is = NULL;
	bool decided = false;

	m->n = 0;
	while (any(4) == 0 && m->n < 3)
		made_field(m, any(2) ? "x-other" : "host", "dev");
	if (any(2)) {
		is = mark_plain(value, sizeof(value), name);
		decided = true;
		/* what a list or a property of it cuts is not the mark's */
		if (is)
			mark_encode(coded, sizeof(coded), value);
		else
			snprintf(coded, sizeof(coded), "%s", value);
		if (strcmp(value, "dev;x") == 0)
			is = (snprintf(name, ENVMARK_MAX, "dev"), name);
		snprintf(text, sizeof(text), "%skt-env%s%s%s%s",
			 any(2) ? "" : "a=1, b=kt-env=no ,",
			 any(2) ? "=" : " = ", coded, any(2) ? "" : ";p=1",
			 any(2) ? "" : ",kt-env=second,c=3");
		made_field(m, any(2) ? "baggage" : "Baggage", text);
	}
	if (any(4) == 0) {
		char other[ENVMARK_MAX];
		const char *got = mark_plain(value, sizeof(value), other);

		made_field(m, "X-Virtual-Env", value);
		if (!decided)
			is = got ? (snprintf(name, ENVMARK_MAX, "%s", other),
				    name)
				 : NULL;
		decided = true;
	}
	if (any(4) == 0) {
		char other[ENVMARK_MAX];
		const char *got = mark_plain(value, sizeof(value), other);

		made_field(m, "VERSION", value);
		if (!decided)
			is = got ? (snprintf(name, ENVMARK_MAX, "%s", other),
				    name)
				 : NULL;
	}
	return is;
}

static void million_marks(void **state)
{
	const char *count = getenv("CHOICES");
#ifdef KT_SANITIZED
	long n = 100000; /* more would take minutes */
#else
	long n = 1000000;
#endif
	unsigned int kinds[5] = { 0 };

	(void)state;
	if (count)
		assert_int_equal(str_to_long(count, &n), 0);
	model_build();
	for (long i = 0; i < n; i++) {
		char name[ENVMARK_MAX];
		struct choice_made is, want;
		struct made m;
		const char *asked = make(&m, name);
		const struct rule_request req = { slice_of("GET"),
						  slice_of("/"), m.field, m.n };
		const struct choice_ask ask = { .table = rules,
						.envs = envs,
						.port = PORT,
						.req = &req,
						.time = TIME,
						.down = model_refuses };

		choice_make(&ask, &is);
		model_choose(asked, &want);
		kinds[is.kind]++;
		if (is.kind == want.kind && is.client == want.client &&
		    strcmp(is.env, want.env) == 0 &&
		    strcmp(is.missed, want.missed) == 0 &&
		    (is.kind != BACKEND_MEMBER ||
		     strcmp(is.member->env, want.env) == 0))
			continue;
		fail_msg("%ld: '%s': kind %d of '%s' missed '%s', not %d of "
			 "'%s' missed '%s'; %zu fields, the last '%s'",
			 i, asked ? asked : "(none)", is.kind, is.env,
			 is.missed, want.kind, want.env, want.missed, m.n,
			 m.n ? m.text[m.n - 1] : "");
	}
	/* each way was gone, often */
	for (int k = BACKEND_ORIGIN; k <= BACKEND_DOWN; k++)
		assert_true(kinds[k] > n / 100);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nearest_of_both_kinds),
		T(everything_comes_last_and_own_marks_first),
		T(others_answer_for_who_is_down),
		T(nobody_answers_for_who_is_strict),
		T(laptops_that_are_away),
		T(laptops_that_took_another_port),
		T(million_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
