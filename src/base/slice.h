/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_SLICE_H
#define KT_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/** struct slice - borrowed text that need not end in NUL; @p may be NULL when
 *  @n is 0 */
struct slice {
	const char *p;
	size_t n;
};

static inline struct slice slice_make(const void *p, size_t n)
{
	return (struct slice){ p, n };
}
/** slice_of() - a string, without its NUL */
static inline struct slice slice_of(const char *s)
{
	return (struct slice){ s, strlen(s) };
}
static inline bool slice_is(struct slice s, const char *text)
{
	return s.n == strlen(text) && (!s.n || memcmp(s.p, text, s.n) == 0);
}
/** slice_is_nocase() - likewise, ASCII letters of either case */
static inline bool slice_is_nocase(struct slice s, const char *text)
{
	return s.n == strlen(text) && (!s.n || !strncasecmp(s.p, text, s.n));
}
static inline bool slice_starts(struct slice s, const char *text)
{
	size_t n = strlen(text);

	return s.n >= n && (!n || memcmp(s.p, text, n) == 0);
}
/** slice_trim() - without the blanks and tabs around it (RFC 9110 section
 *  5.6.3) */
struct slice slice_trim(struct slice s);
/** slice_cut() - @head: what stands before the first @sep, @s: what stands
 *  behind it. false: there is no @sep, nothing is changed */
bool slice_cut(struct slice *s, char sep, struct slice *head);
/** slice_next() - the part before the next @sep, or all of it; @s: the rest */
struct slice slice_next(struct slice *s, char sep);

#endif
