/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as they come to the server, and to the client. */
#include "wire/fsmsg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken is written the same */
static void requests(const uint8_t *p, size_t n)
{
	struct fsmsg_request q;
	struct buf b;
	ssize_t len;

	buf_init(&b, FSMSG_REQUEST_MAX);
	while ((len = fsmsg_get_request(p, n, &q)) > 0) {
		if ((size_t)len > n || !fsmsg_path_good(q.path, q.len) ||
		    fsmsg_put_request(&b, &q) < 0 || b.len != (size_t)len ||
		    memcmp(buf_data(&b), p, b.len) != 0)
			abort();
		buf_reset(&b);
		p += len;
		n -= (size_t)len;
	}
	buf_fini(&b);
}

static void contents(const struct fsmsg_answer *a)
{
	struct rd r = rd_make(a->body, a->len);
	struct fsmsg_statfs fs;
	struct fsmsg_entry e;
	struct fsmsg_attr attr;

	while (fsmsg_get_entry(&r, &e))
		if (!e.len || e.len > FSMSG_NAME_MAX ||
		    memchr(e.name, '/', e.len) || e.attr.mtime.ns > 999999999)
			abort();
	r = rd_make(a->body, a->len);
	(void)!fsmsg_get_attr(&r, &attr);
	(void)!fsmsg_get_statfs(&r, &fs);
}

static void answers(const uint8_t *p, size_t n)
{
	uint8_t head[FSMSG_ANSWER_HEAD];
	struct fsmsg_answer a;
	ssize_t len;

	while ((len = fsmsg_get_answer(p, n, &a)) > 0) {
		fsmsg_answer_head(head, a.id, a.error, a.len);
		if ((size_t)len > n || a.body + a.len != p + len ||
		    memcmp(head, p, sizeof(head)) != 0)
			abort();
		contents(&a);
		p += len;
		n -= (size_t)len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	requests(data, size);
	answers(data, size);
	return 0;
}
