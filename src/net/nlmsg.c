/* SPDX-License-Identifier: Apache-2.0 */
#include "net/nlmsg.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

#define NLSOCK_ADOPTED (1u << 20)

/* --- building ------------------------------------------------------------- */

/* Room for @n bytes, padded to the alignment with zeros; NULL when full. */
static uint8_t *reserve(struct nlmsg *m, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);
	uint8_t *p = m->buf + m->len;

	if (m->full || n > sizeof(m->buf) || padded > sizeof(m->buf) - m->len) {
		m->full = true;
		return NULL;
	}
	memset(p, 0, padded);
	m->len += padded;
	return p;
}

void *nlmsg_init(struct nlmsg *m, uint16_t type, uint16_t flags,
		 size_t head_len)
{
	struct nlmsghdr h = { .nlmsg_type = type,
			      .nlmsg_flags = flags | NLM_F_REQUEST };

	m->len = 0;
	m->full = false;
	memcpy(reserve(m, sizeof(h)), &h, sizeof(h));
	return reserve(m, head_len);
}

void nlmsg_append(struct nlmsg *m, const void *data, size_t len)
{
	uint8_t *p = reserve(m, len);

	if (p && len)
		memcpy(p, data, len);
}

void nlmsg_put(struct nlmsg *m, uint16_t attr, const void *data, size_t len)
{
	struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + len),
			    .nla_type = attr };

	nlmsg_append(m, &a, sizeof(a));
	nlmsg_append(m, data, len);
}

void nlmsg_put_u8(struct nlmsg *m, uint16_t attr, uint8_t v)
{
	nlmsg_put(m, attr, &v, sizeof(v));
}

void nlmsg_put_u32(struct nlmsg *m, uint16_t attr, uint32_t v)
{
	nlmsg_put(m, attr, &v, sizeof(v));
}

void nlmsg_put_str(struct nlmsg *m, uint16_t attr, const char *s)
{
	nlmsg_put(m, attr, s, strlen(s) + 1);
}

size_t nlmsg_nest(struct nlmsg *m, uint16_t attr)
{
	size_t at = m->len;

	nlmsg_put(m, attr, NULL, 0);
	return at;
}

void nlmsg_nest_end(struct nlmsg *m, size_t nest)
{
	uint16_t len = (uint16_t)(m->len - nest);

	if (!m->full)
		memcpy(m->buf + nest, &len, sizeof(len));
}

/* --- reading -------------------------------------------------------------- */

struct nlspan nlspan_payload(const struct nlmsghdr *h, size_t head_len)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(head_len);

	if (h->nlmsg_len < skip)
		return (struct nlspan){ 0 };
	return (struct nlspan){ (const uint8_t *)h + skip,
				h->nlmsg_len - skip };
}

struct nlspan nlspan_find(struct nlspan attrs, uint16_t attr)
{
	while (attrs.len >= sizeof(struct nlattr)) {
		struct nlattr a;
		size_t step;

		memcpy(&a, attrs.p, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > attrs.len)
			break;
		if ((a.nla_type & NLA_TYPE_MASK) == attr)
			return (struct nlspan){ attrs.p + sizeof(a),
						a.nla_len - sizeof(a) };
		step = MIN((size_t)NLA_ALIGN(a.nla_len), attrs.len);
		attrs.p += step;
		attrs.len -= step;
	}
	return (struct nlspan){ 0 };
}

uint32_t nlspan_u32(struct nlspan s, uint32_t otherwise)
{
	uint32_t v;

	if (s.len < sizeof(v))
		return otherwise;
	memcpy(&v, s.p, sizeof(v));
	return v;
}

/* --- the socket ----------------------------------------------------------- */

