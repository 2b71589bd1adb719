/* SPDX-License-Identifier: Apache-2.0 */
/* DNS queries of the clients, in the form of RFC 8484. */
#include "shadow/doh.h"

#include "base/buf.h"
#include "base/mem.h"
#include "shadow/nameserver.h"
#include "shadow/reply.h"
#include "shadow/shadow.h"
#include "tunnel/mux.h"

#include <errno.h>

#define QUERY_MAX 65535

struct doh {
	struct shadow *sh;
	struct mux_stream *stream;
	struct nameserver_query *query;
	struct buf msg;
	bool tcp;
};

static void doh_free(struct doh *d)
{
	if (d->query)
		nameserver_cancel(d->query);
	buf_fini(&d->msg);
	loop_defer_free(d->sh->loop, d);
}

static void doh_refuse(struct doh *d, int error, const char *detail)
{
	reply_refuse(d->stream, error, detail);
	doh_free(d);
}

static void doh_on_reply(void *user, int err, const uint8_t *reply, size_t len)
{
	struct doh *d = user;

	d->query = NULL;
	if (err) {
		doh_refuse(d, -err, "no name server of the Pod answers");
		return;
	}
	reply_send(d->sh->loop, d->stream, "application/dns-message", reply,
		   len);
	doh_free(d);
}

static void doh_data(void *user, const uint8_t *p, size_t n)
{
	struct doh *d = user;

	if (buf_put(&d->msg, p, n) < 0)
		doh_refuse(d, EMSGSIZE, "the query is too long");
	else
		mux_stream_consume(d->stream, n);
}

static void doh_end(void *user)
{
	struct doh *d = user;

	d->query = nameserver_ask(d->sh->names, buf_data(&d->msg), d->msg.len,
				  d->tcp, doh_on_reply, d);
	if (!d->query)
		doh_refuse(d, errno == EBADMSG ? EINVAL : errno,
			   errno == ENOENT ? "the Pod has no name server"
					   : "the query cannot be sent");
}

static void doh_close(void *user, int error)
{
	(void)error;
	doh_free(user);
}

static const struct mux_stream_ops ops = {
	.data = doh_data,
	.end = doh_end,
	.close = doh_close,
};

void doh_serve(struct shadow *sh, struct mux_stream *s, bool tcp)
{
	struct doh *d = calloc(1, sizeof(*d));

	if (!d) {
		reply_refuse(s, ENOMEM, NULL);
		return;
	}
	d->sh = sh;
	d->stream = s;
	d->tcp = tcp;
	buf_init(&d->msg, QUERY_MAX);
	mux_stream_set_ops(s, &ops, d);
}
