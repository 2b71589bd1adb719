/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published attacks on HTTP/2, each repeated 200,000 times while the clock
 * stands still, and what it costs at most: repetitions that are heard before
 * the connection ends, requests that are passed on, bytes that are held and
 * bytes that are answered. After the burst of H2_GLITCH_BURST, H2_GLITCH_RATE a
 * second are heard. What one costs with sockets, timers and a backend:
 * test/unit/router/test_http2_wrong.c.
 */
#include "test.h"

#include "base/loop.h"
#include "base/mem.h"
#include "wire/h2.h"

#include <errno.h>
#include <string.h>

#define REPEAT 200000
#define ENOUGH ((size_t)16 << 10)
#define OUT_MAX ((size_t)1 << 20)

#define ODD (H2_GLITCH_BURST / H2_GLITCH_ODD)
#define WRONG (H2_GLITCH_BURST / H2_GLITCH_WRONG)

static const struct h2_limits limits = { .stream_window = 20,
					 .connection_window = 100000,
					 .streams_max = 100,
					 .head_max = 65536 };

#define STREAMS_MAX 100
#define BLOCK_MAX (65536 + H2_FRAME_MAX)
#define LIST_MAX (65536 * H2_LIST_FACTOR)
/* streams, and a table of fields */
#define STATE_MAX (STREAMS_MAX * sizeof(struct h2_stream) + HPACK_TABLE_SIZE)

/* --- the end that is attacked --------------------------------------------- */

struct end {
	struct h2 h2;
	struct buf out;
	bool answers;	 /* each request with an endless body */
	size_t begun;	 /* heads that began */
	size_t requests; /* that are passed on */
	size_t decoded;	 /* bytes of fields */
	size_t answered; /* bytes */
	size_t held;	 /* bytes, at most */
};

static int on_begin(void *user, struct h2_stream *st)
{
	struct end *e = user;

	(void)st;
	e->begun++;
	return 0;
}

static int on_field(void *user, struct h2_stream *st,
		    const struct hpack_field *f)
{
	struct end *e = user;

	(void)st;
	e->decoded += f->nname + f->nvalue;
	return 0;
}

static void on_head(void *user, struct h2_stream *st, bool last)
{
	const struct hpack_field ok = { (const uint8_t *)":status",
					(const uint8_t *)"200", 7, 3, false };
	struct end *e = user;

	(void)last;
	e->requests++;
	if (e->answers && !st->user)
		(void)!h2_head(&e->h2, st, &ok, 1, false, true);
	st->user = e;
}

static void on_data(void *user, struct h2_stream *st, const uint8_t *p,
		    size_t n)
{
	struct end *e = user;

	(void)p;
	h2_consume(&e->h2, st, n);
	h2_consume_connection(&e->h2, n);
}

static void on_piece(void *user, struct h2_stream *st, size_t max,
		     struct h2_piece *out)
{
	static const uint8_t zeroes[H2_FRAME_MAX];

	(void)user;
	(void)st;
	out->p = zeroes;
	out->n = max;
}

static void on_sent(void *user, struct h2_stream *st, size_t n)
{
	(void)user;
	(void)st;
	(void)n;
}

static void on_event(void *user, struct h2_stream *st)
{
	(void)user;
	(void)st;
}

static const struct h2_handler handler = { on_begin, on_field, on_head,
					   on_data,  on_event, on_piece,
					   on_sent,  on_event, on_event };

/* --- attacks -------------------------------------------------------------- */

#define BYTES(s) s, sizeof(s) - 1

/* POST http://a/ */
#define POST "\x83\x86\x84\1\1a"
/* a request on stream 1, with and without a body to come */
#define ASK "\0\0\6\1\4\0\0\0\1" POST
#define ASK_ALL "\0\0\6\1\5\0\0\0\1" POST

#define NEW_STREAM 1 /* stream 1 is another one each time */
#define DEAF 2	     /* the peer reads no answer */
#define ANSWERS 4    /* bodies without end */
#define LEAVING 8    /* we have said GOAWAY */
#define CLIENT 16    /* a backend attacks */

