/* SPDX-License-Identifier: Apache-2.0 */
#include "fakeapi.h"

#include "base/mem.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct fakeapi_conn {
	struct list node;
	struct fakeapi *f;
	struct watch watch;
	bool of_pod;
	size_t len;
	char in[8192];
};

static void fakeapi_drop(struct fakeapi_conn *c, bool reset)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (reset)
		setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &now,
			   sizeof(now));
	loop_watch_stop(&c->watch);
	close(c->watch.fd);
	list_del(&c->node);
	loop_defer_free(c->f->loop, c);
}

static void fakeapi_send(struct fakeapi_conn *c, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(send(c->watch.fd, text, n, MSG_NOSIGNAL), n);
}

/* --- the Pod -------------------------------------------------------------- */

static void fakeapi_on_pod(void *user, int fd, const struct ipport *peer);

static void fakeapi_pod_listen(struct fakeapi *f)
{
	struct kt_error err = { 0 };

	if (!f->pod.watch.loop)
		assert_int_equal(listener_open(&f->pod, f->loop, &f->pod_at,
					       fakeapi_on_pod, f, &err),
				 0);
}

static void fakeapi_on_listening(struct timer *t)
{
	fakeapi_pod_listen(container_of(t, struct fakeapi, listening));
}

static void fakeapi_on_started(struct timer *t)
{
	struct fakeapi *f = container_of(t, struct fakeapi, starting);

	f->ready = !f->never_ready;
	if (f->ready)
		loop_timer_start(f->loop, &f->listening, f->deaf_ns,
				 fakeapi_on_listening);
}

void fakeapi_pod_stop(struct fakeapi *f)
{
	struct list *n, *tmp;

	listener_stop(&f->pod);
	loop_timer_stop(&f->listening);
	list_for_each_safe (n, tmp, &f->conns) {
		struct fakeapi_conn *c =
			container_of(n, struct fakeapi_conn, node);

		if (c->of_pod)
			fakeapi_drop(c, true);
	}
}

void fakeapi_scale(struct fakeapi *f, int replicas)
{
	f->version++;
	if (replicas && !f->replicas)
		loop_timer_start(f->loop, &f->starting, f->start_ns,
				 fakeapi_on_started);
	if (!replicas) {
		f->ready = false;
		loop_timer_stop(&f->starting);
		fakeapi_pod_stop(f);
	}
	f->replicas = replicas;
}

/* Answers each head; "/hold" never, "/ws" with 101 and an echo */
static void fakeapi_pod_answer(struct fakeapi_conn *c)
{
	char *end;

	if (c->f->pod_holds)
		return;
	if (strncmp(c->in, "GET /ws", 7) == 0 && strstr(c->in, "\r\n\r\n")) {
		fakeapi_send(c, "HTTP/1.1 101 Switching Protocols\r\n"
				"Connection: Upgrade\r\nUpgrade: x\r\n\r\n");
		c->len = 0;
		c->f->pod_calls++;
		return;
	}
	while ((end = strstr(c->in, "\r\n\r\n")) &&
	       strncmp(c->in, "GET /hold", 9) != 0) {
		c->f->pod_calls++;
		fakeapi_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
				"member");
		c->len -= (size_t)(end + 4 - c->in);
		memmove(c->in, end + 4, c->len + 1);
	}
}

/* --- the server ----------------------------------------------------------- */

static void fakeapi_reply(struct fakeapi_conn *c, int status, const char *body)
{
	char text[2048];

	if (c->f->chunked)
		snprintf(text, sizeof(text),
			 "HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n"
			 "%zx\r\n%s\r\n0\r\n\r\n",
			 status, strlen(body), body);
	else if (c->f->no_length)
		snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n\r\n%s", status,
			 body);
	else
		snprintf(text, sizeof(text),
			 "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s",
			 status, strlen(body), body);
	fakeapi_send(c, text);
	fakeapi_drop(c, false);
}

static void fakeapi_status(struct fakeapi_conn *c, int status)
{
	char body[256];

	snprintf(body, sizeof(body),
		 "{\"kind\":\"Status\",\"code\":%d,\"message\":\"because %d\"}",
		 status, status);
	fakeapi_reply(c, status, body);
}

static void fakeapi_say_scale(struct fakeapi_conn *c)
{
	char body[256];

	snprintf(
		body, sizeof(body),
		"{\"kind\":\"Scale\",\"metadata\":{\"resourceVersion\":\"%d\"},"
		"\"spec\":{\"replicas\":%d}}",
		c->f->version, c->f->replicas);
	fakeapi_reply(c, 200, body);
}

static void fakeapi_patch(struct fakeapi_conn *c, const char *body)
{
	struct fakeapi *f = c->f;
	const char *version = strstr(body, "\"resourceVersion\":\"");
	const char *replicas = strstr(body, "\"replicas\":");

	assert_non_null(version);
	assert_non_null(replicas);
	assert_non_null(strstr(c->in, "application/merge-patch+json"));
	if (f->race) {
		f->race = false;
		f->version++;
	}
	if (strtol(version + 19, NULL, 10) != f->version) {
		fakeapi_status(c, 409);
		return;
	}
	fakeapi_scale(f, (int)strtol(replicas + 11, NULL, 10));
	if (f->replicas)
		f->woken++;
	else
		f->slept++;
	fakeapi_say_scale(c);
}

