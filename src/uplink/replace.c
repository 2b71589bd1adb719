/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/replace_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>

#define TICK (100 * NS_MS)
#define AGAIN (3 * NS_SEC)

/* A shadow whose place was taken */
struct retired {
	struct retired *next;
	struct replace *replace;
	struct shadow_pod *shadow;
	struct uplink *uplink; /* NULL: it is left */
	struct timer tick;
	int64_t end;
};

/* --- the old one ---------------------------------------------------------- */

static void retired_disconnect(struct retired *o)
{
	loop_timer_stop(&o->tick);
	uplink_free(steal_ptr(&o->uplink));
}

static void retired_on_tick(struct timer *t)
{
	struct retired *o = container_of(t, struct retired, tick);
	struct replace *r = o->replace;
	size_t open = uplink_open(o->uplink);

	if (open && !uplink_is_over(o->uplink) && clock_ns() < o->end) {
		loop_timer_start(r->loop, t, TICK, retired_on_tick);
		return;
	}
	if (open)
		log_warn("%s has ended, and %zu open connection%s with it",
			 shadow_describe(o->shadow), open,
			 open == 1 ? "" : "s");
	retired_disconnect(o);
	uplink_wake(r->uplink);
}

/* @end: of its time */
void replace_retire(struct replace *r, struct shadow_pod *shadow,
		    struct uplink *uplink, int64_t end)
{
	struct retired *o = xcalloc(1, sizeof(*o));

	o->replace = r;
	o->shadow = shadow;
	o->uplink = uplink;
	o->end = end;
	o->next = r->retired;
	r->retired = o;
	uplink_retire(o->uplink);
	loop_timer_start(r->loop, &o->tick, TICK, retired_on_tick);
}

static void retired_free(struct retired *o)
{
	struct kt_error err = { 0 };

	if (shadow_let_go(o->shadow, &err) < 0)
		log_debug("%s: %s", shadow_describe(o->shadow), err.msg);
	shadow_free(o->shadow);
	free(o);
}

static void replace_sweep(struct replace *r)
{
	struct retired **at = &r->retired;

	while (*at) {
		struct retired *o = *at;

		if (o->uplink) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		retired_free(o);
	}
}

/* --- the new one ---------------------------------------------------------- */

/* Of the one that serves, or of the next one: then that is the one from now on
 */
static void replace_on_up(void *user)
{
	struct replace *r = user;
	struct tunnel *next =
		r->next_uplink ? uplink_tunnel(r->next_uplink) : NULL;

	if (next && !r->making_spare && tunnel_state(next) == TUNNEL_UP)
		tunnel_lead(r->front, next);
	if (r->cfg.up)
		r->cfg.up(r->cfg.user);
}

/* The two change places */
void replace_swap(struct replace *r)
{
	struct shadow_pod *shadow = r->shadow;
	struct uplink *uplink = r->uplink;

	r->shadow = r->spare_shadow;
	r->uplink = r->spare;
	r->spare_shadow = shadow;
	r->spare = uplink;
	uplink_stand_by(r->spare, r->uplink);
	tunnel_lead(r->front, uplink_tunnel(r->uplink));
	log_debug("%s serves, %s stands by", shadow_describe(r->shadow),
		  shadow_pod_name(r->spare_shadow));
	if (r->cfg.up)
		r->cfg.up(r->cfg.user); /* what has waited */
}

static bool replace_on_moved(void *user, struct uplink *u, bool up)
{
	struct replace *r = user;

	r->back |= up && u == r->uplink;
	if (up && u == r->uplink && r->wants_spare && !r->spare)
		replace_on_woken(r); /* it was put off */
	if (!r->spare || (u != r->uplink && u != r->spare))
		return false;
	if (uplink_is_up(r->uplink) || !uplink_is_up(r->spare))
		return false;
	replace_swap(r);
	return true;
}

/* Whoever has something to do: the one that serves comes first */
void replace_on_woken(void *user)
{
	struct replace *r = user;

	r->woken = true;
	if (r->cfg.woken)
		r->cfg.woken(r->cfg.user);
}

