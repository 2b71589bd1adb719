/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TEST_MEMCARRIER_H
#define KT_TEST_MEMCARRIER_H

#include "base/carrier.h"
#include "base/loop.h"

/**
 * memcarrier_pair() - two carriers in memory that lead to each other
 * @budget: bytes that pass, both ways together, before the pipe dies (borrowed,
 * counted down; < 0: never)
 * @seed: of the sizes of short sends
 */
void memcarrier_pair(struct loop *loop, long *budget, unsigned int seed,
		     struct carrier *out[2]);

#endif
