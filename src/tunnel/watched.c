/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/watched.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define WATCHED_NOW_MAX (INT64_MAX / 2000)

bool watched_begin(struct watched *w, const char *id, const char *now)
{
	struct timespec ts;
	long there;

	if (!*id || strlen(id) >= sizeof(w->id) ||
	    str_to_long(now, &there) < 0 || there < 0 ||
	    there > WATCHED_NOW_MAX)
		return false;
	if (strcmp(w->id, id) != 0)
		w->last = 0;
	snprintf(w->id, sizeof(w->id), "%s", id);
	clock_gettime(CLOCK_REALTIME, &ts);
	w->offset = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 - there;
	return true;
}

bool watched_take(struct watched *w, struct event *ev, uint64_t *missed)
{
	*missed = 0;
	if (!*w->id || ev->seq <= w->last)
		return false;
	*missed = ev->seq - w->last - 1;
	w->last = ev->seq;
	ev->when += w->offset;
	memcpy(ev->shadow, w->id, sizeof(ev->shadow));
	return true;
}
