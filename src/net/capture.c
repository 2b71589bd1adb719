/* SPDX-License-Identifier: Apache-2.0 */
/* The face of both ways to capture; see capture_ns.c, capture_redirect.c. */
#include "net/capture.h"

#include "net/capture_impl.h"

#include <errno.h>

int capture_open(struct capture **out, struct loop *loop,
		 const struct capture_config *cfg,
		 const struct capture_ops *ops, void *user,
		 struct kt_error *err)
{
	const struct capture base = { .loop = loop, .ops = ops, .user = user };

	if (cfg->open)
		return cfg->open(out, &base, cfg->open_user, err);
	return cfg->redirect ? capture_redirect_open(out, &base, cfg, err)
			     : capture_ns_open(out, &base, cfg, err);
}

void capture_close(struct capture *cap)
{
	if (cap)
		cap->impl->close(cap);
}

const char *capture_ifname(const struct capture *cap)
{
	return cap->impl->ifname ? cap->impl->ifname(cap) : NULL;
}

int capture_ifindex(const struct capture *cap)
{
	return cap->impl->ifindex ? cap->impl->ifindex(cap) : 0;
}

bool capture_has_ipv6(const struct capture *cap)
{
	return cap->impl->has_ipv6(cap);
}

struct ipaddr capture_addr(const struct capture *cap, int family)
{
	if (!cap->impl->addr)
		return (struct ipaddr){ 0 };
	return cap->impl->addr(cap, family);
}

int capture_route_add(struct capture *cap, const struct ipprefix *p,
		      struct kt_error *err)
{
	return cap->impl->route(cap, p, true, err);
}

int capture_route_del(struct capture *cap, const struct ipprefix *p,
		      struct kt_error *err)
{
	return cap->impl->route(cap, p, false, err);
}

void capture_tcp_answer(struct capture *cap, struct capture_tcp *c, int errnum)
{
	cap->impl->tcp_answer(cap, c, errnum);
}

void capture_tcp_finish(struct capture *cap, int fd)
{
	cap->impl->tcp_finish(cap, fd);
}

int capture_udp_send(struct capture *cap, const struct ipport *from,
		     const struct ipport *to, const uint8_t *data, size_t len)
{
	return cap->impl->udp_send(cap, from, to, data, len);
}

void capture_udp_error(struct capture *cap, const struct ipport *src,
		       const struct ipport *dst, int errnum)
{
	if (cap->impl->udp_error)
		cap->impl->udp_error(cap, src, dst, errnum);
}

int capture_echo_reply(struct capture *cap, const struct capture_echo *e)
{
	return cap->impl->echo_reply ? cap->impl->echo_reply(cap, e)
				     : -EOPNOTSUPP;
}

void capture_echo_error(struct capture *cap, const struct capture_echo *e,
			int errnum)
{
	if (cap->impl->echo_error)
		cap->impl->echo_error(cap, e, errnum);
}

void capture_get_stats(const struct capture *cap, struct capture_stats *s)
{
	*s = (struct capture_stats){ 0 };
	cap->impl->get_stats(cap, s);
}
