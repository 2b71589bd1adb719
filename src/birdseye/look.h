/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BIRDSEYE_LOOK_H
#define KT_BIRDSEYE_LOOK_H

#include "birdseye/collect.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct app;
struct global_options;

/** struct look - what of a namespace is looked at; all borrowed */
struct look {
	struct app *app;
	const struct global_options *global;
	struct kube *kube;
	const char *ns; /* NULL: all of them */
	bool connectors;
	bool hide_natural;
	bool by_name;  /* sorted; else by status, then by name */
	int64_t until; /* clock_ns(): when the asking is to be over (ask.h) */
};

/** look_ask() - ask the shadows in @c (see ask.h): their answers (returned,
 *  caller decrefs); waits in the loop. @refused: the Role does not let us; or
 *  NULL */
json_t *look_ask(const struct look *l, const struct collection *c,
		 bool *refused);
/** look_now() - Unix seconds by the clock that heartbeats are written by */
int64_t look_now(const struct look *l);
/** look_view() - docs/schema/birdseye.json (returned, caller decrefs)
 *  @answers: of look_ask(), or NULL */
json_t *look_view(const struct look *l, const struct collection *c,
		  const json_t *answers, int64_t now);

#endif
