/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "router/conn.h"

struct join;

struct side {
	struct join *join;
	struct side *other;
	struct conn_end end; /* in: what the other has not taken yet */
};

struct join {
	struct router_conn *rc;
	struct side a, b;
	bool over;
};

static void join_free(void *part)
{
	struct join *j = part;

	j->over = true;
	conn_end_reset(&j->a.end);
	conn_end_reset(&j->b.end);
	loop_defer_free(j->rc->env->loop, j);
}

static void join_reset(struct join *j)
{
	struct router_conn *rc = j->rc;

	join_free(j);
	conn_over(rc);
}

/* what came from @s goes to the other */
static void move(struct side *s)
{
	struct conn_end *from = &s->end, *to = &s->other->end;
	ssize_t n = 0;

	if (from->in.len && !to->finished) {
		n = pipe_send(to->pipe, buf_data(&from->in), from->in.len);
		if (n < 0) /* it breaks; what it said before still comes */
			n = (ssize_t)from->in.len;
		buf_take(&from->in, (size_t)n);
		pipe_consume(from->pipe, (size_t)n);
		if (!from->in.len)
			buf_reset(&from->in);
	}
	if (from->eof && !from->in.len && !to->finished) {
		to->finished = true;
		pipe_finish(to->pipe);
	}
}

static void check_over(struct join *j)
{
	struct router_conn *rc = j->rc;

	if (j->over || !j->a.end.finished || !j->b.end.finished)
		return;
	j->over = true;
	pipe_close(j->a.end.pipe, false);
	pipe_close(j->b.end.pipe, false);
	buf_fini(&j->a.end.in);
	buf_fini(&j->b.end.in);
	loop_defer_free(rc->env->loop, j);
	conn_over(rc);
}

static void join_on_opened(void *user)
{
	(void)user;
}

static void join_on_data(void *user, const uint8_t *p, size_t n)
{
	struct side *s = user;
	ssize_t sent = 0;

	if (!s->end.in.len && !s->other->end.finished) {
		sent = pipe_send(s->other->end.pipe, p, n);
		if (sent < 0)
			sent = (ssize_t)n;
		pipe_consume(s->end.pipe, (size_t)sent);
	}
	if ((size_t)sent < n &&
	    buf_put(&s->end.in, p + sent, n - (size_t)sent) < 0)
		join_reset(s->join);
}

static void join_on_eof(void *user)
{
	struct side *s = user;

	s->end.eof = true;
	move(s);
	check_over(s->join);
}

static void join_on_writable(void *user)
{
	struct side *s = user;

	move(s->other);
	if (!s->other->end.in.len)
		buf_fini(&s->other->end.in);
	check_over(s->join);
}

static void join_on_closed(void *user, int error)
{
	struct side *s = user;

	(void)error;
	s->end.pipe = NULL;
	join_reset(s->join);
}

static const struct pipe_handler handler = { join_on_opened, join_on_data,
					     join_on_eof, join_on_writable,
					     join_on_closed };

static void side_init(struct join *j, struct side *s, struct side *other,
		      const struct conn_end *end)
{
	s->join = j;
	s->other = other;
	s->end = *end;
	pipe_set_handler(s->end.pipe, &handler, s);
}

static const struct part_ops part_ops = { .free = join_free };

void join_start(struct router_conn *rc, struct conn_end *a, struct conn_end *b)
{
	struct join *j = calloc(1, sizeof(*j));

	if (!j) {
		conn_end_reset(a);
		conn_end_reset(b);
		conn_over(rc);
		return;
	}
	j->rc = rc;
	side_init(j, &j->a, &j->b, a);
	side_init(j, &j->b, &j->a, b);
	conn_become(rc, j, &part_ops);
	move(&j->a);
	move(&j->b);
	check_over(j);
}
