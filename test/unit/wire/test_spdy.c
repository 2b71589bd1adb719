/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/spdy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was read, as a text: one word or more per frame; the slices of data are
 * joined, "." is a FIN. */
static char seen[8192];

static size_t put_fields(size_t n, const struct spdy_event *ev)
{
	struct rd r = spdy_fields(ev);
	struct spdy_field f;

	while (spdy_field_next(&r, &f))
		n += (size_t)snprintf(seen + n, sizeof(seen) - n, " %.*s=%.*s",
				      (int)f.name_len, f.name, (int)f.value_len,
				      f.value);
	return n;
}

static size_t put_event(size_t n, const struct spdy_event *ev)
{
	static const char *const names[] = {
		[SPDY_SYN_STREAM] = "syn",  [SPDY_SYN_REPLY] = "reply",
		[SPDY_RST_STREAM] = "rst",  [SPDY_SETTINGS] = "settings",
		[SPDY_PING] = "ping",	    [SPDY_GOAWAY] = "goaway",
		[SPDY_HEADERS] = "headers", [SPDY_WINDOW_UPDATE] = "window",
	};

	if (ev->type == SPDY_DATA) {
		memcpy(seen + n, ev->data, ev->len);
		n += ev->len;
	} else {
		n += (size_t)snprintf(seen + n, sizeof(seen) - n, "[%s %u %u",
				      names[ev->type], ev->stream, ev->value);
		if (ev->type == SPDY_SYN_STREAM || ev->type == SPDY_SYN_REPLY ||
		    ev->type == SPDY_HEADERS)
			n = put_fields(n, ev);
		seen[n++] = ']';
	}
	if (ev->fin)
		seen[n++] = '.';
	return n;
}

static const char *read_all(const void *bytes, size_t len, size_t step)
{
	struct spdy_rx *rx = spdy_rx_new();
	const uint8_t *data = bytes;
	size_t at = 0, n = 0;

	while (at < len) {
		size_t k = len - at < step ? len - at : step;
		struct spdy_event ev;
		bool found;
		ssize_t rc = spdy_rx_next(rx, data + at, k, &ev, &found);

		if (rc < 0) {
			n += (size_t)snprintf(seen + n, sizeof(seen) - n,
					      "error");
			break;
		}
		assert_true(rc > 0);
		if (found)
			n = put_event(n, &ev);
		at += (size_t)rc;
	}
	spdy_rx_free(rx);
	seen[n] = '\0';
	return seen;
}

#define READ(bytes) read_all(bytes, sizeof(bytes) - 1, sizeof(bytes))

static const char *const error_stream[] = {
	"streamtype", "error", "port", "7070", "requestid", "0", NULL,
};
static const char *const data_stream[] = {
	"streamtype", "data", "port", "7070", "requestid", "0", NULL,
};
static const char *const no_fields[] = { NULL };

/* Every kind of frame, as we write it. */
static size_t write_all(uint8_t *mem, size_t size)
{
	struct spdy_tx *tx = spdy_tx_new();
	struct wr w = wr_make(mem, size);

	assert_int_equal(spdy_put_syn(tx, &w, SPDY_SYN_STREAM, 1, SPDY_FLAG_FIN,
				      error_stream),
			 0);
	assert_int_equal(
		spdy_put_syn(tx, &w, SPDY_SYN_STREAM, 3, 0, data_stream), 0);
	assert_int_equal(spdy_put_syn(tx, &w, SPDY_SYN_REPLY, 2, 0, no_fields),
			 0);
	spdy_put_settings(&w, 1 << 20);
	spdy_put_window_update(&w, 0, 77);
	spdy_put_data_head(&w, 3, 0, 5);
	wr_bytes(&w, "hello", 5);
	spdy_put_ping(&w, 2);
	spdy_put_data_head(&w, 3, SPDY_FLAG_FIN, 0);
	spdy_put_rst(&w, 3, SPDY_RST_CANCEL);
	spdy_put_goaway(&w, 2, 0);
	assert_false(w.full);
	spdy_tx_free(tx);
	return wr_len(&w);
}

