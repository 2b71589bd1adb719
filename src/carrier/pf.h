/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CARRIER_PF_H
#define KT_CARRIER_PF_H

#include "base/buf.h"
#include "base/carrier.h"
#include "carrier/outq.h"

/*
 * What the forms of a port-forward have in common; only portforward.c and the
 * carrier_*.c see it. A form has its own structure, whose first member is
 * struct portforward.
 */

struct portforward;

struct pf_ops {
	size_t size; /* of the form's structure */
	const char *method, *upgrade, *query;
	/** init() - out and the form's own; 0 or -ENOMEM */
	int (*init)(struct portforward *pf);
	void (*fini)(struct portforward *pf);
	/** fields() - of the request, NULL-ended; what it makes with strv_*
	 *  goes into @fields */
	void (*fields)(struct portforward *pf, struct strv *fields);
	/** opened() - 101 came; false with @err refuses it */
	bool (*opened)(struct portforward *pf, const struct http1_head *h,
		       struct kt_error *err);
	/** data() - as kube_conn_handler's */
	void (*data)(struct portforward *pf, const uint8_t *data, size_t len);
	/** room() - how much of @n may be sent now; NULL: all */
	size_t (*room)(struct portforward *pf, size_t n);
	/** sent() - @n bytes were queued; NULL: nobody counts */
	void (*sent)(struct portforward *pf, size_t n);
	/** bye() - queue what tells the server that we go */
	void (*bye)(struct portforward *pf);
};

extern const struct pf_ops pf_websocket_ops, pf_spdy_ops, pf_spdy_websocket_ops;

struct portforward {
	struct carrier carrier;
	const struct pf_ops *ops;
	struct loop *loop;
	struct kube_conn *conn; /* NULL: closed() was called, or is now */
	char *name;		/* "pod ns/name port N" */
	uint16_t port;
	bool open, closed, closing;
	struct buf reason; /* the server's text about the Pod's end */
	struct outq out;
	bool flushing; /* a flush is deferred */
	bool blocked;  /* a send was refused or cut: writable() is owed */
};

/** pf_give() - bytes for the owner */
void pf_give(struct portforward *pf, const uint8_t *data, size_t len);
/** pf_reason() - a piece of the server's error text */
void pf_reason(struct portforward *pf, const uint8_t *data, size_t len);
/** pf_end() - it is over; the server's error text, if there is one, says more
 *  than @text. No pf_*() after it. */
void pf_end(struct portforward *pf, int code, const char *text);
/** pf_flush_later() - after outq_control() */
void pf_flush_later(struct portforward *pf);
/** pf_may_send() - room() grew */
void pf_may_send(struct portforward *pf);

#endif