static int replace_on_renew(void *user, struct kt_error *err)
{
	struct replace *r = user;

	return r->cfg.renew ? r->cfg.renew(r->cfg.user, err) : 0;
}

/* What is being made is not wanted any more: a spare when the one that serves
 * needs something, another in the place of one that is well again, or whose
 * place the spare has taken */
bool replace_is_off(void *user)
{
	const struct replace *r = user;

	if (r->making_spare)
		return spare_is_off(r);
	return r->making_for && (r->uplink != r->making_for ||
				 (r->back && !uplink_needs_another(r->uplink)));
}

struct uplink *replace_new_uplink(struct replace *r, struct shadow_pod *shadow)
{
	struct uplink_config cfg = r->cfg;

	cfg.shadow = shadow;
	cfg.up = replace_on_up;
	cfg.moved = replace_on_moved;
	cfg.woken = replace_on_woken;
	cfg.renew = replace_on_renew;
	cfg.user = r;
	cfg.gone = replace_is_off;
	cfg.succeeds = shadow_can_succeed(shadow);
	return uplink_new(&cfg);
}

void replace_drop_next(struct replace *r)
{
	struct kt_error err = { 0 };

	if (!r->next_shadow)
		return;
	tunnel_lead(r->front, uplink_tunnel(r->uplink));
	uplink_free(steal_ptr(&r->next_uplink));
	if (shadow_give_up(r->next_shadow, &err) < 0)
		log_debug("%s: %s", shadow_describe(r->next_shadow), err.msg);
	shadow_free(steal_ptr(&r->next_shadow));
}

/* After an interruption the one that was being made is left to replace_leave()
 */
static int replace_connect_next(struct replace *r, struct kt_error *err)
{
	int rc;

	shadow_set_stop(r->next_shadow, replace_is_off, r);
	rc = shadow_ensure(r->next_shadow, err);
	shadow_set_stop(r->next_shadow, NULL, NULL);
	if (rc < 0)
		return rc;
	r->next_uplink = replace_new_uplink(r, r->next_shadow);
	return uplink_connect(r->next_uplink, err);
}

static const char *replace_trouble(const struct replace *r)
{
	return uplink_is_ill(r->uplink) ? "does not answer" : "is told to end";
}

static int replace_try(struct replace *r, struct kt_error *err)
{
	int64_t begin = clock_ns();
	const char *trouble = replace_trouble(r);
	long left_s = 0;
	int rc = shadow_successor(r->shadow, &r->next_shadow, &left_s, err);

	if (rc == 0 && uplink_is_ill(r->uplink)) /* as long as any connection */
		left_s = (long)(r->cfg.keep_ns / NS_SEC);
	if (rc == 0)
		rc = replace_connect_next(r, err);
	if (rc < 0) {
		if (rc != -EINTR)
			replace_drop_next(r);
		return rc;
	}
	log_info("%s %s, %s has taken its place", shadow_describe(r->shadow),
		 trouble, shadow_pod_name(r->next_shadow));
	replace_retire(r, r->shadow, r->uplink, begin + left_s * NS_SEC);
	r->shadow = steal_ptr(&r->next_shadow);
	r->uplink = steal_ptr(&r->next_uplink);
	uplink_wake(r->uplink); /* what happened meanwhile was told the old */
	repeat_over(&r->told);
	return 0;
}

/* The API server's no: to a Pod in a namespace that is being deleted, or to one
 * more than a quota allows. It ends when the old one is gone, which would wait
 * for us. */
static bool replace_is_refused(const struct replace *r,
			       const struct kt_error *why)
{
	return why->http_status == 403 && !uplink_open(r->uplink);
}

