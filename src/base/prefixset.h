/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_PREFIXSET_H
#define KT_BASE_PREFIXSET_H

#include "base/ipaddr.h"

/**
 * struct prefixset - a set of addresses as prefixes none of which covers
 * another, sorted by family and address; starts { 0 }
 */
struct prefixset {
	struct ipprefix *v;
	size_t n;
};

/** prefixset_add() - unite with @p; pairs of halves are joined */
void prefixset_add(struct prefixset *s, const struct ipprefix *p);
/** prefixset_remove() - take every address of @p out of the set */
void prefixset_remove(struct prefixset *s, const struct ipprefix *p);
bool prefixset_has(const struct prefixset *s, const struct ipaddr *a);
/** prefixset_overlaps() - some address is in the set and in @p */
bool prefixset_overlaps(const struct prefixset *s, const struct ipprefix *p);
struct prefixset prefixset_copy(const struct prefixset *s);
void prefixset_fini(struct prefixset *s);

#endif
