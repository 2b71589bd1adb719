/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_NLMSG_H
#define KT_NET_NLMSG_H

#include "base/error.h"

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: Netlink messages
 *
 * The little of netlink that rtnetlink (net/netlink.h) and ctnetlink
 * (net/conntrack.h) share: a bounded message builder, attribute look-up, and
 * one synchronous question and answer. The kernel answers a request before
 * sendmsg() returns, so waiting for it never blocks the event loop.
 */

/** struct nlmsg - a request under construction; an overrun sets @full */
struct nlmsg {
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[1024];
	size_t len;
	bool full;
};

/**
 * nlmsg_init() - begin a request of @type
 * Return: its zeroed family header of @head_len bytes.
 */
void *nlmsg_init(struct nlmsg *m, uint16_t type, uint16_t flags,
		 size_t head_len);
void nlmsg_put(struct nlmsg *m, uint16_t attr, const void *data, size_t len);
void nlmsg_put_u8(struct nlmsg *m, uint16_t attr, uint8_t v);
void nlmsg_put_u32(struct nlmsg *m, uint16_t attr, uint32_t v);
void nlmsg_put_str(struct nlmsg *m, uint16_t attr, const char *s);
/** nlmsg_append() - raw bytes inside the attribute that is open */
void nlmsg_append(struct nlmsg *m, const void *data, size_t len);
/** nlmsg_nest() - open a nested attribute; close it with nlmsg_nest_end() */
size_t nlmsg_nest(struct nlmsg *m, uint16_t attr);
void nlmsg_nest_end(struct nlmsg *m, size_t nest);

/** struct nlspan - borrowed bytes of a received message; @p NULL: none */
struct nlspan {
	const uint8_t *p;
	size_t len;
};

/** nlspan_payload() - what follows the family header of @head_len bytes */
struct nlspan nlspan_payload(const struct nlmsghdr *h, size_t head_len);
/** nlspan_find() - the content of the first attribute @attr */
struct nlspan nlspan_find(struct nlspan attrs, uint16_t attr);
/** nlspan_u32() - host order number in it, or @otherwise */
uint32_t nlspan_u32(struct nlspan s, uint32_t otherwise);

/** struct nlsock - a netlink socket; stays in the namespace it was opened in */
struct nlsock {
	int fd;
	uint32_t first, seq; /* of the requests that are being answered */
	char extack[160]; /* the kernel's words about the last refusal, or "" */
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[32768];
};

/** nlsock_open() - @protocol: NETLINK_ROUTE, ...; 0 or -errno */
KT_CHECK int nlsock_open(struct nlsock *s, int protocol);
/** nlsock_adopt() - one that was opened elsewhere, and not used since; @fd is
 *  taken */
void nlsock_adopt(struct nlsock *s, int fd);
void nlsock_close(struct nlsock *s);

typedef void (*nlmsg_fn)(void *user, const struct nlmsghdr *h);

/**
 * nlsock_call() - send @m and hand every message of the answer to @fn
 * @fn: may be NULL
 * Return: 0, or what the kernel said (-errno; s->extack may say more), or
 * -EMSGSIZE when @m did not fit.
 */
KT_CHECK int nlsock_call(struct nlsock *s, struct nlmsg *m, nlmsg_fn fn,
			 void *user);
/**
 * nlsock_batch() - send @n messages as one, the first and the last of which are
 * the brackets of nfnetlink: all of them are obeyed, or none
 * Return: 0, or what the kernel said of the first that it refused.
 */
KT_CHECK int nlsock_batch(struct nlsock *s, struct nlmsg *m, size_t n);

#endif
