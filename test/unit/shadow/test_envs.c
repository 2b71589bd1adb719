/* SPDX-License-Identifier: Apache-2.0 */
/* Environments, through the real shadow: a table in a folder as the kubelet
 * writes it, members on addresses of the loopback, a name server that knows
 * whose caller this is. */
#include "test.h"

#include "inrig.h"

#include "base/mem.h"
#include "wire/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define LIMIT (20 * NS_SEC)
#define ARG(s) ((char *)(uintptr_t)(s))

/* --- processes: members, the origin, a name server ------------------------ */

static int listen_at(const char *ip, uint16_t at, int type, int backlog)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(at) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	assert_int_equal(inet_pton(AF_INET, ip, &sin.sin_addr), 1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

/* each request is answered with "NAME" and the baggage that came */
static void backend_talk(int fd, const char *name)
{
	char head[8192], body[1024], *end;
	size_t n = 0;
	ssize_t rc;

	while ((rc = recv(fd, head + n, sizeof(head) - 1 - n, 0)) > 0) {
		n += (size_t)rc;
		head[n] = '\0';
		while ((end = strstr(head, "\r\n\r\n"))) {
			size_t len = (size_t)(end + 4 - head);
			char *mark;

			*end = '\0';
			snprintf(body, sizeof(body), "%s", name);
			for (mark = head;
			     (mark = strstr(mark, "\r\nbaggage: "));
			     mark += 2) {
				size_t at = strlen(body);

				snprintf(body + at, sizeof(body) - at,
					 " [%.*s]",
					 (int)strcspn(mark + 11, "\r"),
					 mark + 11);
			}
			dprintf(fd,
				"HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n"
				"\r\n%s",
				strlen(body), body);
			memmove(head, head + len, n - len + 1);
			n -= len;
		}
	}
}

static pid_t backend_new(const char *ip, uint16_t at, const char *name)
{
	int fd = listen_at(ip, at, SOCK_STREAM, 64), c;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGCHLD, SIG_IGN);
		while ((c = accept(fd, NULL, NULL)) >= 0) {
			if (fork() == 0) {
				close(fd);
				backend_talk(c, name);
				_exit(0);
			}
			close(c);
		}
		_exit(1);
	}
	setpgid(pid, pid);
	close(fd);
	return pid;
}

static void backend_end(pid_t *pid)
{
	if (!*pid)
		return;
	kill(-*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

/* PTR of whatever address: @name; "": no such name; NULL: no answer at all */
static pid_t names_new(uint16_t at, const char *name)
{
	int fd = listen_at("127.0.0.1", at, SOCK_DGRAM, 0);
	pid_t pid = fork();
	uint8_t msg[1024];

	assert_true(pid >= 0);
	if (pid != 0) {
		close(fd);
		return pid;
	}
	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, msg, 512, 0, (struct sockaddr *)&from,
				     &len);
		struct dns_name ptr;
		struct dns_query q;

		if (n < 0 || !name || dns_query_parse(&q, msg, (size_t)n) < 0)
			continue;
		n = dns_reply_empty(&q, *name ? DNS_NOERROR : DNS_NXDOMAIN, msg,
				    sizeof(msg));
		if (n > 0 && *name && q.type == DNS_PTR &&
		    dns_name_parse(&ptr, name) == 0) {
			const uint8_t rr[] = {
				0xc0, 12, 0, DNS_PTR, 0, 1,
				0,    0,  0, 5,	      0, ptr.len
			};

			msg[7] = 1; /* one answer */
			memcpy(msg + n, rr, sizeof(rr));
			memcpy(msg + n + sizeof(rr), ptr.b, ptr.len);
			n += (ssize_t)sizeof(rr) + ptr.len;
		}
		if (n > 0)
			sendto(fd, msg, (size_t)n, 0, (struct sockaddr *)&from,
			       len);
	}
}

static void names_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- the table ------------------------------------------------------------ */

