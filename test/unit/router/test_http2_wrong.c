/* SPDX-License-Identifier: Apache-2.0 */
/* A caller that says what HTTP/2 forbids, in frames made by hand */
#include "test.h"

#include "base/mem.h"
#include "rig.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

/* the preface and SETTINGS */
static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
			    "\0\0\0\4\0\0\0\0\0";

/* frames that RFC 9113 forbids: what the answer must be */
struct wrong {
	const char *what;
	const char *bytes;
	size_t n;
	int type,
		code; /* of the frame that answers; 7: GOAWAY, 3: RST_STREAM */
};

#define WRONG(what, bytes, type, code)                                         \
	{                                                                      \
		what, bytes, sizeof(bytes) - 1, type, code                     \
	}

/* :method GET, :scheme http, :path /, :authority a */
#define GET "\x82\x86\x84\1\1a"

static const struct wrong wrongs[] = {
	WRONG("DATA on stream 0", "\0\0\1\0\0\0\0\0\0x", 7, 1),
	WRONG("DATA on an idle stream", "\0\0\1\0\0\0\0\0\1x", 7, 1),
	WRONG("HEADERS on stream 0", "\0\0\6\1\5\0\0\0\0" GET, 7, 1),
	WRONG("HEADERS on an even stream", "\0\0\6\1\5\0\0\0\2" GET, 7, 1),
	WRONG("a broken header block", "\0\0\1\1\5\0\0\0\1\xbf", 7, 9),
	WRONG("PING of 7 bytes",
	      "\0\0\7\6\0\0\0\0\0"
	      "1234567",
	      7, 6),
	WRONG("SETTINGS of 5 bytes",
	      "\0\0\5\4\0\0\0\0\0"
	      "12345",
	      7, 6),
	WRONG("SETTINGS on a stream", "\0\0\0\4\0\0\0\0\1", 7, 1),
	WRONG("ENABLE_PUSH 2", "\0\0\6\4\0\0\0\0\0\0\2\0\0\0\2", 7, 1),
	WRONG("a window of 2^31", "\0\0\6\4\0\0\0\0\0\0\4\x80\0\0\0", 7, 3),
	WRONG("WINDOW_UPDATE 0", "\0\0\4\x8\0\0\0\0\0\0\0\0\0", 7, 1),
	WRONG("a window that overflows", "\0\0\4\x8\0\0\0\0\0\x7f\xff\xff\xff",
	      7, 3),
	WRONG("RST_STREAM of an idle stream", "\0\0\4\3\0\0\0\0\1\0\0\0\0", 7,
	      1),
	WRONG("CONTINUATION alone", "\0\0\1\x9\4\0\0\0\1\x82", 7, 1),
	WRONG("PUSH_PROMISE of a client", "\0\0\4\5\4\0\0\0\1\0\0\0\2", 7, 1),
	WRONG("a frame too large", "\xff\xff\xff\0\0\0\0\0\1", 7, 6),
	WRONG("HEADERS of a stream below the newest",
	      "\0\0\6\1\4\0\0\0\5" GET "\0\0\6\1\4\0\0\0\3" GET, 7, 5),
	WRONG("DATA on a stream that the caller has reset",
	      "\0\0\6\1\4\0\0\0\1" GET "\0\0\4\3\0\0\0\0\1\0\0\0\x8"
	      "\0\0\1\0\0\0\0\0\1x",
	      7, 5),
	WRONG("HEADERS on a stream that the caller has reset",
	      "\0\0\6\1\4\0\0\0\1" GET "\0\0\4\3\0\0\0\0\1\0\0\0\x8"
	      "\0\0\6\1\5\0\0\0\1" GET,
	      7, 5),
	WRONG("no :path", "\0\0\5\1\5\0\0\0\1\x82\x86\1\1a", 3, 1),
	WRONG(":protocol of a GET",
	      "\0\0\x13\1\5\0\0\0\1" GET "\0\x9:protocol\1x", 3, 1),
	WRONG(":path twice", "\0\0\7\1\5\0\0\0\1" GET "\x84", 3, 1),
	WRONG("a response's pseudo field", "\0\0\7\1\5\0\0\0\1" GET "\x88", 3,
	      1),
	WRONG("a field in capitals", "\0\0\xb\1\5\0\0\0\1" GET "\0\1X\1y", 3,
	      1),
	WRONG("a connection's own field",
	      "\0\0\x18\1\5\0\0\0\1" GET "\0\12connection\5close", 3, 1),
	WRONG("a pseudo field behind the others",
	      "\0\0\xb\1\5\0\0\0\1\x82\x86\1\1a\0\1x\1y\x84", 3, 1),
	WRONG("fewer bytes than Content-Length",
	      "\0\0\xa\1\4\0\0\0\1" GET "\x0f\x0d\1"
	      "9"
	      "\0\0\1\0\1\0\0\0\1x",
	      3, 1),
};

