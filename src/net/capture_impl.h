/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_CAPTURE_IMPL_H
#define KT_NET_CAPTURE_IMPL_H

#include "net/capture.h"

/** struct capture_impl - one way to capture; the members are those functions
 *  of capture.h, NULL where it cannot be done */
struct capture_impl {
	void (*close)(struct capture *cap);
	const char *(*ifname)(const struct capture *cap);
	int (*ifindex)(const struct capture *cap);
	bool (*has_ipv6)(const struct capture *cap);
	struct ipaddr (*addr)(const struct capture *cap, int family);
	int (*route)(struct capture *cap, const struct ipprefix *p, bool add,
		     struct kt_error *err);
	void (*tcp_answer)(struct capture *cap, struct capture_tcp *c,
			   int errnum);
	void (*tcp_finish)(struct capture *cap, int fd);
	int (*udp_send)(struct capture *cap, const struct ipport *from,
			const struct ipport *to, const uint8_t *data,
			size_t len);
	void (*udp_error)(struct capture *cap, const struct ipport *src,
			  const struct ipport *dst, int errnum);
	int (*echo_reply)(struct capture *cap, const struct capture_echo *e);
	void (*echo_error)(struct capture *cap, const struct capture_echo *e,
			   int errnum);
	void (*get_stats)(const struct capture *cap, struct capture_stats *s);
};

/** struct capture - first member of an implementation's own structure */
struct capture {
	const struct capture_impl *impl;
	struct loop *loop;
	const struct capture_ops *ops;
	void *user;
};

/** capture_ns_open() - a namespace of our own: the rule (capture_ns.c) */
KT_CHECK int capture_ns_open(struct capture **out, const struct capture *base,
			     const struct capture_config *cfg,
			     struct kt_error *err);

/** capture_redirect_open() - on this machine itself (capture_redirect.c) */
KT_CHECK int capture_redirect_open(struct capture **out,
				   const struct capture *base,
				   const struct capture_config *cfg,
				   struct kt_error *err);

#endif