#define CALM H2_ENHANCE_YOUR_CALM
#define GOES_ON -1
#define NO_ROOM -2 /* it ends without a word */

struct attack {
	const char *what;
	const char *first;
	size_t nfirst;
	const char *again; /* frames */
	size_t nagain;
	int flags;
	int code;	    /* of the GOAWAY */
	size_t least, most; /* repetitions that are heard */
	size_t requests;    /* at most, as all below */
	size_t held;	    /* bytes */
	size_t answered;    /* bytes for each repetition */
};

static const struct attack attacks[] = {
	/* --- streams that are asked for and not wanted ------------------- */
	{ "rapid reset (CVE-2023-44487)", BYTES(""),
	  BYTES(ASK "\0\0\4\3\0\0\0\0\1\0\0\0\x8"), NEW_STREAM, CALM, ODD - 1,
	  ODD, ODD, STATE_MAX, 1 },
	{ "rapid reset of whole requests", BYTES(""),
	  BYTES(ASK_ALL "\0\0\4\3\0\0\0\0\1\0\0\0\x8"), NEW_STREAM, CALM,
	  ODD - 1, ODD, ODD, STATE_MAX, 1 },
	{ "MadeYouReset (CVE-2025-8671): WINDOW_UPDATE 0", BYTES(""),
	  BYTES(ASK_ALL "\0\0\4\x8\0\0\0\0\1\0\0\0\0"), NEW_STREAM, CALM,
	  WRONG - 1, WRONG, WRONG, STATE_MAX, 14 },
	{ "MadeYouReset: a window that overflows", BYTES(""),
	  BYTES(ASK_ALL "\0\0\4\x8\0\0\0\0\1\x7f\xff\xff\xff"), NEW_STREAM,
	  CALM, WRONG - 1, WRONG, WRONG, STATE_MAX, 14 },
	{ "MadeYouReset: DATA behind END_STREAM", BYTES(""),
	  BYTES(ASK_ALL "\0\0\1\0\0\0\0\0\1x"), NEW_STREAM, CALM, WRONG - 1,
	  WRONG, WRONG, STATE_MAX, 14 },
	{ "MadeYouReset: HEADERS behind END_STREAM", BYTES(""),
	  BYTES(ASK_ALL "\0\0\6\1\5\0\0\0\1" POST), NEW_STREAM, CALM, WRONG - 1,
	  WRONG, WRONG, STATE_MAX, 14 },
	{ "MadeYouReset: more DATA than the stream's window", BYTES(""),
	  BYTES(ASK "\0\0\x15\0\0\0\0\0\1"
		    "123456789012345678901"),
	  NEW_STREAM, CALM, WRONG - 1, WRONG, WRONG, STATE_MAX, 14 },
	{ "MadeYouReset: DATA beyond content-length", BYTES(""),
	  BYTES("\0\0\xa\1\4\0\0\0\1" POST "\x0f\x0d\1"
		"1"
		"\0\0\2\0\0\0\0\0\1xx"),
	  NEW_STREAM, CALM, WRONG - 1, WRONG, WRONG, STATE_MAX, 14 },
	{ "MadeYouReset: trailers without END_STREAM", BYTES(""),
	  BYTES(ASK "\0\0\1\1\4\0\0\0\1\x90"), NEW_STREAM, CALM, WRONG - 1,
	  WRONG, WRONG, STATE_MAX, 14 },
	{ "MadeYouReset: trailers that are malformed", BYTES(""),
	  BYTES(ASK "\0\0\1\1\5\0\0\0\1\x84"), NEW_STREAM, CALM, WRONG - 1,
	  WRONG, WRONG, STATE_MAX, 14 },
	{ "MadeYouReset: PRIORITY that depends on itself", BYTES(""),
	  BYTES(ASK_ALL "\0\0\5\2\0\0\0\0\1\0\0\0\1\0"), NEW_STREAM,
	  H2_PROTOCOL_ERROR, 0, 0, 1, STATE_MAX, 0 },
	{ "MadeYouReset: PRIORITY of a wrong size", BYTES(""),
	  BYTES(ASK_ALL "\0\0\4\2\0\0\0\0\1\0\0\0\0"), NEW_STREAM,
	  H2_FRAME_SIZE_ERROR, 0, 0, 1, STATE_MAX, 0 },
	{ "more streams than are allowed", BYTES(""), BYTES(ASK), NEW_STREAM,
	  CALM, ODD + STREAMS_MAX - 1, ODD + STREAMS_MAX, STREAMS_MAX,
	  STATE_MAX, 14 },
	{ "malformed requests", BYTES(""), BYTES("\0\0\1\1\5\0\0\0\1\x82"),
	  NEW_STREAM, CALM, WRONG - 1, WRONG, 0, STATE_MAX, 14 },
	{ "streams behind our GOAWAY", BYTES(""), BYTES(ASK_ALL),
	  NEW_STREAM | LEAVING, CALM, ODD - 1, ODD, 0, STATE_MAX, 1 },
	{ "RST_STREAM flood (CVE-2019-9514)", BYTES(ASK),
	  BYTES("\0\0\4\3\0\0\0\0\1\0\0\0\x8"), 0, CALM, ODD - 1, ODD, 1,
	  STATE_MAX, 1 },
	{ "HEADERS on a stream that is gone",
	  BYTES(ASK_ALL "\0\0\4\x8\0\0\0\0\1\0\0\0\0"),
	  BYTES("\0\0\6\1\5\0\0\0\1" POST), 0, CALM, ODD - 20, ODD, 1,
	  STATE_MAX, 1 },

	/* --- heads ------------------------------------------------------- */
	{ "CONTINUATION flood (CVE-2024-27316, -27919, -30255, ...)",
	  BYTES("\0\0\6\1\0\0\0\0\1" POST),
	  BYTES("\0\0\7\x9\0\0\0\0\1\0\1x\3yyy"), 0, CALM, 60, 64, 0,
	  STATE_MAX + BLOCK_MAX, 1 },
	{ "CONTINUATION flood without a byte", BYTES("\0\0\6\1\0\0\0\0\1" POST),
	  BYTES("\0\0\0\x9\0\0\0\0\1"), 0, CALM, 60, 64, 0,
	  STATE_MAX + BLOCK_MAX, 1 },
	{ "CONTINUATION of no block", BYTES(ASK), BYTES("\0\0\0\x9\0\0\0\0\1"),
	  0, H2_PROTOCOL_ERROR, 0, 0, 1, STATE_MAX, 0 },
	{ "fields without a name (CVE-2019-9516)", BYTES(""),
	  BYTES("\0\0\x9\1\5\0\0\0\1" POST "\0\0\0"), NEW_STREAM, CALM,
	  WRONG - 1, WRONG, 0, STATE_MAX, 14 },
	{ "fields without a name, in Huffman's code", BYTES(""),
	  BYTES("\0\0\x9\1\5\0\0\0\1" POST "\0\x80\x80"), NEW_STREAM, CALM,
	  WRONG - 1, WRONG, 0, STATE_MAX, 14 },

	/* --- frames that say nothing ------------------------------------- */
	{ "DATA without a byte (CVE-2019-9518)", BYTES(ASK),
	  BYTES("\0\0\0\0\0\0\0\0\1"), 0, CALM, ODD - 1, ODD, 1, STATE_MAX, 1 },
	{ "DATA of padding alone", BYTES(ASK), BYTES("\0\0\2\0\x8\0\0\0\1\1\0"),
	  0, CALM, ODD - 1, ODD, 1, STATE_MAX, 4 },
	{ "DATA without a byte on a stream that is gone",
	  BYTES(ASK_ALL "\0\0\4\x8\0\0\0\0\1\0\0\0\0"),
	  BYTES("\0\0\0\0\0\0\0\0\1"), 0, CALM, ODD - 20, ODD, 1, STATE_MAX,
	  1 },
	{ "PRIORITY flood, resource loop (CVE-2019-9513)", BYTES(ASK),
	  BYTES("\0\0\5\2\0\0\0\0\1\0\0\0\3\1"), 0, CALM, ODD - 1, ODD, 1,
	  STATE_MAX, 1 },
	{ "PRIORITY on idle streams", BYTES(""),
	  BYTES("\0\0\5\2\0\0\0\0\1\0\0\0\0\1"), NEW_STREAM, CALM, ODD - 1, ODD,
	  0, STATE_MAX, 1 },
	{ "GOAWAY flood", BYTES(ASK),
	  BYTES("\0\0\x8\7\0\0\0\0\0\0\0\0\0\0\0\0\0"), 0, CALM, ODD - 1, ODD,
	  1, STATE_MAX, 1 },
	{ "frames of unknown types: skipped", BYTES(""),
	  BYTES("\0\0\1\x20\0\0\0\0\1x"), 0, GOES_ON, REPEAT, REPEAT, 0,
	  STATE_MAX, 1 },

	/* --- frames that want an answer ---------------------------------- */
	{ "SETTINGS flood (CVE-2019-9515)", BYTES(""),
	  BYTES("\0\0\0\4\0\0\0\0\0"), 0, CALM, ODD - 2, ODD, 0, STATE_MAX, 9 },
	{ "SETTINGS flood, answers are not read", BYTES(""),
	  BYTES("\0\0\0\4\0\0\0\0\0"), DEAF, CALM, ODD - 2, ODD, 0,
	  STATE_MAX + OUT_MAX, 9 },
	{ "acknowledgements of no SETTINGS", BYTES(""),
	  BYTES("\0\0\0\4\1\0\0\0\0"), 0, CALM, ODD - 2, ODD, 0, STATE_MAX, 1 },
	{ "PING flood (CVE-2019-9512): as much as it costs the peer", BYTES(""),
	  BYTES("\0\0\x8\6\0\0\0\0\0"
		"12345678"),
	  0, GOES_ON, REPEAT, REPEAT, 0, STATE_MAX + 17, 17 },
	{ "PING flood, answers are not read", BYTES(""),
	  BYTES("\0\0\x8\6\0\0\0\0\0"
		"12345678"),
	  DEAF, NO_ROOM, OUT_MAX / 17 - 10, OUT_MAX / 17, 0,
	  STATE_MAX + OUT_MAX, 17 },
	{ "answers to no PING", BYTES(""),
	  BYTES("\0\0\x8\6\1\0\0\0\0"
		"12345678"),
	  0, CALM, ODD - 2, ODD, 0, STATE_MAX, 1 },

	/* --- windows ----------------------------------------------------- */
	{ "data dribble (CVE-2019-9511): a stream's window, byte by byte",
	  /* INITIAL_WINDOW_SIZE 0 */
	  BYTES("\0\0\6\4\0\0\0\0\0\0\4\0\0\0\0" ASK),
	  BYTES("\0\0\4\x8\0\0\0\0\1\0\0\0\1"), ANSWERS, CALM, ODD - 2, ODD, 1,
	  STATE_MAX + 100, 10 },
	{ "data dribble: the connection's window, byte by byte",
	  /* INITIAL_WINDOW_SIZE 1 MiB */
	  BYTES("\0\0\6\4\0\0\0\0\0\0\4\0\x10\0\0" ASK),
	  BYTES("\0\0\4\x8\0\0\0\0\0\0\0\0\1"), ANSWERS, CALM, ODD - 2,
	  ODD + 100, 1, STATE_MAX + 2 * ENOUGH + H2_FRAME_MAX, 17 },
	{ "data dribble: INITIAL_WINDOW_SIZE 1 and 0", BYTES(ASK),
	  BYTES("\0\0\6\4\0\0\0\0\0\0\4\0\0\0\1"
		"\0\0\6\4\0\0\0\0\0\0\4\0\0\0\0"),
	  ANSWERS, CALM, ODD / 2 - 2, ODD / 2 + 1, 1,
	  STATE_MAX + 2 * ENOUGH + H2_FRAME_MAX, 30 },
	{ "WINDOW_UPDATE of the connection, without a stream", BYTES(""),
	  BYTES("\0\0\4\x8\0\0\0\0\0\0\0\0\1"), 0, GOES_ON, REPEAT, REPEAT, 0,
	  STATE_MAX, 1 },
	{ "a large window, answers are not read (CVE-2019-9517)",
	  /* windows of 2^31 - 1 */
	  BYTES("\0\0\6\4\0\0\0\0\0\0\4\x7f\xff\xff\xff"
		"\0\0\4\x8\0\0\0\0\0\x7f\xff\0\0"),
	  BYTES(ASK), ANSWERS | DEAF | NEW_STREAM, CALM, ODD + STREAMS_MAX - 2,
	  ODD + STREAMS_MAX, STREAMS_MAX,
	  STATE_MAX + ENOUGH + H2_FRAME_MAX + H2_FRAME_HEAD + STREAMS_MAX * 10 +
		  ODD * 13,
	  20 },
	{ "windows of 0 (slow read, CVE-2016-1546)",
	  BYTES("\0\0\6\4\0\0\0\0\0\0\4\0\0\0\0"), BYTES(ASK_ALL),
	  ANSWERS | NEW_STREAM, CALM, ODD + STREAMS_MAX - 2, ODD + STREAMS_MAX,
	  STREAMS_MAX, STATE_MAX + 100, 14 },

	/* --- sizes ------------------------------------------------------- */
	{ "a frame of 16 MiB", BYTES(""), BYTES("\xff\xff\xff\0\0\0\0\0\1"), 0,
	  H2_FRAME_SIZE_ERROR, 0, 0, 0, STATE_MAX, 0 },
	{ "a PING of 16 KiB is not even read", BYTES(""),
	  BYTES("\0\x40\0\6\0\0\0\0\0"), 0, H2_FRAME_SIZE_ERROR, 0, 0, 0,
	  STATE_MAX, 0 },

	/* --- a backend --------------------------------------------------- */
	{ "interim answers without end", BYTES(""),
	  BYTES("\0\0\5\1\4\0\0\0\1\x08\3"
		"103"),
	  CLIENT, CALM, ODD - 2, ODD, ODD, STATE_MAX, 1 },
	{ "PUSH_PROMISE", BYTES(""), BYTES("\0\0\4\5\4\0\0\0\1\0\0\0\2"),
	  CLIENT, H2_PROTOCOL_ERROR, 0, 0, 0, STATE_MAX, 0 },
	{ "RST_STREAM flood of a backend", BYTES(""),
	  BYTES("\0\0\4\3\0\0\0\0\1\0\0\0\x8"), CLIENT, CALM, ODD - 1, ODD + 1,
	  0, STATE_MAX, 1 },
};

