/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SERVESPEC_H
#define KT_SHADOW_SERVESPEC_H

#include "base/error.h"
#include "wire/rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: SHADOW_SERVE
 *
 *     ITEM,...     ITEM = PORT[/udp][!|^][=HOST:PORT][~PROTO]
 *
 * The ports that the shadow listens on in the place of a Service's Pods, the
 * origin that has what no rule takes (without it that is refused), and what is
 * spoken there: "auto" (the first bytes tell; the default), "http" (likewise,
 * but the server never speaks first: a caller that is silent costs the origin
 * no connection), or "tcp" (nobody looks inside). HOST is an address, an IPv6
 * one in brackets, or a name that is whole, with a dot at its end: no search
 * list.
 *
 * "!": a program of this Pod listens there already. The shadow listens on any
 * other port, and has callers led to it while a laptop wants them.
 *
 * "^": a gate of this Pod ends TLS there (wire/gatehead.h), and begins it again
 * towards the origin and members.
 */

#define SERVESPEC_MAX SHADOW_PORTS_MAX /* items */
#define SERVESPEC_HOST_MAX 254

enum serve_proto { SERVE_AUTO, SERVE_HTTP, SERVE_TCP };

struct serve_item {
	uint16_t port;
	bool udp, redirect, gated;
	enum serve_proto proto;
	char host[SERVESPEC_HOST_MAX]; /* of the origin, or "" */
	uint16_t origin_port;
};

struct servespec {
	struct serve_item item[SERVESPEC_MAX];
	size_t n;
};

/** servespec_parse() - 0, or -EINVAL with @err */
KT_CHECK int servespec_parse(struct servespec *s, const char *text,
			     struct kt_error *err);
/** servespec_has_origin() - one of the ports has one that callers reach through
 *  the shadow only */
bool servespec_has_origin(const struct servespec *s);

#endif
