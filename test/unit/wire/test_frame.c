/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/frame.h"

#include <errno.h>
#include <string.h>

static const struct frame_hello hello = {
	.version_min = 1,
	.version_max = 3,
	.id = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
	.role = FRAME_ROLE_SERVER,
	.flags = FRAME_FLAG_RESUME,
	.window = 0x12345678,
	.who = "forward ann box",
	.keep_ms = 600000,
};

/* one of each type; @data follows a DATA header */
static void put_all(struct buf *b, const uint8_t *data, size_t n)
{
	struct frame_hdr h = { .seq = 0x0102030405060708, .ack = 42 };
	uint8_t head[FRAME_HEADER_LEN];

	h.type = FRAME_HELLO;
	assert_int_equal(frame_put_hello(b, h, &hello), 0);
	h.type = FRAME_DATA;
	h.len = (uint32_t)n;
	frame_put_header(head, &h);
	assert_int_equal(buf_put(b, head, sizeof(head)), 0);
	assert_int_equal(buf_put(b, data, n), 0);
	h.type = FRAME_ACK;
	assert_int_equal(frame_put_empty(b, h), 0);
	h.type = FRAME_PING;
	assert_int_equal(frame_put_number(b, h, 77), 0);
	h.type = FRAME_CLOSE;
	assert_int_equal(frame_put_text(b, h, FRAME_CODE_BYE, "so long"), 0);
}

struct seen {
	unsigned int types; /* bit per type */
	size_t data;
	uint64_t next_seq;
};

static void see(struct seen *s, const struct frame_event *ev,
		const uint8_t *data)
{
	char text[FRAME_TEXT_MAX + 1];
	struct frame_hello h = { 0 };
	uint16_t code;
	uint64_t t;

	assert_int_equal(ev->hdr.ack, 42);
	s->types |= 1u << ev->hdr.type;
	switch (ev->hdr.type) {
	case FRAME_DATA:
		assert_int_equal(ev->seq, 0x0102030405060708 + s->data);
		assert_memory_equal(ev->data, data + s->data, ev->len);
		s->data += ev->len;
		break;
	case FRAME_HELLO:
		assert_int_equal(frame_get_hello(ev->data, ev->len, &h), 0);
		assert_memory_equal(&h, &hello, sizeof(h));
		break;
	case FRAME_PING:
		assert_int_equal(frame_get_number(ev->data, ev->len, &t), 0);
		assert_int_equal(t, 77);
		break;
	case FRAME_CLOSE:
		assert_int_equal(frame_get_text(ev->data, ev->len, &code, text),
				 0);
		assert_string_equal(text, "so long");
		break;
	default:
		assert_int_equal(ev->len, 0);
	}
}

static void parses_any_pieces(void **state)
{
	uint8_t data[300];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	buf_init(&b, 4096);
	put_all(&b, data, sizeof(data));
	for (size_t step = 1; step <= b.len; step++) {
		struct frame_parser p = { 0 };
		struct seen s = { 0 };

		for (size_t off = 0; off < b.len; off += step) {
			size_t n = step < b.len - off ? step : b.len - off;
			struct rd in = rd_make(buf_data(&b) + off, n);
			struct frame_event ev;

			while (frame_parse(&p, &in, &ev) == 1)
				see(&s, &ev, data);
			assert_int_equal(rd_left(&in), 0);
		}
		assert_int_equal(s.data, sizeof(data));
		assert_int_equal(s.types, 1u << FRAME_HELLO | 1u << FRAME_DATA |
						  1u << FRAME_ACK |
						  1u << FRAME_PING |
						  1u << FRAME_CLOSE);
	}
	buf_fini(&b);
}

static int parse_header(uint8_t type, uint32_t len)
{
	struct frame_hdr h = { .type = type, .len = len };
	uint8_t raw[FRAME_HEADER_LEN];
	struct frame_parser p = { 0 };
	struct frame_event ev;
	struct rd in;

	frame_put_header(raw, &h);
	in = rd_make(raw, sizeof(raw));
	return frame_parse(&p, &in, &ev);
}

