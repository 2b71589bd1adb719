/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"
#include "base/mem.h"
#include "base/memlimit.h"
#include "tunnel/session.h"

#define BUFFERS_MAX ((size_t)128 << 20)
#define BUFFERS_MIN ((size_t)4 << 20)
#define PARTS_MIN ((size_t)64 << 20) /* buffers; less is not divided */
/* Two full frames of HTTP/2 with their heads (mux_config.frame_max) */
#define FRAME_QUICK ((size_t)2 * ((64 << 10) + 9))
#define FRAME_BULK ((size_t)2 * ((128 << 10) + 9))
#define FOLLOW_NS (30 * NS_SEC) /* after the one beside has resumed */
#define WIDE_REPLAY ((size_t)32 << 20)

struct session_config session_config_default(void)
{
	return (struct session_config){
		.ping_ns = 1500 * NS_MS,
		.dead_ns = 3500 * NS_MS,
		.hello_ns = 10 * NS_SEC,
		.detached_ns = 120 * NS_SEC,
		.ack_ns = 4 * NS_MS,
		.far_ns = 8 * NS_MS, /* more than ack_ns adds to it */
		.replay_max = 8 * 1024 * 1024,
		.inflight_max = 4 * 1024 * 1024,
		.frame_max = FRAME_QUICK,
		.buffers = BUFFERS_MAX,
	};
}

void session_config_limit(struct session_config *cfg, size_t buffers)
{
	uint64_t memory = buffers ? 0 : memlimit_get();

	if (!buffers)
		buffers = memory ? (size_t)MIN(memory / 4, BUFFERS_MAX)
				 : BUFFERS_MAX;
	cfg->buffers = MAX(buffers, BUFFERS_MIN);
	cfg->replay_max = MIN(cfg->replay_max, cfg->buffers / 2);
	cfg->inflight_max = MIN(cfg->inflight_max, cfg->replay_max);
}

struct session_config session_config_bulk(const struct session_config *cfg)
{
	struct session_config bulk = *cfg;

	bulk.replay_max = MAX(bulk.replay_max, (size_t)24 * 1024 * 1024);
	/* more than the other's, which tells the shadow what it is */
	bulk.replay_max = MIN(bulk.replay_max,
			      MAX(bulk.buffers / 2, cfg->replay_max + 1));
	bulk.inflight_max = MAX(bulk.inflight_max, (size_t)16 * 1024 * 1024);
	bulk.inflight_max = MIN(bulk.inflight_max, bulk.replay_max);
	bulk.frame_max = FRAME_BULK;
	bulk.lanes = SESSION_LANES;
	if (bulk.keep_ns)
		bulk.keep_ns += FOLLOW_NS;
	return bulk;
}

/* A sixteenth is for each of the parts, the rest for the wide one */
struct session_config session_config_wide(const struct session_config *cfg)
{
	struct session_config wide = *cfg;

	wide.buffers -= session_config_parts(cfg) * (cfg->buffers / 16);
	wide = session_config_bulk(&wide);
	wide.replay_max = MAX(wide.replay_max, WIDE_REPLAY);
	wide.replay_max = MIN(wide.replay_max,
			      MAX(wide.buffers / 2, cfg->replay_max + 1));
	wide.frame_max = cfg->frame_max; /* what is lost comes again */
	wide.flags |= FRAME_FLAG_PART;
	return wide;
}

unsigned int session_config_parts(const struct session_config *cfg)
{
	return cfg->buffers >= PARTS_MIN ? SESSION_PARTS : 0;
}

struct session_config session_config_part(const struct session_config *cfg)
{
	struct session_config part = session_config_bulk(cfg);

	part.buffers /= 16;
	part.replay_max = cfg->replay_max + 1; /* see above */
	part.inflight_max = MIN(part.inflight_max, part.replay_max);
	part.frame_max = cfg->frame_max;
	part.lanes = 0;
	part.flags |= FRAME_FLAG_PART;
	return part;
}