static void reads_what_it_writes_cut_anywhere(void **state)
{
	uint8_t mem[1024];
	size_t n = write_all(mem, sizeof(mem));

	(void)state;
	for (size_t step = 1; step <= n; step++)
		assert_string_equal(
			read_all(mem, n, step),
			"[syn 1 0 streamtype=error port=7070 requestid=0]."
			"[syn 3 0 streamtype=data port=7070 requestid=0]"
			"[reply 2 0][settings 0 1048576][window 0 77]hello"
			"[ping 0 2].[rst 3 5][goaway 2 0]");
}

/* Made by the framer of a Kubernetes 1.20 server. */
static void reads_what_the_servers_write(void **state)
{
	(void)state;
	assert_string_equal(
		READ("\x80\x03\x00\x02\x00\x00\x00\x14\x00\x00\x00\x01\x78\xf9"
		     "\xe3\xc6"
		     "\xa7\xc2\x62\x60\x60\x60\x00\x00\x00\x00\xff\xff\x80\x03"
		     "\x00\x02"
		     "\x00\x00\x00\x1b\x00\x00\x00\x03\x02\xe5\x10\x70\x5a\x2b"
		     "\x29\x4a"
		     "\x4d\xcc\x45\x2a\x4e\x12\xb1\xa5\x5e\x00\x00\x00\x00\xff"
		     "\xff\x00"
		     "\x00\x00\x01\x01\x00\x00\x04\x67\x6f\x6e\x65\x80\x03\x00"
		     "\x06\x00"
		     "\x00\x00\x04\x00\x00\x00\x02\x80\x03\x00\x03\x00\x00\x00"
		     "\x08\x00"
		     "\x00\x00\x03\x00\x00\x00\x05\x80\x03\x00\x07\x00\x00\x00"
		     "\x08\x00"
		     "\x00\x00\x03\x00\x00\x00\x00"),
		"[reply 1 0][reply 3 0 streamtype=data status=200 OK]gone."
		"[ping 0 2][rst 3 5][goaway 3 0]");
}

static void skips_what_it_does_not_know(void **state)
{
	(void)state;
	assert_string_equal(READ("\x80\x03\0\x0a\0\0\0\0"	  /* type 10 */
				 "\x80\x03\0\x63\0\0\0\3abc"	  /* type 99 */
				 "\x80\x03\0\6\0\0\0\4\0\0\0\2"), /* PING */
			    "[ping 0 2]");
}

static void refuses_what_is_wrong(void **state)
{
	(void)state;
	/* data of no stream */
	assert_string_equal(READ("\0\0\0\0\0\0\0\1x"), "error");
	/* version 2 */
	assert_string_equal(READ("\x80\2\0\6\0\0\0\4\0\0\0\1"), "error");
	/* too long for a control frame */
	assert_string_equal(READ("\x80\3\0\6\0\1\0\0"), "error");
	/* lengths that do not fit */
	assert_string_equal(READ("\x80\3\0\6\0\0\0\3\0\0\1"), "error");
	assert_string_equal(READ("\x80\3\0\6\0\0\0\5\0\0\0\1x"), "error");
	assert_string_equal(READ("\x80\3\0\3\0\0\0\4\0\0\0\1"), "error");
	assert_string_equal(READ("\x80\3\0\4\0\0\0\4\0\0\0\1"), "error");
	/* a header block that zlib does not know */
	assert_string_equal(READ("\x80\3\0\2\0\0\0\6\0\0\0\1zz"), "error");
	/* and none at all */
	assert_string_equal(READ("\x80\3\0\2\0\0\0\4\0\0\0\1"), "error");
}