/* the code of the first frame of that kind in what came */
static int code_of(const uint8_t *p, size_t n, int type)
{
	while (n >= 9) {
		size_t len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];

		if (n < 9 + len)
			break;
		if (p[3] == type)
			return p[9 + len - 1 - (type == 7 ? len - 8 : 0)];
		p += 9 + len;
		n -= 9 + len;
	}
	return -1;
}

static void what_is_forbidden_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
		const struct wrong *w = &wrongs[i];
		uint8_t mem[8192];
		size_t at = 0;
		struct rig r;
		ssize_t n;
		int code;

		rig_init(&r, ROUTER_HTTP);
		rig_write(&r, r.caller, hello, sizeof(hello) - 1);
		rig_write(&r, r.caller, w->bytes, w->n);
		while (at < sizeof(mem) && (n = rig_read(&r, r.caller, mem + at,
							 sizeof(mem) - at)) > 0)
			at += (size_t)n;
		code = code_of(mem, at, w->type);
		if (code != w->code)
			fail_msg("%s: code %d instead of %d", w->what, code,
				 w->code);
		if (w->type == 7 && n == 0)
			fail_msg("%s: the connection stays", w->what);
		rig_fini(&r);
	}
}

/* of the GOAWAY that came, or -1 */
static int goaway(struct rig *r)
{
	static uint8_t mem[64 << 10];
	size_t at = 0;
	ssize_t n;

	while (at < sizeof(mem) &&
	       (n = rig_read(r, r->caller, mem + at, sizeof(mem) - at)) > 0)
		at += (size_t)n;
	return code_of(mem, at, NGHTTP2_GOAWAY);
}

/* @n streams from @id on, each by the two frames of @pair */
static void repeat(struct rig *r, int32_t *id, int n, const void *pair)
{
	enum { LEN = 28, EACH = 500 };
	uint8_t many[EACH * LEN];

	for (int i = 0; i < n && r->conn; i += EACH) {
		for (uint8_t *p = many; p < many + sizeof(many);
		     p += LEN, *id += 2) {
			memcpy(p, pair, LEN);
			p[6] = p[21] = (uint8_t)(*id >> 16);
			p[7] = p[22] = (uint8_t)(*id >> 8);
			p[8] = p[23] = (uint8_t)*id;
		}
		rig_write(r, r->caller, many, sizeof(many));
	}
}

/* asked for and given up in one breath */
static const char given_up[] =
	"\0\0\6\1\4\0\0\0\0" GET "\0\0\4\3\0\0\0\0\0\0\0\0\x8";
/* whole, and then a window that is broken on purpose */
static const char made_to_reset[] =
	"\0\0\6\1\5\0\0\0\0" GET "\0\0\4\x8\0\0\0\0\0\0\0\0\0";

/* CVE-2023-44487 */
static void who_gives_up_without_end_is_ended(void **state)
{
	static const char reset[] = "\0\0\4\3\0\0\0\0\1\0\0\0\x8";
	static uint8_t many[100000 * (sizeof(reset) - 1)];
	int32_t id = 1;
	struct rig r;

	(void)state;
	rig_init(&r, ROUTER_HTTP);
	rig_write(&r, r.caller, hello, sizeof(hello) - 1);
	repeat(&r, &id, 9000, given_up);
	assert_int_equal(goaway(&r), -1);
	assert_int_equal(r.nopen, 1); /* one connection takes them all */
	/* a thousand a second are allowed beside the first ten thousand */
	for (uint8_t *p = many; p < many + sizeof(many); p += sizeof(reset) - 1)
		memcpy(p, reset, sizeof(reset) - 1);
	rig_write(&r, r.caller, many, sizeof(many));
	assert_int_equal(goaway(&r), NGHTTP2_ENHANCE_YOUR_CALM);
	rig_fini(&r);
}

/* CVE-2025-8671: it makes no difference who resets */
static void who_makes_us_reset_is_ended(void **state)
{
	int32_t id = 1;
	struct rig r;

	(void)state;
	rig_init(&r, ROUTER_HTTP);
	rig_write(&r, r.caller, hello, sizeof(hello) - 1);
	repeat(&r, &id, 200000, made_to_reset);
	assert_int_equal(goaway(&r), NGHTTP2_ENHANCE_YOUR_CALM);
	/* a hundred more for each second that this takes */
	assert_in_range(r.chosen, 900, 1500);
	assert_int_equal(r.nopen, 1);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_forbidden_is_refused),
		cmocka_unit_test(who_gives_up_without_end_is_ended),
		cmocka_unit_test(who_makes_us_reset_is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
