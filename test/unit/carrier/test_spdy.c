/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "pfrig.h"

#include "base/mem.h"
#include "wire/spdy.h"
#include "wire/ws.h"

#include <errno.h>
#include <string.h>

/* The server's side: what it read of the client, and what it writes with. */
static struct server {
	bool websocket; /* SPDY inside of it */
	struct spdy_rx *rx;
	struct spdy_tx *tx;
	struct buf wire; /* WebSocket: what is not yet a whole frame */
	struct buf data; /* of stream 3 */
	char heard[2048];
	size_t frames, biggest; /* of data */
	uint64_t credit[4];	/* given back, per stream */
	bool refuse;		/* the second stream */
} srv;

static struct fake_conn *conn;

static void hear(const char *fmt, ...) KT_PRINTF(1, 2);

static void hear(const char *fmt, ...)
{
	size_t n = strlen(srv.heard);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(srv.heard + n, sizeof(srv.heard) - n, fmt, ap);
	va_end(ap);
}

/* --- the server writes ---------------------------------------------------- */

/* Plain, or as one message whose length needs @n < 64 KiB */
static void emit(const void *data, size_t n)
{
	const uint8_t head[4] = { 0x82, 126, (uint8_t)(n >> 8), (uint8_t)n };

	if (srv.websocket && n < 126)
		fake_write(conn, (uint8_t[2]){ 0x82, (uint8_t)n }, 2);
	else if (srv.websocket)
		fake_write(conn, head, 4);
	fake_write(conn, data, n);
}

static void put_data(struct wr *w, uint32_t stream, uint8_t flags,
		     const void *data, size_t n)
{
	spdy_put_data_head(w, stream, flags, (uint32_t)n);
	wr_bytes(w, data, n);
}

static void send_data(uint32_t stream, uint8_t flags, const void *data,
		      size_t n)
{
	uint8_t mem[60000];
	struct wr w = wr_make(mem, sizeof(mem));

	put_data(&w, stream, flags, data, n);
	assert_false(w.full);
	emit(mem, wr_len(&w));
}

#define SEND(put, ...)                                                         \
	do {                                                                   \
		uint8_t mem_[64];                                              \
		struct wr w_ = wr_make(mem_, sizeof(mem_));                    \
		put(&w_, __VA_ARGS__);                                         \
		emit(mem_, wr_len(&w_));                                       \
	} while (0)

static void send_reply(uint32_t stream)
{
	static const char *const none[] = { NULL };
	uint8_t mem[256];
	struct wr w = wr_make(mem, sizeof(mem));

	assert_int_equal(
		spdy_put_syn(srv.tx, &w, SPDY_SYN_REPLY, stream, 0, none), 0);
	emit(mem, wr_len(&w));
}

/* --- the server reads ----------------------------------------------------- */

static void heard_syn(const struct spdy_event *ev)
{
	struct rd r = spdy_fields(ev);
	struct spdy_field f;

	hear("syn %u", ev->stream);
	while (spdy_field_next(&r, &f))
		hear(" %.*s=%.*s", (int)f.name_len, f.name, (int)f.value_len,
		     f.value);
	hear("%s\n", ev->fin ? " fin" : "");
	if (srv.refuse && ev->stream == 3)
		SEND(spdy_put_rst, 3, SPDY_RST_REFUSED_STREAM);
	else
		send_reply(ev->stream);
}

static void heard_event(const struct spdy_event *ev)
{
	switch (ev->type) {
	case SPDY_DATA:
		assert_int_equal(ev->stream, 3);
		assert_int_equal(buf_put(&srv.data, ev->data, ev->len), 0);
		if (ev->fin)
			hear("fin %u\n", ev->stream);
		break;
	case SPDY_SYN_STREAM:
		heard_syn(ev);
		break;
	case SPDY_WINDOW_UPDATE:
		assert_true(ev->stream < 4);
		srv.credit[ev->stream] += ev->value;
		break;
	case SPDY_SETTINGS:
		srv.credit[3] += ev->value - SPDY_FIRST_WINDOW;
		break;
	case SPDY_PING:
		hear("ping %u\n", ev->value);
		break;
	case SPDY_RST_STREAM:
		hear("rst %u %u\n", ev->stream, ev->value);
		break;
	case SPDY_GOAWAY:
		hear("goaway\n");
		break;
	default:
		fail();
	}
}