static void fakeapi_say_addresses(struct fakeapi_conn *c)
{
	char body[512] = "{\"kind\":\"Endpoints\",\"metadata\":{}}";

	if (c->f->ready)
		snprintf(body, sizeof(body),
			 "{\"kind\":\"Endpoints\",\"subsets\":[{\"addresses\":"
			 "[{\"ip\":\"127.0.0.3\"}],\"ports\":[{\"name\":"
			 "\"http\",\"port\":%u,\"protocol\":\"TCP\"},"
			 "{\"name\":\"idle\",\"port\":1,\"protocol\":"
			 "\"TCP\"}]}]}",
			 c->f->pod_at.port);
	fakeapi_reply(c, 200, body);
}

static bool fakeapi_fails(struct fakeapi_conn *c, bool patch)
{
	struct fakeapi *f = c->f;

	if (!f->fail || (f->fail_patch && !patch))
		return false;
	f->fail--;
	if (f->status == 0)
		fakeapi_drop(c, true);
	else if (f->status > 1)
		fakeapi_status(c, f->status);
	return true; /* 1: no word */
}

static void fakeapi_answer(struct fakeapi_conn *c)
{
	struct fakeapi *f = c->f;
	bool patch = strncmp(c->in, "PATCH ", 6) == 0;
	bool scale = strstr(c->in, "/apis/apps/v1/namespaces/ns1/deployments/"
				   "copy/scale ") != NULL;
	const char *auth = strstr(c->in, "Authorization: Bearer ");

	assert_true(scale ||
		    strstr(c->in, "/api/v1/namespaces/ns1/endpoints/ends "));
	assert_non_null(auth);
	snprintf(f->last_auth, sizeof(f->last_auth), "%.*s",
		 (int)strcspn(auth + 22, "\r"), auth + 22);
	*(patch ? &f->patches : scale ? &f->scale_gets : &f->address_gets) += 1;
	if (fakeapi_fails(c, patch))
		return;
	if (f->deleted && scale)
		fakeapi_status(c, 404);
	else if (patch)
		fakeapi_patch(c, strstr(c->in, "\r\n\r\n") + 4);
	else if (scale)
		fakeapi_say_scale(c);
	else
		fakeapi_say_addresses(c);
}

static bool fakeapi_is_whole(const struct fakeapi_conn *c)
{
	const char *end = strstr(c->in, "\r\n\r\n");
	const char *len = strstr(c->in, "Content-Length: ");

	return end && (!len || strlen(end + 4) == strtoul(len + 16, NULL, 10));
}

/* --- connections ---------------------------------------------------------- */

static void fakeapi_on_event(struct watch *w, uint32_t events)
{
	struct fakeapi_conn *c = container_of(w, struct fakeapi_conn, watch);
	ssize_t n = recv(w->fd, c->in + c->len, sizeof(c->in) - 1 - c->len, 0);

	(void)events;
	if (n <= 0) {
		fakeapi_drop(c, false);
		return;
	}
	c->len += (size_t)n;
	c->in[c->len] = '\0';
	if (c->of_pod)
		fakeapi_pod_answer(c);
	else if (fakeapi_is_whole(c))
		fakeapi_answer(c);
}

static void fakeapi_take(struct fakeapi *f, int fd, bool of_pod)
{
	struct fakeapi_conn *c = xcalloc(1, sizeof(*c));

	c->f = f;
	c->of_pod = of_pod;
	f->pod_conns += of_pod;
	list_add_tail(&f->conns, &c->node);
	assert_int_equal(loop_watch_start(f->loop, &c->watch, fd, EPOLLIN,
					  fakeapi_on_event),
			 0);
}

static void fakeapi_on_api(void *user, int fd, const struct ipport *peer)
{
	(void)peer;
	fakeapi_take(user, fd, false);
}

static void fakeapi_on_pod(void *user, int fd, const struct ipport *peer)
{
	(void)peer;
	fakeapi_take(user, fd, true);
}

void fakeapi_start(struct fakeapi *f, struct loop *l)
{
	struct kt_error err = { 0 };

	*f = (struct fakeapi){ .loop = l,
			       .replicas = 1,
			       .version = 7,
			       .ready = true,
			       .start_ns = 300 * NS_MS };
	list_init(&f->conns);
	assert_int_equal(ipaddr_parse(&f->at.addr, "127.0.0.1"), 0);
	/* it gives its port up, and listens there again: nobody else is to have
	 * it */
	assert_int_equal(ipaddr_parse(&f->pod_at.addr, "127.0.0.3"), 0);
	assert_int_equal(
		listener_open(&f->api, l, &f->at, fakeapi_on_api, f, &err), 0);
	fakeapi_pod_listen(f);
}

void fakeapi_stop(struct fakeapi *f)
{
	struct list *n, *tmp;

	listener_stop(&f->api);
	listener_stop(&f->pod);
	loop_timer_stop(&f->starting);
	loop_timer_stop(&f->listening);
	list_for_each_safe (n, tmp, &f->conns)
		fakeapi_drop(container_of(n, struct fakeapi_conn, node), true);
}
