/* SPDX-License-Identifier: Apache-2.0 */
#include "run/filter.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#define FILTER_ARCH32 AUDIT_ARCH_I386
#define FILTER_LISTEN32 363
#elif defined(__aarch64__)
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#define FILTER_ARCH32 AUDIT_ARCH_ARM
#define FILTER_LISTEN32 284
#else
#error "which AUDIT_ARCH_ is it?"
#endif

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#define FILTER_SOCKETCALL32 102
#define FILTER_SOCKETCALL32_LISTEN 4

#define SYSCALL offsetof(struct seccomp_data, nr)
#define ARCH offsetof(struct seccomp_data, arch)
#define ARG(n) (offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t))
#define ARG_HIGH(n) (ARG(n) + sizeof(uint32_t)) /* both are little-endian */

#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
#define TELL RETURN(SECCOMP_RET_USER_NOTIF)
/* the next @n are for @k only */
#define ONLY(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (n))
#define UNLESS(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (n), 0)

/* told when the pointer in argument @n is not NULL */
#define WITH(nr, n)                                                            \
	ONLY(nr, 6), LOAD(ARG(n)), ONLY(0, 3), LOAD(ARG_HIGH(n)), ONLY(0, 1),  \
		ALLOW, TELL
#define ALWAYS(nr) ONLY(nr, 1), TELL

/* SPEC_ALLOW: it is no sandbox; without that older kernels (before 5.16) make
 * the program pay for a protection against what it could run itself */
static int filter_load(const struct sock_fprog *prog)
{
	const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER |
				    SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, prog);

	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, prog);
	return fd < 0 ? -errno : (int)fd;
}

int filter_listen_install(void)
{
	const struct sock_filter code[] = {
		LOAD(ARCH),
		UNLESS(FILTER_ARCH, 9),
		/* code of the 32-bit machine, which had one call for all */
		ONLY(FILTER_ARCH32, 7),
		LOAD(SYSCALL),
		ALWAYS(FILTER_LISTEN32),
		ONLY(FILTER_SOCKETCALL32, 3),
		LOAD(ARG(0)),
		ALWAYS(FILTER_SOCKETCALL32_LISTEN),
		ALLOW,
		LOAD(SYSCALL),
		ALWAYS(SYS_listen),
		ALLOW,
	};
	const struct sock_fprog prog = { ARRAY_SIZE(code),
					 (void *)(uintptr_t)code };

	return filter_load(&prog);
}

int filter_install(int free_fd)
{
	const struct sock_filter code[] = {
		LOAD(ARCH),
		UNLESS(FILTER_ARCH, 1),
		ALLOW, /* another machine's code: it is outside */
		LOAD(SYSCALL),
		ALWAYS(SYS_connect),
		ALWAYS(SYS_bind),
		ALWAYS(SYS_listen),
		ALWAYS(SYS_getpeername),
		ALWAYS(SYS_recvmsg),
		ALWAYS(SYS_recvmmsg),
		ALWAYS(SYS_sendmmsg),
		/* socket(): of the two families, stream and datagram */
		ONLY(SYS_socket, 10),
		LOAD(ARG(0)),
		UNLESS(AF_INET, 2),
		UNLESS(AF_INET6, 1),
		ALLOW,
		LOAD(ARG(1)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf),
		UNLESS(SOCK_STREAM, 2),
		UNLESS(SOCK_DGRAM, 1),
		ALLOW,
		TELL,
		ONLY(SYS_sendmsg, 4),
		LOAD(ARG(0)),
		ONLY((uint32_t)free_fd, 1),
		ALLOW,
		TELL,
		WITH(SYS_sendto, 4),
		WITH(SYS_recvfrom, 4),
		ONLY(SYS_io_uring_setup, 1),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
		ALLOW,
	};
	const struct sock_fprog prog = { ARRAY_SIZE(code),
					 (void *)(uintptr_t)code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return filter_load(&prog);
}

int filter_check(struct kt_error *err)
{
	uint32_t notify = SECCOMP_RET_USER_NOTIF;
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &notify) == 0 &&
	    syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0)
		return 0;
	if (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS)
		kt_hint(err, "it needs Linux 5.14 with CONFIG_SECCOMP_FILTER");
	return kt_fail(err, errno, "supervise the program: seccomp: %s",
		       strerror(errno));
}
