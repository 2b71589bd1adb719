/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BIRDSEYE_ASK_H
#define KT_BIRDSEYE_ASK_H

#include "kube/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: Asking the shadows who is with them
 *
 * By a port-forward to the health port of each Pod (wire/clientline.h), some at
 * a time, until a moment that is given, for ASK_NS at most and ASK_LEAST_NS at
 * least. Nothing depends on it: who may not, or gets no answer, goes by the
 * heartbeats. No session is opened, so a shadow that
 * nobody uses ends in its time, however often it is asked.
 */

struct home;

#define ASK_NS (1500 * NS_MS)
#define ASK_LEAST_NS (500 * NS_MS)

/** ask_answer() - of a whole HTTP answer: {"version": s, "clients":
 * [{"inbound": b, "away": seconds or -1, "user": s, "rules": [s]}]} (returned,
 * caller decrefs); NULL: it is none */
json_t *ask_answer(const void *data, size_t len);
/** ask_port() - where the shadow in @pod tells; 0: nowhere, or it does not run
 */
uint16_t ask_port(const json_t *pod);

struct ask_config {
	struct kube *kube;
	const struct home *home; /* where it is remembered what passes */
	int carrier;		 /* --carrier */
	int64_t until;		 /* clock_ns() */
	bool *refused; /* is set when the Role does not let us; may be NULL */
};

/** ask_all() - ask the shadows among @pods: "NAMESPACE/POD" to answer
 *  (returned, caller decrefs); waits in the loop */
json_t *ask_all(const struct ask_config *cfg, const json_t *pods);

#endif
