/* SPDX-License-Identifier: Apache-2.0 */
/* Streams whose HTTP requests get an environment's mark, through the real
 * shadow. That all else passes as without a mark is test_tcp and test_bulk,
 * which run with one, too. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"
#include "wire/envmark.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST "GET /big HTTP/1.1\r\nHost: web\r\n\r\n"
#define MARKED                                                                 \
	"GET /big HTTP/1.1\r\nHost: web\r\nbaggage: kt-env=dev.pr-1\r\n\r\n"

#define MARKED_BOTH                                                            \
	"GET /big HTTP/1.1\r\nHost: web\r\nbaggage: kt-env=dev.pr-1\r\n"       \
	"x-tenant: dev.pr-1\r\n\r\n"
#define OWN "GET /big HTTP/1.1\r\nHost: web\r\nX-Tenant: dev.b\r\n\r\n"

static struct rig rig;

static int start(void **state)
{
	(void)state;
	rig_start(&rig, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static void hear(int fd, const char *want)
{
	char got[512];
	size_t n = 0;

	for (int i = 0; i < 6000 && n < strlen(want); i++) {
		ssize_t rc =
			recv(fd, got + n, sizeof(got) - 1 - n, MSG_DONTWAIT);

		assert_true(rc > 0 || (rc < 0 && errno == EAGAIN));
		if (rc > 0)
			n += (size_t)rc;
		else
			loop_once(rig.loop, 10 * NS_MS);
	}
	got[n] = '\0';
	assert_string_equal(got, want);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

static void requests_get_the_mark(void **state)
{
	static const struct envmark mark = { .name = "dev.pr-1" };
	static const struct envmark both = { .name = "dev.pr-1",
					     .header = "x-tenant" };
	struct ipport dst;
	int l = local_listen(&dst), near, far;

	(void)state;
	tunnel_set_env(rig.tunnel, &mark);
	near = rig_pair(&rig, &dst);
	far = accept(l, NULL, NULL);
	say(near, REQUEST);
	hear(far, MARKED);
	say(far, "HTTP/1.1 204 No Content\r\n\r\n");
	hear(near, "HTTP/1.1 204 No Content\r\n\r\n");
	close(near);
	close(far);
	/* a field that was chosen, too; who has it has a mark */
	tunnel_set_env(rig.tunnel, &both);
	near = rig_pair(&rig, &dst);
	far = accept(l, NULL, NULL);
	say(near, REQUEST);
	hear(far, MARKED_BOTH);
	say(far, "HTTP/1.1 204 No Content\r\n\r\n");
	hear(near, "HTTP/1.1 204 No Content\r\n\r\n");
	say(near, OWN);
	hear(far, OWN);
	close(near);
	close(far);
	/* and without */
	tunnel_set_env(rig.tunnel, NULL);
	near = rig_pair(&rig, &dst);
	far = accept(l, NULL, NULL);
	say(near, REQUEST);
	hear(far, REQUEST);
	close(near);
	close(far);
	close(l);
}

static void only_names_are_marks(void **state)
{
	static const char *const bad[] = { "Dev", "a..b", ".a",
					   "-a",  "a b",  "a=b" };
	struct tunnel_tcp *tcp;
	struct ipport dst;
	int l = local_listen(&dst);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct envmark mark = { .header = "" };

		snprintf(mark.name, sizeof(mark.name), "%s", bad[i]);
		tunnel_set_env(rig.tunnel, &mark);
		assert_int_equal(rig_dial(&rig, &dst, &tcp), -EINVAL);
	}
	/* nor is every field one */
	tunnel_set_env(rig.tunnel,
		       &(struct envmark){ .name = "dev", .header = "host" });
	assert_int_equal(rig_dial(&rig, &dst, &tcp), -EINVAL);
	close(l);
}

struct info {
	bool done, able;
};

static void on_info(void *user, int error, const struct tunnel_info *in)
{
	struct info *i = user;

	assert_int_equal(error, 0);
	i->able = in->able_env;
	i->done = true;
}

