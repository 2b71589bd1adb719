/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_REPEAT_H
#define KT_BASE_REPEAT_H

#include "base/error.h"

#include <stdint.h>

/**
 * DOC: A warning that would be repeated
 *
 * What is tried again every few seconds fails with the same words every few
 * seconds. They are told once, and then only how often: after a minute, after
 * two more, four, eight, and every ten from there on. Other words are told at
 * once. One struct for each place that warns; zeroes are a valid start.
 */
struct repeat {
	char text[256];	     /* told last */
	unsigned int more;   /* since then */
	int64_t pause, next; /* ns, monotonic */
};

/** repeat_warn() - log_warn(), or count it */
void repeat_warn(struct repeat *r, const char *fmt, ...) KT_PRINTF(2, 3);
/** repeat_over() - the trouble has passed: the next warning is told at once */
void repeat_over(struct repeat *r);
/** repeat_due() - the decision alone, at time @now: -1: be silent; else how
 *  often it was not told since it was told last */
int repeat_due(struct repeat *r, const char *text, int64_t now);

#endif
