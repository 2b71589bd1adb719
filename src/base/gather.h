/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_GATHER_H
#define KT_BASE_GATHER_H

#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * DOC: Fewer wake-ups for a socket that brings much
 *
 * The kernel wakes a reader for every packet. For bulk each of these costs more
 * than its bytes: a switch of context and back, a recv(), an acknowledgement, a
 * send() of little on the other side. So while a socket brings more than
 * GATHER_RATE it is to wake us only when GATHER_BYTES are there (SO_RCVLOWAT).
 * What is less, as the end of an answer is, is looked for GATHER_NS after the
 * last event. Then the socket is as before; if something had waited, for
 * GATHER_PAUSE at least: who exchanges requests and large answers waits no
 * longer than a tenth of the time.
 *
 *   off --GATHER_RATE for GATHER_PERIOD--> on --quiet for GATHER_NS: look()-->
 * off
 *
 * The end of the stream, and an error, wake at once in either state.
 */

struct gather {
	struct loop *loop; /* NULL: not started */
	int fd;
	void (*look)(struct gather *g);
	struct timer timer;
	bool on;
	int64_t since; /* @bytes are counted; in the future: a pause */
	size_t bytes;
};

/** gather_start() - of @fd, borrowed until gather_stop(); @look: read what is
 *  there, which ends with gather_took() */
void gather_start(struct gather *g, struct loop *loop, int fd,
		  void (*look)(struct gather *g));
/** gather_took() - the socket has been emptied, and brought @n bytes */
void gather_took(struct gather *g, size_t n);
/** gather_stop() - before @fd is closed or given away; it wakes for each byte
 *  then; may be called twice, or without gather_start() */
void gather_stop(struct gather *g);

#endif