static void read_spdy(const uint8_t *data, size_t len)
{
	size_t used = 0;

	while (used < len) {
		struct spdy_event ev;
		bool found;
		ssize_t n = spdy_rx_next(srv.rx, data + used, len - used, &ev,
					 &found);

		assert_true(n > 0);
		used += (size_t)n;
		if (found)
			heard_event(&ev);
	}
}

static bool read_message(void)
{
	struct buf one;
	int op;

	buf_init(&one, 1 << 20);
	op = ws_take(&srv.wire, &one);
	if (op == WS_BINARY) {
		srv.biggest = MAX(srv.biggest, one.len);
		read_spdy(buf_data(&one), one.len);
	} else if (op == WS_PONG) {
		hear("pong %.*s\n", (int)one.len, (char *)buf_data(&one));
	} else if (op == WS_CLOSE) {
		hear("close\n");
	}
	buf_fini(&one);
	return op >= 0;
}

static void on_raw(struct fake_conn *c, const uint8_t *data, size_t len)
{
	(void)c;
	if (!srv.websocket) {
		read_spdy(data, len);
		return;
	}
	assert_int_equal(buf_put(&srv.wire, data, len), 0);
	while (read_message())
		;
}

/* --- the upgrade ---------------------------------------------------------- */

static void upgrade_spdy(struct fake_conn *c, const char *request)
{
	static const char answer[] =
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		"Upgrade: SPDY/3.1\r\n"
		"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n";

	assert_non_null(strstr(request, "POST /base/api/v1/namespaces/ns/pods/"
					"pod/portforward HTTP/1.1\r\n"));
	assert_non_null(strstr(request, "Upgrade: SPDY/3.1\r\n"));
	assert_non_null(strstr(request, "X-Stream-Protocol-Version: "
					"portforward.k8s.io\r\n"));
	assert_non_null(strstr(request, "Authorization: Bearer tok\r\n"));
	fake_write(c, answer, sizeof(answer) - 1);
	conn = c;
	c->raw = true;
}

static void upgrade_websocket(struct fake_conn *c, const char *request)
{
	auto_free char *accept = ws_accept_line(request);
	auto_free char *text =
		xasprintf("HTTP/1.1 101 Switching Protocols\r\n"
			  "Upgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n"
			  "Sec-WebSocket-Protocol: "
			  "SPDY/3.1+portforward.k8s.io\r\n\r\n",
			  accept);

	assert_non_null(strstr(request, "GET /base/api/v1/namespaces/ns/pods/"
					"pod/portforward HTTP/1.1\r\n"));
	assert_non_null(strstr(request, "Sec-WebSocket-Protocol: "
					"SPDY/3.1+portforward.k8s.io\r\n"));
	fake_write(c, text, strlen(text));
	conn = c;
	c->raw = true;
}

static void begin(struct world *w, struct owner *o, enum pf_form form)
{
	srv = (struct server){ .websocket = form == PF_SPDY_WEBSOCKET };
	srv.rx = spdy_rx_new();
	srv.tx = spdy_tx_new();
	buf_init(&srv.wire, 64 << 20);
	buf_init(&srv.data, 64 << 20);
	world_pf(w, srv.websocket ? upgrade_websocket : upgrade_spdy);
	w->fake.raw = on_raw;
	owner_open(o, w, form, 0);
	owner_wait(o);
	assert_int_equal(o->opened, 1);
}

static void finish(struct world *w, struct owner *o)
{
	owner_fini(o);
	spdy_rx_free(srv.rx);
	spdy_tx_free(srv.tx);
	buf_fini(&srv.wire);
	buf_fini(&srv.data);
	world_fini(w);
}

static void turns(struct world *w, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(loop_once(w->loop, NS_MS), 0);
}

