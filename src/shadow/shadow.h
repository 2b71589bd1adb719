/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SHADOW_H
#define KT_SHADOW_SHADOW_H

#include "base/error.h"
#include "base/list.h"
#include "base/loop.h"
#include "tunnel/streams.h"
#include "wire/resolvconf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: The shadow
 *
 * The far end of the tunnel, one small static program in a Pod: it accepts
 * carriers on 127.0.0.1, and does for each client's streams what a program in
 * the Pod would do: connect, send datagrams, ping, ask the name servers. In
 * the place of a Service's Pods it also serves their ports (serve.h), and what
 * comes there goes to the laptops that have rules for it (laptop.h).
 */

struct acceptor;
struct envs;
struct events;
struct mux_request;
struct mux_stream;
struct nameserver;
struct share;
struct table;

#define SHADOW_SCRATCH UDPSERVE_SCRATCH

struct shadow {
	struct loop *loop;
	struct acceptor *acceptor;
	struct nameserver *names;
	struct resolvconf resolv;
	struct list clients; /* of struct client, server.c */
	struct table *table;
	struct list laptops; /* of struct laptop */
	struct events *events;
	struct envs *envs;	   /* NULL: it knows of none */
	const struct share *share; /* NULL: it stands for no host name */
	int fd_limit;		   /* descriptors from here on are kept back */
	uint8_t *scratch;	   /* SHADOW_SCRATCH bytes for one datagram */
};

#endif
