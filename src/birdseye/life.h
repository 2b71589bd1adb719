/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BIRDSEYE_LIFE_H
#define KT_BIRDSEYE_LIFE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: Is there anybody?
 *
 * What an object says about its user is old: a heartbeat is written every 30 s,
 * KT Connect's every 120 s. So the best witness is heard, and named ("by"):
 *
 *   owner      its process ran on this machine, and is known to have ended
 *   shadow     was asked, and has the user's connection, or has lost it
 *   heartbeat  is young, or too old
 *   pod        is not there, or an ephemeral container runs in it
 *   environment  of a member in the cluster: lives, or has ended
 *   nothing    can be said
 *
 * Pure: objects in, members of a row out.
 */

struct life_config {
	int64_t now; /* cluster time, Unix seconds */
	/* dead() - is the owner (kt-owner) known to be gone? NULL: of none */
	bool (*dead)(void *user, const char *owner);
	void *user;
};

/** struct life_facts - all borrowed; NULL: there is none */
struct life_facts {
	const json_t *holder; /* has the heartbeat */
	const json_t *answer; /* of the shadow, see ask.h */
	bool inbound;	      /* the user's connection, of the answer's */
	const char *match;    /* the rule that it must have */
};

/** life_judge() - set alive, state, age and by in @row */
void life_judge(json_t *row, const struct life_config *cfg,
		const struct life_facts *facts);
/** life_set() - the same, as it is known: @alive < 0: it is not; @age in
 *  seconds, < 0: none */
void life_set(json_t *row, int alive, const char *state, int64_t age,
	      const char *by);
/** life_text() - for people: "yes", "heartbeat 12s ago"; returns @dst */
const char *life_text(const json_t *row, char *dst, size_t size);
/** life_duration() - "12s", "3m", "2h", "5d"; returns @dst */
const char *life_duration(int64_t seconds, char dst[24]);

#endif
