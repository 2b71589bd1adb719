/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/text.h"

#include "base/mem.h"

#include <string.h>

void pod_text_put(struct pod_text *t, const char *data, size_t n)
{
	if (t->n + n + 1 > t->cap) {
		t->cap = (t->n + n + 1) * 2;
		t->p = xrealloc(t->p, t->cap);
	}
	memcpy(t->p + t->n, data, n);
	t->n += n;
	t->p[t->n] = '\0';
}
