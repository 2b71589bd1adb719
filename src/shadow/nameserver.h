/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_NAMESERVER_H
#define KT_SHADOW_NAMESERVER_H

#include "base/ipaddr.h"
#include "base/loop.h"

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: The Pod's name servers
 *
 * Asks the servers of the Pod's resolv.conf as libc would, without libc (the
 * shadow is static): the message goes out as it came, only its id is another.
 * UDP first, over TCP when the answer is truncated or @tcp is set; 2 s a try,
 * the servers in turn, two rounds.
 */

#define NAMESERVER_MAX 3 /* as in resolv.conf(5) */

struct nameserver;
struct nameserver_query;

/**
 * nameserver_fn - the end of a query, from the loop
 * @err: 0 with @reply (borrowed, the query's own id in it); -ETIMEDOUT,
 * -ECONNREFUSED, ... when no server answered
 */
typedef void (*nameserver_fn)(void *user, int err, const uint8_t *reply,
			      size_t len);

/** nameserver_new() - @servers is copied; NULL when memory is out */
struct nameserver *nameserver_new(struct loop *loop,
				  const struct ipport *servers, size_t n);
/** nameserver_free() - ends every query without its callback */
void nameserver_free(struct nameserver *ns);

/**
 * nameserver_ask() - send @msg (copied)
 * Return: the query, valid until its callback or cancel; NULL with errno:
 * EBADMSG (no DNS message), ENOENT (no server), EBUSY (too many), ENOMEM.
 */
struct nameserver_query *nameserver_ask(struct nameserver *ns,
					const uint8_t *msg, size_t len,
					bool tcp, nameserver_fn fn, void *user);
void nameserver_cancel(struct nameserver_query *q);

#endif
