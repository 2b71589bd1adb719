/* SPDX-License-Identifier: Apache-2.0 */
/* The file system between a kernel that this test is and the shadow's server,
 * which is a process of its own, as it is there. In place of the tunnel there
 * is the socket that it ends in. */
#include "test.h"

#include "base/mem.h"
#include "run/podfs.h"
#include "shadow/fileserver.h"
#include "tunnel/client.h"
#include "wire/fusemsg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SOME ((size_t)300000) /* bytes of a file */

static char folder[] = "/tmp/kt-podfs.XXXXXX";
static struct loop *loop;
static struct podfs *podfs;
static int kernel; /* our end of the device */
static pid_t server;
static uint64_t unique;
static uint8_t reply[FUSEMSG_MAX * 4];
static int garbage; /* the server sends that */
static int refused; /* errno: it is not opened */

/* --- in place of the tunnel ----------------------------------------------- */

struct tunnel_tcp *__wrap_tunnel_files_open(struct tunnel *t,
					    const char *secret,
					    void (*done)(void *user, int error),
					    void *user);
void __wrap_tunnel_tcp_cancel(struct tunnel_tcp *tcp);
int __wrap_tunnel_tcp_relay(struct tunnel_tcp *tcp, int fd,
			    const struct relay_hooks *hooks, void *user);

static struct opening {
	void (*done)(void *user, int error);
	void *user;
} opening;

static void opened(void *user)
{
	struct opening *o = user;

	o->done(o->user, -refused);
}

struct tunnel_tcp *__wrap_tunnel_files_open(struct tunnel *t,
					    const char *secret,
					    void (*done)(void *user, int error),
					    void *user)
{
	(void)t;
	assert_string_equal(secret, "secret");
	opening = (struct opening){ done, user };
	loop_defer(loop, opened, &opening);
	return (struct tunnel_tcp *)&opening;
}

void __wrap_tunnel_tcp_cancel(struct tunnel_tcp *tcp)
{
	(void)tcp;
}

int __wrap_tunnel_tcp_relay(struct tunnel_tcp *tcp, int fd,
			    const struct relay_hooks *hooks, void *user)
{
	(void)tcp;
	(void)hooks;
	(void)user;
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (garbage)
			(void)!write(fd, "\xff\xff\xff\xff what?", 10);
		if (fd != 3)
			dup2(fd, 3);
		close_range(4, ~0U, 0);
		fileserver_run(open(folder, O_PATH | O_DIRECTORY), 3);
		_exit(0);
	}
	close(fd);
	return 0;
}

/* --- in place of the kernel ----------------------------------------------- */

static uint64_t ask(uint32_t opcode, uint64_t nodeid, const void *body,
		    size_t n)
{
	uint8_t room[8192];
	struct fuse_in_header head = { .len = (uint32_t)(sizeof(head) + n),
				       .opcode = opcode,
				       .unique = ++unique,
				       .nodeid = nodeid,
				       .pid = (uint32_t)getpid() };

	memcpy(room, &head, sizeof(head));
	if (n)
		memcpy(room + sizeof(head), body, n);
	assert_int_equal(write(kernel, room, head.len), head.len);
	return unique;
}

/* The next reply within @ms: its body's length, or -errno; -ETIME: none */
static ssize_t await(uint64_t *whose, int ms)
{
	struct fuse_out_header head;

	for (int i = 0; i <= ms; i += 10) {
		ssize_t n = recv(kernel, reply, sizeof(reply), MSG_DONTWAIT);

		if (n < 0) {
			assert_int_equal(loop_once(loop, 10 * NS_MS), 0);
			continue;
		}
		memcpy(&head, reply, sizeof(head));
		assert_int_equal(head.len, n);
		if (!head.unique) /* that it is to forget attributes */
			continue;
		*whose = head.unique;
		return head.error ? head.error : n - (ssize_t)sizeof(head);
	}
	return -ETIME;
}

static const void *body(void)
{
	return reply + sizeof(struct fuse_out_header);
}

