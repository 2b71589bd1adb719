/* SPDX-License-Identifier: Apache-2.0 */
#include "pipe/pipe_end.h"

#include "base/mem.h"

void pipe_end_reset(struct pipe_end *e)
{
	if (e->pipe)
		pipe_close(e->pipe, true);
	e->pipe = NULL;
	buf_fini(&e->in);
}

void pipe_end_take(struct pipe_end *e, size_t n)
{
	buf_take(&e->in, n);
	if (!e->in.len)
		buf_fini(&e->in);
	if (e->pipe && n > e->early)
		pipe_consume(e->pipe, n - e->early);
	e->early -= MIN(n, e->early);
}

int pipe_end_put_back(struct pipe_end *e, const void *data, size_t n)
{
	struct buf in;
	int rc;

	buf_init(&in, e->in.max);
	rc = buf_put(&in, data, n);
	if (rc == 0 && e->in.len)
		rc = buf_put(&in, buf_data(&e->in), e->in.len);
	if (rc < 0) {
		buf_fini(&in);
		return rc;
	}
	buf_fini(&e->in);
	e->in = in;
	e->early += n;
	return 0;
}

void pipe_end_more(struct pipe_end *e)
{
	if (e->pipe && e->in.len > e->early)
		pipe_consume(e->pipe, e->in.len - e->early);
	e->early = e->in.len;
}
