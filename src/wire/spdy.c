/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/spdy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#define CONTROL_BIT 0x80000000u
#define VERSION 3u
#define ID_MASK 0x7fffffffu
#define SETTINGS_INITIAL_WINDOW 7u

/* What both ends know before the first header (draft, section 2.6.10.1). It
 * ends without a NUL. */
/* clang-format off */
#define WORD(length, text) "\0\0\0" length text
static const char dictionary[] =
	WORD("\7", "options") WORD("\4", "head") WORD("\4", "post")
	WORD("\3", "put") WORD("\6", "delete") WORD("\5", "trace")
	WORD("\6", "accept") WORD("\16", "accept-charset")
	WORD("\17", "accept-encoding") WORD("\17", "accept-language")
	WORD("\15", "accept-ranges") WORD("\3", "age") WORD("\5", "allow")
	WORD("\15", "authorization") WORD("\15", "cache-control")
	WORD("\12", "connection") WORD("\14", "content-base")
	WORD("\20", "content-encoding") WORD("\20", "content-language")
	WORD("\16", "content-length") WORD("\20", "content-location")
	WORD("\13", "content-md5") WORD("\15", "content-range")
	WORD("\14", "content-type") WORD("\4", "date") WORD("\4", "etag")
	WORD("\6", "expect") WORD("\7", "expires") WORD("\4", "from")
	WORD("\4", "host") WORD("\10", "if-match")
	WORD("\21", "if-modified-since") WORD("\15", "if-none-match")
	WORD("\10", "if-range") WORD("\23", "if-unmodified-since")
	WORD("\15", "last-modified") WORD("\10", "location")
	WORD("\14", "max-forwards") WORD("\6", "pragma")
	WORD("\22", "proxy-authenticate") WORD("\23", "proxy-authorization")
	WORD("\5", "range") WORD("\7", "referer") WORD("\13", "retry-after")
	WORD("\6", "server") WORD("\2", "te") WORD("\7", "trailer")
	WORD("\21", "transfer-encoding") WORD("\7", "upgrade")
	WORD("\12", "user-agent") WORD("\4", "vary") WORD("\3", "via")
	WORD("\7", "warning") WORD("\20", "www-authenticate")
	WORD("\6", "method") WORD("\3", "get") WORD("\6", "status")
	WORD("\6", "200 OK") WORD("\7", "version") WORD("\10", "HTTP/1.1")
	WORD("\3", "url") WORD("\6", "public") WORD("\12", "set-cookie")
	WORD("\12", "keep-alive") WORD("\6", "origin")
	"100101201202205206300302303304305306307402405406407408409410411412"
	"413414415416417502504505203 Non-Authoritative Information204 No "
	"Content301 Moved Permanently400 Bad Request401 Unauthorized403 "
	"Forbidden404 Not Found500 Internal Server Error501 Not "
	"Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug "
	"Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTch"
	"unked,text/html,image/png,image/jpg,image/gif,application/xml,appl"
	"ication/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
	"gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
#undef WORD
/* clang-format on */
#define DICTIONARY_LEN (sizeof(dictionary) - 1)
_Static_assert(DICTIONARY_LEN == 1423, "SPDY/3 dictionary");

struct spdy_rx {
	z_stream z;
	uint8_t head[SPDY_HEAD_LEN];
	size_t have; /* bytes of @head */
	bool in_payload, control, fin;
	uint16_t type;
	uint32_t stream; /* of a data frame */
	uint32_t length; /* payload of the frame */
	uint32_t left;	 /* of it still to come */
	uint8_t body[SPDY_MAX_CONTROL];
	uint8_t block[SPDY_MAX_BLOCK];
};

struct spdy_tx {
	z_stream z;
};

/* --- header blocks -------------------------------------------------------- */

static int inflate_dictionary(z_stream *z)
{
	return inflateSetDictionary(z, (const Bytef *)dictionary,
				    DICTIONARY_LEN);
}

/* The whole of @len bytes is one block; its length, or -EPROTO. */
static ssize_t read_block(struct spdy_rx *rx, const uint8_t *data, size_t len)
{
	z_stream *z = &rx->z;
	int rc;

	z->next_in = data;
	z->avail_in = (uInt)len;
	z->next_out = rx->block;
	z->avail_out = sizeof(rx->block);
	do {
		rc = inflate(z, Z_SYNC_FLUSH);
		if (rc == Z_NEED_DICT)
			rc = inflate_dictionary(z);
	} while (rc == Z_OK && z->avail_in && z->avail_out);
	if ((rc != Z_OK && rc != Z_BUF_ERROR) || z->avail_in || !z->avail_out)
		return -EPROTO;
	return (ssize_t)(sizeof(rx->block) - z->avail_out);
}