/* --- the attacker --------------------------------------------------------- */

static struct end end;

/* the code of the GOAWAY at the end of what was said, or -1 */
static int goaway_code(const struct buf *b)
{
	const uint8_t *p = buf_data(b);
	int code = -1;

	for (size_t at = 0; at + H2_FRAME_HEAD <= b->len;) {
		if (p[at + 3] == H2_GOAWAY)
			code = p[at + H2_FRAME_HEAD + 7];
		at += H2_FRAME_HEAD + ((size_t)p[at] << 16 |
				       (size_t)p[at + 1] << 8 | p[at + 2]);
	}
	return code;
}

/* stream 1 of the frames becomes stream @id */
static void number(uint8_t *p, size_t n, int32_t id)
{
	for (size_t at = 0; at < n;) {
		if (p[at + 8])
			for (int i = 0; i < 4; i++)
				p[at + 5 + (size_t)i] =
					(uint8_t)(id >> (24 - 8 * i));
		at += H2_FRAME_HEAD + ((size_t)p[at] << 16 |
				       (size_t)p[at + 1] << 8 | p[at + 2]);
	}
}

static void look(struct end *e)
{
	const struct h2 *h = &e->h2;
	struct list *n;
	size_t held = e->out.len + h->in.len + h->block.len + h->decoder.size +
		      h->nstreams * sizeof(struct h2_stream);

	list_for_each (n, &h->closed)
		held += sizeof(struct h2_stream);
	e->held = MAX(e->held, held);
}

