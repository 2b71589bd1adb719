/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "peer.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static int on_header(nghttp2_session *ng, const nghttp2_frame *f,
		     const uint8_t *name, size_t nname, const uint8_t *value,
		     size_t nvalue, uint8_t flags, void *user)
{
	struct peer *p = user;
	struct peer_stream *s = &p->s[f->hd.stream_id];
	char *to = s->body.len ? s->trailer : s->head;
	size_t max = s->body.len ? sizeof(s->trailer) : sizeof(s->head);
	size_t at = strlen(to);

	(void)ng;
	(void)flags;
	snprintf(to + at, max - at, "%.*s: %.*s\n", (int)nname,
		 (const char *)name, (int)nvalue, (const char *)value);
	return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *user)
{
	struct peer *p = user;

	(void)ng;
	if (f->hd.type == NGHTTP2_GOAWAY) {
		p->goaway = (int)f->goaway.error_code;
		p->last_id = f->goaway.last_stream_id;
	}
	if (f->hd.stream_id && (f->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
	    f->hd.type <= NGHTTP2_HEADERS)
		p->s[f->hd.stream_id].ended = true;
	return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id,
		   const uint8_t *data, size_t n, void *user)
{
	struct peer *p = user;

	(void)flags;
	if (!p->hold)
		nghttp2_session_consume(ng, id, n);
	return buf_put(&p->s[id].body, data, n);
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
	struct peer *p = user;

	(void)ng;
	p->s[id].code = (int)code;
	return 0;
}

ssize_t peer_read(nghttp2_session *ng, int32_t id, uint8_t *to, size_t len,
		  uint32_t *flags, nghttp2_data_source *src, void *user)
{
	struct peer_stream *s = src->ptr;
	size_t n = MIN(len, s->left);

	(void)user;
	if (s->say) {
		n = strlen(s->say);
		memcpy(to, s->say, n);
		s->say = NULL;
	} else {
		memset(to, 0, n);
		s->left -= n;
	}
	if (!s->left && s->finish) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (s->say_trailer) {
			nghttp2_nv nv = { (uint8_t *)(uintptr_t) "grpc-status",
					  (uint8_t *)(uintptr_t)s->say_trailer,
					  11, strlen(s->say_trailer), 0 };

			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			assert_int_equal(nghttp2_submit_trailer(ng, id, &nv, 1),
					 0);
		}
		return (ssize_t)n;
	}
	return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}

bool peer_large, peer_can_connect;

void peer_init(struct peer *p, struct rig *r, int fd, bool server)
{
	const nghttp2_settings_entry can = {
		NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1
	};
	nghttp2_session_callbacks *cbs;
	nghttp2_option *opt;

	memset(p, 0, sizeof(*p));
	p->rig = r;
	p->fd = fd;
	p->goaway = -1;
	for (size_t i = 0; i < PEER_STREAMS; i++) {
		p->s[i].code = -1;
		buf_init(&p->s[i].body, (size_t)64 << 20);
	}
	nghttp2_session_callbacks_new(&cbs);
	nghttp2_option_new(&opt);
	nghttp2_option_set_no_auto_window_update(opt, 1);
	if (peer_large)
		nghttp2_option_set_max_send_header_block_length(opt, 1 << 20);
	nghttp2_session_callbacks_set_on_header_callback(cbs, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cbs, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cbs, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cbs, on_close);
	assert_int_equal(
		server ? nghttp2_session_server_new2(&p->ng, cbs, p, opt)
		       : nghttp2_session_client_new2(&p->ng, cbs, p, opt),
		0);
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cbs);
	assert_int_equal(
		nghttp2_submit_settings(p->ng, 0, &can, peer_can_connect), 0);
}

void peer_fini(struct peer *p)
{
	for (size_t i = 0; i < PEER_STREAMS; i++)
		buf_fini(&p->s[i].body);
	nghttp2_session_del(p->ng);
}

bool peer_turn(struct peer *p)
{
	static uint8_t mem[65536];
	const uint8_t *out;
	bool some = false;
	ssize_t n;

	if (p->gone)
		return false;
	while ((n = nghttp2_session_mem_send(p->ng, &out)) > 0) {
		rig_write(p->rig, p->fd, out, (size_t)n);
		some = true;
	}
	while ((n = rig_read(p->rig, p->fd, mem, sizeof(mem))) > 0) {
		assert_int_equal(
			nghttp2_session_mem_recv(p->ng, mem, (size_t)n), n);
		some = true;
	}
	p->gone = n < 0;
	return some;
}

/* until nobody has anything to say */
void peer_turns(struct peer *a, struct peer *b, struct peer *c)
{
	bool some = true;

	while (some) {
		some = peer_turn(a);
		some |= b && peer_turn(b);
		some |= c && peer_turn(c);
	}
}

nghttp2_nv peer_field(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name,
			     (uint8_t *)(uintptr_t)value, strlen(name),
			     strlen(value), 0 };
}

int32_t peer_ask(struct peer *p, const char *to, const char *say, bool finish)
{
	const nghttp2_nv nv[] = {
		peer_field(":method", "POST"),
		peer_field(":scheme", "http"),
		peer_field(":authority", "web.t:80"),
		peer_field(":path", "/a?b"),
		peer_field("te", "trailers"),
		peer_field(strcmp(to, "c") == 0 ? "copy" : "to", to)
	};
	int32_t id = (int32_t)nghttp2_session_get_next_stream_id(p->ng);
	nghttp2_data_provider dp = { { .ptr = &p->s[id] }, peer_read };

	p->s[id].say = say;
	p->s[id].finish = finish;
	assert_int_equal(nghttp2_submit_request(p->ng, NULL, nv, ARRAY_SIZE(nv),
						say || !finish ? &dp : NULL,
						NULL),
			 id);
	return id;
}

void peer_answer(struct peer *p, int32_t id, const char *say, bool finish)
{
	const nghttp2_nv nv[] = { peer_field(":status", "200"),
				  peer_field("x-from", "backend") };
	nghttp2_data_provider dp = { { .ptr = &p->s[id] }, peer_read };

	p->s[id].say = say;
	p->s[id].finish = finish;
	assert_int_equal(
		nghttp2_submit_response(p->ng, id, nv, ARRAY_SIZE(nv), &dp), 0);
}

void peer_assert_body(const struct peer *p, int32_t id, const char *text)
{
	assert_int_equal(p->s[id].body.len, strlen(text));
	assert_memory_equal(buf_data(&p->s[id].body), text, strlen(text));
}
