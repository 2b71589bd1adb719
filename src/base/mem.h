/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_MEM_H
#define KT_BASE_MEM_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/**
 * DOC: Memory and ownership
 *
 * auto_free and auto_close release a local at the end of its scope; give the
 * value away with steal_ptr() and steal_fd(). Never jump (goto) over such a
 * variable. The x*() allocators abort when memory is out: they are for the
 * control path. Data-path code uses malloc() and refuses the one stream.
 */

#define auto_free __attribute__((cleanup(mem_cleanup_free)))
#define auto_close __attribute__((cleanup(mem_cleanup_close)))
#define auto_fclose __attribute__((cleanup(mem_cleanup_fclose)))

#define container_of(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* each side is looked at once: it may be a clock */
#define MIN(a, b)                                                              \
	({                                                                     \
		__auto_type min_a_ = (a);                                      \
		__auto_type min_b_ = (b);                                      \
		min_a_ < min_b_ ? min_a_ : min_b_;                             \
	})
#define MAX(a, b)                                                              \
	({                                                                     \
		__auto_type max_a_ = (a);                                      \
		__auto_type max_b_ = (b);                                      \
		max_a_ > max_b_ ? max_a_ : max_b_;                             \
	})

static inline void mem_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void mem_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void mem_cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

/** steal_fd() - take the descriptor out of an auto_close variable */
static inline int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

static inline void *steal_ptr_(void *pp)
{
	void **p = pp;
	void *v = *p;

	*p = NULL;
	return v;
}

/** steal_ptr() - take the pointer out of an auto_free variable */
#define steal_ptr(pp) ((__typeof__(*(pp)))steal_ptr_(pp))

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n)
	__attribute__((malloc, returns_nonnull));
/** xasprintf() - formatted string; returned (caller frees) */
char *xasprintf(const char *fmt, ...) KT_PRINTF(1, 2)
	__attribute__((malloc, returns_nonnull));

#endif
