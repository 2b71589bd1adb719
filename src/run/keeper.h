/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_KEEPER_H
#define KT_RUN_KEEPER_H

#include "base/loop.h"
#include "net/capture_link.h"
#include "run/loopback.h"

#include <signal.h>

struct etc_files;
struct keeper;

/**
 * DOC: The keeper: the process that lives in the program's namespaces
 *
 *   ktctl -- fork --> keeper -- fork, exec --> program -> its children
 *
 * It makes the namespaces and what is in them, passes the descriptors of the
 * capture to ktctl (SCM_RIGHTS), which stays outside, and then is the program's
 * parent, and that of every process that loses its own
 * (PR_SET_CHILD_SUBREAPER): so it knows when the last one is gone, and ends
 * then. While it lives it opens sockets in the namespace for ktctl, which may
 * not enter it.
 *
 * All are in one process group with one terminal: the terminal's signals reach
 * the program as they would without us. When ktctl is gone, however it ended,
 * the keeper's socket says so, and the program gets SIGTERM.
 *
 * A supervised program has no namespaces: the keeper is its parent, and no
 * more.
 *
 *   keeper -> ktctl: CAPTURE or ERROR, then NOTE, STARTED or NOT_STARTED,
 *                    SOCKETS, LISTENS, EXITED (the program), end of file (all)
 *   ktctl -> keeper: START, MORE_SOCKETS
 */

struct keeper_config {
	char *const *argv;   /* the program; found by PATH, NULL-terminated */
	bool keep;	     /* no SIGTERM when ktctl is gone */
	bool supervised;     /* no namespaces: a filter (filter.h) */
	bool plain;	     /* neither that: it is told of a proxy */
	unsigned int closed; /* bit N: our caller had closed descriptor N, 0 to
				2, and so has the program */
};

#define KEEPER_BATCH 16 /* at a time */

struct keeper_ops {
	/** started() - the program runs: @errnum 0, or it could not be executed
	 *  (errno of exec), or @why not even that was tried, else NULL */
	void (*started)(void *user, int errnum, const struct kt_error *why);
	/** exited() - the program, with @status as of waitpid(); perhaps others
	 *  go on */
	void (*exited)(void *user, int status);
	/** listener() - of the filter of a supervised program (taken); before
	 *  started() */
	void (*listener)(void *user, int fd);
	/** sockets() - TCP sockets (taken) of the namespace, of one family */
	void (*sockets)(void *user, int family, const int *fds, size_t n);
	/** listens() - the program will in a moment; @first: before it has
	 *  begun: it will be told each time */
	void (*listens)(void *user, bool first);
	/** volumes() - the Pod's are mounted: the device (taken), to be served
	 *  at once; may be NULL */
	void (*volumes)(void *user, int fd);
	/** ended() - nobody is left, or the keeper was killed */
	void (*ended)(void *user);
};

/** struct keeper_made - what there is in the namespace, for us */
struct keeper_made {
	struct capture_link capture;
	struct loopback_link loopback;
	int diag; /* a socket for sock_diag(7) */
	int ends; /* of sockdiag_ends_open(), or -1 */
	int room; /* a folder in memory (mounts.h) */
};

/** keeper_begin() - fork it; what it makes takes some time, in which others may
 *  do something. 0, or -errno with @err */
KT_CHECK int keeper_begin(struct keeper **out, const struct keeper_config *cfg,
			  struct kt_error *err);
/** keeper_await() - what it makes; -errno with @err: *@k is freed and NULL */
KT_CHECK int keeper_await(struct keeper **k, struct keeper_made *made,
			  struct kt_error *err);
/**
 * keeper_start() - both
 * @cfg: borrowed for as long as the keeper lives
 * @made: the caller's then, all of it
 * Return: 0, or -errno with @err and nothing in @made.
 */
KT_CHECK int keeper_start(struct keeper **out, const struct keeper_config *cfg,
			  struct keeper_made *made, struct kt_error *err);
/** enum keeper_given - what the program gets from us, each in a file without
 *  a name (memfd_create) */
enum keeper_given {
	KEEPER_ENV, /* "NAME=VALUE"s, each with its NUL */
	/* of the room, three words each, with their NULs: what, where, and "d"
	 * or "f" (a folder, a file) or "?" (to be looked at) with "r" or "w"
	 * (may it be written). Before these, of the Pod's volumes
	 * (podfs_mount.h): the folder vN, the volume, and "c", or "e" for an
	 * emptyDir, which is empty where that is not possible. */
	KEEPER_FILES,
	/* the program's command line, as far as it was not known at the start:
	 * words, each with its NUL */
	KEEPER_ARGS,
	KEEPER_NGIVEN_,
};

/** keeper_give() - @fd (taken; -1: none) goes along with keeper_run() */
void keeper_give(struct keeper *k, enum keeper_given what, int fd);
/** keeper_run() - begin with the program; @files is borrowed during the call */
KT_CHECK int keeper_run(struct keeper *k, struct loop *l,
			const struct etc_files *files,
			const struct keeper_ops *ops, void *user,
			struct kt_error *err);
/** keeper_pid() - it is in the namespaces */
pid_t keeper_pid(const struct keeper *k);
/** keeper_signal() - pass @signo on to the program, if it runs */
void keeper_signal(struct keeper *k, int signo);
/** keeper_more_sockets() - KEEPER_BATCH of them, later; 0 or -errno */
KT_CHECK int keeper_more_sockets(struct keeper *k, int family);
/** keeper_free() - we are gone, as far as it is concerned; NULL is allowed */
void keeper_free(struct keeper *k);

#endif
