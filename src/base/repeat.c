/* SPDX-License-Identifier: Apache-2.0 */
#include "base/repeat.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PAUSE_FIRST (60 * NS_SEC)
#define PAUSE_MAX (600 * NS_SEC)

int repeat_due(struct repeat *r, const char *text, int64_t now)
{
	int more;

	if (strncmp(r->text, text, sizeof(r->text) - 1) != 0) {
		snprintf(r->text, sizeof(r->text), "%s", text);
		r->more = 0;
		r->pause = PAUSE_FIRST;
		r->next = now + r->pause;
		return 0;
	}
	if (now < r->next) {
		r->more += r->more < INT_MAX;
		return -1;
	}
	more = (int)r->more;
	r->more = 0;
	r->pause = MIN(2 * r->pause, PAUSE_MAX);
	r->next = now + r->pause;
	return more;
}

void repeat_warn(struct repeat *r, const char *fmt, ...)
{
	char text[1200];
	va_list ap;
	int more;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	more = repeat_due(r, text, clock_ns());
	if (more < 0)
		log_debug("%s", text);
	else if (more)
		log_warn("%s (and %d times before, since it was told)", text,
			 more);
	else
		log_warn("%s", text);
}

void repeat_over(struct repeat *r)
{
	*r = (struct repeat){ 0 };
}