static int replace_make(struct replace *r, struct kt_error *err)
{
	struct kt_error why = { 0 };
	bool off;
	int rc;

	r->back = false;
	r->making_for = r->uplink;
	rc = replace_try(r, &why);
	off = replace_is_off(r);
	r->making_for = NULL;
	if (rc == 0 || (rc != -EINTR && off))
		return 0;
	if (rc != -EINTR) {
		repeat_warn(&r->told,
			    "%s %s, and no other can take its place: %s",
			    shadow_describe(r->shadow), replace_trouble(r),
			    why.msg);
		if (replace_is_refused(r, &why)) {
			tunnel_lead(r->front, NULL);
			uplink_give_way(r->uplink);
			tunnel_lead(r->front, uplink_tunnel(r->uplink));
		}
		rc = loop_sleep(r->loop, AGAIN);
		uplink_wake(r->uplink);
	}
	return rc < 0 ? kt_fail(err, EINTR, "interrupted") : 0;
}

/* --- life ----------------------------------------------------------------- */

void replace_want_spare(struct replace *r)
{
	r->wants_spare = true;
	replace_on_woken(r);
}

int replace_wait(struct replace *r, struct kt_error *err)
{
	int rc = loop_run_until(r->loop, &r->woken, -1);

	if (rc < 0)
		return kt_fail(err, -rc, "interrupted");
	r->woken = false;
	return uplink_check(r->uplink, err);
}

/* Without its connection, too: uplink_heal() would make another in the place of
 * one that ends, and reset what is open in it */
int replace_tend(struct replace *r, struct kt_error *err)
{
	int rc = 0;

	replace_sweep(r);
	if (!uplink_needs_another(r->uplink))
		rc = uplink_heal(r->uplink, err);
	else if (!spare_takes_over(r))
		rc = replace_make(r, err);
	return rc < 0 ? rc : spare_tend(r, err);
}

void replace_init(struct replace *r, const struct uplink_config *cfg)
{
	*r = (struct replace){ .loop = cfg->loop, .cfg = *cfg };
	r->front = tunnel_front(cfg->loop);
	r->shadow = cfg->shadow;
	r->uplink = replace_new_uplink(r, r->shadow);
	tunnel_lead(r->front, uplink_tunnel(r->uplink));
}

void replace_leave(struct replace *r, struct farewell *f)
{
	*f = (struct farewell){ 0 };
	if (!r->front)
		return;
	tunnel_lead(r->front, NULL);
	loop_timer_stop(&r->again);
	uplink_free(steal_ptr(&r->next_uplink));
	uplink_free(steal_ptr(&r->spare));
	for (struct retired *o = r->retired; o; o = o->next)
		retired_disconnect(o);
	uplink_leave(steal_ptr(&r->uplink), f);
}

/* It is left alone, and knows when it is not wanted any more */
static void replace_say_left(const struct replace *r,
			     const struct shadow_pod *shadow,
			     const struct kt_error *why)
{
	char ends[64] = "";

	if (shadow_ends_alone(shadow))
		snprintf(ends, sizeof(ends),
			 "it ends by itself within %d minutes, and ",
			 (int)(MAX(r->cfg.keep_ns, SHADOW_IDLE_S * NS_SEC) /
			       (60 * NS_SEC)));
	log_warn("%s was not removed: %s; %s'ktctl clean' or the next ktctl "
		 "removes it",
		 shadow_describe(shadow), why->msg, ends);
}

bool replace_remove(struct replace *r)
{
	struct kt_error err = { 0 };
	bool left = false;

	replace_sweep(r);
	if (r->next_shadow && shadow_give_up(r->next_shadow, &err) < 0) {
		replace_say_left(r, r->next_shadow, &err);
		left = true;
	}
	err = (struct kt_error){ 0 };
	if (r->spare_shadow && shadow_remove(r->spare_shadow, &err) < 0) {
		replace_say_left(r, r->spare_shadow, &err);
		left = true;
	}
	err = (struct kt_error){ 0 };
	if (r->shadow && shadow_remove(r->shadow, &err) < 0) {
		replace_say_left(r, r->shadow, &err);
		left = true;
	}
	return !left;
}

void replace_fini(struct replace *r)
{
	shadow_free(steal_ptr(&r->next_shadow));
	shadow_free(steal_ptr(&r->spare_shadow));
	shadow_free(steal_ptr(&r->shadow));
	tunnel_free(steal_ptr(&r->front));
}
