/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONTROL_PLACE_H
#define KT_CONTROL_PLACE_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * DOC: Where control sockets are
 *
 * COMMAND-PID.sock in the directory ktctl of the user's XDG_RUNTIME_DIR (or
 * /run/user/UID), for root in /run. Where that is not to be had, ~/.kt/run: a
 * home is there on machines without systemd, too. Sessions in the background
 * have theirs in ~/.kt/run at once: systemd-logind removes /run/user/UID at the
 * user's last logout, and they stay. The sockets have mode 0600;
 * under sudo they belong to the caller, whose home has our pid files, too.
 * Names are reached from a descriptor of their directory, so that no path is
 * too long for a socket's address.
 */

#define PLACE_COMMAND_MAX 24
#define PLACE_NAME_MAX 64

struct home;

/** place_open() - descriptor of the directory for sockets of this process,
 *  made when it is missing; or -errno with @err
 *  @lasting: it is to be there after the user's last logout, too */
KT_CHECK int place_open(const struct home *h, bool lasting,
			struct kt_error *err);
/** place_name() - "connect-123.sock" */
void place_name(char name[PLACE_NAME_MAX], const char *command, pid_t pid);

/** struct place_entry - a socket that is there; borrowed during the call */
struct place_entry {
	int dir;
	const char *name;
	char command[PLACE_COMMAND_MAX];
	pid_t pid;
	uid_t uid;
};

/** place_each() - every socket that this user may talk to, in whatever
 *  directory */
void place_each(const struct home *h,
		void (*fn)(void *user, const struct place_entry *e),
		void *user);

/** place_listen() - a socket that listens as @name in @dir: complete, and
 *  @owner's, when it can be seen; 0600. -errno */
KT_CHECK int place_listen(int dir, const char *name, uid_t owner);
/** place_connect() - to @name in @dir, not blocking. -ECONNREFUSED: its
 *  process is dead */
KT_CHECK int place_connect(int dir, const char *name);

/** place_is_peer() - who listens at the other end of @fd is who the name says:
 *  the kernel knows */
bool place_is_peer(int fd, const struct place_entry *e);

/** place_peer_uid() - whose process listens at the other end of @fd, or -1 */
uid_t place_peer_uid(int fd);

/** place_parse() - "connect-123.sock" */
bool place_parse(const char *name, char command[PLACE_COMMAND_MAX], pid_t *pid);

#endif
