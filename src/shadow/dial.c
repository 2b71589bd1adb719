/* SPDX-License-Identifier: Apache-2.0 */
/* TCP for the clients: CONNECT (RFC 9113, section 8.5). */
#include "shadow/dial.h"

#include "base/ipaddr.h"
#include "base/mem.h"
#include "base/str.h"
#include "shadow/connector.h"
#include "shadow/marked.h"
#include "shadow/reply.h"
#include "shadow/resolve.h"
#include "shadow/shadow.h"
#include "tunnel/mux.h"
#include "tunnel/relay.h"
#include "wire/envmark.h"

#include <errno.h>
#include <string.h>

/*
 * resolving (a host name only) -> connecting, address by address -> relay.
 * The stream's close() ends it in every state.
 */
struct dial {
	struct shadow *sh;
	struct mux_stream *stream;
	struct resolve *resolve;
	struct connector *connector;
	uint16_t port;
	struct envmark mark; /* no name: none */
};

static void dial_dial_free(struct dial *d)
{
	if (d->resolve)
		resolve_cancel(d->resolve);
	connector_cancel(d->connector);
	loop_defer_free(d->sh->loop, d);
}

static void dial_refuse(struct dial *d, int error, const char *act)
{
	char text[160];

	snprintf(text, sizeof(text), "%s: %s", act, strerror(error));
	reply_refuse(d->stream, error, text);
	dial_dial_free(d);
}

static void dial_data(void *user, const uint8_t *p, size_t n);
static void dial_close(void *user, int error);

static ssize_t was_reset(void *user, uint8_t *buf, size_t len)
{
	(void)user;
	(void)buf;
	(void)len;
	return -ECONNRESET;
}

/* A connection that was open, and was reset before we saw it: who is refused
 * gets ECONNREFUSED. So it opens for the client, and is reset. */
static int dial_was_open(struct dial *d)
{
	static const struct mux_stream_ops ops = {
		.read = was_reset,
		.data = dial_data,
		.close = dial_close,
	};

	return mux_stream_accept(d->stream, NULL, &ops, d);
}

static void dial_on_connected(void *user, int fd, const struct ipport *last)
{
	struct dial *d = user;
	char at[IPPORT_STRLEN], act[IPPORT_STRLEN + 10];

	d->connector = NULL;
	if (fd == -ECONNRESET && dial_was_open(d) == 0)
		return;
	if (fd < 0) {
		snprintf(act, sizeof(act), "connect %s", ipport_str(last, at));
		dial_refuse(d, -fd, act);
		return;
	}
	/* on failure the stream is reset already */
	if (d->mark.name[0])
		marked_serve(d->sh, d->stream, fd, last, &d->mark);
	else
		(void)!relay_start(d->sh->loop, fd, d->stream, true, NULL, NULL,
				   NULL);
	dial_dial_free(d);
}

static void dial_connect(struct dial *d, const struct ipaddr *addr, size_t n)
{
	d->connector =
		connector_start(d->sh, addr, n, d->port, dial_on_connected, d);
	if (!d->connector)
		dial_refuse(d, errno, "connect");
}

static void dial_on_resolved(void *user, int error, const struct ipaddr *addr,
			     size_t n)
{
	struct dial *d = user;

	d->resolve = NULL;
	if (error)
		dial_refuse(d, -error, "resolve");
	else
		dial_connect(d, addr, n);
}

/* --- the stream before it is answered ------------------------------------- */

static void dial_data(void *user, const uint8_t *p, size_t n)
{
	struct dial *d = user;

	(void)p;
	(void)n;
	/* our client waits for the answer; whoever does not is refused */
	mux_stream_reset(d->stream, EPROTO);
	dial_dial_free(d);
}

static void dial_close(void *user, int error)
{
	(void)error;
	dial_dial_free(user);
}

static const struct mux_stream_ops ops = {
	.data = dial_data,
	.close = dial_close,
};

static void dial_name(struct dial *d, const char *authority)
{
	const char *colon = strrchr(authority, ':');
	char host[256];

	if (!colon || (size_t)(colon - authority) >= sizeof(host) ||
	    str_to_port(colon + 1, &d->port) < 0) {
		dial_refuse(d, EINVAL, "read the address");
		return;
	}
	snprintf(host, sizeof(host), "%.*s", (int)(colon - authority),
		 authority);
	d->resolve = resolve_start(d->sh, host, dial_on_resolved, d);
	if (!d->resolve)
		dial_refuse(d, errno, "resolve");
}

void dial_serve(struct shadow *sh, struct mux_stream *s, const char *authority,
		const char *env, const char *header)
{
	struct dial *d;
	struct ipport to;

	if (*env && !envmark_is_name(slice_of(env))) {
		reply_refuse(s, EINVAL, "that is no environment's name");
		return;
	}
	if (*header && !envmark_is_header(slice_of(header))) {
		reply_refuse(s, EINVAL, "that field cannot be a mark");
		return;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		reply_refuse(s, ENOMEM, NULL);
		return;
	}
	d->sh = sh;
	d->stream = s;
	snprintf(d->mark.name, sizeof(d->mark.name), "%s", env);
	snprintf(d->mark.header, sizeof(d->mark.header), "%s", header);
	mux_stream_set_ops(s, &ops, d);
	if (ipport_parse(&to, authority) == 0) {
		d->port = to.port;
		dial_connect(d, &to.addr, 1);
	} else {
		dial_name(d, authority);
	}
}
