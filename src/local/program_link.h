/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_LOCAL_PROGRAM_LINK_H
#define KT_LOCAL_PROGRAM_LINK_H

#include "base/error.h"

#include <stdint.h>

/**
 * DOC: Between "ktctl run" and the command that brings it callers
 *
 * run starts exchange, mesh or preview beside its program, as a process of its
 * own, with one end of a stream socket (--program FD):
 *
 *     run -> it:  LISTENS port, GONE port; CONNECTED id with a descriptor,
 *                 REFUSED id errno
 *     it -> run:  CONNECT id port
 *
 * So callers come to the program itself, in its namespace, and are not accepted
 * before the program has done so. The end of file: the other one is gone. Both
 * are one executable: structures go as they are.
 */

enum program_word {
	PROGRAM_LISTENS,
	PROGRAM_GONE,
	PROGRAM_CONNECT,
	PROGRAM_CONNECTED,
	PROGRAM_REFUSED,
};

struct program_message {
	int word;
	int number; /* port, or a positive errno */
	uint32_t id;
};

/** so many CONNECTs at most wait for their answers: no end can block */
#define PROGRAM_DIALS 64

/** program_link_send() - @fd: goes with it and stays the caller's, or -1; 0 or
 *  -errno */
KT_CHECK int program_link_send(int sock, const struct program_message *m,
			       int fd);
/** program_link_receive() - the next one, with *@fd (the caller's) or -1; 1, 0:
 *  the other end is gone, or -errno (-EAGAIN: none is there) */
KT_CHECK int program_link_receive(int sock, struct program_message *m, int *fd);

#endif
