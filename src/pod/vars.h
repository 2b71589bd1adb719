/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_VARS_H
#define KT_POD_VARS_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

/**
 * DOC: Environment variables
 *
 * A list of "NAME=VALUE", each name once, in the order in which they came.
 * A value is any bytes but NUL. Pure.
 *
 *     what the program gets =   the Pod's, less what stays local
 *                             + this machine's of what stays local
 *                             + those of a file, + those that are set
 *
 * What stays local is who the user is, where he works and his terminal: PATH,
 * HOME, USER, SHELL, PWD, TERM, LANG, TMPDIR, SSH_*, XDG_*, DISPLAY.
 */

/** vars_parse() - into @v, which is empty, of @block, whose records end with
 *  NUL, as in /proc/PID/environ; what has no name is left out, the last of a
 *  name counts */
void vars_parse(struct strv *v, const char *block, size_t n);
/** vars_block() - the reverse (returned, caller frees) */
char *vars_block(const struct strv *v, size_t *n);
/** vars_get() - the value of @name, or NULL; borrowed */
const char *vars_get(const struct strv *v, const char *name);
/** vars_set() - in its place where it is there, else behind the others */
void vars_set(struct strv *v, const char *name, const char *value);
/** vars_name() - of a record (returned, caller frees) */
char *vars_name(const char *record);
/** vars_is_local() - it stays this machine's */
bool vars_is_local(const char *name);
/** vars_matches() - @name is @pattern, in which '*' stands for any characters
 */
bool vars_matches(const char *pattern, const char *name);
/**
 * vars_read_file() - lines as of "docker run --env-file": NAME=VALUE, where
 * VALUE is all to the end of the line; NAME alone is @local's; empty lines, and
 * those that begin with '#', are none
 * @name: of the file, for messages
 * Return: 0, or -EINVAL with @err
 */
KT_CHECK int vars_read_file(struct strv *v, const char *text, const char *name,
			    const struct strv *local, struct kt_error *err);

/** struct vars_rules - what was asked for; all borrowed */
struct vars_rules {
	/* patterns: only these of the Pod's, where there are any; a name
	 * without '*' wins over what stays local. These not. */
	const struct strv *include, *exclude;
	const struct strv *local; /* patterns: they stay local, too */
	const struct strv *file;  /* of vars_read_file(), or NULL */
	const struct pairs *set;
};

/** vars_make() - what the program gets, into @out, which is empty. @pod: the
 *  Pod's; NULL: there is none, and all of @local is the program's */
void vars_make(struct strv *out, const struct strv *pod,
	       const struct strv *local, const struct vars_rules *r);

enum vars_syntax { VARS_SH, VARS_DOCKER, VARS_COMPOSE, VARS_JSON };

/**
 * vars_write() - @v in a file of that syntax, sorted by name
 * @left_out: the names of those that it cannot hold
 * Return: the text (returned, caller frees), @n bytes
 */
char *vars_write(const struct strv *v, enum vars_syntax syntax,
		 struct strv *left_out, size_t *n);

#endif