static ssize_t call(uint32_t opcode, uint64_t nodeid, const void *in, size_t n)
{
	uint64_t whose, mine = ask(opcode, nodeid, in, n);
	ssize_t rc = await(&whose, 5000);

	assert_true(rc == -ETIME || whose == mine);
	return rc;
}

static ssize_t lookup(uint64_t in, const char *name, struct fuse_entry_out *e)
{
	ssize_t rc = call(FUSE_LOOKUP, in, name, strlen(name) + 1);

	if (rc >= 0)
		memcpy(e, body(), sizeof(*e));
	return rc;
}

static ssize_t open_node(uint32_t opcode, uint64_t node, uint64_t *fh)
{
	const struct fuse_open_in in = { 0 };
	struct fuse_open_out out;
	ssize_t rc = call(opcode, node, &in, sizeof(in));

	if (rc >= 0) {
		memcpy(&out, body(), sizeof(out));
		*fh = out.fh;
	}
	return rc;
}

static ssize_t read_node(uint32_t opcode, uint64_t node, uint64_t fh,
			 uint64_t offset, uint32_t size)
{
	const struct fuse_read_in in = { .fh = fh,
					 .offset = offset,
					 .size = size };

	return call(opcode, node, &in, sizeof(in));
}

/* --- the folder ----------------------------------------------------------- */

static char *path_of(const char *name)
{
	static char path[2][128];
	static int which;

	which = !which;
	snprintf(path[which], sizeof(path[which]), "%s/%s", folder, name);
	return path[which];
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	int pair[2], i;
	FILE *f;

	(void)state;
	garbage = refused = 0;
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	assert_int_equal(mkdir(path_of("d"), 0755), 0);
	put("d/one", "one\n");
	f = fopen(path_of("big"), "w");
	for (i = 0; i < (int)SOME; i++)
		fputc(i % 251, f);
	fclose(f);
	assert_int_equal(symlink("d/one", path_of("link")), 0);
	assert_int_equal(symlink("/etc", path_of("out")), 0);
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	i = 1 << 20;
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &i, sizeof(i));
	loop = loop_new();
	podfs = podfs_new(loop, NULL, "secret");
	kernel = pair[0];
	podfs_serve(podfs, pair[1]);
	return 0;
}

static int tear_down(void **state)
{
	char cmd[64];

	(void)state;
	podfs_free(podfs);
	loop_once(loop, 0);
	loop_free(loop);
	close(kernel);
	if (server > 0)
		waitpid(server, NULL, 0); /* it ends with the socket */
	server = 0;
	snprintf(cmd, sizeof(cmd), "%s", folder);
	if (fork() == 0)
		execlp("rm", "rm", "-rf", cmd, NULL);
	wait(NULL);
	return 0;
}

/* --- tests ---------------------------------------------------------------- */

static void a_file_is_read(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh = 0;
	size_t at = 0;
	ssize_t n;

	(void)state;
	assert_true(lookup(FUSE_ROOT_ID, "big", &e) > 0);
	assert_true(e.attr.size == SOME && S_ISREG(e.attr.mode));
	assert_int_equal(e.attr.uid, geteuid());
	assert_true(open_node(FUSE_OPEN, e.nodeid, &fh) > 0);
	while ((n = read_node(FUSE_READ, e.nodeid, fh, at, 131072)) > 0) {
		const uint8_t *p = body();

		for (ssize_t i = 0; i < n; i++, at++)
			assert_int_equal(p[i], at % 251);
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, SOME);
	assert_int_equal(lookup(FUSE_ROOT_ID, "none", &e), -ENOENT);
}

static void a_folder_is_listed(void **state)
{
	struct fuse_direntplus d;
	uint64_t fh = 0, next = 0;
	size_t seen = 0;
	ssize_t n;

	(void)state;
	for (int i = 0; i < 200; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d/f%d", i);
		put(name, "x");
	}
	{
		struct fuse_entry_out e;

		assert_true(lookup(FUSE_ROOT_ID, "d", &e) > 0);
		assert_true(open_node(FUSE_OPENDIR, e.nodeid, &fh) > 0);
		while ((n = read_node(FUSE_READDIRPLUS, e.nodeid, fh, next,
				      4096)) > 0) {
			const uint8_t *p = body();

			assert_true(n <= 4096);
			for (ssize_t at = 0; at < n;
			     at += FUSE_DIRENTPLUS_SIZE(&d)) {
				memcpy(&d, p + at, FUSE_NAME_OFFSET_DIRENTPLUS);
				next = d.dirent.off;
				seen++;
			}
		}
	}
	assert_int_equal(n, 0);
	assert_int_equal(seen, 200 + 1 + 2); /* "one", "." and ".." */
}