/* the time is @now; what it says is read, unless the peer is deaf */
static int hear(struct end *e, int64_t now, const void *p, size_t n, int flags)
{
	int rc = h2_receive(&e->h2, now, p, n);
	int some = 1;

	look(e);
	while (rc == 0 && some > 0 && e->out.len < ENOUGH) {
		size_t was = e->out.len;

		some = h2_send(&e->h2, ENOUGH);
		look(e);
		some = some < 0 ? some : e->out.len > was;
	}
	if (rc < 0 || some < 0)
		return rc < 0 ? rc : some;
	if (!(flags & DEAF)) {
		e->answered += e->out.len;
		buf_reset(&e->out);
	}
	return 0;
}

static void start(struct end *e, int flags)
{
	const struct hpack_field get = { (const uint8_t *)":method",
					 (const uint8_t *)"GET", 7, 3, false };
	bool server = !(flags & CLIENT);

	memset(e, 0, sizeof(*e));
	e->answers = flags & ANSWERS;
	buf_init(&e->out, OUT_MAX);
	assert_int_equal(h2_init(&e->h2, server, &limits, &handler, e, &e->out),
			 0);
	if (server)
		assert_int_equal(hear(e, 0, BYTES(H2_MAGIC), 0), 0);
	else
		assert_non_null(h2_request(&e->h2, &get, 1, true, NULL));
	assert_int_equal(hear(e, 0, BYTES("\0\0\0\4\0\0\0\0\0"), 0), 0);
	if (flags & LEAVING)
		h2_goaway(&e->h2, 0, H2_NO_ERROR);
}

