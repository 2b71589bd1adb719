/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_KEEPER_IMPL_H
#define KT_RUN_KEEPER_IMPL_H

#include "run/keeper.h"

#include <sys/types.h>

/* Both ends are one program, forked: structures go as they are. */

enum keeper_type {
	KEEPER_MADE,	     /* struct keeper_made; its descriptors */
	KEEPER_ERROR,	     /* struct kt_error */
	KEEPER_START,	     /* three texts with their NULs; number: which of
				enum keeper_given there are, as descriptors */
	KEEPER_NOTE,	     /* a warning, with its NUL */
	KEEPER_VOLUMES,	     /* a descriptor: podfs_serve() */
	KEEPER_STARTED,	     /* a descriptor of the program */
	KEEPER_NOT_STARTED,  /* number: errno of exec */
	KEEPER_EXITED,	     /* number: status */
	KEEPER_MORE_SOCKETS, /* number: family */
	KEEPER_SOCKETS,	     /* number: family; descriptors */
	KEEPER_LISTENER,     /* a descriptor */
	KEEPER_LISTENS,	     /* the program does, in a moment; number: 1 as soon
				as it will be told, at the start, 0: it is */
};

/** keeper_take_files() - what @fd lists is seen from now on; what cannot be is
 *  told by KEEPER_NOTE */
KT_CHECK int keeper_take_files(int sock, int room, int fd);
/** keeper_take_list() - the texts in @fd, each with its NUL: a list that ends
 *  with NULL and stays; or NULL with errno */
char **keeper_take_list(int fd);
/** keeper_take_env() - the variables in @fd are this process's */
KT_CHECK int keeper_take_env(int fd);

/** keeper_listen_give() - in the program, before its exec: its listen() is told
 *  from now on, by a descriptor that goes over the socket @to */
void keeper_listen_give(int to);
/** keeper_listen_take() - the descriptor, or -1: it is not told */
int keeper_listen_take(int from);
/** keeper_listen_answer() - one of them goes on; false: there was none */
bool keeper_listen_answer(int fd);

#define KEEPER_DATA_MAX (128u << 10)
/* of struct keeper_made: the capture's, the loopback's, ends, diag, room */
#define KEEPER_MADE_FDS (CAPTURE_LINK_FDS + LOOPBACK_FDS + 3)
#define KEEPER_MADE_ENDS (KEEPER_MADE_FDS - 3)
#define KEEPER_MADE_DIAG (KEEPER_MADE_FDS - 2)
#define KEEPER_MADE_ROOM (KEEPER_MADE_FDS - 1)
#define KEEPER_FDS (KEEPER_MADE_FDS + KEEPER_BATCH)

/** struct keeper_message - one of them, in memory */
struct keeper_message {
	int type;   /* enum keeper_type */
	int number; /* what it is depends on the type */
	int fds[KEEPER_FDS];
	size_t nfds;
	size_t len; /* of @data */
	char data[KEEPER_DATA_MAX];
};

/** keeper_send() - @m; its descriptors stay the caller's; 0 or -errno */
KT_CHECK int keeper_send(int sock, const struct keeper_message *m);
/** keeper_receive() - the next one, waits for it; its descriptors are the
 *  caller's. 1, 0: the other end is gone, or -errno */
KT_CHECK int keeper_receive(int sock, struct keeper_message *m);

/** keeper_main() - the child, from fork to its end */
_Noreturn void keeper_main(int sock, const struct keeper_config *cfg);

#endif