int nlsock_open(struct nlsock *s, int protocol)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_sec = 5 }; /* never hang, whatever */
	int on = 1;

	s->seq = 1;
	s->extack[0] = '\0';
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (s->fd < 0)
		return -errno;
	/* errors in words, without a copy of the request: both optional */
	(void)setsockopt(s->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(s->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (bind(s->fd, (struct sockaddr *)&any, sizeof(any)) < 0) {
		int rc = -errno;

		nlsock_close(s);
		return rc;
	}
	return 0;
}

/* What was asked before, by whoever opened it, has been answered: so any
 * number is a fresh one that is larger than those */
void nlsock_adopt(struct nlsock *s, int fd)
{
	s->fd = fd;
	s->seq = NLSOCK_ADOPTED;
	s->extack[0] = '\0';
}

void nlsock_close(struct nlsock *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static int nlmsg_take_error(struct nlsock *s, const struct nlmsghdr *h)
{
	size_t head = sizeof(struct nlmsgerr);
	struct nlspan attrs, text;
	struct nlmsgerr e;

	if (h->nlmsg_len < NLMSG_HDRLEN + sizeof(e))
		return -EPROTO;
	memcpy(&e, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(e));
	if (!(h->nlmsg_flags & NLM_F_CAPPED) && e.msg.nlmsg_len > sizeof(e.msg))
		head += e.msg.nlmsg_len - sizeof(e.msg);
	attrs = nlspan_payload(h, head);
	text = nlspan_find(attrs, NLMSGERR_ATTR_MSG);
	if (h->nlmsg_flags & NLM_F_ACK_TLVS && text.len)
		snprintf(s->extack, sizeof(s->extack), "%.*s", (int)text.len,
			 (const char *)text.p);
	return e.error;
}

/* One datagram of the answer; 1 when it was the last. */
static int nlmsg_take_answer(struct nlsock *s, size_t len, nlmsg_fn fn,
			     void *user)
{
	size_t at = 0;

	while (len - at >= sizeof(struct nlmsghdr)) {
		const void *p = s->buf + at; /* aligned: so are buf and steps */
		const struct nlmsghdr *h = p;

		if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > len - at)
			return -EPROTO;
		at += MIN((size_t)NLMSG_ALIGN(h->nlmsg_len), len - at);
		if (h->nlmsg_seq - s->first > s->seq - s->first)
			continue; /* left over from an interrupted call */
		if (h->nlmsg_type == NLMSG_ERROR) {
			int rc = nlmsg_take_error(s, h);

			return rc < 0 ? rc : 1;
		}
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (fn)
			fn(user, h);
	}
	return 0;
}

/* Until the last answer, or the first refusal */
static int receive(struct nlsock *s, nlmsg_fn fn, void *user)
{
	int rc;

	do {
		ssize_t n = recv(s->fd, s->buf, sizeof(s->buf), 0);

		if (n < 0 && errno == EINTR)
			rc = 0;
		else if (n < 0)
			return -errno;
		else
			rc = nlmsg_take_answer(s, (size_t)n, fn, user);
	} while (rc == 0);
	return rc < 0 ? rc : 0;
}

/* Length and number, now that the message is complete */
static void nlmsg_finish(struct nlsock *s, struct nlmsg *m, uint16_t flags)
{
	struct nlmsghdr h;

	memcpy(&h, m->buf, sizeof(h));
	h.nlmsg_len = (uint32_t)m->len;
	h.nlmsg_seq = ++s->seq;
	h.nlmsg_flags |= flags;
	memcpy(m->buf, &h, sizeof(h));
}

int nlsock_call(struct nlsock *s, struct nlmsg *m, nlmsg_fn fn, void *user)
{
	struct nlmsghdr h;

	s->extack[0] = '\0';
	if (m->full)
		return -EMSGSIZE;
	memcpy(&h, m->buf, sizeof(h));
	/* a dump ends with DONE, everything else with an acknowledgement */
	nlmsg_finish(s, m,
		     (h.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP ? NLM_F_ACK
								: 0);
	s->first = s->seq;
	if (send(s->fd, m->buf, m->len, 0) < 0)
		return -errno;
	return receive(s, fn, user);
}

int nlsock_batch(struct nlsock *s, struct nlmsg *m, size_t n)
{
	struct iovec *iov = calloc(n, sizeof(*iov));
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	int rc = iov ? 0 : -ENOMEM;

	s->extack[0] = '\0';
	s->first = s->seq + 1;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		/* refusals come anyway; this one's answer says it is over */
		nlmsg_finish(s, &m[i], i + 2 == n ? NLM_F_ACK : 0);
		iov[i] = (struct iovec){ m[i].buf, m[i].len };
		rc = m[i].full ? -EMSGSIZE : 0;
	}
	if (rc == 0 && sendmsg(s->fd, &msg, 0) < 0)
		rc = -errno;
	free(iov);
	return rc < 0 ? rc : receive(s, NULL, NULL);
}
