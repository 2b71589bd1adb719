/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_MODE_H
#define KT_GATE_MODE_H

#include "base/loop.h"

#include <stdbool.h>

/** struct gate_mode - one job of the program, a row of main.c: "gate NAME
 *  [options]". Files, threads and children: none but what it opens itself. */
struct gate_mode {
	const char *name, *summary;
	/**
	 * start() - read the options, and begin
	 * @argv: [0] is the mode's name
	 * @mode: what the others are called with; NULL stays when there is
	 * nothing to serve (--help, wrong usage, an error)
	 * Return: the exit status then: 0, 1 with @err, 2 wrong usage (said).
	 */
	int (*start)(struct loop *l, int argc, char **argv, void **mode,
		     struct kt_error *err);
	/** end() - told to end: how long what is open may go on, ns */
	int64_t (*end)(void *mode);
	/** busy() - something is open still */
	bool (*busy)(void *mode);
	void (*free)(void *mode);
};

#endif