/* Until the server has heard @text. */
static void until_heard(struct world *w, const char *text)
{
	for (int i = 0; i < 1000 && !strstr(srv.heard, text); i++)
		turns(w, 1);
	assert_non_null(strstr(srv.heard, text));
}

#define EACH_FORM(form)                                                        \
	for (enum pf_form form = PF_SPDY; form <= PF_SPDY_WEBSOCKET; form++)

/* --- tests ---------------------------------------------------------------- */

static void opens_two_streams_and_says_bye(void **state)
{
	(void)state;
	EACH_FORM(form)
	{
		struct owner o = { 0 };
		struct world w;

		begin(&w, &o, form);
		until_heard(&w, "syn 3");
		assert_string_equal(
			srv.heard,
			"syn 1 streamtype=error port=7000 requestid=0 fin\n"
			"syn 3 streamtype=data port=7000 requestid=0\n");
		turns(&w, 5); /* what is not read at a close resets */
		assert_int_equal(owner_send(&o, "last"), 4);
		carrier_close(o.c);
		o.c = NULL;
		until_heard(&w, form == PF_SPDY ? "fin 3\ngoaway\n"
						: "fin 3\ngoaway\nclose\n");
		assert_int_equal(srv.data.len, 4);
		finish(&w, &o);
	}
}

static void receives_the_data_stream(void **state)
{
	(void)state;
	EACH_FORM(form)
	{
		struct owner o = { 0 };
		struct world w;

		begin(&w, &o, form);
		send_data(3, 0, "hello ", 6);
		send_data(5, 0, "other", 5);
		send_data(3, 0, "", 0);
		SEND(spdy_put_ping, 2);
		SEND(spdy_put_ping, 3);
		SEND(spdy_put_settings, 1 << 20);
		send_data(3, 0, "world", 5);
		o.want = 11;
		owner_wait(&o);
		assert_memory_equal(buf_data(&o.got), "hello world", 11);
		until_heard(&w, "ping 2");
		turns(&w, 5);
		assert_null(strstr(srv.heard, "ping 3"));
		assert_int_equal(o.closed, 0);
		finish(&w, &o);
	}
}

/* Many frames of many sizes in one message. */
static void receives_much(void **state)
{
	(void)state;
	EACH_FORM(form)
	{
		struct owner o = { 0 };
		size_t total = 0, max = 40000;
		struct world w;

		begin(&w, &o, form);
		for (int i = 0; i < 12; i++) {
			uint8_t mem[60000], block[4000];
			struct wr s = wr_make(mem, sizeof(mem));

			while (wr_len(&s) < max) {
				size_t n = 1 + (total * 7) % sizeof(block);

				for (size_t j = 0; j < n; j++)
					block[j] = pattern(total + j);
				put_data(&s, 3, 0, block, n);
				total += n;
			}
			assert_false(s.full);
			emit(mem, wr_len(&s));
			do
				turns(&w, 1);
			while (o.got.len + 2 * max < total);
		}
		o.want = total;
		if (o.got.len < total)
			owner_wait(&o);
		assert_int_equal(o.got.len, total);
		for (size_t i = 0; i < total; i++)
			if (buf_data(&o.got)[i] != pattern(i))
				fail();
		finish(&w, &o);
	}
}

static void sends_until_full_and_goes_on(void **state)
{
	const size_t total = 6 << 20;
	uint8_t *data = xmalloc(total);

	(void)state;
	for (size_t i = 0; i < total; i++)
		data[i] = pattern(i);
	EACH_FORM(form)
	{
		struct owner o = { 0 };
		struct world w;
		size_t sent = 0;
		bool refused = false;

		begin(&w, &o, form);
		while (srv.data.len < total) {
			struct iovec v = { data + sent, total - sent };
			ssize_t n = 1;

			while (v.iov_len && n > 0) { /* until it is full */
				n = carrier_send(o.c, &v, 1);
				if (n > 0)
					sent += (size_t)n;
				v = (struct iovec){ data + sent, total - sent };
			}
			refused = refused || n == -EAGAIN;
			turns(&w, 1);
		}
		assert_memory_equal(buf_data(&srv.data), data, total);
		assert_true(refused);
		assert_true(o.writable > 0);
		if (form == PF_SPDY_WEBSOCKET)
			assert_true(srv.biggest >= 128 << 10);
		finish(&w, &o);
	}
	free(data);
}

