/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_STR_H
#define KT_BASE_STR_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** str_to_long() - the whole of @s is a decimal number; 0 or -EINVAL */
KT_CHECK int str_to_long(const char *s, long *v);
/** str_to_port() - the whole of @s is a port, 1 to 65535; 0 or -EINVAL */
KT_CHECK int str_to_port(const char *s, uint16_t *port);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/** str_unescape() - the byte that %XX at @p stands for, or -1; @n bytes are
 *  there (RFC 3986 section 2.1) */
int str_unescape(const char *p, size_t n);
/** str_eq() - both NULL, or the same text */
bool str_eq(const char *a, const char *b);

/** struct strv - growing vector of owned strings, NULL-terminated when n > 0 */
struct strv {
	char **v;
	size_t n;
};

void strv_add(struct strv *s, const char *text);
void strv_take(struct strv *s, char *text); /* taken */
bool strv_has(const struct strv *s, const char *text);
/** strv_split() - the parts of @text between @sep, spaces trimmed, empty ones
 *  left out */
struct strv strv_split(const char *text, char sep);
/** strv_join() - all of them, @between any two; returned, caller frees */
char *strv_join(const struct strv *s, const char *between);
void strv_fini(struct strv *s);
#define auto_strv __attribute__((cleanup(strv_fini)))

/** str_random() - @n random lower-case letters and a NUL (getrandom) */
void str_random(char *dst, size_t n);

/** str_hash() - FNV-1a, the same everywhere; for names, where nothing depends
 * on its being secret (for tables: base/hash.h) */
uint32_t str_hash(const char *text);
/** str_shorten() - @text, or when it is longer than @max (at least 8): its
 *  beginning, "-" and a hash of all of it, @max long (returned, caller frees)
 */
char *str_shorten(const char *text, size_t max);

/** file_read() - a whole file, NUL-terminated; returned (caller frees), NULL
 *  with errno; -EFBIG past @max bytes */
char *file_read(const char *path, size_t max, size_t *len);

/** struct pair - one k=v of a list */
struct pair {
	char *key, *value;
};

struct pairs {
	struct pair *v;
	size_t n;
};

#endif