static bool spdy_take_text(struct rd *r, const char **text, size_t *len)
{
	uint32_t n;

	if (!rd_u32(r, &n) || n > rd_left(r))
		return false;
	*text = (const char *)rd_bytes(r, n);
	*len = n;
	return true;
}

bool spdy_field_next(struct rd *r, struct spdy_field *f)
{
	return spdy_take_text(r, &f->name, &f->name_len) &&
	       spdy_take_text(r, &f->value, &f->value_len);
}

struct rd spdy_fields(const struct spdy_event *ev)
{
	return rd_make(ev->data, ev->len);
}

/* Count, then so many fields, then nothing. */
static int check_block(struct rd *r)
{
	struct rd fields;
	struct spdy_field f;
	uint32_t n;

	if (!rd_u32(r, &n))
		return -EPROTO;
	fields = *r;
	for (; n; n--)
		if (!spdy_field_next(&fields, &f))
			return -EPROTO;
	return rd_left(&fields) ? -EPROTO : 0;
}

static int take_fields(struct spdy_rx *rx, struct rd *r, struct spdy_event *ev)
{
	size_t len = rd_left(r);
	ssize_t n = read_block(rx, rd_bytes(r, len), len);
	struct rd block;

	if (n < 0)
		return (int)n;
	block = rd_make(rx->block, (size_t)n);
	if (check_block(&block) < 0)
		return -EPROTO;
	ev->data = block.p;
	ev->len = rd_left(&block);
	return 0;
}

/* --- reading -------------------------------------------------------------- */

struct spdy_rx *spdy_rx_new(void)
{
	struct spdy_rx *rx = calloc(1, sizeof(*rx));

	if (rx && inflateInit(&rx->z) != Z_OK) {
		free(rx);
		return NULL;
	}
	return rx;
}

void spdy_rx_free(struct spdy_rx *rx)
{
	if (!rx)
		return;
	inflateEnd(&rx->z);
	free(rx);
}

static bool take_id(struct rd *r, uint32_t *id)
{
	if (!rd_u32(r, id))
		return false;
	*id &= ID_MASK;
	return true;
}

static int take_settings(struct rd *r, struct spdy_event *ev)
{
	uint32_t n, id, value;

	if (!rd_u32(r, &n) || rd_left(r) != (uint64_t)n * 8)
		return -EPROTO;
	for (; n; n--) {
		if (!rd_u32(r, &id) || !rd_u32(r, &value))
			return -EPROTO;
		if ((id & 0xffffffu) == SETTINGS_INITIAL_WINDOW)
			ev->value = value & SPDY_MAX_WINDOW;
	}
	return 0;
}

/* A complete control frame; 1: an event, 0: a type we do not know. */
static int read_control(struct spdy_rx *rx, const uint8_t *body, uint32_t len,
			struct spdy_event *ev)
{
	struct rd r = rd_make(body, len);
	int rc = 0;

	*ev = (struct spdy_event){ .type = rx->type, .fin = rx->fin };
	switch (rx->type) {
	case SPDY_SYN_STREAM: /* associated stream, priority, slot */
		if (!take_id(&r, &ev->stream) || !rd_bytes(&r, 6))
			return -EPROTO;
		rc = take_fields(rx, &r, ev);
		break;
	case SPDY_SYN_REPLY:
	case SPDY_HEADERS:
		if (!take_id(&r, &ev->stream))
			return -EPROTO;
		rc = take_fields(rx, &r, ev);
		break;
	case SPDY_RST_STREAM:
	case SPDY_GOAWAY:
	case SPDY_WINDOW_UPDATE:
		if (!take_id(&r, &ev->stream) || !rd_u32(&r, &ev->value) ||
		    rd_left(&r))
			return -EPROTO;
		if (rx->type == SPDY_WINDOW_UPDATE)
			ev->value &= SPDY_MAX_WINDOW;
		break;
	case SPDY_PING:
		if (!rd_u32(&r, &ev->value) || rd_left(&r))
			return -EPROTO;
		break;
	case SPDY_SETTINGS:
		rc = take_settings(&r, ev);
		break;
	default:
		return 0;
	}
	return rc < 0 ? rc : 1;
}