static char dir[] = "/tmp/ktctl-envs-XXXXXX";
static unsigned int version;

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* as the kubelet does it */
static void table_write(const char *text)
{
	char path[128], link[128], data[128];

	version++;
	snprintf(path, sizeof(path), "%s/..%u", dir, version);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/..%u/members", dir, version);
	put_file(path, text);
	snprintf(path, sizeof(path), "..%u", version);
	snprintf(link, sizeof(link), "%s/..data_tmp", dir);
	snprintf(data, sizeof(data), "%s/..data", dir);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(rename(link, data), 0);
	snprintf(path, sizeof(path), "%s/members", dir);
	(void)!symlink("..data/members", path);
	snprintf(path, sizeof(path), "%s/..%u/members", dir, version - 1);
	unlink(path);
	snprintf(path, sizeof(path), "%s/..%u", dir, version - 1);
	rmdir(path);
}

static void table_remove(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/members", dir);
	unlink(path);
}

/* --- the rig -------------------------------------------------------------- */

static uint16_t backend_port;
static pid_t trunk, one, two, names;

static void begin_with(const char *ptr)
{
	static char serve[64], table[64], at[32];
	static char *args[] = { ARG("--serve"),
				serve,
				table,
				ARG("--env-service=web.shop"),
				ARG("--nameserver"),
				at,
				ARG("--keep"),
				ARG("20"),
				ARG("--drain"),
				ARG("0"),
				NULL };
	uint16_t dns = free_port();

	backend_port = free_port();
	port = free_port();
	port2 = free_port();
	version = 0;
	snprintf(dir, sizeof(dir), "/tmp/ktctl-envs-XXXXXX");
	assert_non_null(mkdtemp(dir));
	table_write("");
	trunk = backend_new("127.0.0.1", backend_port, "trunk");
	one = backend_new("127.0.0.2", backend_port, "one");
	two = backend_new("127.0.0.3", backend_port, "two");
	names = names_new(dns, ptr);
	snprintf(serve, sizeof(serve), "%u=127.0.0.1:%u~http", port,
		 backend_port);
	snprintf(table, sizeof(table), "--env-table=%s/members", dir);
	snprintf(at, sizeof(at), "127.0.0.1:%u", dns);
	rig_start(&rig, args);
}

static int begin(void **state)
{
	(void)state;
	begin_with("");
	return 0;
}

