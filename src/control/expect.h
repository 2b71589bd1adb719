/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_EXPECT_H
#define KT_CONTROL_EXPECT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: What is expected of events
 *
 *     expression = condition *(SP condition)
 *     condition  = FIELD ("=" / "!=") VALUE      text or number, "null"
 *                / FIELD ("~" / "!~") GLOB       text (fnmatch(3))
 *                / FIELD (">=" / "<=" / ">" / "<") NUMBER
 *                / "count" (">=" / "<=" / ">" / "<" / "=" / "==") NUMBER
 *
 * Those events count of which all conditions hold. A value with a blank in it
 * is put in double quotes. Without "count" it is count>=1. A member that is
 * null is like no text and no number. A lower bound is met once and for all; an
 * upper one only at the end, and failed as soon as it is passed.
 *
 * Nothing here knows what the events are: JSON objects whose members are named
 * in a table. Pure.
 */

enum expect_type { EXPECT_TEXT, EXPECT_NUMBER };

/** struct expect_field - a member that can be asked for; the table ends with a
 *  row without name */
struct expect_field {
	const char *name;
	enum expect_type type;
	const char *const *values; /* all that it can be, or NULL; ends so */
};

struct expect;

enum expect_state {
	EXPECT_OPEN,   /* neither yet */
	EXPECT_HOLDS,  /* it would be met if nothing more came */
	EXPECT_MET,    /* whatever comes */
	EXPECT_FAILED, /* likewise */
};

/** expect_new() - @fields: borrowed; NULL with @err (-EINVAL) */
struct expect *expect_new(const char *text, const struct expect_field *fields,
			  struct kt_error *err);
void expect_free(struct expect *x);
#define EXPECTS_MAX 32

/** expects_new() - several of them, with ';' between them, into @v; how many,
 *  or -EINVAL with @err */
KT_CHECK int expects_new(struct expect *v[EXPECTS_MAX], const char *text,
			 const struct expect_field *fields,
			 struct kt_error *err);
void expects_free(struct expect *v[EXPECTS_MAX], int n);
/** expect_see() - one more event */
void expect_see(struct expect *x, const json_t *event);
enum expect_state expect_state(const struct expect *x);
/** expect_met() - nothing more is waited for: is it met? @whole: all that came
 *  until the end was seen; else what only holds is not known to be met */
bool expect_met(const struct expect *x, bool whole);
/** expect_why() - why it is not, for people; returned, caller frees */
char *expect_why(const struct expect *x);
/** expect_result() - {"expect": text, "met": b, "count": n, "near":
 *  [{"condition": text, "count": n, "last": value}]}: near is, for each
 *  condition, how many events met all others but not it, and what the last of
 *  those had; returned */
json_t *expect_result(const struct expect *x, bool whole);

#endif