static int spdy_parse_head(struct spdy_rx *rx)
{
	struct rd r = rd_make(rx->head, sizeof(rx->head));
	uint32_t first, second;

	if (!rd_u32(&r, &first) || !rd_u32(&r, &second))
		return -EPROTO;
	rx->control = first & CONTROL_BIT;
	rx->type = (uint16_t)first;
	rx->stream = first & ID_MASK;
	rx->fin = second >> 24 & SPDY_FLAG_FIN;
	rx->length = second & SPDY_MAX_DATA;
	rx->left = rx->length;
	rx->in_payload = true;
	if (rx->control) {
		if ((first >> 16 & 0x7fff) != VERSION ||
		    rx->length > SPDY_MAX_CONTROL)
			return -EPROTO;
	} else if (!rx->stream) {
		return -EPROTO;
	}
	return 0;
}

static void frame_over(struct spdy_rx *rx)
{
	rx->in_payload = false;
	rx->have = 0;
}

static void spdy_slice(struct spdy_rx *rx, struct rd *r, struct spdy_event *ev)
{
	size_t n = rd_left(r) < rx->left ? rd_left(r) : rx->left;

	rx->left -= (uint32_t)n;
	*ev = (struct spdy_event){
		.type = SPDY_DATA,
		.stream = rx->stream,
		.fin = rx->fin && !rx->left,
		.data = rd_bytes(r, n),
		.len = n,
	};
	if (!rx->left)
		frame_over(rx);
}

/* Collects the body; one that is there in one piece is read in place. */
static int take_control(struct spdy_rx *rx, struct rd *r, struct spdy_event *ev)
{
	size_t n = rd_left(r) < rx->left ? rd_left(r) : rx->left;
	const uint8_t *p = rd_bytes(r, n), *body = p;

	if (n < rx->length) {
		memcpy(rx->body + rx->length - rx->left, p, n);
		body = rx->body;
	}
	rx->left -= (uint32_t)n;
	if (rx->left)
		return 0;
	frame_over(rx);
	return read_control(rx, body, rx->length, ev);
}

ssize_t spdy_rx_next(struct spdy_rx *rx, const uint8_t *data, size_t len,
		     struct spdy_event *ev, bool *found)
{
	struct rd r = rd_make(data, len);
	int rc;

	*found = false;
	while (!*found) {
		uint8_t b;

		if (!rx->in_payload) {
			while (rx->have < SPDY_HEAD_LEN && rd_u8(&r, &b))
				rx->head[rx->have++] = b;
			if (rx->have < SPDY_HEAD_LEN)
				break;
			if (spdy_parse_head(rx) < 0)
				return -EPROTO;
		}
		if (rx->left && !rd_left(&r))
			break;
		if (!rx->control) {
			spdy_slice(rx, &r, ev);
			*found = true;
			break;
		}
		rc = take_control(rx, &r, ev);
		if (rc < 0)
			return rc;
		*found = rc;
	}
	return (ssize_t)(len - rd_left(&r));
}

/* --- writing -------------------------------------------------------------- */

struct spdy_tx *spdy_tx_new(void)
{
	struct spdy_tx *tx = calloc(1, sizeof(*tx));

	if (tx && deflateInit(&tx->z, Z_BEST_COMPRESSION) != Z_OK) {
		free(tx);
		return NULL;
	}
	if (tx && deflateSetDictionary(&tx->z, (const Bytef *)dictionary,
				       DICTIONARY_LEN) != Z_OK) {
		spdy_tx_free(tx);
		return NULL;
	}
	return tx;
}

void spdy_tx_free(struct spdy_tx *tx)
{
	if (!tx)
		return;
	deflateEnd(&tx->z);
	free(tx);
}

static void put_control(struct wr *w, enum spdy_type type, uint8_t flags,
			uint32_t len)
{
	wr_u32(w, CONTROL_BIT | VERSION << 16 | (uint32_t)type);
	wr_u32(w, (uint32_t)flags << 24 | len);
}

static void spdy_put_text(struct wr *w, const char *text)
{
	size_t n = strlen(text);

	wr_u32(w, (uint32_t)n);
	wr_bytes(w, text, n);
}

/* The block of @names, deflated, behind @w; its length, or -ENOBUFS. */
static ssize_t put_block(struct spdy_tx *tx, struct wr *w,
			 const char *const *names)
{
	uint8_t plain[1024];
	struct wr p = wr_make(plain, sizeof(plain));
	z_stream *z = &tx->z;
	uint32_t n = 0;
	size_t len;

	while (names[2 * n])
		n++;
	wr_u32(&p, n);
	for (uint32_t i = 0; i < 2 * n; i++)
		spdy_put_text(&p, names[i]);
	if (p.full || w->full)
		return -ENOBUFS;
	z->next_in = plain;
	z->avail_in = (uInt)wr_len(&p);
	z->next_out = w->p;
	z->avail_out = (uInt)(w->end - w->p);
	if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in || !z->avail_out)
		return -ENOBUFS;
	len = (size_t)(z->next_out - w->p);
	w->p += len;
	return (ssize_t)len;
}

