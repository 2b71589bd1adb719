/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_LOCAL_SIGNALS_H
#define KT_LOCAL_SIGNALS_H

#include "base/error.h"
#include "base/loop.h"

#include <stdbool.h>

/**
 * DOC: Signals
 *
 * INT, TERM, HUP and QUIT all mean "leave". They are blocked and read from a
 * signalfd, so none is lost, whenever it comes: the first interrupts the loop
 * (every loop_run_until() returns -EINTR). The command then calls
 * signals_clean_up(): the loop may wait again, and one more INT or QUIT
 * interrupts it for good, which ends slow clean-up. SIGPIPE is ignored.
 *
 * What belongs to others is given back also when somebody is impatient
 * (signals_give_back()): the second INT or QUIT ends the waits of
 * signals_sleep() and signals_wait(), and leaves SIGNALS_HURRY for the rest;
 * the third interrupts the loop for good.
 */

#define SIGNALS_HURRY (5 * NS_SEC)

struct signals;

struct signals *signals_new(struct loop *l, struct kt_error *err);
void signals_free(struct signals *s);

/** signals_divert() - from now on @fn is asked first, about each of them, USR1
 *  and USR2: true means that it is dealt with; NULL: no more */
void signals_divert(struct signals *s, bool (*fn)(void *user, int signo),
		    void *user);
/** signals_seen() - the first signal that arrived, 0 for none */
int signals_seen(const struct signals *s);
/** signals_name() - "SIGINT", ... */
const char *signals_name(int signo);
/** signals_clean_up() - from here on the loop waits for the clean-up */
void signals_clean_up(struct signals *s);
/** signals_give_back() - the same, and a second signal hurries only */
void signals_give_back(struct signals *s);
/** signals_wait() - loop_run_until() of the clean-up that may be skipped:
 *  -EINTR when somebody is impatient, also if that was before */
KT_CHECK int signals_wait(struct signals *s, bool *done, int64_t timeout_ns);
/** signals_sleep() - the same without anything to wait for: 0 after @ns */
KT_CHECK int signals_sleep(struct signals *s, int64_t ns);
/** signals_forced() - a second signal came: leave at once */
bool signals_forced(const struct signals *s);
/** signals_hurry() - the same as something to look at; borrowed */
const bool *signals_hurry(const struct signals *s);
/** signals_leave() - end the command as if @signo had come (pid file gone) */
void signals_leave(struct signals *s, int signo);

#endif
