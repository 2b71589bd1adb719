/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the program listens. The kernel tells nobody, and to ask all the time
 * costs an idle machine its rest: so listen(2) of the program and of all its
 * children is told to the keeper (seccomp_unotify(2)), which lets it go on and
 * says so to ktctl. Where that is not possible, ktctl asks (ports.h).
 */
#include "run/filter.h"
#include "run/keeper_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void keeper_listen_give(int to)
{
	struct keeper_message *m = xcalloc(1, sizeof(*m));
	int fd = filter_listen_install();

	m->type = KEEPER_LISTENER;
	m->fds[0] = fd;
	m->nfds = fd >= 0;
	if (fd >= 0 && keeper_send(to, m) < 0)
		_exit(126); /* nobody would answer its listen() */
	if (fd >= 0)
		close(fd);
	free(m);
}

int keeper_listen_take(int from)
{
	struct keeper_message *m = xcalloc(1, sizeof(*m));
	int fd = -1;

	if (keeper_receive(from, m) > 0 && m->nfds == 1)
		fd = m->fds[0];
	free(m);
	return fd;
}

/* The answer comes before the word, so that it listens soon after that */
bool keeper_listen_answer(int fd)
{
	struct seccomp_notif n;
	struct seccomp_notif_resp resp = {
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE
	};

	memset(&n, 0, sizeof(n));
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return false;
	resp.id = n.id;
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) == 0;
}
