/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_CARRIER_H
#define KT_BASE_CARRIER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/**
 * DOC: Carrier
 *
 * An ordered, reliable byte pipe to the other end of the tunnel that may die
 * at any moment: a port-forward through the API server on the laptop, an
 * accepted socket in the shadow. The session (tunnel/session.h) lives longer
 * than its carriers. No half-close: a carrier is open both ways, or gone.
 *
 * States: OPENING -> OPEN -> CLOSED. Callbacks come from the event loop, never
 * from inside a call of this interface. After closed() (called at most once,
 * never after carrier_close()) only carrier_close() may be called, and must be.
 */

struct carrier;

/** struct carrier_handler - what the owner (the session) wants to hear */
struct carrier_handler {
	/** opened() - bytes may be sent now */
	void (*opened)(void *user);
	/** data() - bytes arrived; borrowed during the call, all are taken */
	void (*data)(void *user, const uint8_t *data, size_t len);
	/** writable() - room again after a short or refused send */
	void (*writable)(void *user);
	/** closed() - the pipe is dead; @why says what happened */
	void (*closed)(void *user, const struct kt_error *why);
};

struct carrier_ops {
	/** send() - bytes taken (may be short), -EAGAIN, or another -errno */
	ssize_t (*send)(struct carrier *c, const struct iovec *iov, int n);
	/** close() - end the pipe and free @c (after the batch of events) */
	void (*close)(struct carrier *c);
};

/** struct carrier - first member of an implementation's own structure */
struct carrier {
	const struct carrier_ops *ops;
	const struct carrier_handler *handler;
	void *user; /* of the handler */
};

static inline ssize_t carrier_send(struct carrier *c, const struct iovec *iov,
				   int n)
{
	return c->ops->send(c, iov, n);
}

static inline void carrier_close(struct carrier *c)
{
	if (c)
		c->ops->close(c);
}

#endif