static void stop(struct end *e)
{
	h2_fini(&e->h2);
	buf_fini(&e->out);
}

/* how often it is heard */
static size_t attack(struct end *e, const struct attack *a)
{
	uint8_t frames[128];
	int32_t id = 1;
	size_t n = 0;

	assert_in_range(a->nagain, H2_FRAME_HEAD, sizeof(frames));
	memcpy(frames, a->again, a->nagain);
	start(e, a->flags);
	assert_int_equal(hear(e, 0, a->first, a->nfirst, 0), 0);
	e->answered = 0;
	for (; n < REPEAT; n++, id += 2) {
		if (a->flags & NEW_STREAM)
			number(frames, a->nagain, id);
		if (hear(e, 0, frames, a->nagain, a->flags) < 0)
			break;
	}
	return n;
}

static void check(const struct end *e, const struct attack *a, size_t n)
{
	size_t times = MAX(n, 1);
	int code = goaway_code(&e->out);

	if (a->code >= 0 && code != a->code)
		fail_msg("%s: GOAWAY %d, not %d", a->what, code, a->code);
	if (a->code == NO_ROOM && e->h2.error != -ENOBUFS)
		fail_msg("%s: it goes on", a->what);
	if (n < a->least || n > a->most)
		fail_msg("%s: heard %zu times", a->what, n);
	if (e->requests > a->requests)
		fail_msg("%s: %zu requests", a->what, e->requests);
	if (e->held > a->held)
		fail_msg("%s: %zu bytes held", a->what, e->held);
	if (e->answered > a->answered * times)
		fail_msg("%s: %zu bytes answered", a->what, e->answered);
}

