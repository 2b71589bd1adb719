/* SPDX-License-Identifier: Apache-2.0 */
/* The program's memory and descriptors. /proc/PID/mem is allowed where
 * process_vm_readv() is not: in a container with the default filter. */
#include "run/supervisor_impl.h"

#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_LINK "socket:["

static int supervisor_mem_open(pid_t pid, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int supervisor_read(pid_t pid, uint64_t at, void *to, size_t n)
{
	auto_close int fd = supervisor_mem_open(pid, O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return fd;
	got = n ? pread(fd, to, n, (off_t)at) : 0;
	return got == (ssize_t)n ? 0 : -EFAULT;
}

int supervisor_write(pid_t pid, uint64_t at, const void *from, size_t n)
{
	auto_close int fd = supervisor_mem_open(pid, O_RDWR);
	ssize_t got;

	if (fd < 0)
		return fd;
	got = n ? pwrite(fd, from, n, (off_t)at) : 0;
	return got == (ssize_t)n ? 0 : -EFAULT;
}

int supervisor_read_addr(pid_t pid, uint64_t at, uint64_t len,
			 struct ipport *out)
{
	struct sockaddr_storage ss = { 0 };
	int rc;

	if (len < sizeof(sa_family_t))
		return -EINVAL;
	rc = supervisor_read(pid, at, &ss, MIN(len, sizeof(ss)));
	if (rc < 0)
		return rc;
	if ((ss.ss_family == AF_INET && len < sizeof(struct sockaddr_in)) ||
	    (ss.ss_family == AF_INET6 && len < 24)) /* without the scope */
		return -EINVAL;
	return ipport_from_sockaddr(out, (struct sockaddr *)&ss);
}

socklen_t supervisor_sockaddr(const struct ipport *addr, int family,
			      struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ss;

	if (family != AF_INET6 || addr->addr.family != AF_INET)
		return ipport_to_sockaddr(addr, ss);
	memset(ss, 0, sizeof(*ss));
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(addr->port);
	six->sin6_addr.s6_addr[10] = six->sin6_addr.s6_addr[11] = 0xff;
	memcpy(six->sin6_addr.s6_addr + 12, addr->addr.b, 4);
	return sizeof(*six);
}

int supervisor_write_addr(pid_t pid, uint64_t at, uint64_t len_at,
			  const struct ipport *addr, int family)
{
	struct sockaddr_storage ss;
	socklen_t len = supervisor_sockaddr(addr, family, &ss), room;
	int rc;

	if (!at)
		return 0;
	rc = supervisor_read(pid, len_at, &room, sizeof(room));
	if (rc == 0)
		rc = supervisor_write(pid, at, &ss, MIN(len, room));
	return rc < 0 ? rc : supervisor_write(pid, len_at, &len, sizeof(len));
}

/* "socket:[12345]" */
static ino_t supervisor_mem_link(int dir, const char *name)
{
	char text[64];
	ssize_t n = readlinkat(dir, name, text, sizeof(text) - 1);

	if (n < (ssize_t)sizeof(SOCKET_LINK) ||
	    memcmp(text, SOCKET_LINK, sizeof(SOCKET_LINK) - 1) != 0)
		return 0;
	text[n] = '\0';
	return (ino_t)strtoull(text + sizeof(SOCKET_LINK) - 1, NULL, 10);
}

ino_t supervisor_inode(pid_t pid, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	return supervisor_mem_link(AT_FDCWD, path);
}

static void supervisor_see_process(const char *pid,
				   void (*see)(void *user, ino_t inode),
				   void *user)
{
	auto_free char *path = xasprintf("/proc/%s/fd", pid);
	DIR *d = opendir(path);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		ino_t inode = supervisor_mem_link(dirfd(d), e->d_name);

		if (inode)
			see(user, inode);
	}
	if (d)
		closedir(d);
}

void supervisor_see(void (*see)(void *user, ino_t inode), void *user)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (*e->d_name >= '1' && *e->d_name <= '9' &&
		    strtol(e->d_name, NULL, 10) != getpid())
			supervisor_see_process(e->d_name, see, user);
	if (d)
		closedir(d);
}

/* --- signals -------------------------------------------------------------- */

static uint64_t supervisor_mask(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

/* A signal of the whole process goes to one of its threads, which the kernel
 * does not name: to the first one, unless that has it blocked. Of the others it
 * is not to be said, and they would see SUPERVISOR_RESTART as an errno. */
bool supervisor_is_interrupted(pid_t tid)
{
	auto_free char *path = xasprintf("/proc/%d/status", (int)tid);
	auto_free char *text = file_read(path, 8192, NULL);
	auto_free char *first = xasprintf("\nTgid:\t%d\n", (int)tid);
	uint64_t pending;

	if (!text)
		return false;
	pending = supervisor_mask(text, "\nSigPnd:");
	if (strstr(text, first))
		pending |= supervisor_mask(text, "\nShdPnd:");
	return pending & ~supervisor_mask(text, "\nSigBlk:") &
	       supervisor_mask(text, "\nSigCgt:");
}
