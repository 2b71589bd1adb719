/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_WORDS_H
#define KT_BASE_WORDS_H

#include "base/error.h"
#include "base/str.h"

/** words_cut() - the parts between the @sep as they are: one more than those */
struct strv words_cut(const char *text, char sep);
/**
 * words_split() - the words of @text (taken apart into @out: strv_fini()) as a
 * shell has them: blanks between them, '...' and "..." keep together, a
 * backslash takes the next character (not in '...'). Nothing is expanded. 0, or
 * -EINVAL: a quote is not closed, or a backslash is the last character
 */
KT_CHECK int words_split(const char *text, struct strv *out);
/** words_quote() - @word as a shell takes it, quoted if need be; returned,
 *  caller frees */
char *words_quote(const char *word);

#endif