static void what_attacks_cost(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		size_t n = attack(&end, &attacks[i]);

		check(&end, &attacks[i], n);
		stop(&end);
	}
}

/* --- HPACK bombs ---------------------------------------------------------- */

/* fields of 4,000 bytes that cost the peer @n bytes each */
static void bomb(const char *each, size_t n, size_t most)
{
	static uint8_t frame[H2_FRAME_HEAD + H2_FRAME_MAX] =
		"\0\x40\0\x9\0\0\0\0\1";
	static uint8_t first[H2_FRAME_HEAD + 4012] =
		/* a name of 4,000 bytes and no value, into the table */
		"\0\xf\xac\1\0\0\0\0\1" POST "\x40\x7f\xa1\x1e";
	const size_t at = H2_FRAME_HEAD + 10;
	int rc = 0, frames = 0;

	memset(first + at, 'x', 4000);
	first[at + 4000] = 0;
	first[2] = (uint8_t)(at + 4001 - H2_FRAME_HEAD);
	first[1] = (uint8_t)((at + 4001 - H2_FRAME_HEAD) >> 8);
	for (size_t i = 0; i < H2_FRAME_MAX; i += n)
		memcpy(frame + H2_FRAME_HEAD + i, each, n);
	start(&end, 0);
	assert_int_equal(hear(&end, 0, first, at + 4001, 0), 0);
	for (; rc == 0 && frames < 100; frames++) {
		frame[4] = frames == 3 ? H2_END_HEADERS : 0;
		rc = hear(&end, 0, frame, sizeof(frame), 0);
	}
	assert_int_equal(rc, -EPROTO);
	assert_int_equal(goaway_code(&end.out), CALM);
	assert_int_equal(frames, 4); /* as soon as it is decoded */
	assert_in_range(end.decoded, 1, most);
	assert_int_equal(end.requests, 0);
	assert_in_range(end.held, 1, STATE_MAX + BLOCK_MAX);
	stop(&end);
}