/* What is taken is given back, for the stream and for the session; what is
 * not taken is not. */
static void gives_back_what_is_taken(void **state)
{
	static uint8_t block[50000];
	const size_t total = 20 << 20;
	struct owner o = { 0 };
	struct world w;
	uint64_t granted;
	size_t sent = 0;

	(void)state;
	begin(&w, &o, PF_SPDY);
	until_heard(&w, "syn 3");
	granted = srv.credit[3];
	assert_true(granted >= 16 << 20);
	assert_int_equal(srv.credit[0], granted);
	for (; sent < total; sent += sizeof(block)) {
		send_data(3, 0, block, sizeof(block));
		do
			turns(&w, 1);
		while (o.got.len + 2 * sizeof(block) < sent);
	}
	for (int i = 0; i < 1000 && srv.credit[3] == granted; i++)
		turns(&w, 1);
	assert_true(srv.credit[3] - granted <= sent);
	assert_true(srv.credit[3] - granted >= 16 << 20);
	assert_int_equal(srv.credit[0], srv.credit[3]);
	finish(&w, &o);
}

static void keeps_to_the_windows_of_a_server(void **state)
{
	static uint8_t data[300000];
	struct owner o = { 0 };
	struct world w;
	const struct iovec v = { data, sizeof(data) };

	(void)state;
	begin(&w, &o, PF_SPDY);
	SEND(spdy_put_settings, 200000);
	send_data(3, 0, "x", 1); /* behind it: the windows are known */
	o.want = 1;
	owner_wait(&o);
	assert_int_equal(carrier_send(o.c, &v, 1), SPDY_FIRST_WINDOW);
	assert_int_equal(carrier_send(o.c, &v, 1), -EAGAIN);
	turns(&w, 20);
	assert_int_equal(srv.data.len, SPDY_FIRST_WINDOW);
	assert_int_equal(o.writable, 0);
	SEND(spdy_put_window_update, 0, 1 << 20); /* now the stream's counts */
	for (int i = 0; i < 1000 && !o.writable; i++)
		turns(&w, 1);
	assert_int_equal(o.writable, 1);
	assert_int_equal(carrier_send(o.c, &v, 1), 200000 - SPDY_FIRST_WINDOW);
	SEND(spdy_put_window_update, 3, 1000);
	for (int i = 0; i < 1000 && o.writable < 2; i++)
		turns(&w, 1);
	assert_int_equal(carrier_send(o.c, &v, 1), 1000);
	finish(&w, &o);
}

/* --- the end -------------------------------------------------------------- */

/* @end is what the server does; what closed() says. */
static struct kt_error ended_by(enum pf_form form, void (*end)(void))
{
	struct owner o = { 0 };
	struct world w;

	begin(&w, &o, form);
	until_heard(&w, "syn 3");
	send_data(3, 0, "ab", 2); /* arrives first, whatever comes behind it */
	end();
	owner_wait(&o);
	assert_int_equal(o.closed, 1);
	assert_int_equal(o.got.len, 2);
	assert_int_equal(owner_send(&o, "x"), -EPIPE);
	finish(&w, &o);
	return o.why;
}

static void end_error_text(void)
{
	send_data(1, 0, "connection ", 11);
	send_data(1, 0, "refused in pod", 14);
	send_data(1, SPDY_FLAG_FIN, "", 0);
	send_data(3, SPDY_FLAG_FIN, "", 0);
}

static void end_error_and_close(void)
{
	send_data(1, 0, "sandbox is gone", 15);
	fake_close(conn);
}

/* As containerd does: the data's end comes before its reason. */
static void end_text_late(void)
{
	send_data(3, SPDY_FLAG_FIN, "", 0);
	send_data(1, 0, "refused", 7);
	send_data(1, SPDY_FLAG_FIN, "", 0);
}

