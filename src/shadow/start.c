/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/inflate.h"
#include "wire/sha256.h"

#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdbool.h>
#include <stdnoreturn.h>
#include <sys/mman.h>

/**
 * DOC: The loader
 *
 *     start FILE.gz SHA256 [ARGUMENT...]
 *
 * checks FILE.gz, unpacks it into memory (memfd_create) and becomes it. It is
 * what lets one ConfigMap (1 MiB at most) bring the shadow into a Pod whose
 * image has nothing of ours, perhaps not even a shell; so it needs nothing,
 * not a C library either, and is a few kilobytes.
 *
 * What it unpacks with is bounded by the size that is checked first.
 */

#define MAX_PACKED (1 << 20) /* what a ConfigMap can hold */
#define MAX_SIZE (32 << 20)
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

/* --- in place of a C library ---------------------------------------------- */

#if defined(__x86_64__)
static long start_call(long number, long a, long b, long c, long d, long e,
		       long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* The stack as the kernel leaves it: argc, argv, NULL, envp, NULL */
__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call start_main\n");
#elif defined(__aarch64__)
static long start_call(long number, long a, long b, long c, long d, long e,
		       long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

__asm__(".globl _start\n"
	"_start:\n"
	"	mov x29, xzr\n"
	"	mov x0, sp\n"
	"	bl start_main\n");
#else
#error "the loader is not written for this architecture"
#endif

/* The compiler calls these by itself. */
void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memset(void *dst, int c, size_t n);

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	volatile uint8_t *d = dst;
	const uint8_t *s = src;

	while (n--)
		*d++ = *s++;
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	volatile uint8_t *d = dst;

	while (n--)
		*d++ = (uint8_t)c;
	return dst;
}

static bool start_same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void start_say(const char *text)
{
	long n = 0;

	while (text[n])
		n++;
	start_call(__NR_write, 2, (long)text, n, 0, 0, 0);
}

static noreturn void start_fail(const char *what, const char *why)
{
	start_say("start: ");
	start_say(what);
	start_say(": ");
	start_say(why);
	start_say("\n");
	for (;;)
		start_call(__NR_exit_group, 1, 0, 0, 0, 0, 0);
}

/* --- what it does --------------------------------------------------------- */

static const uint8_t *start_read(const char *path, size_t *n)
{
	long fd = start_call(__NR_openat, AT_FDCWD, (long)path,
			     O_RDONLY | O_CLOEXEC, 0, 0, 0);
	long size = start_call(__NR_lseek, fd, 0, 2 /* SEEK_END */, 0, 0, 0);
	long p;

	if (fd < 0 || size < 0)
		start_fail(path, "cannot be read");
	if (size == 0 || size > MAX_PACKED)
		start_fail(path, "is empty or too large");
	p = start_call(__NR_mmap, 0, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p < 0 && p > -4096)
		start_fail(path, "cannot be mapped");
	*n = (size_t)size;
	return (const uint8_t *)p;
}

static long start_memfd(void)
{
	long fd = start_call(__NR_memfd_create, (long)"shadow",
			     MFD_CLOEXEC | MFD_EXEC, 0, 0, 0, 0);

	if (fd == -EINVAL) /* before Linux 6.3 all can be executed */
		fd = start_call(__NR_memfd_create, (long)"shadow", MFD_CLOEXEC,
				0, 0, 0, 0);
	if (fd < 0)
		start_fail("memfd_create",
			   "this node lets no program run from memory "
			   "(vm.memfd_noexec); use --image");
	return fd;
}

static long start_unpack(const char *path, const uint8_t *in, size_t n)
{
	uint32_t size = gzip_size(in, n);
	long fd = start_memfd(), p;

	if (!size || size > MAX_SIZE)
		start_fail(path, "is not a gzip file");
	if (start_call(__NR_ftruncate, fd, size, 0, 0, 0, 0) < 0)
		start_fail("memfd", "no memory");
	p = start_call(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);
	if (p < 0 && p > -4096)
		start_fail("memfd", "no memory");
	if (gzip_inflate(in, n, (uint8_t *)p, size) < 0)
		start_fail(path, "is damaged");
	/* what is mapped to be written to cannot be executed (ETXTBSY) */
	start_call(__NR_munmap, p, size, 0, 0, 0, 0);
	return fd;
}

noreturn void start_main(char **stack);

noreturn void start_main(char **stack)
{
	long argc = (long)stack[0], fd;
	char **argv = stack + 1, **envp = argv + argc + 1;
	static char name[] = "shadow";
	char hex[SHA256_HEX];
	struct sha256 sum;
	const uint8_t *in;
	size_t n;

	if (argc < 3)
		start_fail("usage", "start FILE.gz SHA256 [ARGUMENT...]");
	in = start_read(argv[1], &n);
	sha256_init(&sum);
	sha256_add(&sum, in, n);
	if (!start_same(sha256_end(&sum, hex), argv[2]))
		start_fail(argv[1], "its SHA-256 is another one: the ConfigMap "
				    "has been changed");
	fd = start_unpack(argv[1], in, n);
	argv[2] = name; /* what follows are its own */
	start_call(__NR_execveat, fd, (long)"", (long)(argv + 2), (long)envp,
		   AT_EMPTY_PATH, 0);
	start_fail("execveat", "the program cannot be executed here");
}