int spdy_put_syn(struct spdy_tx *tx, struct wr *w, enum spdy_type type,
		 uint32_t stream, uint8_t flags, const char *const *names)
{
	struct wr head = *w;
	uint32_t fixed = 4;
	ssize_t n;

	put_control(w, type, flags, 0); /* the length comes later */
	wr_u32(w, stream);
	if (type == SPDY_SYN_STREAM) {
		wr_u32(w, 0); /* no associated stream */
		wr_u16(w, 0); /* priority, slot */
		fixed = 10;
	}
	n = put_block(tx, w, names);
	if (n < 0)
		return (int)n;
	put_control(&head, type, flags, fixed + (uint32_t)n);
	return 0;
}

void spdy_put_data_head(struct wr *w, uint32_t stream, uint8_t flags,
			uint32_t len)
{
	wr_u32(w, stream);
	wr_u32(w, (uint32_t)flags << 24 | len);
}

static void put_pair(struct wr *w, enum spdy_type type, uint32_t a, uint32_t b)
{
	put_control(w, type, 0, 8);
	wr_u32(w, a);
	wr_u32(w, b);
}

void spdy_put_rst(struct wr *w, uint32_t stream, uint32_t status)
{
	put_pair(w, SPDY_RST_STREAM, stream, status);
}

void spdy_put_goaway(struct wr *w, uint32_t last_stream, uint32_t status)
{
	put_pair(w, SPDY_GOAWAY, last_stream, status);
}

void spdy_put_window_update(struct wr *w, uint32_t stream, uint32_t delta)
{
	put_pair(w, SPDY_WINDOW_UPDATE, stream, delta);
}

void spdy_put_settings(struct wr *w, uint32_t initial_window)
{
	put_control(w, SPDY_SETTINGS, 0, 12);
	wr_u32(w, 1);
	wr_u32(w, SETTINGS_INITIAL_WINDOW);
	wr_u32(w, initial_window);
}

void spdy_put_ping(struct wr *w, uint32_t id)
{
	put_control(w, SPDY_PING, 0, 4);
	wr_u32(w, id);
}

const char *spdy_rst_text(uint32_t status)
{
	static const char *const text[] = {
		"no reason",	       "protocol error",
		"invalid stream",      "stream refused",
		"unsupported version", "cancelled",
		"internal error",      "flow control error",
		"stream in use",       "stream already closed",
		"invalid credentials", "frame too large",
	};

	return status < sizeof(text) / sizeof(text[0]) ? text[status]
						       : "unknown reason";
}

/* --- windows -------------------------------------------------------------- */

uint32_t spdy_credit_take(struct spdy_credit *c, size_t n)
{
	uint32_t give;

	c->taken += (uint32_t)n; /* n: one slice, so far below 2^31 */
	if (c->taken < c->window / 2)
		return 0;
	give = c->taken;
	c->taken = 0;
	return give;
}

void spdy_limit_init(struct spdy_limit *l)
{
	*l = (struct spdy_limit){
		.initial = SPDY_FIRST_WINDOW,
		.stream = SPDY_FIRST_WINDOW,
		.session = SPDY_FIRST_WINDOW,
	};
}

void spdy_limit_sent(struct spdy_limit *l, size_t n)
{
	l->stream -= (int64_t)n;
	l->session -= (int64_t)n;
}

int spdy_limit_hear(struct spdy_limit *l, const struct spdy_event *ev,
		    uint32_t stream)
{
	if (ev->type == SPDY_SETTINGS && ev->value) {
		l->on = true;
		l->stream += (int64_t)ev->value - l->initial;
		l->initial = ev->value;
	} else if (ev->type == SPDY_WINDOW_UPDATE && ev->stream == 0) {
		l->on = true;
		l->session += ev->value;
	} else if (ev->type == SPDY_WINDOW_UPDATE && ev->stream == stream) {
		l->on = true;
		l->stream += ev->value;
	}
	return l->stream > SPDY_MAX_WINDOW || l->session > SPDY_MAX_WINDOW
		       ? -EPROTO
		       : 0;
}

size_t spdy_limit_room(const struct spdy_limit *l)
{
	int64_t room = l->stream < l->session ? l->stream : l->session;

	if (!l->on)
		return SIZE_MAX;
	return room > 0 ? (size_t)room : 0;
}
