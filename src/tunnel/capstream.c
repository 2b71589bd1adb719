/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/capstream.h"

#include "base/mem.h"
#include "tunnel/status.h"

#include <errno.h>
#include <string.h>

#define QUEUE_MAX (512 * 1024) /* bytes; eight of the largest datagrams */
#define KEEP_SMALL 4096	       /* an empty queue keeps so much memory */

void capstream_init(struct capstream *cs)
{
	*cs = (struct capstream){ 0 };
	buf_init(&cs->out, QUEUE_MAX);
	capsule_parser_init(&cs->in);
}

void capstream_fini(struct capstream *cs)
{
	buf_fini(&cs->out);
	capsule_parser_fini(&cs->in);
}

int capstream_put(struct capstream *cs, uint64_t type, const void *a,
		  size_t alen, const void *b, size_t blen)
{
	if (cs->ending)
		return -EPIPE;
	return capsule_put(&cs->out, type, a, alen, b, blen);
}

void capstream_end(struct capstream *cs, int error, const char *detail)
{
	char text[STATUS_FIELD_MAX];

	status_format(text, error, detail);
	/* without room for it the peer sees an end without a reason */
	(void)capstream_put(cs, CAPSULE_ERROR, text, strlen(text), NULL, 0);
	cs->ending = true;
}

ssize_t capstream_read(struct capstream *cs, uint8_t *buf, size_t len)
{
	size_t n = MIN(len, cs->out.len);

	if (!n)
		return cs->ending ? 0 : -EAGAIN;
	memcpy(buf, buf_data(&cs->out), n);
	buf_take(&cs->out, n);
	if (!cs->out.len && cs->out.cap > KEEP_SMALL)
		buf_fini(&cs->out);
	return (ssize_t)n;
}

int capstream_feed(struct capstream *cs, const uint8_t *p, size_t n,
		   capstream_fn fn, void *user)
{
	struct rd in = rd_make(p, n);
	struct capsule c;
	int rc;

	while ((rc = capsule_parse(&cs->in, &in, &c)) == 1)
		if (!fn(user, &c))
			return 0;
	return rc;
}

int capstream_error(const struct capsule *c)
{
	char detail[1];

	return status_parse((const char *)c->value, c->len, detail,
			    sizeof(detail));
}
