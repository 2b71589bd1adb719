/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_REPLACE_H
#define KT_UPLINK_REPLACE_H

#include "base/repeat.h"
#include "uplink/uplink.h"

/**
 * DOC: Another shadow in the place of one that is told to end
 *
 * Of the outbound way. An eviction or a drain tells the Pod some time before
 * it ends it. Then there are two for a while:
 *
 *   SERVING --told--> MAKING --its tunnel is up--> SERVING, by the new one
 *                       |                          the old one: RETIRED
 *                       +--it cannot be made: a warning, again in 3 s; where
 *                          it is refused and nothing is open, the old one is
 *                          left first, as without notice
 *   RETIRED --nothing is open in it, its time is over, or it is gone--> LEFT
 *
 *   SERVING   new streams are this one's: tunnel_lead()
 *   MAKING    the old one still gets all that is new
 *   RETIRED   gets nothing new; what is open goes on
 *   LEFT      its tunnel is ended, its Pod is deleted
 *
 * The same where nothing gets through to it for a while, though its Pod runs as
 * far as the API server knows (uplink_is_ill()): its node may be lost. What is
 * open goes on if it is there again; is it before the other one runs, that is
 * given up. Where the Pod is gone there is nothing to do here: uplink_heal().
 *
 * With a spare (replace_want_spare()) there are two from the beginning, each
 * with its tunnel, on two nodes where there are two:
 *
 *   one's connection is lost, the other's is up --> they change places at once
 *   the one that serves is told to end --> the spare takes its place
 *   the spare is gone, told to end, or away for long --> RETIRED, and the next
 *       spare is made; that is put off when the one that serves needs something
 */

struct retired;

/** struct replace - what a command has of its present shadow */
struct replace {
	struct loop *loop;
	struct tunnel *front; /* for all who open streams */
	struct shadow_pod *shadow;
	struct uplink *uplink;
	/* the rest is replace.c's own */
	struct uplink_config cfg;
	struct shadow_pod *next_shadow; /* that is being made, or NULL */
	struct uplink *next_uplink;
	struct retired *retired;
	struct repeat told;
	bool woken; /* replace_wait() */
	bool back;  /* the one that was ill is there again */
	bool making_spare;
	struct uplink *making_for; /* another in its place; or NULL */
	bool wants_spare;
	struct shadow_pod *spare_shadow; /* it runs, or NULL */
	struct uplink *spare;
	struct timer again; /* when the next one is tried */
	struct repeat spare_told;
};

/** replace_init() - a tunnel into @cfg->shadow (taken); @cfg is copied */
void replace_init(struct replace *r, const struct uplink_config *cfg);
/** replace_want_spare() - keep a second one, once the first is up */
void replace_want_spare(struct replace *r);
/** replace_wait() - until there is something to do, here or for the caller
 *  (uplink_wake() of the one that serves): see uplink_wait() */
KT_CHECK int replace_wait(struct replace *r, struct kt_error *err);
/** replace_tend() - when replace_wait() has returned: whatever there is to do
 *  for the shadow; see uplink_heal() */
KT_CHECK int replace_tend(struct replace *r, struct kt_error *err);
/** replace_leave() - end all tunnels, see uplink_leave(); the front leads
 *  nowhere */
void replace_leave(struct replace *r, struct farewell *f);
/** replace_remove() - delete all Pods that are left, after replace_leave();
 *  what cannot be is a warning: false */
bool replace_remove(struct replace *r);
/** replace_fini() - and all memory; nobody uses the front any more */
void replace_fini(struct replace *r);

#endif
