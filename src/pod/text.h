/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_TEXT_H
#define KT_POD_TEXT_H

#include <stddef.h>

/** struct pod_text - a string that grows; zeroed: none yet. @p is NULL or ends
 * in a NUL, and is the caller's to free. What bounds it is what is read. */
struct pod_text {
	char *p;
	size_t n, cap;
};

/** pod_text_put() - @n bytes of @data at its end */
void pod_text_put(struct pod_text *t, const char *data, size_t n);

#endif
