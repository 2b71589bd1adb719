/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_JUDGE_H
#define KT_CONTROL_JUDGE_H

#include "control/expect.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Do events come that are expected?
 *
 * Events of those who tell them (sessions, routers), as they come, against all
 * that is expected (expect.h). What is older than the moment from which they
 * count is only known to have been there. An upper bound is known to be kept
 * only when all was seen: nothing dropped, nobody who refuses to tell or has
 * not answered. Pure.
 */

struct judge {
	const char *who; /* "session", "router": who tells */
	int64_t from;	 /* microseconds since 1970: they count from then on */
	struct expect *expect[EXPECTS_MAX];
	int n;		     /* 0: nothing is expected */
	size_t seen, before; /* events; that were too early */
	json_int_t dropped;
	size_t refused; /* of those who tell: will not */
	size_t ended;	/* that told, and have ended */
};

/** judge_init() - @expect: expressions, NULL: none; @since: ns before now that
 *  count, too. 0 or -EINVAL with @err; judge_fini() in any case */
KT_CHECK int judge_init(struct judge *j, const char *who, const char *expect,
			int64_t since, struct kt_error *err);
void judge_fini(struct judge *j);
/** judge_see() - one more; false: it was too early to count */
bool judge_see(struct judge *j, const json_t *event);
/** judge_decided() - nothing that comes makes a difference */
bool judge_decided(const struct judge *j);
/** judge_gap() - why an upper bound is not known to be kept, @rc being how the
 *  waiting has ended, @unheard how many have not answered; NULL: all that came
 *  was seen */
const char *judge_gap(const struct judge *j, int rc, size_t unheard);
bool judge_met(const struct judge *j, const char *gap);
/** judge_result() - docs/schema/expect.json (returned, caller decrefs) */
json_t *judge_result(const struct judge *j, const char *gap);
/** judge_why() - of the first that is not met (returned, caller frees); NULL:
 *  all are */
char *judge_why(const struct judge *j, const char *gap, int rc);

#endif