static void end_fin_only(void)
{
	send_data(3, SPDY_FLAG_FIN, "", 0); /* and never a word */
}

static void end_fin(void)
{
	send_data(1, SPDY_FLAG_FIN, "", 0); /* without a text: all is well */
	send_data(3, SPDY_FLAG_FIN, "", 0);
}

static void end_reset(void)
{
	SEND(spdy_put_rst, 3, 6);
}

static void end_goaway(void)
{
	SEND(spdy_put_goaway, 0, 0);
}

static void end_goaway_and_close(void)
{
	SEND(spdy_put_goaway, 3, 0);
	fake_close(conn);
}

static void end_garbage(void)
{
	emit("HTTP/1.1 400 Bad Request", 24); /* data of a stream, so far */
	fake_close(conn);
}

static void end_bad_frame(void)
{
	emit("\x80\x02\0\x06\0\0\0\4\0\0\0\2", 12);
}

static void end_truncated(void)
{
	uint8_t mem[64];
	struct wr w = wr_make(mem, sizeof(mem));

	spdy_put_data_head(&w, 5, 0, 1000);
	wr_bytes(&w, "half", 4);
	emit(mem, wr_len(&w));
	fake_close(conn);
}

static void end_overflow(void)
{
	SEND(spdy_put_window_update, 3, 0x7fffffff);
}

static void tells_why_it_ended(void **state)
{
	static const struct {
		void (*end)(void);
		int code;
		const char *text;
	} rows[] = {
		{ end_error_text, ECONNREFUSED,
		  "port-forward to pod ns/pod port 7000: "
		  "connection refused in pod" },
		{ end_error_and_close, ECONNREFUSED, "sandbox is gone" },
		{ end_text_late, ECONNREFUSED, "refused" },
		{ end_fin_only, ECONNRESET, "the Pod's end is gone" },
		{ end_fin, ECONNRESET, "the Pod's end is gone" },
		{ end_reset, ECONNRESET,
		  "the data stream was reset: internal error" },
		{ end_goaway, ECONNRESET, "GOAWAY" },
		{ end_goaway_and_close, ECONNRESET, "lost" },
		{ end_garbage, ECONNRESET, "lost" },
		{ end_bad_frame, EPROTO, "not a SPDY frame" },
		{ end_truncated, ECONNRESET, "lost" },
		{ end_overflow, EPROTO, "window" },
	};

	(void)state;
	EACH_FORM(form)
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kt_error e = ended_by(form, rows[i].end);

		assert_int_equal(e.code, rows[i].code);
		assert_non_null(strstr(e.msg, rows[i].text));
	}
}

/* A GOAWAY that still serves our streams ends nothing by itself. */
static void goes_on_after_a_goaway(void **state)
{
	struct owner o = { 0 };
	struct world w;

	(void)state;
	begin(&w, &o, PF_SPDY);
	SEND(spdy_put_goaway, 3, 0);
	send_data(3, 0, "still", 5);
	o.want = 5;
	owner_wait(&o);
	assert_int_equal(o.closed, 0);
	assert_int_equal(owner_send(&o, "here"), 4);
	for (int i = 0; i < 1000 && srv.data.len < 4; i++)
		turns(&w, 1);
	assert_int_equal(srv.data.len, 4);
	finish(&w, &o);
}

static void a_refused_stream_ends_it(void **state)
{
	struct owner o = { 0 };
	struct world w;

	(void)state;
	begin(&w, &o, PF_SPDY);
	srv.refuse = true;
	owner_wait(&o);
	assert_int_equal(o.closed, 1);
	assert_non_null(strstr(o.why.msg, "stream refused"));
	finish(&w, &o);
}

static void refuses_streams_of_the_server(void **state)
{
	static const char *const none[] = { NULL };
	uint8_t mem[128];
	struct wr s = wr_make(mem, sizeof(mem));
	struct owner o = { 0 };
	struct world w;

	(void)state;
	begin(&w, &o, PF_SPDY);
	until_heard(&w, "syn 3");
	assert_int_equal(spdy_put_syn(srv.tx, &s, SPDY_SYN_STREAM, 2, 0, none),
			 0);
	emit(mem, wr_len(&s));
	until_heard(&w, "rst 2 3");
	assert_int_equal(o.closed, 0);
	finish(&w, &o);
}

