/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare_stream - one port-forward stream, pushed by nothing but its carrier
 *
 * usage: bare_stream FORM NAMESPACE POD [ROW]...
 * FORM is one of --carrier; the Pod runs netsrv; the cluster is that of
 * KUBECONFIG. Without rows it measures all of them. Prints measure.py's figures
 * of it as JSON: what `ktctl connect` could reach with this carrier if all else
 * took no time. ROW: down, up (one stream), down8, up8 (eight, each on a
 * connection of its own), rtt, connections, beside. BENCH_BYTES is the size of
 * a transfer; a download ends after BENCH_SECONDS (60), an upload after
 * BENCH_LIMIT.
 */
#include "base/loop.h"
#include "base/mem.h"
#include "carrier/portforward.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define HTTP_PORT 8080
#define ECHO_PORT 7004
#define CHUNK ((size_t)256 << 10)
#define PINGS_NS (2 * NS_SEC)
#define BESIDE_NS (4 * NS_SEC)
#define MAX_PINGS 200000

static struct loop *loop;
static struct kube *kube;
static enum pf_form form;
static const char *ns, *pod;
static const uint8_t chunk[CHUNK];

/* One stream and what it does. */
struct stream {
	struct carrier *c;
	bool done;
	char head[1024]; /* of the answer, until its end is seen */
	size_t head_len;
	bool in_body;
	uint64_t send_left, want, got;
	int64_t start;
	/* ping-pong */
	bool pings;
	int64_t sent_at, end;
	int64_t *took;
	size_t n;
};

static void die(const char *what)
{
	fprintf(stderr, "bare_stream: %s\n", what);
	exit(1);
}

static void send_all(struct stream *s, const char *text)
{
	const struct iovec v = { (void *)(uintptr_t)text, strlen(text) };

	if (carrier_send(s->c, &v, 1) != (ssize_t)v.iov_len)
		die("a request was not taken");
}

static void push(struct stream *s)
{
	while (s->send_left) {
		const struct iovec v = { (void *)(uintptr_t)chunk,
					 MIN(s->send_left, CHUNK) };
		ssize_t n = carrier_send(s->c, &v, 1);

		if (n <= 0)
			return;
		s->send_left -= (uint64_t)n;
	}
}

static void ping(struct stream *s)
{
	s->sent_at = clock_ns();
	send_all(s, "x");
}

static void on_opened(void *user)
{
	struct stream *s = user;

	s->done = true;
}

static void on_pong(struct stream *s)
{
	int64_t now = clock_ns();

	s->took[s->n++] = now - s->sent_at;
	if (now < s->end && s->n < MAX_PINGS)
		ping(s);
	else
		s->done = true;
}

/* How many of the bytes belong to the answer's body. */
static size_t skip_head(struct stream *s, const uint8_t *data, size_t len)
{
	size_t before = s->head_len, k = MIN(len, sizeof(s->head) - 1 - before);
	char *end;

	memcpy(s->head + before, data, k);
	s->head_len += k;
	s->head[s->head_len] = '\0';
	end = strstr(s->head, "\r\n\r\n");
	if (!end)
		return 0;
	if (!strstr(s->head, " 200 "))
		die(s->head);
	s->in_body = true;
	return len - ((size_t)(end + 4 - s->head) - before);
}

static void on_data(void *user, const uint8_t *data, size_t len)
{
	struct stream *s = user;

	if (s->pings) {
		on_pong(s);
		return;
	}
	if (!s->in_body)
		len = skip_head(s, data, len);
	s->got += len;
	if (s->in_body && s->got >= s->want)
		s->done = true;
}

static void on_writable(void *user)
{
	push(user);
}

static void on_closed(void *user, const struct kt_error *why)
{
	(void)user;
	die(why->msg);
}

static const struct carrier_handler handler = { on_opened, on_data, on_writable,
						on_closed };

static void run_until(struct stream *s, int64_t limit)
{
	s->done = false;
	if (loop_run_until(loop, &s->done, limit) < 0)
		die("it takes too long");
}