static void links_are_shown_and_not_followed(void **state)
{
	struct fuse_entry_out e, below;
	uint64_t fh;
	pid_t writer = fork(); /* it waits until somebody reads */

	(void)state;
	if (writer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(open(path_of("fifo"), O_WRONLY) < 0);
	}
	assert_true(lookup(FUSE_ROOT_ID, "link", &e) > 0);
	assert_true(S_ISLNK(e.attr.mode));
	assert_int_equal(call(FUSE_READLINK, e.nodeid, NULL, 0), 5);
	assert_memory_equal(body(), "d/one", 5);
	assert_int_equal(open_node(FUSE_OPEN, e.nodeid, &fh), -ELOOP);
	assert_true(lookup(FUSE_ROOT_ID, "out", &e) > 0);
	assert_int_equal(lookup(e.nodeid, "passwd", &below), -ENOTDIR);
	assert_true(lookup(FUSE_ROOT_ID, "fifo", &e) > 0);
	assert_int_equal(usleep(100000), 0);
	assert_int_equal(open_node(FUSE_OPEN, e.nodeid, &fh), -EACCES);
	assert_int_equal(usleep(100000), 0);
	assert_int_equal(waitpid(writer, NULL, WNOHANG), 0);
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
}

static void nothing_is_changed(void **state)
{
	char bytes[64] = "new";

	(void)state;
	assert_int_equal(call(FUSE_MKDIR, FUSE_ROOT_ID, bytes, sizeof(bytes)),
			 -EROFS);
	assert_int_equal(call(FUSE_UNLINK, FUSE_ROOT_ID, "big", 4), -EROFS);
	assert_int_equal(call(FUSE_WRITE, FUSE_ROOT_ID, bytes, sizeof(bytes)),
			 -EROFS);
	assert_int_equal(
		call(FUSE_GETXATTR, FUSE_ROOT_ID, bytes, sizeof(bytes)),
		-ENOSYS);
	assert_true(call(FUSE_STATFS, FUSE_ROOT_ID, NULL, 0) > 0);
}

static void another_file_of_the_name_is_another_file(void **state)
{
	struct fuse_entry_out old, new;
	uint64_t fh = 0, other = 0;

	(void)state;
	assert_true(lookup(FUSE_ROOT_ID, "d", &old) > 0);
	assert_true(lookup(old.nodeid, "one", &old) > 0);
	assert_true(open_node(FUSE_OPEN, old.nodeid, &fh) > 0);
	put("d/new", "two\n");
	assert_int_equal(rename(path_of("d/new"), path_of("d/one")), 0);
	/* who has the old one by its name is told to look again */
	assert_int_equal(open_node(FUSE_OPEN, old.nodeid, &other), -ESTALE);
	assert_true(lookup(FUSE_ROOT_ID, "d", &new) > 0);
	assert_true(lookup(new.nodeid, "one", &new) > 0);
	assert_true(new.nodeid != old.nodeid);
	assert_true(open_node(FUSE_OPEN, new.nodeid, &other) > 0);
	assert_int_equal(read_node(FUSE_READ, new.nodeid, other, 0, 100), 4);
	assert_memory_equal(body(), "two\n", 4);
	assert_int_equal(read_node(FUSE_READ, old.nodeid, fh, 0, 100), 4);
	assert_memory_equal(body(), "one\n", 4);
	/* and what is open can be asked for its attributes */
	assert_true(call(FUSE_GETATTR, old.nodeid, "0123456789abcdef", 16) > 0);
}

