/* SPDX-License-Identifier: Apache-2.0 */
#include "muxlink.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

struct muxlink_limit muxlink_limit;

static uint8_t *tr_reserve(void *user, size_t min, size_t *got)
{
	struct muxlink_side *sd = user;

	*got = min + 100; /* little, so that frames are of all sizes */
	return buf_reserve(&sd->out, *got);
}

static void tr_commit(void *user, size_t n)
{
	struct muxlink_side *sd = user;

	buf_commit(&sd->out, n);
}

static void tr_kick(void *user)
{
	(void)user;
}

static void tr_spent(void *user)
{
	struct muxlink_side *sd = user;

	sd->spent++;
}

static const struct mux_transport transport = { tr_reserve, tr_commit, tr_kick,
						tr_spent };

void muxlink_init(struct muxlink *l, struct loop *loop, uint32_t window,
		  mux_request_fn on_request, void *user)
{
	*l = (struct muxlink){ .loop = loop };
	for (int i = 0; i < 2; i++) {
		struct mux_config cfg = mux_config_bulk(i == 1);
		struct muxlink_side *sd = &l->side[i];

		if (window) {
			cfg.window = window;
			cfg.window_max = 3 * window;
			cfg.window_more = 3 * window;
		}
		cfg.held_max = muxlink_limit.held_max;
		if (muxlink_limit.stall_ns)
			cfg.stall_ns = muxlink_limit.stall_ns;
		l->window_max = cfg.window_more;
		buf_init(&sd->out, 64 << 20);
		sd->m = mux_new(loop, &cfg, &transport, sd,
				i ? on_request : NULL, user);
		CHECK(sd->m);
	}
	/* see struct mux_config */
	while (window && (muxlink_move(l, 0, 1000) || muxlink_move(l, 1, 1000)))
		;
}

void muxlink_fini(struct muxlink *l)
{
	for (int i = 0; i < 2; i++) {
		mux_free(l->side[i].m, -ENETRESET);
		buf_fini(&l->side[i].out);
	}
}

bool muxlink_move(struct muxlink *l, int side, size_t n)
{
	struct muxlink_side *from = &l->side[side], *to = &l->side[!side];
	size_t part;
	uint8_t *copy;

	if (from->out.len < n)
		CHECK(mux_produce(from->m, n - from->out.len) == 0);
	part = MIN(n, from->out.len);
	if (!part)
		return false;
	copy = xmalloc(part);
	memcpy(copy, buf_data(&from->out), part);
	buf_take(&from->out, part);
	CHECK(mux_receive(to->m, copy, part) == 0);
	free(copy);
	loop_once(l->loop, 0);
	return true;
}