/* A block that inflates to more than we keep. */
static void refuses_a_bomb(void **state)
{
	(void)state;
	assert_string_equal(READ("\x80\x03\x00\x02\x00\x00\x00\x40\x00\x00\x00"
				 "\x01\x78\xf9\xe3\xc6"
				 "\xa7\xc2\xec\xd2\x31\x0d\x00\x00\x08\xc0\xb0"
				 "\xe0\x04\x45\x78\xc0"
				 "\xbf\x09\xc0\x05\x47\x9b\xcc\xc1\xf6\xa3\xb8"
				 "\x76\xec\xca\x06\x00"
				 "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
				 "\x00\x00\x00\x00\x00"
				 "\x00\xe0\x85\x01\x00\x00\xff\xff"),
			    "error");
}

static void says_when_there_is_no_room(void **state)
{
	uint8_t mem[20];
	struct spdy_tx *tx = spdy_tx_new();
	struct wr w = wr_make(mem, sizeof(mem));

	(void)state;
	assert_int_equal(
		spdy_put_syn(tx, &w, SPDY_SYN_STREAM, 1, 0, data_stream),
		-ENOBUFS);
	spdy_tx_free(tx);
}

static void gives_back_half_windows(void **state)
{
	struct spdy_credit c = { .window = 1000 };

	(void)state;
	assert_int_equal(spdy_credit_take(&c, 499), 0);
	assert_int_equal(spdy_credit_take(&c, 300), 799);
	assert_int_equal(spdy_credit_take(&c, 499), 0);
	assert_int_equal(spdy_credit_take(&c, 1), 500);
}

static struct spdy_event update(uint32_t stream, uint32_t delta)
{
	return (struct spdy_event){ .type = SPDY_WINDOW_UPDATE,
				    .stream = stream,
				    .value = delta };
}

static void keeps_to_windows_once_the_peer_has_some(void **state)
{
	struct spdy_event ev = { .type = SPDY_SETTINGS, .value = 100000 };
	struct spdy_limit l;

	(void)state;
	spdy_limit_init(&l);
	spdy_limit_sent(&l, 10000);
	assert_int_equal(spdy_limit_room(&l), SIZE_MAX);
	assert_int_equal(spdy_limit_hear(&l, &ev, 3), 0);
	/* the session has its first window still */
	assert_int_equal(spdy_limit_room(&l), 65536 - 10000);
	ev = update(0, 100000);
	assert_int_equal(spdy_limit_hear(&l, &ev, 3), 0);
	assert_int_equal(spdy_limit_room(&l), 90000);
	spdy_limit_sent(&l, 90000);
	assert_int_equal(spdy_limit_room(&l), 0);
	ev = update(5, 10); /* another stream's */
	assert_int_equal(spdy_limit_hear(&l, &ev, 3), 0);
	assert_int_equal(spdy_limit_room(&l), 0);
	ev = update(3, 10);
	assert_int_equal(spdy_limit_hear(&l, &ev, 3), 0);
	assert_int_equal(spdy_limit_room(&l), 10);
	/* a smaller initial window takes away what was granted */
	ev = (struct spdy_event){ .type = SPDY_SETTINGS, .value = 50000 };
	assert_int_equal(spdy_limit_hear(&l, &ev, 3), 0);
	assert_int_equal(spdy_limit_room(&l), 0);
	ev = update(3, 0x7fffffff);
	assert_int_equal(spdy_limit_hear(&l, &ev, 3), 0);
	assert_int_equal(spdy_limit_hear(&l, &ev, 3), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_writes_cut_anywhere),
		cmocka_unit_test(reads_what_the_servers_write),
		cmocka_unit_test(skips_what_it_does_not_know),
		cmocka_unit_test(refuses_what_is_wrong),
		cmocka_unit_test(refuses_a_bomb),
		cmocka_unit_test(says_when_there_is_no_room),
		cmocka_unit_test(gives_back_half_windows),
		cmocka_unit_test(keeps_to_windows_once_the_peer_has_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