static void the_kernels_cache_is_kept_while_nothing_changes(void **state)
{
	struct fuse_entry_out e;
	struct fuse_open_out out;
	uint64_t fh;

	(void)state;
	assert_true(lookup(FUSE_ROOT_ID, "big", &e) > 0);
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			put("big", "short");
		assert_true(open_node(FUSE_OPEN, e.nodeid, &fh) > 0);
		memcpy(&out, body(), sizeof(out));
		assert_int_equal(out.open_flags, i == 1 ? FOPEN_KEEP_CACHE : 0);
	}
}

static void what_was_asked_fails_when_the_stream_ends(void **state)
{
	struct fuse_entry_out e;
	uint64_t fh = 0, whose, mine;

	(void)state;
	assert_true(lookup(FUSE_ROOT_ID, "big", &e) > 0);
	assert_true(open_node(FUSE_OPEN, e.nodeid, &fh) > 0);
	kill(server, SIGSTOP);
	mine = ask(FUSE_LOOKUP, FUSE_ROOT_ID, "d", 2);
	assert_int_equal(await(&whose, 100), -ETIME);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	assert_int_equal(await(&whose, 5000), -EIO);
	assert_true(whose == mine);
	/* by another stream: all but what was open */
	assert_true(lookup(FUSE_ROOT_ID, "d", &e) > 0);
	assert_true(lookup(FUSE_ROOT_ID, "big", &e) > 0);
	assert_int_equal(read_node(FUSE_READ, e.nodeid, fh, 0, 100), -EIO);
	assert_true(open_node(FUSE_OPEN, e.nodeid, &fh) > 0);
	assert_int_equal(read_node(FUSE_READ, e.nodeid, fh, 0, 100), 100);
}

static void who_is_killed_does_not_wait(void **state)
{
	struct fuse_interrupt_in in;
	struct fuse_entry_out e;
	struct fuse_in_header head = { .len = sizeof(head) + 2,
				       .opcode = FUSE_LOOKUP,
				       .unique = 1000,
				       .nodeid = FUSE_ROOT_ID };
	uint8_t room[64];
	uint64_t whose;
	pid_t gone = fork();

	(void)state;
	if (gone == 0)
		_exit(0);
	waitpid(gone, NULL, 0);
	assert_true(lookup(FUSE_ROOT_ID, "d", &e) > 0);
	kill(server, SIGSTOP);
	/* another signal is not what ends a request */
	in.unique = ask(FUSE_LOOKUP, FUSE_ROOT_ID, "d", 2);
	ask(FUSE_INTERRUPT, 0, &in, sizeof(in));
	assert_int_equal(await(&whose, 500), -ETIME);
	head.pid = (uint32_t)gone;
	memcpy(room, &head, sizeof(head));
	memcpy(room + sizeof(head), "d", 2);
	assert_int_equal(write(kernel, room, head.len), head.len);
	in.unique = 1000;
	ask(FUSE_INTERRUPT, 0, &in, sizeof(in));
	assert_int_equal(await(&whose, 2000), -EINTR);
	assert_true(whose == 1000);
	kill(server, SIGCONT);
	assert_true(await(&whose, 5000) > 0);
	assert_true(whose < 1000);
	assert_true(lookup(FUSE_ROOT_ID, "d", &e) > 0);
}

static void what_is_no_answer_ends_the_stream(void **state)
{
	struct fuse_entry_out e;

	(void)state;
	garbage = 1;
	assert_int_equal(lookup(FUSE_ROOT_ID, "d", &e), -EIO);
}

static void who_is_refused_is_told(void **state)
{
	struct fuse_entry_out e;

	(void)state;
	refused = EACCES;
	assert_int_equal(lookup(FUSE_ROOT_ID, "d", &e), -EIO);
	refused = 0;
	assert_true(lookup(FUSE_ROOT_ID, "d", &e) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_read, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_folder_is_listed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			links_are_shown_and_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_changed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			another_file_of_the_name_is_another_file, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			the_kernels_cache_is_kept_while_nothing_changes, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_asked_fails_when_the_stream_ends, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(who_is_killed_does_not_wait,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_no_answer_ends_the_stream, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_refused_is_told, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
