/* SPDX-License-Identifier: Apache-2.0 */
/* A script of operations over flows that move from one pair of muxes to another
 * while they are used: no byte is lost, wrong or out of order, and in the end
 * every flow is over; without a reset or a cut nobody sees an error. */
#include "../../unit/tunnel/muxrig.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct muxrig rig;
static bool disturbed; /* by a reset or a cut */

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
		disturbed |= e->s != NULL;
		flow_reset(e, arg & 1 ? ECONNRESET : ECANCELED);
		break;
	case 3:
		e->stalled = arg & 1;
		break;
	case 4:
		flow_consume(e, (size_t)arg * 30);
		break;
	default:
		(void)muxrig_ask(e->server == rig.asker ? e : flow_peer(e));
	}
}

static void one(uint8_t op, uint8_t which, uint8_t arg)
{
	struct flow_end *e = pick(which);

	switch (op % 16) {
	case 6:
		if (rig.nflows < 20)
			muxrig_open(&rig, arg % 8 ? 0 : ECONNREFUSED);
		break;
	case 7:
		if (arg < 8) {
			disturbed = true;
			muxrig_cut(&rig, which & 1);
		}
		break;
	case 8:
	case 9:
	case 10:
		muxrig_move(&rig, which & 1, 1 + (size_t)arg * arg / 8);
		break;
	case 11:
	case 12:
	case 13:
		muxrig_move_bulk(&rig, which & 1, 1 + (size_t)arg * arg / 8);
		break;
	default:
		if (e)
			on_flow(op % 8, e, arg);
	}
}

static void finish(struct flow_end *e)
{
	e->stalled = false;
	flow_consume(e, SIZE_MAX);
	flow_give(e, 0, true);
}

static void finish_all(void)
{
	/* what one end lost, the other loses too, later */
	if (!rig.bulk.side[0].m || !rig.bulk.side[1].m)
		for (int i = 0; i < 2; i++)
			muxrig_cut(&rig, i);
	/* more than once: what was held back comes only now */
	for (int k = 0; k < 4; k++) {
		for (unsigned int f = 0; f < rig.nflows; f++)
			for (int i = 0; i < 2; i++)
				finish(&rig.end[f][i]);
		muxrig_run(&rig);
	}
}

static void check(const struct flow_end *c, const struct flow_end *s)
{
	CHECK(c->closed && (!s->asked || s->closed));
	CHECK(disturbed || c->refuse || (!c->error && !s->error));
	/* a reset that crosses the peer's end is seen by one of them only */
	if (!c->error && !s->error && !c->refuse)
		CHECK(c->got == s->give && s->got == c->give);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	disturbed = false;
	muxrig_init_scheduled(&rig, 5000, size && data[0] & 1);
	for (size_t i = 0; i + 2 < size && i < 3000; i += 3)
		one(data[i], data[i + 1], data[i + 2]);
	finish_all();
	for (unsigned int f = 0; f < rig.nflows; f++)
		check(&rig.end[f][0], &rig.end[f][1]);
	for (int i = 0; i < 2; i++)
		CHECK(mux_streams(rig.link.side[i].m) == 0 &&
		      (!rig.bulk.side[i].m ||
		       mux_streams(rig.bulk.side[i].m) == 0));
	muxrig_fini(&rig);
	return 0;
}
