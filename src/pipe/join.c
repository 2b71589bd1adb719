/* SPDX-License-Identifier: Apache-2.0 */
#include "pipe/join.h"

#include "base/mem.h"
#include "pipe/pipe_fd.h"

#include <errno.h>

struct side {
	struct join *join;
	struct side *other;
	struct pipe_end end; /* in: what the other has not taken yet */
	bool broken;	     /* it takes nothing more */
};

struct join {
	struct loop *loop;
	struct side a, b;
	void (*done)(void *user);
	void (*tap)(void *user, bool of_a, const uint8_t *p, size_t n);
	void *user;
	bool over;
};

void join_reset(struct join *j)
{
	if (!j || j->over)
		return;
	j->over = true;
	pipe_end_reset(&j->a.end);
	pipe_end_reset(&j->b.end);
	loop_defer_free(j->loop, j);
}

void join_tap(struct join *j,
	      void (*fn)(void *user, bool of_a, const uint8_t *p, size_t n))
{
	j->tap = fn;
}

void join_close(struct join *j)
{
	if (!j || j->over)
		return;
	j->over = true;
	pipe_close(j->a.end.pipe, false);
	pipe_close(j->b.end.pipe, false);
	buf_fini(&j->a.end.in);
	buf_fini(&j->b.end.in);
	loop_defer_free(j->loop, j);
}

static void join_tell(struct join *j)
{
	if (j->done)
		j->done(j->user);
}

/* one that breaks takes all, in a way; what it said before still comes */
static size_t join_send(struct side *to, const uint8_t *p, size_t n)
{
	ssize_t sent = pipe_send(to->end.pipe, p, n);

	if (sent >= 0)
		return (size_t)sent;
	to->broken = true;
	return n;
}

/* what came from @s goes to the other */
static void join_move(struct side *s)
{
	struct pipe_end *from = &s->end, *to = &s->other->end;

	if (from->in.len && !to->finished)
		pipe_end_take(from, join_send(s->other, buf_data(&from->in),
					      from->in.len));
	if (from->eof && !from->in.len && !to->finished) {
		to->finished = true;
		pipe_finish(to->pipe);
	}
}

/* nothing more comes from @s, and nothing more goes to it */
static bool join_side_done(const struct side *s)
{
	return s->other->end.finished &&
	       (s->end.finished || (s->broken && s->end.eof));
}

/* true: both ways are over, and it is gone */
static bool join_is_over(struct join *j)
{
	if (j->over || (!join_side_done(&j->a) && !join_side_done(&j->b)))
		return false;
	j->over = true;
	pipe_close(j->a.end.pipe, j->a.broken);
	pipe_close(j->b.end.pipe, j->b.broken);
	buf_fini(&j->a.end.in);
	buf_fini(&j->b.end.in);
	loop_defer_free(j->loop, j);
	return true;
}

static void join_on_opened(void *user)
{
	(void)user;
}

static void join_on_data(void *user, const uint8_t *p, size_t n)
{
	struct side *s = user;
	size_t sent = 0;

	if (s->join->tap)
		s->join->tap(s->join->user, s == &s->join->a, p, n);
	if (!s->end.in.len && !s->other->end.finished) {
		sent = join_send(s->other, p, n);
		pipe_consume(s->end.pipe, sent);
	}
	if (sent < n && buf_put(&s->end.in, p + sent, n - sent) < 0)
		join_reset(s->join);
	if (s->join->over || join_is_over(s->join))
		join_tell(s->join);
}

static void join_on_eof(void *user)
{
	struct side *s = user;

	s->end.eof = true;
	join_move(s);
	if (join_is_over(s->join))
		join_tell(s->join);
}

static void join_on_writable(void *user)
{
	struct side *s = user;

	join_move(s->other);
	if (join_is_over(s->join))
		join_tell(s->join);
}

static void join_on_closed(void *user, int error)
{
	struct side *s = user;

	(void)error;
	s->end.pipe = NULL;
	join_reset(s->join);
	join_tell(s->join);
}

static const struct pipe_handler handler = { join_on_opened, join_on_data,
					     join_on_eof, join_on_writable,
					     join_on_closed };

static void join_side_init(struct join *j, struct side *s, struct side *other,
			   const struct pipe_end *end)
{
	s->join = j;
	s->other = other;
	s->end = *end;
	pipe_set_handler(s->end.pipe, &handler, s);
}

struct join *join_start(struct loop *l, struct pipe_end *a, struct pipe_end *b,
			void (*done)(void *user), void *user)
{
	struct join *j = calloc(1, sizeof(*j));

	if (!j) {
		pipe_end_reset(a);
		pipe_end_reset(b);
		return NULL;
	}
	j->loop = l;
	j->done = done;
	j->user = user;
	join_side_init(j, &j->a, &j->b, a);
	join_side_init(j, &j->b, &j->a, b);
	join_move(&j->a);
	join_move(&j->b);
	return join_is_over(j) ? NULL : j;
}

struct join *join_sockets(struct loop *l, int a, int b,
			  void (*done)(void *user), void *user)
{
	struct pipe_end ea = { .pipe = pipe_fd_new(l, a) };
	struct pipe_end eb = { .pipe = pipe_fd_new(l, b) };
	struct join *j;

	buf_init(&ea.in, PIPE_END_MAX);
	buf_init(&eb.in, PIPE_END_MAX);
	if (!ea.pipe || !eb.pipe) {
		pipe_end_reset(&ea);
		pipe_end_reset(&eb);
		errno = ENOMEM;
		return NULL;
	}
	j = join_start(l, &ea, &eb, done, user);
	if (!j)
		errno = ENOMEM;
	return j;
}