static void it_says_that_it_is_able(void **state)
{
	struct info i = { 0 };

	(void)state;
	assert_int_equal(tunnel_info_get(rig.tunnel, on_info, &i), 0);
	rig_wait(&rig, &i.done);
	assert_true(i.able);
}

/* --- what it costs -------------------------------------------------------- */

#define BULK ((size_t)64 << 20)

struct transfer {
	int fd;
	bool done;
};

static void *give(void *arg)
{
	struct transfer *t = arg;
	static char mem[65536];
	size_t left = BULK;

	while (left) {
		ssize_t n =
			send(t->fd, mem, MIN(left, sizeof(mem)), MSG_NOSIGNAL);

		if (n <= 0)
			break;
		left -= (size_t)n;
	}
	return NULL;
}

static void *take(void *arg)
{
	struct transfer *t = arg;
	static char mem[65536];
	size_t left = BULK;

	while (left) {
		ssize_t n = recv(t->fd, mem, sizeof(mem), 0);

		if (n <= 0)
			break;
		left -= MIN(left, (size_t)n);
	}
	__atomic_store_n(&t->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* nanoseconds that the shadow was on a processor */
static double shadow_time(void)
{
	char path[64];
	auto_free char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)rig.shadow);
	text = file_read(path, 256, NULL);
	return text ? strtod(text, NULL) : 0;
}

/* seconds of the shadow's for BULK bytes from @from to @to */
static double cost(int from, int to, int64_t *wall)
{
	struct transfer g = { .fd = from }, t = { .fd = to };
	double before = shadow_time();
	pthread_t tg, tt;

	*wall -= clock_ns();
	pthread_create(&tt, NULL, take, &t);
	pthread_create(&tg, NULL, give, &g);
	while (!__atomic_load_n(&t.done, __ATOMIC_SEQ_CST))
		loop_once(rig.loop, 10 * NS_MS);
	pthread_join(tg, NULL);
	pthread_join(tt, NULL);
	*wall += clock_ns();
	return shadow_time() - before;
}

static double download(const char *env, bool http, int64_t *wall)
{
	struct envmark mark = { .header = "" };
	struct ipport dst;
	int l = local_listen(&dst), near, far;
	double ns;

	if (env)
		snprintf(mark.name, sizeof(mark.name), "%s", env);
	tunnel_set_env(rig.tunnel, env ? &mark : NULL);
	near = rig_pair(&rig, &dst);
	far = accept(l, NULL, NULL);
	if (http) {
		char head[128];

		snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
			 BULK);
		say(near, REQUEST);
		hear(far, env ? MARKED : REQUEST);
		say(far, head);
		hear(near, head);
	}
	ns = cost(far, near, wall);
	close(near);
	close(far);
	close(l);
	return ns;
}

/* By the shadow's own time, which what else runs here hardly counts in: a
 * marked byte is copied once more. What that is of a whole tunnel's way is
 * printed. */
static void bulk_costs_little_more(void **state)
{
	double plain = 0, raw = 0, http = 0;
	int64_t wall[3] = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		plain += download(NULL, false, &wall[0]);
		raw += download("dev.pr-1", false, &wall[1]);
		http += download("dev.pr-1", true, &wall[2]);
	}
	print_message("# shadow: %.2f s unmarked; marked: %.2f s, HTTP %.2f s; "
		      "throughput %.2f, %.2f of unmarked\n",
		      plain / 1e9, raw / 1e9, http / 1e9,
		      (double)wall[0] / (double)wall[1],
		      (double)wall[0] / (double)wall[2]);
	/* 1.3 times, with sanitizers 3 */
	assert_true(raw < 5 * plain && http < 5 * plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_get_the_mark),
		cmocka_unit_test(only_names_are_marks),
		cmocka_unit_test(it_says_that_it_is_able),
		cmocka_unit_test(bulk_costs_little_more),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
