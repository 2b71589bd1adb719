/* SPDX-License-Identifier: Apache-2.0 */
#include "map/site.h"

#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "map/board.h"
#include "map/guard.h"
#include "map/page.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define SITE_BLOCK 16384 /* of a stream, at a time */
#define SITE_HEAD_MAX 32768
#define SITE_IDLE_MS 1000u

struct site {
	struct loop *loop;
	struct board *board;
	struct guard guard;
	struct page page;
	struct MHD_Daemon *daemon;
	struct watch watch;
	struct timer timer;
	struct list streams;
	size_t nstreams;
	void (*on_page)(void *user);
	void *user;
	bool leaving;
};

/* A browser that listens */
struct site_stream {
	struct list node;
	struct site *site;
	struct MHD_Connection *conn;
	struct board_seen seen;
	struct board_text *text; /* under way, or NULL */
	size_t at;
	bool waiting; /* suspended until there is something new */
};

/* --- answers -------------------------------------------------------------- */

static void site_add(struct MHD_Response *r, const char *field,
		     const char *text)
{
	if (MHD_add_response_header(r, field, text) != MHD_YES)
		log_debug("map: field %s cannot be set", field);
}

/* Of every answer. @r is taken. */
static enum MHD_Result site_answer(const struct site *w,
				   struct MHD_Connection *conn,
				   unsigned int status, const char *type,
				   struct MHD_Response *r)
{
	enum MHD_Result rc;

