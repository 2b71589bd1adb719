/* SPDX-License-Identifier: Apache-2.0 */
#include "router/conn.h"

#include "pipe/join.h"

void conn_over(struct router_conn *rc)
{
	rc->part = NULL;
	loop_defer_free(rc->env->loop, rc);
	if (rc->done)
		rc->done(rc->user);
}

static void conn_free_join(void *part)
{
	join_reset(part);
}

static void conn_on_joined(void *user)
{
	conn_over(user);
}

static const struct part_ops join_ops = { .free = conn_free_join };

void conn_join(struct router_conn *rc, struct pipe_end *a, struct pipe_end *b)
{
	struct join *j = join_start(rc->env->loop, a, b, conn_on_joined, rc);

	if (j)
		conn_become(rc, j, &join_ops);
	else
		conn_over(rc);
}
