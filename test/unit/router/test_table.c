/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "router/table.h"

#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define GRACE (10 * NS_SEC)

static struct table *t;
static struct table_conflict why;

static int begin(void **state)
{
	(void)state;
	t = table_new();
	why = (struct table_conflict){ 0 };
	return t ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	table_free(t);
	return 0;
}

static int commit(uint64_t id, const char *user, int64_t now, const char *a,
		  const char *b)
{
	struct rule r[2];

	assert_int_equal(rule_parse(&r[0], a, NULL), 0);
	if (b)
		assert_int_equal(rule_parse(&r[1], b, NULL), 0);
	return table_commit(t, id, user, GRACE, r, b ? 2 : 1, now, &why);
}

static uint64_t marked(uint16_t port, const char *value, int64_t now)
{
	const struct rule_field f[] = { { { "version", 7 },
					  { value, strlen(value) } },
					{ { "host", 4 }, { "h", 1 } } };
	const struct rule_request req = { { "GET", 3 }, { "/", 1 }, f, 2 };

	return table_choose(t, port, false, &req, now);
}

static void by_port_and_match(void **state)
{
	uint64_t a = table_join(t), b = table_join(t), c = table_join(t);

	(void)state;
	assert_int_equal(marked(80, "x", 0), 0);
	assert_int_equal(commit(a, "ann", 0, "80 header:version=a", "81 all"),
			 0);
	assert_int_equal(commit(b, "bob", 0, "80 header:version=b", NULL), 0);
	assert_int_equal(marked(80, "a", 0), a);
	assert_int_equal(marked(80, "b", 0), b);
	assert_int_equal(marked(80, "c", 0), 0);
	assert_int_equal(marked(81, "b", 0), a);
	/* a connection nobody looks into: "all" only */
	assert_int_equal(table_choose(t, 80, false, NULL, 0), 0);
	assert_int_equal(table_choose(t, 81, false, NULL, 0), a);
	assert_int_equal(table_choose(t, 81, true, NULL, 0), 0);
	/* the narrower rule wins, whoever came first */
	assert_int_equal(
		commit(c, "cyd", 0, "80 all", "81 header:version=b method:GET"),
		0);
	assert_int_equal(marked(80, "a", 0), a);
	assert_int_equal(marked(80, "z", 0), c);
	assert_int_equal(marked(81, "b", 0), c);
	table_leave(t, a);
	assert_int_equal(marked(80, "a", 0), c);
}

static void the_second_is_refused(void **state)
{
	uint64_t a = table_join(t), b = table_join(t);

	(void)state;
	assert_int_equal(commit(a, "ann", 0, "80 header:version=x", NULL), 0);
	assert_int_equal(commit(b, "bob", 0, "81 all", "80 header:Version=x"),
			 -EEXIST);
	assert_string_equal(why.holder, "ann");
	assert_int_equal(why.rule.port, 80);
	assert_int_equal(why.free_ns, -1);
	/* nothing of the refused set is in force */
	assert_int_equal(table_choose(t, 81, false, NULL, 0), 0);
	/* one's own may be brought again, and instead of the old ones */
	assert_int_equal(commit(a, "ann", 0, "80 header:version=x", "82 all"),
			 0);
	assert_int_equal(commit(a, "ann", 0, "82 all", NULL), 0);
	assert_int_equal(marked(80, "x", 0), 0);
	assert_int_equal(commit(b, "bob", 0, "80 header:version=x", NULL), 0);
	/* the other protocol is another rule */
	assert_int_equal(commit(b, "bob", 0, "82/udp all", NULL), 0);
}

