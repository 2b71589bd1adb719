/* SPDX-License-Identifier: Apache-2.0 */
/* A script of operations over two linked muxes: no byte is lost or wrong, no
 * callback comes twice or late, and in the end every stream is over. */
#include "../../unit/tunnel/muxrig.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct muxrig rig;

static struct flow_end *pick(uint8_t which)
{
	if (!rig.nflows)
		return NULL;
	return &rig.end[(which >> 1) % rig.nflows][which & 1];
}

static void on_flow(uint8_t op, struct flow_end *e, uint8_t arg)
{
	switch (op) {
	case 0:
		flow_give(e, (size_t)arg * arg / 4, false);
		break;
	case 1:
		flow_give(e, arg, true);
		break;
	case 2:
		flow_reset(e, arg & 1 ? ECONNRESET : ECANCELED);
		break;
	case 3:
		e->stalled = arg & 1;
		break;
	case 4:
		flow_consume(e, (size_t)arg * 30);
		break;
	default:
		if (e->server)
			muxrig_accept(e);
	}
}

static void one(uint8_t op, uint8_t which, uint8_t arg)
{
	struct flow_end *e = pick(which);

	switch (op % 10) {
	case 6:
		if (rig.nflows < 40)
			muxrig_open(&rig, arg % 4 ? 0 : ECONNREFUSED);
		break;
	case 7:
		rig.hold = arg & 1;
		break;
	case 8:
	case 9:
		muxrig_move(&rig, which & 1, 1 + (size_t)arg * arg / 8);
		break;
	default:
		if (e)
			on_flow(op % 10, e, arg);
	}
}

static void finish(struct flow_end *e)
{
	if (e->server && e->s)
		muxrig_accept(e);
	e->stalled = false;
	flow_consume(e, SIZE_MAX);
	flow_give(e, 0, true);
}

static void finish_all(void)
{
	/* more than once: what was held back comes only now */
	for (int k = 0; k < 4; k++) {
		rig.hold = false;
		for (unsigned int f = 0; f < rig.nflows; f++)
			for (int i = 0; i < 2; i++)
				finish(&rig.end[f][i]);
		muxrig_run(&rig);
	}
}

static void check(const struct flow_end *c, const struct flow_end *s)
{
	if (!c->closed || (s->asked && !s->closed))
		abort();
	/* a reset that crosses the peer's end is seen by one of them only */
	if (!c->error && !s->error && !c->refuse &&
	    (c->got != s->give || s->got != c->give))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	muxrig_init(&rig, 5000);
	for (size_t i = 0; i + 2 < size && i < 3000; i += 3)
		one(data[i], data[i + 1], data[i + 2]);
	finish_all();
	for (unsigned int f = 0; f < rig.nflows; f++)
		check(&rig.end[f][0], &rig.end[f][1]);
	if (mux_streams(rig.link.side[0].m) || mux_streams(rig.link.side[1].m))
		abort();
	muxrig_fini(&rig);
	return 0;
}
