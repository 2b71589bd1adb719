/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/sleep_api.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "gate/sleep_dial.h"
#include "pipe/pipe.h"

#include <errno.h>
#include <string.h>

#define API_TOKEN_MAX ((size_t)64 << 10)
#define API_REQUEST_MAX ((size_t)80 << 10)
#define API_HEAD_MAX 4096 /* without the token */

struct sleep_api {
	struct sleep_api_config c;
	struct sleep_dial dial;
	struct timer timer; /* of the whole request */
	struct pipe *pipe;
	struct buf out, in;
	bool opened;
	sleep_answered_fn done; /* NULL: it is not busy */
	void *user;
};

bool sleep_api_is_busy(const struct sleep_api *a)
{
	return a->done != NULL;
}

static void sleep_api_stop(struct sleep_api *a)
{
	sleep_dial_stop(&a->dial);
	loop_timer_stop(&a->timer);
	if (a->pipe)
		pipe_close(a->pipe, true);
	a->pipe = NULL;
	a->opened = false;
	buf_fini(&a->in);
	if (a->out.mem) /* a token is in it */
		explicit_bzero(a->out.mem, a->out.cap);
	buf_fini(&a->out);
}

static void sleep_api_end(struct sleep_api *a, const struct sleep_reply *r,
			  const char *why)
{
	sleep_answered_fn done = a->done;

	a->done = NULL;
	sleep_api_stop(a);
	done(a->user, r, why);
}

static void sleep_api_fail(struct sleep_api *a, const char *why)
{
	char text[320];

	snprintf(text, sizeof(text), "the API server does not answer: %s", why);
	sleep_api_end(a, NULL, text);
}

/* --- the answer ----------------------------------------------------------- */

static void sleep_api_look(struct sleep_api *a, bool eof)
{
	struct sleep_reply r;
	char why[320] = "";
	int rc = sleep_reply_read(&r, buf_data(&a->in), a->in.len, eof);

	if (rc == -EAGAIN)
		return;
	if (rc < 0) {
		sleep_api_fail(a, a->in.len ? "what it says is no whole answer"
					    : "it closes the connection");
		return;
	}
	if (r.status >= 300)
		snprintf(why, sizeof(why), "the API server says %u%s%s",
			 r.status, r.message[0] ? ": " : "", r.message);
	sleep_api_end(a, &r, why);
	sleep_reply_fini(&r);
}

static void sleep_api_send(struct sleep_api *a)
{
	ssize_t n = 0;

	if (a->opened && a->out.len)
		n = pipe_send(a->pipe, buf_data(&a->out), a->out.len);
	if (n > 0)
		buf_take(&a->out, (size_t)n);
}

static void sleep_api_on_opened(void *user)
{
	struct sleep_api *a = user;

	a->opened = true;
	sleep_api_send(a);
}

static void sleep_api_on_data(void *user, const uint8_t *p, size_t n)
{
	struct sleep_api *a = user;

	pipe_consume(a->pipe, n);
	if (buf_put(&a->in, p, n) < 0)
		sleep_api_fail(a, "it says too much");
	else
		sleep_api_look(a, false);
}

static void sleep_api_on_eof(void *user)
{
	sleep_api_look(user, true);
}

static void sleep_api_on_writable(void *user)
{
	sleep_api_send(user);
}

static void sleep_api_on_closed(void *user, int error)
{
	struct sleep_api *a = user;
	const char *why = a->c.why ? a->c.why(a->c.user, a->pipe) : "";
	char text[256];

	snprintf(text, sizeof(text), "%s", *why ? why : strerror(-error));
	a->pipe = NULL;
	sleep_api_fail(a, text);
}

static const struct pipe_handler sleep_api_handler = {
	sleep_api_on_opened, sleep_api_on_data, sleep_api_on_eof,
	sleep_api_on_writable, sleep_api_on_closed
};

/* --- the request ---------------------------------------------------------- */

static int sleep_api_put(struct sleep_api *a, enum sleep_question q,
			 const char *body)
{
	const struct sleep_api_config *c = &a->c;
	bool ends = q == SLEEP_GET_ADDRESSES;
	size_t n = 0;
	auto_free char *token = file_read(c->token_file, API_TOKEN_MAX, &n);
	int rc;

	if (!token)
		return -errno;
	token[strcspn(token, "\r\n")] = '\0';
	n = strlen(token);
	/* in one place from the beginning, or it would be left in another */
	if (!buf_reserve(&a->out, n + API_HEAD_MAX))
		rc = -ENOMEM;
	else
		rc = buf_printf(
			&a->out,
			"%s %s/namespaces/%s/%s/%s%s HTTP/1.1\r\n"
			"Host: %s\r\nUser-Agent: ktctl-gate\r\n"
			"Accept: application/json\r\nConnection: close\r\n"
			"Authorization: Bearer ",
			q == SLEEP_PATCH_SCALE ? "PATCH" : "GET",
			ends ? "/api/v1" : "/apis/apps/v1", c->ns,
			ends ? "endpoints" : "deployments",
			ends ? c->endpoints : c->deployment,
			ends ? "" : "/scale", c->host);
	if (rc == 0)
		rc = buf_put(&a->out, token, n);
	explicit_bzero(token, n);
	if (rc == 0)
		rc = buf_printf(&a->out, "\r\n");
	if (rc == 0 && body)
		rc = buf_printf(&a->out,
				"Content-Type: application/merge-patch+json\r\n"
				"Content-Length: %zu\r\n\r\n%s",
				strlen(body), body);
	else if (rc == 0)
		rc = buf_printf(&a->out, "\r\n");
	return rc;
}

static void sleep_api_on_dialled(void *user, int fd)
{
	struct sleep_api *a = user;

	if (fd < 0) {
		sleep_api_fail(a, strerror(-fd));
		return;
	}
	a->pipe = a->c.open(a->c.user, fd);
	if (!a->pipe) {
		sleep_api_fail(a, strerror(errno));
		return;
	}
	pipe_set_handler(a->pipe, &sleep_api_handler, a);
}

static void sleep_api_on_timeout(struct timer *t)
{
	struct sleep_api *a = container_of(t, struct sleep_api, timer);

	sleep_api_fail(a, "it takes too long");
}

/* From the loop, as all answers */
static void sleep_api_on_no_token(struct timer *t)
{
	struct sleep_api *a = container_of(t, struct sleep_api, timer);

	sleep_api_end(a, NULL, "the ServiceAccount's token cannot be read");
}

void sleep_api_ask(struct sleep_api *a, enum sleep_question q, const char *body,
		   sleep_answered_fn done, void *user)
{
	a->done = done;
	a->user = user;
	buf_init(&a->in, SLEEP_REPLY_MAX);
	buf_init(&a->out, API_REQUEST_MAX);
	if (sleep_api_put(a, q, body) < 0) {
		loop_timer_start(a->c.loop, &a->timer, 0,
				 sleep_api_on_no_token);
		return;
	}
	loop_timer_start(a->c.loop, &a->timer, a->c.timeout_ns,
			 sleep_api_on_timeout);
	sleep_dial_start(&a->dial, a->c.loop, &a->c.at, a->c.timeout_ns,
			 sleep_api_on_dialled, a);
}

struct sleep_api *sleep_api_new(const struct sleep_api_config *c)
{
	struct sleep_api *a = xcalloc(1, sizeof(*a));

	a->c = *c;
	return a;
}

void sleep_api_free(struct sleep_api *a)
{
	if (!a)
		return;
	sleep_api_stop(a);
	loop_defer_free(a->c.loop, a);
}