static void bounds_lengths(void **state)
{
	(void)state;
	assert_int_equal(parse_header(0, 0), -EPROTO);
	assert_int_equal(parse_header(FRAME_NTYPES_, 0), -EPROTO);
	assert_int_equal(parse_header(255, 0), -EPROTO);
	assert_int_equal(parse_header(FRAME_ACK, 0), 1);
	assert_int_equal(parse_header(FRAME_PING, FRAME_CTL_MAX), 0);
	assert_int_equal(parse_header(FRAME_PING, FRAME_CTL_MAX + 1),
			 -EMSGSIZE);
	assert_int_equal(parse_header(FRAME_DATA, FRAME_DATA_MAX), 0);
	assert_int_equal(parse_header(FRAME_DATA, FRAME_DATA_MAX + 1),
			 -EMSGSIZE);
	assert_int_equal(parse_header(FRAME_DATA, 0), 1);
}

static void rejects_short_payloads(void **state)
{
	uint8_t raw[64] = { 0x4b, 0x54, 0x54, 0x4e };
	char text[FRAME_TEXT_MAX + 1];
	struct frame_hello h;
	uint16_t code;
	uint64_t t;

	(void)state;
	assert_int_equal(frame_get_hello(raw, 31, &h), -EPROTO);
	assert_int_equal(frame_get_hello(raw, 32, &h), 0);
	assert_int_equal(frame_get_hello(raw, 64, &h), 0);
	assert_string_equal(h.who, ""); /* of an older end */
	assert_int_equal(h.keep_ms, 0);
	raw[32] = 3;
	raw[33] = raw[34] = raw[35] = 'a';
	assert_int_equal(frame_get_hello(raw, 36, &h), 0);
	assert_string_equal(h.who, "aaa");
	assert_int_equal(h.keep_ms, 0); /* of an older end, too */
	raw[38] = 1;
	assert_int_equal(frame_get_hello(raw, 39, &h), 0); /* cut off */
	assert_int_equal(h.keep_ms, 0);
	assert_int_equal(frame_get_hello(raw, 40, &h), 0);
	assert_int_equal(h.keep_ms, 256);
	assert_int_equal(frame_get_hello(raw, 35, &h), 0); /* cut off */
	assert_string_equal(h.who, "");
	raw[34] = '\n';
	assert_int_equal(frame_get_hello(raw, 64, &h), 0);
	assert_string_equal(h.who, "");
	raw[0] = 0;
	assert_int_equal(frame_get_hello(raw, 64, &h), -EPROTO);
	assert_int_equal(frame_get_number(raw, 7, &t), -EPROTO);
	assert_int_equal(frame_get_text(raw, 1, &code, text), -EPROTO);
	assert_int_equal(
		frame_get_text((const uint8_t *)"\0\1a\033b", 5, &code, text),
		0);
	assert_string_equal(text, "a?b");
}

static void full_buffer(void **state)
{
	struct frame_hdr h = { .type = FRAME_CLOSE };
	struct buf b;

	(void)state;
	buf_init(&b, 30);
	assert_int_equal(frame_put_hello(&b, h, &hello), -ENOBUFS);
	assert_int_equal(frame_put_number(&b, h, 1), -ENOBUFS);
	assert_int_equal(frame_put_text(&b, h, 1, "longer"), -ENOBUFS);
	assert_int_equal(b.len, 0);
	assert_int_equal(frame_put_empty(&b, h), 0);
	buf_fini(&b);
}

static void picks_versions(void **state)
{
	(void)state;
	assert_int_equal(frame_version_pick(1, 1, 1, 1), 1);
	assert_int_equal(frame_version_pick(1, 4, 2, 3), 3);
	assert_int_equal(frame_version_pick(3, 5, 1, 3), 3);
	assert_int_equal(frame_version_pick(1, 2, 3, 4), 0);
	assert_int_equal(frame_version_pick(5, 6, 1, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_any_pieces),
		cmocka_unit_test(bounds_lengths),
		cmocka_unit_test(rejects_short_payloads),
		cmocka_unit_test(full_buffer),
		cmocka_unit_test(picks_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