static int end(void **state)
{
	char path[128];

	(void)state;
	rig_stop(&rig);
	backend_end(&trunk);
	backend_end(&one);
	backend_end(&two);
	names_end(names);
	table_remove();
	for (unsigned int v = 0; v <= version; v++) {
		snprintf(path, sizeof(path), "%s/..%u/members", dir, v);
		unlink(path);
		snprintf(path, sizeof(path), "%s/..%u", dir, v);
		rmdir(path);
	}
	snprintf(path, sizeof(path), "%s/..data", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

/* --- callers -------------------------------------------------------------- */

static int caller = -1; /* its connection is kept */

static void caller_end(void)
{
	if (caller >= 0)
		close(caller);
	caller = -1;
}

/* "STATUS BODY", and "(by WHO)" of kt-served-by; @mark: or NULL */
static const char *ask(const char *mark)
{
	static char said[2048];
	char got[4096] = "", by[128] = "", *body = NULL, *p;
	size_t n = 0, want = 0;
	int status = 0;

	if (caller < 0)
		caller = connect_to(port);
	dprintf(caller, "GET / HTTP/1.1\r\nHost: web\r\n%s%s%s\r\n",
		mark ? "baggage: kt-env=" : "", mark ? mark : "",
		mark ? "\r\n" : "");
	while (!body || n < want) {
		ssize_t rc = get(caller, got + n, sizeof(got) - 1 - n);

		if (rc <= 0) {
			caller_end();
			return "closed";
		}
		n += (size_t)rc;
		got[n] = '\0';
		body = strstr(got, "\r\n\r\n");
		if (!body)
			continue;
		body += 4;
		p = strcasestr(got, "Content-Length: ");
		want = (size_t)(body - got) +
		       (p ? strtoul(p + 16, NULL, 10) : 0);
	}
	assert_int_equal(sscanf(got, "HTTP/1.1 %d", &status), 1);
	p = strstr(got, "kt-served-by: ");
	if (p && p < body)
		snprintf(by, sizeof(by), " (by %.*s)",
			 (int)strcspn(p + 14, "\r"), p + 14);
	snprintf(said, sizeof(said), "%d %s%s", status, body, by);
	if (strstr(got, "Connection: close"))
		caller_end();
	return said;
}

/* until it is so; how long it took */
static int64_t eventually(const char *mark, const char *answer)
{
	int64_t start = clock_ns();

	while (strcmp(ask(mark), answer) != 0) {
		if (clock_ns() - start > LIMIT)
			fail_msg("%s: '%s', not '%s'", mark ? mark : "(none)",
				 ask(mark), answer);
		(void)!loop_sleep(rig.loop, 20 * NS_MS);
	}
	return clock_ns() - start;
}

#define MEMBER(env, host, flags) "member " env " web " host " 0 " flags "\n"

/* --- tests ---------------------------------------------------------------- */

static void nearest_member_answers(void **state)
{
	(void)state;
	assert_string_equal(ask("dev.p"), "200 trunk [kt-env=dev.p]");
	table_write(MEMBER("dev", "127.0.0.2", "-") MEMBER(
		"dev.p", "127.0.0.3",
		"-") "member dev orders 127.0.0.9 0 -\nmember x web y 0 -\n");
	eventually("dev.p", "200 two [kt-env=dev.p]");
	for (int i = 0; i < 20; i++) { /* by turns, on one connection */
		assert_string_equal(ask("dev.p.q"), "200 two [kt-env=dev.p.q]");
		assert_string_equal(ask("dev.x"), "200 one [kt-env=dev.x]");
		assert_string_equal(ask("deve"), "200 trunk [kt-env=deve]");
		assert_string_equal(ask(NULL), "200 trunk");
	}
	caller_end();
}

static void table_is_read_again(void **state)
{
	char path[128];

	(void)state;
	table_write(MEMBER("dev", "127.0.0.2", "-"));
	eventually("dev", "200 one [kt-env=dev]");
	table_write(MEMBER("dev", "127.0.0.3", "-"));
	assert_true(eventually("dev", "200 two [kt-env=dev]") < 4 * NS_SEC);
	/* half of it is there: what was read holds */
	snprintf(path, sizeof(path), "%s/..%u/members", dir, version);
	put_file(path,
		 MEMBER("dev", "127.0.0.2", "-") "member dev.p web 127.0");
	snprintf(path, sizeof(path), "%s/touch", dir);
	put_file(path, "");
	unlink(path);
	(void)!loop_sleep(rig.loop, 400 * NS_MS);
	assert_string_equal(ask("dev"), "200 two [kt-env=dev]");
	snprintf(path, sizeof(path), "%s/..%u/members", dir, version);
	put_file(path, MEMBER("dev", "127.0.0.2", "-")
			       MEMBER("dev.p", "127.0.0.3", "-"));
	eventually("dev", "200 one [kt-env=dev]");
	assert_string_equal(ask("dev.p"), "200 two [kt-env=dev.p]");
	/* it will never be more than this */
	table_write("member dev web 127.0.0.3 0 -");
	eventually("dev", "200 two [kt-env=dev]");
	table_remove();
	eventually("dev", "200 trunk [kt-env=dev]");
	table_write(MEMBER("dev", "127.0.0.2", "-"));
	eventually("dev", "200 one [kt-env=dev]");
	caller_end();
}

static void down_and_back(void **state)
{
	(void)state;
	table_write(MEMBER("dev", "127.0.0.2", "-")
			    MEMBER("dev.p", "127.0.0.3", "-"));
	eventually("dev.p", "200 two [kt-env=dev.p]");
	backend_end(&two);
	/* the connection ends with its process; what comes then goes on */
	eventually("dev.p", "200 one [kt-env=dev.p] (by dev)");
	for (int i = 0; i < 30; i++) {
		assert_string_equal(ask("dev.p"),
				    "200 one [kt-env=dev.p] (by dev)");
		assert_string_equal(ask("dev"), "200 one [kt-env=dev]");
	}
	backend_end(&one);
	eventually("dev.p", "200 trunk [kt-env=dev.p] (by trunk)");
	two = backend_new("127.0.0.3", backend_port, "again");
	assert_true(eventually("dev.p", "200 again [kt-env=dev.p]") <
		    3 * NS_SEC);
	assert_string_equal(ask(NULL), "200 trunk");
	caller_end();
}

/* Other Pods at the same address: what is kept of the former ones is not used
 * from the line on that says so, though they would answer still */
static void turned_to_another(void **state)
{
	pid_t former = one;
	int status;

	(void)state;
	table_write(MEMBER("dev", "127.0.0.2", "- join=a"));
	eventually("dev", "200 one [kt-env=dev]");
	kill(former, SIGKILL); /* what has accepted goes on */
	waitpid(former, &status, 0);
	one = backend_new("127.0.0.2", backend_port, "next");
	table_write(MEMBER("dev", "127.0.0.2", "- join=a")
			    MEMBER("dev.p", "127.0.0.3", "-"));
	eventually("dev.p", "200 two [kt-env=dev.p]");
	assert_string_equal(ask("dev"), "200 one [kt-env=dev]");
	table_write(MEMBER("dev", "127.0.0.2", "- join=b"));
	eventually("dev", "200 next [kt-env=dev]");
	kill(-former, SIGKILL);
	caller_end();
}

static void strict_is_refused(void **state)
{
	(void)state;
	table_write(MEMBER("dev", "127.0.0.2", "-")
			    MEMBER("dev.s", "127.0.0.3", "strict"));
	eventually("dev.s", "200 two [kt-env=dev.s]");
	backend_end(&two);
	eventually("dev.s", "503 the member of environment dev.s for web does "
			    "not answer, and the environment is strict\n");
	assert_string_equal(ask("dev"), "200 one [kt-env=dev]");
	two = backend_new("127.0.0.3", backend_port, "again");
	assert_true(eventually("dev.s", "200 again [kt-env=dev.s]") <
		    3 * NS_SEC);
	caller_end();
}

/* its queue is full: SYNs are dropped, as those to a node that is gone */
static void silent_member_is_given_up(void **state)
{
	int fd = listen_at("127.0.0.4", backend_port, SOCK_STREAM, 0), in[4];
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(backend_port) };
	int64_t start;
	int one_tries;

	(void)state;
	inet_pton(AF_INET, "127.0.0.4", &sin.sin_addr);
	for (size_t i = 0; i < ARRAY_SIZE(in); i++) {
		in[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(in[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	table_write(MEMBER("dev", "127.0.0.4", "-"));
	start = clock_ns();
	eventually("dev", "200 trunk [kt-env=dev] (by trunk)");
	assert_true(clock_ns() - start > 2 * NS_SEC);
	assert_true(clock_ns() - start < 15 * NS_SEC);
	/* just now: nobody waits */
	start = clock_ns();
	assert_string_equal(ask("dev"), "200 trunk [kt-env=dev] (by trunk)");
	assert_true(clock_ns() - start < 2 * NS_SEC);
	/* a while later: one request tries it, others do not wait meanwhile */
	(void)!loop_sleep(rig.loop, 1200 * NS_MS);
	one_tries = connect_to(port);
	dprintf(one_tries, "GET / HTTP/1.1\r\nbaggage: kt-env=dev\r\n\r\n");
	(void)!loop_sleep(rig.loop, 300 * NS_MS);
	start = clock_ns();
	for (int i = 0; i < 5; i++)
		assert_string_equal(ask("dev"),
				    "200 trunk [kt-env=dev] (by trunk)");
	assert_true(clock_ns() - start < 2 * NS_SEC);
	close(one_tries);
	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		close(in[i]);
	close(fd);
	caller_end();
}

static void without_a_name(void **state)
{
	(void)state;
	table_write(MEMBER("dev", "nobody.shop.svc.cluster.local.", "-"));
	eventually("dev", "200 trunk [kt-env=dev] (by trunk)");
	caller_end();
}

static void over_by_the_clock(void **state)
{
	char text[128];

	(void)state;
	snprintf(text, sizeof(text), "member dev web 127.0.0.2 %lld -\n",
		 (long long)time(NULL) + 6);
	table_write(text);
	eventually("dev", "200 one [kt-env=dev]");
	/* nobody answers in its place: it is no more */
	eventually("dev", "200 trunk [kt-env=dev]");
	caller_end();
}

/* --- laptops -------------------------------------------------------------- */

static const char *rule(const char *match)
{
	static char text[128];

	snprintf(text, sizeof(text), "%u %s", port, match);
	return text;
}

static void laptops_are_members(void **state)
{
	struct laptop l, watcher;
	int64_t start;
	int fd, up;

	(void)state;
	table_write(MEMBER(
		"dev", "127.0.0.2",
		"-") "env dev.l kt-env-l 0 -\nenv dev.s kt-env-s 0 strict\n");
	eventually("dev.l", "200 one [kt-env=dev.l]");
	laptop_new(&watcher, "bob", 5, rule("header:x=y"), NULL);
	laptop_new(&l, "ann", 1, rule("env:dev.l"), NULL);
	fd = connect_to(port);
	dprintf(fd, "GET /a HTTP/1.1\r\nbaggage: kt-env=dev.l.x\r\n\r\n");
	up = accept_one(l.listener);
	dprintf(up, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nann");
	close(up);
	close(fd);
	assert_string_equal(ask("dev.s"), "200 one [kt-env=dev.s]");
	inbound_watch(watcher.in, true);
	laptop_cut(&l);
	eventually("dev.l", "200 one [kt-env=dev.l] (by dev)");
	/* the event has the mark of who was to have it */
	start = clock_ns();
	while (watcher.event.by != EVENT_OTHER ||
	       strcmp(watcher.event.mark, "env:dev.l") != 0) {
		assert_true(clock_ns() - start < LIMIT);
		ask("dev.l");
		(void)!loop_sleep(rig.loop, 50 * NS_MS);
	}
	assert_string_equal(watcher.event.user, "dev");
	laptop_free(&l);
	laptop_free(&watcher);
	caller_end();
}

/* A router that is new knows from the table that a laptop is on its way: who
 * calls before it is there waits for it, and not for long */
static void a_new_router_waits_for_its_laptops(void **state)
{
	struct laptop l;
	char got[256];
	int64_t start = clock_ns();
	int fd, up;

	(void)state;
	table_write("env dev kt-env-dev 0 -\nmember dev web - 0 strict\n");
	(void)!loop_sleep(rig.loop, 600 * NS_MS); /* it has read that */
	fd = connect_to(port);
	dprintf(fd, "GET / HTTP/1.1\r\nbaggage: kt-env=dev\r\n"
		    "Connection: close\r\n\r\n");
	(void)!loop_sleep(rig.loop, 300 * NS_MS);
	assert_true(recv(fd, got, sizeof(got), MSG_DONTWAIT) < 0);
	laptop_new(&l, "ann", 1, rule("env:dev"), NULL);
	up = accept_one(l.listener);
	dprintf(up, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nann");
	assert_true(get(fd, got, sizeof(got)) > 12);
	assert_memory_equal(got, "HTTP/1.1 200", 12);
	close(up);
	close(fd);
	laptop_free(&l);
	/* nobody is waited for any more when that time is over */
	while (clock_ns() - start < 6 * NS_SEC)
		(void)!loop_sleep(rig.loop, 100 * NS_MS);
	start = clock_ns();
	assert_string_equal(ask(NULL), "200 trunk");
	assert_true(clock_ns() - start < 2 * NS_SEC);
	caller_end();
}

/* the member refuses: who has everything answers, and is not the trunk */
static void a_laptop_with_everything_is_named(void **state)
{
	char got[1024];
	struct laptop l;
	size_t n = 0;
	ssize_t rc;
	int fd, up;

	(void)state;
	table_write(MEMBER("dev", "127.0.0.9", "-"));
	eventually("dev", "200 trunk [kt-env=dev] (by trunk)");
	caller_end();
	laptop_new(&l, "ann", 1, rule("all"), NULL);
	fd = connect_to(port);
	dprintf(fd, "GET / HTTP/1.1\r\nbaggage: kt-env=dev\r\n"
		    "Connection: close\r\n\r\n");
	up = accept_one(l.listener);
	dprintf(up, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nann");
	close(up);
	while ((rc = get(fd, got + n, sizeof(got) - 1 - n)) > 0)
		n += (size_t)rc;
	got[n] = '\0';
	assert_non_null(strstr(got, "\r\nkt-served-by: all\r\n"));
	close(fd);
	laptop_free(&l);
}

static void strict_laptops(void **state)
{
	struct laptop l;

	(void)state;
	table_write(
		"env dev.s kt-env-s 0 strict\nmember dev.t web - 0 strict\n");
	eventually("dev.t", "503 the member of environment dev.t for web does "
			    "not answer, and the environment is strict\n");
	laptop_new(&l, "ann", 1, rule("env:dev.s"), NULL);
	laptop_cut(&l);
	eventually("dev.s", "503 the member of environment dev.s for web does "
			    "not answer, and the environment is strict\n");
	laptop_free(&l);
	caller_end();
}

/* --- the source rule ------------------------------------------------------ */

#define SOURCE "10-0-0-1.kt-env-dev.shop.svc.cluster.local"

static void pods_of_an_environment_are_marked(void **state)
{
	(void)state;
	begin_with(SOURCE);
	/* there are no environments: nobody is asked */
	assert_string_equal(ask(NULL), "200 trunk");
	caller_end();
	table_write("env dev kt-env-dev 0 -\n" MEMBER("dev", "127.0.0.2", "-")
			    MEMBER("dev.p", "127.0.0.3", "-"));
	eventually("dev", "200 one [kt-env=dev]");
	caller_end();
	/* the first request already */
	assert_string_equal(ask(NULL), "200 one [kt-env=dev]");
	assert_string_equal(ask("dev.p"), "200 two [kt-env=dev.p]");
	assert_string_equal(ask(NULL), "200 one [kt-env=dev]");
	assert_string_equal(ask("other"), "200 trunk [kt-env=other]");
	/* nothing of that is here: marked all the same */
	table_write("env dev kt-env-dev 0 -\n");
	eventually(NULL, "200 trunk [kt-env=dev]");
	table_write("env e kt-env-dev 0 -\n" MEMBER("e", "127.0.0.3", "-"));
	eventually(NULL, "200 two [kt-env=e]");
	table_write(
		"env dev kt-env-other 0 -\n" MEMBER("dev", "127.0.0.2", "-"));
	eventually(NULL, "200 trunk");
	caller_end();
}

static void pods_of_members_are_marked(void **state)
{
	(void)state;
	begin_with("10-0-0-1.orders-dev.shop.svc.cluster.local");
	table_write("member dev orders orders-dev.shop.svc.cluster.local. 0 "
		    "-\n" MEMBER("dev", "127.0.0.2", "-"));
	eventually(NULL, "200 one [kt-env=dev]");
	caller_end();
}

static void others_are_not(void **state)
{
	static const char *const names_of[] = {
		"10-0-0-1.kt-env-dev.other.svc.cluster.local",
		"kt-env-dev.shop.svc.cluster.local",
		"x.kt-env-dev.shop.pod.cluster.local",
		"kt-env-dev",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names_of); i++) {
		begin_with(names_of[i]);
		table_write("env dev kt-env-dev 0 -\n" MEMBER(
			"dev", "127.0.0.2", "-"));
		eventually("dev", "200 one [kt-env=dev]");
		caller_end();
		assert_string_equal(ask(NULL), "200 trunk");
		caller_end();
		end(state);
	}
}

/* a name server that is silent costs a caller 0.3 s, once */
static void nobody_waits_for_long(void **state)
{
	int64_t start;

	(void)state;
	begin_with(NULL);
	table_write("env dev kt-env-dev 0 -\n" MEMBER("dev", "127.0.0.2", "-"));
	eventually("dev", "200 one [kt-env=dev]");
	caller_end();
	start = clock_ns();
	for (int i = 0; i < 10; i++) {
		assert_string_equal(ask(NULL), "200 trunk");
		caller_end();
	}
	assert_true(clock_ns() - start < 2900 * NS_MS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define ALONE(f) cmocka_unit_test_teardown(f, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nearest_member_answers),
		T(table_is_read_again),
		T(down_and_back),
		T(turned_to_another),
		T(strict_is_refused),
		T(silent_member_is_given_up),
		T(without_a_name),
		T(over_by_the_clock),
		T(laptops_are_members),
		T(a_new_router_waits_for_its_laptops),
		T(a_laptop_with_everything_is_named),
		T(strict_laptops),
		ALONE(pods_of_an_environment_are_marked),
		ALONE(pods_of_members_are_marked),
		cmocka_unit_test(others_are_not),
		ALONE(nobody_waits_for_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
