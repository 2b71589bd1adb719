/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "tunnel/inbound.h"
#include "uplink/replace_internal.h"

#include <errno.h>

#define LOOK NS_SEC
#define AGAIN (15 * NS_SEC)    /* where there was no room for one */
#define PATIENCE (10 * NS_SEC) /* with one whose connection is lost */

bool spare_is_off(const struct replace *r)
{
	return !uplink_is_up(r->uplink) || uplink_needs_another(r->uplink);
}

static bool spare_is_told(const struct replace *r)
{
	return uplink_needs_another(r->spare) && !uplink_is_ill(r->spare);
}

static void spare_on_again(struct timer *t)
{
	replace_on_woken(container_of(t, struct replace, again));
}

static void spare_again(struct replace *r, int64_t ns)
{
	loop_timer_start(r->loop, &r->again, ns, spare_on_again);
}

/* --- another one ---------------------------------------------------------- */

static int spare_try(struct replace *r, struct kt_error *err)
{
	int rc;

	r->next_shadow = shadow_beside(r->shadow);
	shadow_set_stop(r->next_shadow, replace_is_off, r);
	rc = shadow_ensure(r->next_shadow, err);
	shadow_set_stop(r->next_shadow, NULL, NULL);
	if (rc < 0)
		return rc;
	r->next_uplink = replace_new_uplink(r, r->next_shadow);
	uplink_stand_by(r->next_uplink, NULL);
	return uplink_connect(r->next_uplink, err);
}

static void spare_stands_by(struct replace *r)
{
	r->spare_shadow = steal_ptr(&r->next_shadow);
	r->spare = steal_ptr(&r->next_uplink);
	repeat_over(&r->spare_told);
	log_info("%s stands by", shadow_describe(r->spare_shadow));
	if (!uplink_is_up(r->uplink))
		replace_swap(r);
}

static int spare_make(struct replace *r, struct kt_error *err)
{
	struct kt_error why = { 0 };
	bool off;
	int rc;

	r->making_spare = true;
	rc = spare_try(r, &why);
	r->making_spare = false;
	if (rc == 0) {
		spare_stands_by(r);
		return 0;
	}
	if (rc == -EINTR)
		return kt_fail(err, EINTR, "interrupted");
	off = spare_is_off(r);
	if (off)
		log_debug("the second shadow has to wait: %s", why.msg);
	else
		repeat_warn(&r->spare_told, "there is no second shadow: %s",
			    why.msg);
	replace_drop_next(r);
	spare_again(r, off ? LOOK : AGAIN);
	return 0;
}

/* --- the one that is there ------------------------------------------------ */

/* One whose connection is lost may come back, unless its Pod is gone */
static bool spare_is_bad(struct replace *r)
{
	struct kt_error err = { 0 };
	int rc;

	if (uplink_needs_another(r->spare))
		return true;
	if (uplink_is_up(r->spare))
		return false;
	if (uplink_lost_ns(r->spare) >= PATIENCE)
		return true;
	rc = shadow_check(r->spare_shadow, &err);
	if (rc < 0)
		log_debug("%s", err.msg);
	return rc == 0 || rc == 2;
}

/* What is open in it has its time */
static void spare_retire(struct replace *r)
{
	bool told = spare_is_told(r);

	log_info("%s %s: another is to stand by",
		 shadow_describe(r->spare_shadow),
		 told ? "is told to end" : "is lost");
	replace_retire(
		r, r->spare_shadow, r->spare,
		clock_ns() + (told ? SHADOW_OPEN_S * NS_SEC : r->cfg.keep_ns));
	r->spare_shadow = NULL;
	r->spare = NULL;
}

int spare_tend(struct replace *r, struct kt_error *err)
{
	if (!r->wants_spare || spare_is_off(r))
		return 0;
	if (r->spare && spare_is_bad(r)) {
		spare_retire(r);
		loop_timer_stop(&r->again);
	}
	if (loop_interrupted(r->loop))
		return kt_fail(err, EINTR, "interrupted");
	if (r->spare && !uplink_is_up(r->spare))
		spare_again(r, LOOK);
	if (r->spare || loop_timer_active(&r->again))
		return 0;
	return spare_make(r, err);
}

bool spare_takes_over(struct replace *r)
{
	if (!r->spare || !uplink_is_up(r->spare) ||
	    uplink_needs_another(r->spare))
		return false;
	replace_swap(r);
	log_info("%s is told to end, %s has taken its place",
		 shadow_describe(r->spare_shadow), shadow_pod_name(r->shadow));
	replace_retire(r, r->spare_shadow, r->spare,
		       clock_ns() + SHADOW_OPEN_S * NS_SEC);
	r->spare_shadow = NULL;
	r->spare = NULL;
	return true;
}
