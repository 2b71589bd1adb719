/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/volumes.h"

#include "base/log.h"
#include "base/mem.h"
#include "shadow/fileserver.h"
#include "shadow/reply.h"
#include "shadow/shadow.h"
#include "tunnel/relay.h"
#include "tunnel/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

int volumes_parse(struct volumes *v, char *text, struct kt_error *err)
{
	char *digest = strrchr(text, '=');

	if (*text != '/' || !digest ||
	    strspn(digest + 1, "0123456789abcdef") != SHA256_HEX - 1 ||
	    strlen(digest + 1) != SHA256_HEX - 1)
		return kt_fail(err, EINVAL,
			       "'%s' is no folder with a digest behind '='",
			       text);
	*digest++ = '\0';
	v->dir = text;
	memcpy(v->digest, digest, SHA256_HEX);
	return 0;
}

/* Of the digest all characters are looked at, whatever the first ones are */
static bool volumes_knows(const struct volumes *v, const char *secret)
{
	char digest[SHA256_HEX];
	struct sha256 sum;
	unsigned int differ = 0;

	sha256_init(&sum);
	sha256_add(&sum, secret, strlen(secret));
	sha256_end(&sum, digest);
	for (size_t i = 0; i < SHA256_HEX - 1; i++)
		differ |= (unsigned int)(digest[i] ^ v->digest[i]);
	return differ == 0;
}

/* The process that reads; it has nothing of the shadow's but its socket */
static _Noreturn void volumes_child(int root, int fd)
{
	int at[2] = { root, fd };

	if (at[0] > at[1]) {
		at[0] = fd;
		at[1] = root;
	}
	if (at[0] > STDERR_FILENO + 1)
		syscall(SYS_close_range, STDERR_FILENO + 1, at[0] - 1, 0);
	if (at[1] > at[0] + 1)
		syscall(SYS_close_range, at[0] + 1, at[1] - 1, 0);
	syscall(SYS_close_range, at[1] + 1, UINT_MAX, 0);
	fileserver_run(root, fd);
	_exit(0);
}

/* The other end of a socket whose one end it has (returned); or -errno */
static int volumes_fork(const struct volumes *v)
{
	auto_close int root = open(v->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int here = -1, there = -1;
	int pair[2];
	pid_t pid;

	if (root < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	here = pair[0];
	there = pair[1];
	signal(SIGCHLD, SIG_IGN); /* it is waited for by nobody */
	pid = fork();
	if (pid == 0) {
		/* by itself: without close_range() (Linux 5.9) the other end
		 * would be open here, and so never end */
		close(here);
		volumes_child(root, there);
	}
	return pid < 0 ? -errno : steal_fd(&here);
}

static void volumes_on_done(void *user, int error)
{
	struct volumes *v = user;

	(void)error;
	v->served--;
}

void volumes_serve(struct shadow *sh, struct volumes *v, struct mux_stream *s,
		   const char *path)
{
	static const struct relay_hooks hooks = { .done = volumes_on_done };
	char secret[TARGET_SECRET_MAX];
	int fd;

	if (!v || !v->dir) {
		reply_refuse(s, ENOTSUP, "this shadow has no volumes");
		return;
	}
	if (target_files_parse(path, secret) < 0 || !volumes_knows(v, secret)) {
		reply_refuse(s, EACCES, "that is not the secret");
		return;
	}
	fd = v->served < VOLUMES_STREAMS ? volumes_fork(v) : -EUSERS;
	if (fd < 0) {
		log_warn("serve %s: %s", v->dir, strerror(-fd));
		reply_refuse(s, -fd, "begin to read the volumes");
		return;
	}
	v->served++;
	if (relay_start(sh->loop, fd, s, true, NULL, &hooks, v) < 0)
		v->served--;
}