static void open_stream(struct stream *s, uint16_t port)
{
	struct kt_error err = { 0 };

	*s = (struct stream){ 0 };
	if (portforward_open(&s->c, form, kube, ns, pod, port, 0, &handler, s,
			     &err) < 0)
		die(err.msg);
	run_until(s, 10 * NS_SEC);
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void print(const char *key, double v)
{
	printf(", \"%s\": %.4f", key, v);
}

static uint64_t size_of_bulk(void)
{
	const char *text = getenv("BENCH_BYTES");

	return text ? strtoull(text, NULL, 10) : 512u << 20;
}

/* A download may end before its last byte; an upload has to be counted. */
static int64_t time_of_bulk(bool up)
{
	const char *text = getenv(up ? "BENCH_LIMIT" : "BENCH_SECONDS");

	return text ? (int64_t)(strtod(text, NULL) * 1e9) : 60 * NS_SEC;
}

struct transfer {
	bool up;
	const char *speed, *cpu; /* keys; cpu may be NULL */
	unsigned int streams;
};

static void ask(struct stream *s, bool up, uint64_t size)
{
	char text[160];

	if (up)
		snprintf(text, sizeof(text),
			 "POST /discard HTTP/1.1\r\nHost: b\r\n"
			 "Content-Length: %llu\r\n\r\n",
			 (unsigned long long)size);
	else
		snprintf(text, sizeof(text),
			 "GET /bytes/%llu HTTP/1.1\r\nHost: b\r\n\r\n",
			 (unsigned long long)size);
	s->done = false;
	s->want = up ? 1 : size;
	s->send_left = up ? size : 0;
	send_all(s, text);
	push(s);
}

/* Until all are done, or the time is over. */
static void run_all(struct stream *s, unsigned int n, int64_t end)
{
	for (unsigned int i = 0; i < n; i++) {
		int64_t left = end - clock_ns();

		if (left > 0 && !s[i].done)
			(void)!loop_run_until(loop, &s[i].done, left);
	}
}

/* An upload that was cut short: what the carrier has taken. */
static uint64_t moved(const struct stream *s, bool up, uint64_t size)
{
	return up ? size - s->send_left : s->got;
}

static void bulk(const struct transfer *t)
{
	uint64_t size = size_of_bulk() / t->streams, sum = 0;
	double cpu, took;
	struct stream *s = xcalloc(t->streams, sizeof(*s));
	int64_t start;

	for (unsigned int i = 0; i < t->streams; i++)
		open_stream(&s[i], HTTP_PORT);
	cpu = cpu_seconds();
	start = clock_ns();
	for (unsigned int i = 0; i < t->streams; i++)
		ask(&s[i], t->up, size);
	run_all(s, t->streams, start + time_of_bulk(t->up));
	took = (double)(clock_ns() - start) / 1e9;
	for (unsigned int i = 0; i < t->streams; i++) {
		sum += moved(&s[i], t->up, size);
		carrier_close(s[i].c);
	}
	free(s);
	print(t->speed, (double)sum / 1e6 / took);
	if (t->cpu)
		print(t->cpu,
		      (cpu_seconds() - cpu) * (double)(1 << 30) / (double)sum);
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void round_trips(const char *median, const char *late, int64_t how_long)
{
	struct stream s;
	size_t mid, end;

	open_stream(&s, ECHO_PORT);
	s.pings = true;
	s.took = xcalloc(MAX_PINGS, sizeof(*s.took));
	s.end = clock_ns() + how_long;
	ping(&s);
	run_until(&s, 60 * NS_SEC);
	carrier_close(s.c);
	qsort(s.took, s.n, sizeof(*s.took), by_value);
	mid = s.n / 2;
	end = s.n * 99 / 100;
	print(median, (double)s.took[mid] / 1e6);
	print(late, (double)s.took[end] / 1e6);
	free(s.took);
}

static void beside(void)
{
	struct stream s;
	uint64_t got;

	open_stream(&s, HTTP_PORT);
	send_all(&s, "GET /bytes/1000000000000 HTTP/1.1\r\nHost: b\r\n\r\n");
	s.want = UINT64_MAX;
	if (loop_sleep(loop, NS_SEC) < 0)
		die("interrupted");
	got = s.got;
	s.start = clock_ns();
	round_trips("rtt_beside_ms", "rtt_beside_p99_ms", BESIDE_NS);
	print("down_beside_MBps",
	      (double)(s.got - got) * 1e3 / (double)(clock_ns() - s.start));
	carrier_close(s.c);
}

static void connections(void)
{
	int64_t start = clock_ns(), now;
	int n = 0;

	do {
		struct stream s;

		open_stream(&s, ECHO_PORT);
		s.pings = true;
		s.took = xcalloc(1, sizeof(*s.took));
		ping(&s);
		run_until(&s, 10 * NS_SEC);
		carrier_close(s.c);
		free(s.took);
		n++;
		now = clock_ns();
	} while (now - start < 3 * NS_SEC);
	print("connections_per_s", n * 1e9 / (double)(now - start));
}

static void down(void)
{
	bulk(&(struct transfer){ false, "down_MBps",
				 "cpu_client_down_s_per_GiB", 1 });
}

static void up(void)
{
	bulk(&(struct transfer){ true, "up_MBps", "cpu_client_up_s_per_GiB",
				 1 });
}

static void down8(void)
{
	bulk(&(struct transfer){ false, "down8_MBps", NULL, 8 });
}

static void up8(void)
{
	bulk(&(struct transfer){ true, "up8_MBps", NULL, 8 });
}

static void idle(void)
{
	round_trips("rtt_ms", "rtt_p99_ms", PINGS_NS);
}

static const struct {
	const char *name;
	void (*measure)(void);
} rows[] = {
	{ "down", down },     { "up", up },    { "down8", down8 },
	{ "up8", up8 },	      { "rtt", idle }, { "connections", connections },
	{ "beside", beside },
};

static void measure(int n, char *const *names)
{
	printf("{\"name\": \"bare stream, %s\"", pf_form_name(form));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool wanted = !n;

		for (int j = 0; j < n; j++)
			wanted = wanted || strcmp(names[j], rows[i].name) == 0;
		if (wanted)
			rows[i].measure();
	}
	puts("}");
}

int main(int argc, char **argv)
{
	const struct kube_config_source src = { 0 };
	struct kube_config *cfg = NULL;
	struct kt_error err = { 0 };

	if (argc >= 4)
		while (form < PF_NFORMS_ &&
		       strcmp(argv[1], pf_form_name(form)) != 0)
			form++;
	if (argc < 4 || form == PF_NFORMS_) {
		fputs("usage: bare_stream FORM NAMESPACE POD [ROW]...\n",
		      stderr);
		return 2;
	}
	ns = argv[2];
	pod = argv[3];
	loop = loop_new();
	if (kube_config_load(&cfg, &src, &err) < 0 ||
	    kube_new(&kube, loop, cfg, &err) < 0)
		die(err.msg);
	measure(argc - 4, argv + 4);
	kube_free(kube);
	kube_config_free(cfg);
	loop_free(loop);
	return 0;
}
