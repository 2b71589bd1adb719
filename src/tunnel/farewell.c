/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/farewell.h"

#include <errno.h>

static void farewell_send(void *user)
{
	struct farewell *f = user;
	struct iovec iov = { buf_data(&f->rest), f->rest.len };
	ssize_t n;

	if (!f->rest.len)
		return;
	n = carrier_send(f->carrier, &iov, 1);
	if (n >= 0)
		buf_take(&f->rest, (size_t)n);
	else if (n != -EAGAIN)
		f->over = true;
}

static void farewell_on_data(void *user, const uint8_t *data, size_t len)
{
	(void)user;
	(void)data;
	(void)len;
}

static void farewell_on_closed(void *user, const struct kt_error *why)
{
	struct farewell *f = user;

	(void)why;
	f->over = true;
}

static const struct carrier_handler farewell_handler = {
	.opened = farewell_send,
	.data = farewell_on_data,
	.writable = farewell_send,
	.closed = farewell_on_closed,
};

void farewell_start(struct farewell *f, struct carrier *c, struct buf *rest)
{
	*f = (struct farewell){ .carrier = c, .rest = *rest };
	*rest = (struct buf){ 0 };
	c->handler = &farewell_handler;
	c->user = f;
}

void farewell_drop(struct farewell *f)
{
	carrier_close(f->carrier);
	buf_fini(&f->rest);
	*f = (struct farewell){ 0 };
}

void farewell_wait(struct farewell *f, struct loop *loop, int64_t limit_ns)
{
	if (f->carrier)
		(void)!loop_run_until(loop, &f->over, limit_ns);
	farewell_drop(f);
}