	if (!r)
		return MHD_NO;
	site_add(r, "Content-Type", type);
	site_add(r, "Content-Security-Policy", w->page.policy);
	site_add(r, "X-Content-Type-Options", "nosniff");
	site_add(r, "X-Frame-Options", "DENY");
	site_add(r, "Referrer-Policy", "no-referrer");
	site_add(r, "Cross-Origin-Resource-Policy", "same-origin");
	site_add(r, "Cross-Origin-Opener-Policy", "same-origin");
	site_add(r, "Cache-Control", "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		site_add(r, "Allow", "GET, HEAD");
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		site_add(r, "Retry-After", "5");
	rc = MHD_queue_response(conn, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result site_answer_word(const struct site *w,
					struct MHD_Connection *conn,
					unsigned int status, const char *word)
{
	return site_answer(w, conn, status, "text/plain; charset=utf-8",
			   MHD_create_response_from_buffer(
				   strlen(word), (void *)(uintptr_t)word,
				   MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result site_answer_page(const struct site *w,
					struct MHD_Connection *conn)
{
	return site_answer(w, conn, MHD_HTTP_OK, "text/html; charset=utf-8",
			   MHD_create_response_from_buffer(
				   strlen(w->page.html), w->page.html,
				   MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result site_answer_state(const struct site *w,
					 struct MHD_Connection *conn)
{
	size_t len;
	char *text = board_state(w->board, &len);

	return text ? site_answer(w, conn, MHD_HTTP_OK, "application/json",
				  MHD_create_response_from_buffer(
					  len, text, MHD_RESPMEM_MUST_FREE))
		    : MHD_NO;
}

/* --- the stream of events ------------------------------------------------- */

static ssize_t site_stream_read(void *cls, uint64_t pos, char *dst, size_t max)
{
	struct site_stream *s = cls;
	size_t n;

	(void)pos;
	if (s->site->leaving)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!s->text) {
		s->text = board_next(s->site->board, &s->seen);
		s->at = 0;
	}
	if (!s->text) {
		s->waiting = true;
		MHD_suspend_connection(s->conn);
		return 0;
	}
	n = MIN(max, s->text->len - s->at);
	memcpy(dst, s->text->text + s->at, n);
	s->at += n;
	if (s->at == s->text->len) {
		board_text_put(s->text);
		s->text = NULL;
	}
	return (ssize_t)n;
}

static void site_stream_free(void *cls)
{
	struct site_stream *s = cls;

	list_del(&s->node);
	s->site->nstreams--;
	board_text_put(s->text);
	free(s);
}

static enum MHD_Result site_answer_events(struct site *w,
					  struct MHD_Connection *conn)
{
	struct MHD_Response *r;
	struct site_stream *s;

	if (w->nstreams >= SITE_STREAMS)
		return site_answer_word(w, conn, MHD_HTTP_SERVICE_UNAVAILABLE,
					"too many pages\n");
	s = xcalloc(1, sizeof(*s));
	s->site = w;
	s->conn = conn;
	list_add_tail(&w->streams, &s->node);
	w->nstreams++;
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, SITE_BLOCK,
					      site_stream_read, s,
					      site_stream_free);
	if (!r)
		site_stream_free(s);
	else if (w->on_page)
		w->on_page(w->user);
	return site_answer(w, conn, MHD_HTTP_OK, "text/event-stream", r);
}

/* --- requests ------------------------------------------------------------- */

static enum MHD_Result site_on_field(void *cls, enum MHD_ValueKind kind,
				     const char *name, const char *value)
{
	struct guard_request *r = cls;

	(void)kind;
	if (strcasecmp(name, "Host") == 0) {
		r->host = value;
		r->hosts++;
	} else if (strcasecmp(name, "Origin") == 0) {
		r->origin = value;
		r->origins++;
	}
	return MHD_YES;
}

/* It knows the token, so it may be quiet for longer */
static void site_trust(struct MHD_Connection *conn)
{
	if (MHD_set_connection_option(conn, MHD_CONNECTION_OPTION_TIMEOUT,
				      (unsigned int)SITE_SILENT_S) != MHD_YES)
		log_debug("map: a connection's time cannot be set");
}

static enum MHD_Result site_on_request(void *cls, struct MHD_Connection *conn,
				       const char *url, const char *method,
				       const char *version, const char *upload,
				       size_t *upload_size, void **con_cls)
{
	struct guard_request r = { .method = method, .path = url };
	struct site *w = cls;
	enum guard_answer answer;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)con_cls;
	MHD_get_connection_values(conn, MHD_HEADER_KIND, site_on_field, &r);
	answer = guard_check(&w->guard, &r);
	if (answer != GUARD_FORBIDDEN && answer != GUARD_NOT_FOUND)
		site_trust(conn);
	switch (answer) {
	case GUARD_PAGE:
		return site_answer_page(w, conn);
	case GUARD_EVENTS:
		return site_answer_events(w, conn);
	case GUARD_STATE:
		return site_answer_state(w, conn);
	case GUARD_FORBIDDEN:
		return site_answer_word(w, conn, MHD_HTTP_FORBIDDEN,
					"forbidden\n");
	case GUARD_METHOD:
		return site_answer_word(w, conn, MHD_HTTP_METHOD_NOT_ALLOWED,
					"this page only shows\n");
	case GUARD_NOT_FOUND:
		break;
	}
	return site_answer_word(w, conn, MHD_HTTP_NOT_FOUND, "not found\n");
}

static void KT_PRINTF(2, 0) site_on_log(void *cls, const char *fmt, va_list ap)
{
	char line[512];

	(void)cls;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("map: %s", line);
}

/* --- in the loop ---------------------------------------------------------- */

static void site_on_timer(struct timer *t);

/* Even if nothing is due it is run: while there are too many connections it
 * does not listen, and begins again only in a later run than the one in which
 * the last of them went. */
static void site_run(struct site *w)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(w->daemon);
	if (MHD_get_timeout(w->daemon, &ms) != MHD_YES)
		ms = SITE_IDLE_MS;
	loop_timer_start(w->loop, &w->timer,
			 (int64_t)MIN(ms, SITE_IDLE_MS) * NS_MS, site_on_timer);
}

static void site_on_timer(struct timer *t)
{
	site_run(container_of(t, struct site, timer));
}

static void site_on_event(struct watch *watch, uint32_t events)
{
	(void)events;
	site_run(container_of(watch, struct site, watch));
}

static void site_resume(struct site *w)
{
	struct list *n;

	list_for_each (n, &w->streams) {
		struct site_stream *s =
			container_of(n, struct site_stream, node);

		if (!s->waiting)
			continue;
		s->waiting = false;
		MHD_resume_connection(s->conn);
	}
}

/* From a timer: this may be called while the library is at work */
void site_wake(struct site *w)
{
	site_resume(w);
	loop_timer_start(w->loop, &w->timer, 0, site_on_timer);
}

/* Returns the descriptor, or -errno */
static int site_listen(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	const int one = 1;
	auto_close int fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* what is closed keeps the port from nobody afterwards */
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, SITE_CONNECTIONS) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -errno;
	*port = ntohs(at.sin_port);
	return steal_fd(&fd);
}

static int site_serve(struct site *w, int fd)
{
	const union MHD_DaemonInfo *info;

	w->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
		w->guard.port, NULL, NULL, site_on_request, w,
		MHD_OPTION_EXTERNAL_LOGGER, site_on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)SITE_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)SITE_STRANGER_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SITE_HEAD_MAX,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!w->daemon) {
		close(fd);
		return -EIO;
	}
	info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return info ? loop_watch_start(w->loop, &w->watch, info->epoll_fd,
				       EPOLLIN, site_on_event)
		    : -EIO;
}

int site_new(struct site **out, struct loop *l, struct board *board,
	     const char *proof, struct kt_error *err)
{
	struct site *w = xcalloc(1, sizeof(*w));
	uint16_t port = 0;
	int rc, fd;

	*out = w;
	w->loop = l;
	w->board = board;
	list_init(&w->streams);
	page_init(&w->page, proof);
	fd = site_listen(&port);
	guard_init(&w->guard, port);
	rc = fd < 0 ? fd : site_serve(w, fd);
	if (rc == 0)
		return 0;
	site_free(w);
	*out = NULL;
	return kt_fail(err, -rc, "listen on 127.0.0.1: %s", strerror(-rc));
}

void site_free(struct site *w)
{
	if (!w)
		return;
	w->leaving = true;
	loop_watch_stop(&w->watch);
	loop_timer_stop(&w->timer);
	if (w->daemon) {
		site_resume(
			w); /* it must not stop with one that is suspended */
		MHD_run(w->daemon);
		MHD_stop_daemon(w->daemon);
	}
	page_fini(&w->page);
	free(w);
}

char *site_url(const struct site *w)
{
	return guard_url(&w->guard);
}

size_t site_pages(const struct site *w)
{
	return w->nstreams;
}

void site_on_page(struct site *w, void (*fn)(void *user), void *user)
{
	w->on_page = fn;
	w->user = user;
}