/* CVE-2016-6581: 65 KB of indices stand for 262 MB */
static void a_bomb_of_references(void **state)
{
	(void)state;
	bomb("\xbe", 1, LIST_MAX);
}

/* the same name with no value, which goes into the table each time */
static void a_bomb_of_copies(void **state)
{
	(void)state;
	bomb("\x7e\0", 2, LIST_MAX);
}

/* --- what is not an attack ------------------------------------------------ */

/* after the burst, so many a second, for ever */
static void who_keeps_to_the_rate_goes_on(void **state)
{
	static const uint8_t reset[] = {
		0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8
	};
	int64_t now = NS_SEC;
	int rc = 0;

	(void)state;
	start(&end, 0);
	assert_int_equal(hear(&end, now, BYTES(ASK), 0), 0);
	for (int i = 0; i < H2_GLITCH_BURST + 60 * H2_GLITCH_RATE; i++) {
		if (i >= H2_GLITCH_BURST)
			now += NS_SEC / H2_GLITCH_RATE;
		assert_int_equal(hear(&end, now, reset, sizeof(reset), 0), 0);
	}
	/* and no faster */
	for (int i = 0; rc == 0 && i < 10; i++)
		rc = hear(&end, now, reset, sizeof(reset), 0);
	assert_int_equal(rc, -EPROTO);
	stop(&end);
}

/* gRPC's clients give some bytes of window with each call, to streams that have
 * enough of it, and many PINGs */
static void small_windows_where_there_is_one(void **state)
{
	uint8_t call[] = ASK_ALL "\0\0\4\x8\0\0\0\0\1\0\0\0\5"
				 "\0\0\x8\6\0\0\0\0\0"
				 "12345678";

	(void)state;
	start(&end, 0);
	for (int32_t id = 1; id < 2 * 50000; id += 2) {
		struct h2_stream *st;

		number(call, sizeof(call) - 1, id);
		assert_int_equal(hear(&end, 0, call, sizeof(call) - 1, 0), 0);
		st = h2_find(&end.h2, id);
		assert_non_null(st);
		h2_stream_close(&end.h2, st, 0);
	}
	assert_int_equal(end.requests, 50000);
	stop(&end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_attacks_cost),
		cmocka_unit_test(a_bomb_of_references),
		cmocka_unit_test(a_bomb_of_copies),
		cmocka_unit_test(who_keeps_to_the_rate_goes_on),
		cmocka_unit_test(small_windows_where_there_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