/* a mark is its owner's, whatever else somebody's rule asks for */
static void a_mark_is_not_taken(void **state)
{
	static const char *const taking[] = {
		"80 header:version=m1 path:/",
		"80 header:Version=m1 method:GET",
		"80 header:version=m1 cookie:user=bob",
		"80 path:/api/v2",
		"80 path:/ap",
		"80 path:/",
		"80 path:/api header:version=m2",
	};
	uint64_t a = table_join(t), b = table_join(t);

	(void)state;
	assert_int_equal(
		commit(a, "ann", 0, "80 header:version=m1", "80 path:/api"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(taking); i++) {
		assert_int_equal(commit(b, "bob", 0, taking[i], NULL), -EEXIST);
		assert_string_equal(why.holder, "ann");
		assert_int_equal(why.rule.match.n, 1);
	}
	/* other ports, other marks, and everything else are free */
	assert_int_equal(commit(b, "bob", 0, "81 path:/api", "80 all"), 0);
	assert_int_equal(commit(b, "bob", 0, "80 header:version=m2",
				"80 cookie:user=bob path:/web"),
			 0);
	/* of two that know nothing of each other the first wins, however many
	 * terms the other has */
	assert_int_equal(
		commit(b, "bob", 0, "80 method:GET header:host=h", NULL), 0);
	assert_int_equal(marked(80, "m1", 0), a);
	/* also when it says its rules anew */
	assert_int_equal(commit(a, "ann", 0, "80 header:version=m1", NULL), 0);
	assert_int_equal(marked(80, "m1", 0), a);
}

static void grace_and_return(void **state)
{
	uint64_t a = table_join(t), b = table_join(t);

	(void)state;
	assert_int_equal(commit(a, "ann", 0, "80 all", NULL), 0);
	table_lost(t, a, NS_SEC);
	table_lost(t, a, 5 * NS_SEC); /* the first loss counts */
	assert_int_equal(marked(80, "x", 11 * NS_SEC - 1), a);
	assert_int_equal(commit(b, "bob", 4 * NS_SEC, "80 all", NULL), -EEXIST);
	assert_int_equal(why.free_ns, 7 * NS_SEC);
	assert_true(table_has_port(t, a, 80, false, 11 * NS_SEC - 1));
	assert_false(table_has_port(t, a, 80, true, 11 * NS_SEC - 1));
	assert_false(table_has_port(t, a, 81, false, 11 * NS_SEC - 1));
	assert_false(table_has_port(t, b, 80, false, 11 * NS_SEC - 1));
	assert_int_equal(marked(80, "x", 11 * NS_SEC), 0);
	assert_false(table_has_port(t, a, 80, false, 11 * NS_SEC));
	assert_int_equal(table_back(t, a, 60 * NS_SEC, &why), 0);
	assert_int_equal(marked(80, "x", 60 * NS_SEC), a);
	/* away again, back within the grace time */
	table_lost(t, a, 70 * NS_SEC);
	assert_int_equal(table_back(t, a, 71 * NS_SEC, &why), 0);
	assert_int_equal(marked(80, "x", 99 * NS_SEC), a);
}

static void taken_while_away(void **state)
{
	uint64_t a = table_join(t), b = table_join(t);

	(void)state;
	assert_int_equal(commit(a, "ann", 0, "80 all", "81 all"), 0);
	table_lost(t, a, 0);
	assert_int_equal(commit(b, "bob", GRACE, "80 all", NULL), 0);
	assert_int_equal(table_back(t, a, 2 * GRACE, &why), -EEXIST);
	assert_string_equal(why.holder, "bob");
	assert_int_equal(marked(80, "x", 2 * GRACE), b);
	/* the whole set is gone, and may be brought anew */
	assert_int_equal(marked(81, "x", 2 * GRACE), 0);
	assert_int_equal(commit(a, "ann", 2 * GRACE, "81 all", NULL), 0);
	assert_int_equal(marked(81, "x", 2 * GRACE), a);
}

static void limits(void **state)
{
	struct rule *many = calloc(TABLE_RULES_MAX + 1, sizeof(*many));
	uint64_t a = table_join(t), b = table_join(t);

	(void)state;
	for (size_t i = 0; i <= TABLE_RULES_MAX; i++)
		many[i].port = (uint16_t)(i + 1);
	assert_int_equal(
		table_commit(t, a, "a", 0, many, TABLE_RULES_MAX + 1, 0, &why),
		-ENOSPC);
	assert_int_equal(
		table_commit(t, a, "a", 0, many, TABLE_RULES_MAX, 0, &why), 0);
	assert_int_equal(commit(b, "b", 0, "50000 all", NULL), -ENOSPC);
	table_leave(t, a);
	assert_int_equal(commit(b, "b", 0, "50000 all", NULL), 0);
	free(many);
}

struct copied {
	uint64_t id[8];
	bool here;
	size_t n;
};

static void note_copy(void *arg, uint64_t id, bool here)
{
	struct copied *c = arg;

	c->id[c->n++ % ARRAY_SIZE(c->id)] = id;
	c->here = here;
}

static struct copied copied_of(uint16_t port, const char *value, int64_t now)
{
	const struct rule_field f[] = { { { "version", 7 },
					  { value, strlen(value) } } };
	const struct rule_request req = { { "GET", 3 }, { "/", 1 }, f, 1 };
	struct copied c = { 0 };

	table_copies(t, port, &req, now, note_copy, &c);
	return c;
}

/* who wants copies takes nothing, and is in nobody's way */
static void copies_take_nothing(void **state)
{
	uint64_t a = table_join(t), b = table_join(t), c = table_join(t);
	struct copied got;

	(void)state;
	assert_int_equal(
		commit(a, "ann", 0, "80/copy=100 header:version=x", NULL), 0);
	assert_int_equal(commit(c, "cyd", 0, "80/copy=100 all",
				"80/copy=100 header:version=x"),
			 0);
	assert_int_equal(marked(80, "x", 0), 0);
	assert_int_equal(table_choose(t, 80, false, NULL, 0), 0);
	got = copied_of(80, "x", 0);
	assert_int_equal(got.n, 2); /* once each */
	assert_int_equal(got.id[0], a);
	assert_int_equal(got.id[1], c);
	assert_true(got.here);
	assert_int_equal(copied_of(80, "y", 0).n, 1);
	assert_int_equal(copied_of(81, "x", 0).n, 0);
	/* who takes them over is not kept from it */
	assert_int_equal(commit(b, "bob", 0, "80 header:version=x", NULL), 0);
	assert_int_equal(marked(80, "x", 0), b);
	/* and what is his nobody copies */
	assert_int_equal(
		commit(a, "ann", 0, "80/copy=9 header:version=x", NULL),
		-EEXIST);
	assert_string_equal(why.holder, "bob");
	assert_int_equal(
		commit(a, "ann", 0, "80/copy=9 header:version=x path:/a", NULL),
		0);
	assert_true(table_serves(t, a));
	assert_true(table_has_port(t, a, 80, false, 0));
}

/* Many share a place by their id; each is found, and who has left is nobody */
static void each_by_its_id(void **state)
{
	uint64_t id[400];
	char rule[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(id); i++) {
		id[i] = table_join(t);
		snprintf(rule, sizeof(rule), "80 header:version=v%zu", i);
		assert_int_equal(commit(id[i], "ann", 0, rule,
					i % 4 ? NULL : "80/copy=100 path:/"),
				 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(id); i += 3)
		table_leave(t, id[i]);
	for (size_t i = 0; i < ARRAY_SIZE(id); i++) {
		snprintf(rule, sizeof(rule), "v%zu", i);
		assert_int_equal(table_serves(t, id[i]), i % 3 != 0);
		assert_int_equal(marked(80, rule, 0), i % 3 ? id[i] : 0);
	}
	assert_int_equal(copied_of(80, "w", 0).n, 66);
	/* no number is given twice: what a request has kept of one who has
	 * left is not another's */
	assert_true(table_join(t) > id[ARRAY_SIZE(id) - 1]);
	for (size_t i = 0; i < ARRAY_SIZE(id); i++)
		if (i % 4 == 0)
			table_leave(t, id[i]);
	assert_int_equal(copied_of(80, "w", 0).n, 0);
	assert_int_equal(commit(id[1], "ann", 0, "80/copy=100 all", NULL), 0);
	assert_int_equal(copied_of(80, "w", 0).n, 1);
}

static void copies_of_one_that_is_lost(void **state)
{
	uint64_t a = table_join(t);
	struct copied got;

	(void)state;
	assert_int_equal(commit(a, "ann", 0, "80/copy=100 all", NULL), 0);
	table_lost(t, a, 1000);
	got = copied_of(80, "x", 1000 + GRACE - 1);
	assert_int_equal(got.n, 1);
	assert_false(got.here);
	assert_int_equal(copied_of(80, "x", 1000 + GRACE).n, 0);
	assert_int_equal(table_back(t, a, 1000 + GRACE, &why), 0);
	assert_true(copied_of(80, "x", 1000 + GRACE).here);
}

/* at no time is it more than one request from its share */
static void share_is_kept(void **state)
{
	static const char *const rules[] = { "80/copy=1 all", "80/copy=10 all",
					     "80/copy=50 all", "80/copy=99 all",
					     "80/copy=100 all" };
	static const int percent[] = { 1, 10, 50, 99, 100 };
	uint64_t a = table_join(t);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		int n = 0, runs = 0, last = -1;

		assert_int_equal(commit(a, "ann", 0, rules[i], NULL), 0);
		for (int k = 1; k <= 20000; k++) {
			int one = (int)copied_of(80, "x", 0).n;

			n += one;
			runs += one == last;
			last = one;
			if (100 * n > k * percent[i] + 100 ||
			    100 * n < k * percent[i] - 100)
				fail_msg("%s: %d of %d", rules[i], n, k);
		}
		/* of two every other one, but not always the same one */
		if (percent[i] == 50)
			assert_true(runs > 1000);
	}
}

static uint64_t asked(const char *field, const char *value)
{
	const struct rule_field f[] = { { slice_of(field), slice_of(value) } };
	const struct rule_request req = { { "GET", 3 }, { "/", 1 }, f, 1 };

	return table_choose(t, 80, false, &req, 0);
}

static uint64_t ahead(const char *field)
{
	const struct rule_field f[] = {
		{ slice_of("access-control-request-method"), slice_of("GET") },
		{ slice_of("access-control-request-headers"), slice_of(field) },
	};
	const struct rule_request req = {
		slice_of("OPTIONS"), { "/", 1 }, f, 2
	};

	return table_choose(t, 80, false, &req, 0);
}

static void the_nearest_environment(void **state)
{
	uint64_t dev = table_join(t), me = table_join(t), own = table_join(t);
	uint64_t all = table_join(t);

	(void)state;
	/* a child is an exception from its parent, whoever came first */
	assert_int_equal(commit(dev, "ann", 0, "80 env:dev", NULL), 0);
	assert_int_equal(commit(me, "bob", 0, "80 env:dev.p.me", NULL), 0);
	assert_int_equal(asked("baggage", "kt-env=dev.p.me"), me);
	assert_int_equal(asked("baggage", "a=1, kt-env=dev.p.me.too;x=y"), me);
	assert_int_equal(asked("Baggage", "kt-env=dev.p%2Eme"), me);
	assert_int_equal(asked("baggage", "kt-env=dev.p"), dev);
	assert_int_equal(asked("baggage", "kt-env=dev"), dev);
	assert_int_equal(asked("X-Virtual-Env", "dev.p.me"), me);
	assert_int_equal(asked("version", "dev.x"), dev);
	/* others', and what is no name, are nobody's */
	assert_int_equal(asked("baggage", "kt-env=device"), 0);
	assert_int_equal(asked("baggage", "kt-env=p.me"), 0);
	assert_int_equal(asked("baggage", "kt-env=dev."), 0);
	assert_int_equal(asked("baggage", "kt-env=dev..p"), 0);
	assert_int_equal(asked("baggage", "kt-env=Dev"), 0);
	assert_int_equal(asked("baggage", "kt-env="), 0);
	assert_int_equal(asked("baggage", "kt-env"), 0);
	assert_int_equal(asked("x-kt-env", "dev"), 0);
	/* the same one is taken; a mark of somebody's own goes before */
	assert_int_equal(commit(own, "cyd", 0, "80 env:dev", NULL), -EEXIST);
	assert_string_equal(why.holder, "ann");
	assert_int_equal(commit(own, "cyd", 0, "80 header:version=dev.x", NULL),
			 0);
	assert_int_equal(commit(all, "dan", 0, "80 all", NULL), 0);
	assert_int_equal(asked("version", "dev.x"), own);
	assert_int_equal(asked("version", "dev.y"), dev);
	assert_int_equal(asked("version", "prod"), all);
	/* a preflight names the header, and not its value */
	assert_int_equal(ahead("x-virtual-env"), me);
	assert_int_equal(ahead("content-type"), all);
	/* who is gone is answered for by the one above */
	table_leave(t, me);
	assert_int_equal(asked("baggage", "kt-env=dev.p.me"), dev);
}

/* of what carries both, baggage counts: it travels by itself */
static void the_first_way_to_ask_counts(void **state)
{
	const struct rule_field f[] = {
		{ slice_of("version"), slice_of("c") },
		{ slice_of("x-virtual-env"), slice_of("b") },
		{ slice_of("baggage"), slice_of("other=1") },
		{ slice_of("baggage"), slice_of("kt-env=a,kt-env=d") },
	};
	struct rule_request req = { { "GET", 3 }, { "/", 1 }, f, 4 };
	uint64_t a = table_join(t), b = table_join(t), c = table_join(t);

	(void)state;
	assert_int_equal(commit(a, "ann", 0, "80 env:a", NULL), 0);
	assert_int_equal(commit(b, "bob", 0, "80 env:b", "80 env:d"), 0);
	assert_int_equal(commit(c, "cyd", 0, "80 env:c", NULL), 0);
	assert_int_equal(table_choose(t, 80, false, &req, 0), a);
	req.nfields = 3;
	assert_int_equal(table_choose(t, 80, false, &req, 0), b);
	req.nfields = 1;
	assert_int_equal(table_choose(t, 80, false, &req, 0), c);
}

/* --- found by its bucket is found by trying every rule -------------------- */

#define RANDOM_CLIENTS 12

static unsigned int seed;

static unsigned int pick(unsigned int n)
{
	seed = seed * 1103515245 + 12345;
	return seed / 65536 % n;
}

/* @text with a random digit, 0 to 3, for each '#' */
static const char *random_text(const char *text, char out[64])
{
	size_t n = strlen(text);

	for (size_t i = 0; i <= n; i++)
		out[i] = text[i] == '#' ? (char)('0' + pick(4)) : text[i];
	return out;
}

static const char *random_term(char out[64])
{
	static const char *const terms[] = {
		"header:version=#", "header:X-User=#", "baggage:user=#",
		"tracestate:t=#",   "cookie:user=#",   "path:/#",
		"env:e.#",	    "env:e.0.#",
	};

	return random_text(terms[pick(ARRAY_SIZE(terms))], out);
}

static uint64_t by_trying(const struct rule rules[], const uint64_t ids[],
			  const struct rule_request *req)
{
	const struct rule *best = NULL;
	uint64_t id = 0;

	for (size_t i = 0; i < RANDOM_CLIENTS; i++)
		if (ids[i] && rules[i].port == 80 &&
		    rule_match_has(&rules[i].match, req) &&
		    (!best || rule_match_rank(&rules[i].match) >
				      rule_match_rank(&best->match))) {
			best = &rules[i];
			id = ids[i];
		}
	return id;
}

static void random_requests(const struct rule rules[], const uint64_t ids[])
{
	static const char *const fields[][2] = {
		{ "VERSION", "#" },
		{ "x-user", " # " },
		{ "baggage", "user=%3#;p=1,kt-env=e.#" },
		{ "tracestate", "t=#" },
		{ "cookie", "a=b; user=#" },
		{ "x-virtual-env", "e.0.#" },
		{ "access-control-request-method", "GET" },
		{ "access-control-request-headers", "x-user" },
	};
	char values[4][64], path[16];
	struct rule_field f[4];
	struct rule_request req = {
		slice_of(pick(4) ? "GET" : "OPTIONS"), { path, 2 }, f, pick(5)
	};

	snprintf(path, sizeof(path), "/%u", pick(4));
	for (size_t i = 0; i < req.nfields; i++) {
		size_t k = pick(ARRAY_SIZE(fields));

		f[i] = (struct rule_field){ slice_of(fields[k][0]),
					    slice_of(random_text(fields[k][1],
								 values[i])) };
	}
	assert_int_equal(table_choose(t, 80, false, &req, 0),
			 by_trying(rules, ids, &req));
}

static void as_if_every_rule_were_tried(void **state)
{
	struct rule rules[RANDOM_CLIENTS];
	uint64_t ids[RANDOM_CLIENTS];
	char term[64];

	(void)state;
	for (seed = 1; seed < 300;) {
		unsigned int next = seed + 1;

		for (size_t i = 0; i < RANDOM_CLIENTS; i++) {
			rules[i] = (struct rule){ .port = pick(8) ? 80 : 81 };
			for (unsigned int n = pick(3); n > 0; n--)
				(void)!rule_match_add(&rules[i].match,
						      random_term(term), NULL);
			ids[i] = table_join(t);
			if (table_commit(t, ids[i], "x", GRACE, &rules[i], 1, 0,
					 &why) < 0) {
				table_leave(t, ids[i]);
				ids[i] = 0;
			}
		}
		for (int i = 0; i < 50; i++)
			random_requests(rules, ids);
		for (size_t i = 0; i < RANDOM_CLIENTS; i++)
			table_leave(t, ids[i]);
		random_requests(rules, (uint64_t[RANDOM_CLIENTS]){ 0 });
		seed = next;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_port_and_match, begin, end),
		cmocka_unit_test_setup_teardown(the_second_is_refused, begin,
						end),
		cmocka_unit_test_setup_teardown(a_mark_is_not_taken, begin,
						end),
		cmocka_unit_test_setup_teardown(grace_and_return, begin, end),
		cmocka_unit_test_setup_teardown(taken_while_away, begin, end),
		cmocka_unit_test_setup_teardown(limits, begin, end),
		cmocka_unit_test_setup_teardown(copies_take_nothing, begin,
						end),
		cmocka_unit_test_setup_teardown(each_by_its_id, begin, end),
		cmocka_unit_test_setup_teardown(copies_of_one_that_is_lost,
						begin, end),
		cmocka_unit_test_setup_teardown(share_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(the_nearest_environment, begin,
						end),
		cmocka_unit_test_setup_teardown(the_first_way_to_ask_counts,
						begin, end),
		cmocka_unit_test_setup_teardown(as_if_every_rule_were_tried,
						begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