/* --- an upgrade that is none ---------------------------------------------- */

static void answer_stripped(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 400, "", "Upgrade request required");
}

static void answer_denied(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 403, "",
		   "{\"kind\":\"Status\",\"message\":\"pods \\\"pod\\\" is "
		   "forbidden: User \\\"u\\\" cannot create resource "
		   "\\\"pods/portforward\\\" in API group \\\"\\\" in the "
		   "namespace \\\"ns\\\"\"}");
}

static void answer_page(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 200, "", "<html>Welcome</html>");
}

static void answer_other_protocol(struct fake_conn *c, const char *request)
{
	static const char text[] =
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		"Upgrade: h2c\r\n\r\n";

	(void)request;
	fake_write(c, text, sizeof(text) - 1);
}

static void answer_closed(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_close(c);
}

static void answer_nothing(struct fake_conn *c, const char *request)
{
	(void)c;
	(void)request;
}

static struct kt_error refused_by(enum pf_form form,
				  void (*answer)(struct fake_conn *c,
						 const char *request))
{
	struct owner o = { 0 };
	struct world w;

	world_pf(&w, answer);
	owner_open(&o, &w, form, 200 * NS_MS);
	owner_wait(&o);
	assert_int_equal(o.opened, 0);
	assert_int_equal(o.closed, 1);
	owner_fini(&o);
	world_fini(&w);
	return o.why;
}

static void tells_why_it_did_not_open(void **state)
{
	(void)state;
	EACH_FORM(form)
	{
		struct kt_error e = refused_by(form, answer_stripped);

		assert_int_equal(e.http_status, 400);
		assert_non_null(strstr(e.msg, "Upgrade request required"));
		e = refused_by(form, answer_denied);
		assert_int_equal(e.http_status, 403);
		assert_string_equal(e.hint, "a Role in namespace ns must allow "
					    "'create' on 'pods/portforward'");
		e = refused_by(form, answer_page);
		assert_int_equal(e.http_status, 200);
		e = refused_by(form, answer_other_protocol);
		assert_int_equal(e.code, EPROTO);
		e = refused_by(form, answer_closed);
		assert_int_equal(e.code, ECONNRESET);
		e = refused_by(form, answer_nothing);
		assert_int_equal(e.code, ETIMEDOUT);
	}
}

static void closes_at_any_time(void **state)
{
	(void)state;
	EACH_FORM(form)
	for (int n = 0; n < 12; n++) {
		struct owner o = { .want = 1 };
		struct world w;

		srv = (struct server){ .websocket = form != PF_SPDY };
		srv.rx = spdy_rx_new();
		srv.tx = spdy_tx_new();
		buf_init(&srv.wire, 64 << 20);
		buf_init(&srv.data, 64 << 20);
		world_pf(&w, srv.websocket ? upgrade_websocket : upgrade_spdy);
		w.fake.raw = on_raw;
		owner_open(&o, &w, form, 0);
		turns(&w, n);
		if (o.opened)
			assert_int_equal(owner_send(&o, "x"), 1);
		finish(&w, &o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_two_streams_and_says_bye),
		cmocka_unit_test(receives_the_data_stream),
		cmocka_unit_test(receives_much),
		cmocka_unit_test(sends_until_full_and_goes_on),
		cmocka_unit_test(gives_back_what_is_taken),
		cmocka_unit_test(keeps_to_the_windows_of_a_server),
		cmocka_unit_test(tells_why_it_ended),
		cmocka_unit_test(goes_on_after_a_goaway),
		cmocka_unit_test(a_refused_stream_ends_it),
		cmocka_unit_test(refuses_streams_of_the_server),
		cmocka_unit_test(tells_why_it_did_not_open),
		cmocka_unit_test(closes_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
