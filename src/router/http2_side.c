/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "router/http2.h"

#include <errno.h>

#define CONNECTION_WINDOW (1 << 20)
#define STREAMS_MAX 256
#define OUT_SIZE ((size_t)16 << 10)
#define OUT_MAX ((size_t)128 << 10)

/* Hundreds of callers, each with tables of fields for both sides, would be most
 * of our memory. Towards the backends, where a laptop's line may be thin,
 * requests are compressed with one; answers of both sides do without. */
static int submit_settings(struct http2_side *s, bool server)
{
	const nghttp2_settings_entry e[] = {
		{ NGHTTP2_SETTINGS_HEADER_TABLE_SIZE,
		  server ? NGHTTP2_DEFAULT_HEADER_TABLE_SIZE : 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_HEAD_MAX },
		{ server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
			 : NGHTTP2_SETTINGS_ENABLE_PUSH,
		  server ? STREAMS_MAX : 0 },
	};

	if (nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, e,
				    ARRAY_SIZE(e)) != 0 ||
	    nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0,
						  CONNECTION_WINDOW) != 0)
		return -ENOMEM;
	return 0;
}

int http2_side_start(struct http2_side *s, bool server)
{
	nghttp2_session_callbacks *cbs = NULL;
	nghttp2_option *opt = NULL;
	int rc = -ENOMEM;

	buf_init(&s->out, OUT_MAX);
	if (nghttp2_session_callbacks_new(&cbs) == 0 &&
	    nghttp2_option_new(&opt) == 0) {
		http2_events(cbs);
		nghttp2_option_set_no_auto_window_update(opt, 1);
		nghttp2_option_set_no_closed_streams(opt, 1);
		if (server)
			nghttp2_option_set_max_deflate_dynamic_table_size(opt,
									  0);
		/* a caller may give up many requests at once */
		nghttp2_option_set_stream_reset_rate_limit(opt, 10000, 1000);
		rc = server ? nghttp2_session_server_new2(&s->ng, cbs, s, opt)
			    : nghttp2_session_client_new2(&s->ng, cbs, s, opt);
	}
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cbs);
	if (rc != 0)
		return -ENOMEM;
	return submit_settings(s, server);
}

/* frames that are due, until there is enough of them; bodies come by
 * http2_data_take() */
static int fill(struct http2_side *s)
{
	size_t was;

	do {
		const uint8_t *p;
		ssize_t n;

		was = s->out.len;
		n = nghttp2_session_mem_send(s->ng, &p);
		if (n < 0 || (n && buf_put(&s->out, p, (size_t)n) < 0))
			return -EPROTO;
	} while (s->out.len > was && s->out.len < OUT_SIZE);
	return 0;
}

int http2_side_send(struct http2_side *s)
{
	int some = 0;

	while (s->opened && s->end.pipe && !s->deaf) {
		ssize_t n;

		if (s->out.len < OUT_SIZE && fill(s) < 0)
			return -EPROTO;
		if (!s->out.len)
			break;
		n = pipe_send(s->end.pipe, buf_data(&s->out), s->out.len);
		if (n < 0) {
			s->deaf = true;
			break;
		}
		some |= n > 0;
		buf_take(&s->out, (size_t)n);
		if (s->out.len)
			return some;
		buf_fini(&s->out);
	}
	return some;
}

bool http2_side_finished(const struct http2_side *s)
{
	return !nghttp2_session_want_read(s->ng) &&
	       !nghttp2_session_want_write(s->ng) && !s->out.len;
}
