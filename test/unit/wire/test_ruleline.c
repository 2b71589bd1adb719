/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/ruleline.h"

#include <errno.h>
#include <string.h>

static int read_one(struct ruleline_reader *r, const char *text)
{
	struct rd in = rd_make(text, strlen(text));

	return ruleline_read(r, &in);
}

static void what_is_written_is_read(void **state)
{
	struct ruleline_reader r = { 0 };
	struct ruleline l;
	struct rule rule;
	struct buf b;
	struct rd in;

	(void)state;
	buf_init(&b, 65536);
	assert_int_equal(rule_parse(&rule, "80 header:x=1", NULL), 0);
	assert_int_equal(ruleline_put_word(&b, RULELINE_USER, "Ann B 100%"), 0);
	assert_int_equal(ruleline_put_grace(&b, 10), 0);
	assert_int_equal(ruleline_put_rule(&b, &rule), 0);
	assert_int_equal(ruleline_put_closed(&b, &rule), 0);
	assert_int_equal(ruleline_put(&b, RULELINE_COMMIT), 0);
	assert_int_equal(ruleline_put(&b, RULELINE_DRAIN), 0);
	assert_int_equal(ruleline_put(&b, RULELINE_ENDING), 0);
	assert_int_equal(ruleline_put(&b, RULELINE_WAIT), 0);
	assert_int_equal(ruleline_put_refused(&b, "Ann B", "is first"), 0);
	assert_int_equal(ruleline_put_refused(&b, "", "no such port"), 0);
	in = rd_make(buf_data(&b), b.len);

	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_int_equal(l.verb, RULELINE_USER);
	assert_string_equal(l.word, "Ann B 100%");
	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_int_equal(l.verb, RULELINE_GRACE);
	assert_int_equal(l.seconds, 10);
	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_int_equal(l.verb, RULELINE_RULE);
	assert_true(rule_same(&l.rule, &rule));
	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_int_equal(l.verb, RULELINE_CLOSED);
	assert_true(rule_same(&l.rule, &rule));
	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_int_equal(l.verb, RULELINE_COMMIT);
	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_int_equal(l.verb, RULELINE_DRAIN);
	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_int_equal(l.verb, RULELINE_ENDING);
	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_int_equal(l.verb, RULELINE_WAIT);
	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_int_equal(l.verb, RULELINE_REFUSED);
	assert_string_equal(l.word, "Ann B");
	assert_string_equal(l.text, "is first");
	assert_int_equal(ruleline_read(&r, &in), 1);
	assert_int_equal(ruleline_parse(&l, r.line, NULL), 0);
	assert_string_equal(l.word, "");
	assert_string_equal(l.text, "no such port");
	assert_int_equal(ruleline_read(&r, &in), 0);
	buf_fini(&b);
}

static void lines_in_pieces(void **state)
{
	struct ruleline_reader r = { 0 };

	(void)state;
	assert_int_equal(read_one(&r, "comm"), 0);
	assert_int_equal(read_one(&r, "it\n"), 1);
	assert_string_equal(r.line, "commit");
	assert_int_equal(read_one(&r, "\n"), 1);
	assert_string_equal(r.line, "");
}

static void limits(void **state)
{
	struct ruleline_reader r = { 0 };
	char text[RULELINE_MAX + 2];
	struct rd in;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[RULELINE_MAX] = '\n';
	in = rd_make(text, RULELINE_MAX + 1);
	assert_int_equal(ruleline_read(&r, &in), 1);
	in = rd_make(text, RULELINE_MAX);
	assert_int_equal(ruleline_read(&r, &in), 0);
	assert_int_equal(read_one(&r, "a"), -EMSGSIZE);
	r = (struct ruleline_reader){ 0 };
	assert_int_equal(read_one(&r, "user a\r\n"), -EINVAL);
}

static void of_copies(void **state)
{
	struct kt_error err = { 0 };
	struct ruleline l;
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	assert_int_equal(ruleline_put_word(&b, RULELINE_ABLE, "copy"), 0);
	assert_int_equal(ruleline_put_copies(&b, 12, 9000000000), 0);
	assert_int_equal(buf_put(&b, "", 1), 0);
	assert_string_equal(buf_data(&b), "able copy\ncopies 12 9000000000\n");
	buf_fini(&b);
	assert_int_equal(ruleline_parse(&l, "able copy", &err), 0);
	assert_int_equal(l.verb, RULELINE_ABLE);
	assert_string_equal(l.word, "copy");
	assert_int_equal(ruleline_parse(&l, "copies 12 9000000000", &err), 0);
	assert_int_equal(l.verb, RULELINE_COPIES);
	assert_int_equal(l.sent, 12);
	assert_int_equal(l.dropped, 9000000000);
	assert_int_equal(ruleline_parse(&l, "copies", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "copies 1", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "copies -1 1", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "copies 1 -1", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "copies 1 1 1", &err), -EINVAL);
	assert_int_equal(
		ruleline_parse(&l, "copies 1 99999999999999999999", &err),
		-EINVAL);
	assert_int_equal(
		ruleline_parse(&l, "copies 1111111111111111111111111 1", &err),
		-EINVAL);
}

static void malformed(void **state)
{
	struct kt_error err = { 0 };
	struct ruleline l;

	(void)state;
	assert_int_equal(ruleline_parse(&l, "user", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "user %0a", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "grace", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "grace -1", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "grace 3601", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "rule 80", &err), -EINVAL);
	assert_int_equal(ruleline_parse(&l, "rule 80 none", &err), -EINVAL);
	/* words of a later version are passed over */
	assert_int_equal(ruleline_parse(&l, "colour blue", &err), 0);
	assert_int_equal(l.verb, RULELINE_OTHER);
	assert_int_equal(ruleline_parse(&l, "", &err), 0);
	assert_int_equal(l.verb, RULELINE_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(lines_in_pieces),
		cmocka_unit_test(limits),
		cmocka_unit_test(of_copies),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
