/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_WORDS_H
#define KT_BASE_WORDS_H

#include "base/str.h"

/** words_cut() - the parts between the @sep as they are: one more than those */
struct strv words_cut(const char *text, char sep);
/** words_quote() - @word as a shell takes it, quoted if need be; returned,
 *  caller frees */
char *words_quote(const char *word);

#endif
