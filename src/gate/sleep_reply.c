/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/sleep_reply.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/http1.h"

#include <errno.h>
#include <string.h>

static struct http1_head sleep_reply_head; /* it is large */

/* --- HTTP ----------------------------------------------------------------- */

/* The payload of a chunked body goes to @out. 0, -EAGAIN: the last chunk is
 * not there yet */
static int sleep_reply_chunks(struct buf *out, const uint8_t *p, size_t n)
{
	struct http1_chunks c = { 0 };

	while (n && !c.done) {
		struct slice part = { 0 };
		ssize_t used = http1_chunks_next(&c, p, n, &part);

		if (used <= 0)
			return -EBADMSG;
		if (part.n && buf_put(out, part.p, part.n) < 0)
			return -E2BIG;
		p += used;
		n -= (size_t)used;
	}
	return c.done ? 0 : -EAGAIN;
}

/* The body of an answer whose head is @h goes to @out */
static int sleep_reply_body(struct buf *out, const struct http1_head *h,
			    const uint8_t *p, size_t n, bool eof)
{
	uint64_t length = 0;
	int kind = http1_response_body(h, false, &length);

	if (kind < 0)
		return -EBADMSG;
	if (kind == HTTP1_NO_BODY)
		return 0;
	if (kind == HTTP1_CHUNKED)
		return sleep_reply_chunks(out, p, n);
	if (kind == HTTP1_LENGTH && length > SLEEP_REPLY_MAX)
		return -E2BIG;
	if (kind == HTTP1_LENGTH && n < length)
		return -EAGAIN;
	if (kind == HTTP1_UNTIL_EOF && !eof)
		return -EAGAIN;
	if (kind == HTTP1_LENGTH)
		n = length;
	return buf_put(out, p, n) < 0 ? -E2BIG : 0;
}

static void sleep_reply_json(struct sleep_reply *r, const struct buf *body)
{
	json_error_t why;
	const char *message;

	if (!body->len)
		return;
	r->body = json_loadb((const char *)buf_data(body), body->len, 0, &why);
	if (!json_is_object(r->body)) {
		json_decref(r->body);
		r->body = NULL;
		return;
	}
	message = json_string_value(json_object_get(r->body, "message"));
	if (r->status >= 300 && message)
		snprintf(r->message, sizeof(r->message), "%s", message);
}

int sleep_reply_read(struct sleep_reply *r, const void *data, size_t len,
		     bool eof)
{
	const uint8_t *p = data;
	struct buf body;
	ssize_t n;
	int rc;

	*r = (struct sleep_reply){ 0 };
	if (len > SLEEP_REPLY_MAX)
		return -E2BIG;
	do { /* 1xx come before it */
		n = http1_parse_response(&sleep_reply_head, p, len);
		if (n < 0)
			return n == -EAGAIN && eof ? -EBADMSG : (int)n;
		p += n;
		len -= (size_t)n;
		if (sleep_reply_head.status == 101)
			return -EBADMSG;
	} while (sleep_reply_head.status < 200);
	buf_init(&body, SLEEP_REPLY_MAX);
	rc = sleep_reply_body(&body, &sleep_reply_head, p, len, eof);
	if (rc == 0) {
		r->status = sleep_reply_head.status;
		sleep_reply_json(r, &body);
	}
	buf_fini(&body);
	return rc == -EAGAIN && eof ? -EBADMSG : rc;
}

void sleep_reply_fini(struct sleep_reply *r)
{
	json_decref(r->body);
	*r = (struct sleep_reply){ 0 };
}

/* --- Scale ---------------------------------------------------------------- */

/* No replicas are none: zeros are left out */
int sleep_scale_read(struct sleep_scale *s, const json_t *body)
{
	const json_t *spec = json_object_get(body, "spec");
	const json_t *n = json_object_get(spec, "replicas");
	const char *version = json_string_value(json_object_get(
		json_object_get(body, "metadata"), "resourceVersion"));
	json_int_t replicas = json_integer_value(n);

	*s = (struct sleep_scale){ 0 };
	if (!json_is_object(json_object_get(body, "metadata")) || !version ||
	    strlen(version) >= sizeof(s->version) ||
	    (n && !json_is_integer(n)) || replicas < 0 || replicas > INT32_MAX)
		return -EBADMSG;
	s->replicas = (int)replicas;
	snprintf(s->version, sizeof(s->version), "%s", version);
	return 0;
}

char *sleep_scale_patch(const struct sleep_scale *s, int replicas)
{
	json_t *patch =
		json_pack("{s:{s:s}, s:{s:i}}", "metadata", "resourceVersion",
			  s->version, "spec", "replicas", replicas);
	char *text = json_dumps(patch, JSON_COMPACT);

	json_decref(patch);
	return text;
}

/* --- Endpoints ------------------------------------------------------------ */

/* The number of port @name in a subset; 0: it has none */
static uint16_t sleep_address_port(const json_t *subset, const char *name)
{
	const json_t *port;
	size_t i;

	json_array_foreach (json_object_get(subset, "ports"), i, port) {
		const char *is =
			json_string_value(json_object_get(port, "name"));
		const char *proto =
			json_string_value(json_object_get(port, "protocol"));
		json_int_t n =
			json_integer_value(json_object_get(port, "port"));

		if (strcmp(is ? is : "", name) == 0 && n > 0 && n <= 65535 &&
		    (!proto || strcmp(proto, "TCP") == 0))
			return (uint16_t)n;
	}
	return 0;
}

/* Those that are not ready are in another list */
ssize_t sleep_addresses_read(struct ipport out[SLEEP_ADDRESSES],
			     const json_t *body, const char *name)
{
	const json_t *subsets = json_object_get(body, "subsets");
	const json_t *subset, *address;
	size_t i, k, n = 0;

	if (!json_is_object(body) ||
	    (subsets && !json_is_array(subsets) && !json_is_null(subsets)))
		return -EBADMSG;
	json_array_foreach (subsets, i, subset) {
		uint16_t port = sleep_address_port(subset, name);

		json_array_foreach (json_object_get(subset, "addresses"), k,
				    address) {
			const char *ip = json_string_value(
				json_object_get(address, "ip"));
			struct ipport at = { .port = port };

			if (!port || !ip || n == SLEEP_ADDRESSES ||
			    ipaddr_parse(&at.addr, ip) < 0)
				continue;
			out[n++] = at;
		}
	}
	return (ssize_t)n;
}
