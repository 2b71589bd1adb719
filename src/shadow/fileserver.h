/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_FILESERVER_H
#define KT_SHADOW_FILESERVER_H

#include "base/error.h"
#include "wire/fsmsg.h"

#include <dirent.h>

/**
 * DOC: The files below a folder, for who reads them from afar
 *
 * Answers the requests of wire/fsmsg.h. Each path is walked part by part from
 * the folder, and no part may be a link: nothing outside of it is reached.
 * Nothing is ever written, and only regular files are opened: a FIFO or a
 * device is seen, and that is all.
 *
 * A volume whose server is away lets a read(2) wait for ever. So it is done by
 * a process of its own, and waits for its answer one after the other; the
 * shadow goes on (volumes.h).
 */

#define FILESERVER_HANDLES 1024 /* open at once */

struct fileserver_file {
	int fd;	  /* -1: free */
	DIR *dir; /* or NULL; has @fd then */
	uint64_t at;
};

struct fileserver {
	int root; /* the folder */
	struct fileserver_file file[FILESERVER_HANDLES];
	size_t nfile;	    /* of them were used */
	struct buf answers; /* to be sent */
};

/** fileserver_init() - @root: taken; fileserver_fini() */
void fileserver_init(struct fileserver *s, int root);
void fileserver_fini(struct fileserver *s);
/** fileserver_answer() - what @q asks for is done, and the answer is behind
 *  those that are in @s->answers; 0, or -ENOMEM */
KT_CHECK int fileserver_answer(struct fileserver *s,
			       const struct fsmsg_request *q);
/** fileserver_run() - serve who is at the other end of the socket @fd, until
 *  that is closed, or says what is no request */
void fileserver_run(int root, int fd);

#endif
