/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_REPLACE_INTERNAL_H
#define KT_UPLINK_REPLACE_INTERNAL_H

#include "uplink/replace.h"

/* Inside; only replace.c and spare.c see it */

/* --- replace.c ------------------------------------------------------------ */

/** replace_retire() - @shadow (taken) gets nothing new any more; until @end, or
 *  until nothing is open in it */
void replace_retire(struct replace *r, struct shadow_pod *shadow,
		    struct uplink *uplink, int64_t end);
/** replace_swap() - the one that serves and the spare change places */
void replace_swap(struct replace *r);
/** replace_new_uplink() - a tunnel into @shadow (returned) */
struct uplink *replace_new_uplink(struct replace *r, struct shadow_pod *shadow);
/** replace_drop_next() - what is being made is removed */
void replace_drop_next(struct replace *r);
/** replace_is_off() - asked while something is made (@user: the replace): it is
 *  not wanted any more */
bool replace_is_off(void *user);
void replace_on_woken(void *user);

/* --- spare.c -------------------------------------------------------------- */

/** spare_is_off() - the one that serves needs something, which goes before */
bool spare_is_off(const struct replace *r);
/** spare_takes_over() - the one that serves was told to end: true: the spare
 *  serves now */
bool spare_takes_over(struct replace *r);
/** spare_tend() - make one, or another one; 0, or -EINTR with @err */
KT_CHECK int spare_tend(struct replace *r, struct kt_error *err);

#endif
