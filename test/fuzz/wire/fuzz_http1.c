/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of both kinds, their body framing, and the chunked coding in pieces */
#include "wire/http1.h"

#include "base/buf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_head(const struct http1_head *h, ssize_t n, size_t size)
{
	if (n > 0 && ((size_t)n > size || h->nfields > HTTP1_MAX_FIELDS))
		abort();
}

static void chunks(const uint8_t *data, size_t size, size_t step)
{
	struct http1_chunks c = { 0 };
	size_t at = 0;

	while (at < size && !c.done) {
		size_t k = size - at < step ? size - at : step;
		struct slice s;
		ssize_t n = http1_chunks_next(&c, data + at, k, &s);

		if (n < 0)
			return;
		if (!n || (size_t)n > k || s.n > (size_t)n)
			abort();
		at += (size_t)n;
	}
}

/* what is repaired a strict reader takes, or it is too large; and once is
 * enough */
static void repair(struct http1_head *h, const uint8_t *data, size_t size)
{
	struct buf once, twice;
	ssize_t n;

	buf_init(&once, 4 * HTTP1_MAX_HEAD);
	buf_init(&twice, 4 * HTTP1_MAX_HEAD);
	n = http1_repair(&once, data, size);
	if (n > 0) {
		if ((size_t)n > size)
			abort();
		n = http1_parse_response(h, buf_data(&once), once.len);
		/* the digits of the status are left to it */
		if (n > 0 && (size_t)n != once.len)
			abort();
		if (n > 0 &&
		    http1_repair(&twice, buf_data(&once), once.len) != n)
			abort();
	}
	buf_fini(&once);
	buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_head h;
	uint64_t length;
	ssize_t n;
	int rc;

	n = http1_parse_response(&h, data, size);
	check_head(&h, n, size);
	if (n > 0) {
		http1_has_token(&h, "connection", "upgrade");
		rc = http1_response_body(&h, false, &length);
		if (rc == HTTP1_CHUNKED)
			chunks(data + n, size - (size_t)n, 7);
	}
	n = http1_parse_request(&h, data, size);
	check_head(&h, n, size);
	if (n > 0 && http1_request_body(&h, &length) == HTTP1_LENGTH && !length)
		abort();
	repair(&h, data, size);
	chunks(data, size, 1);
	chunks(data, size, size ? size : 1);
	return 0;
}
