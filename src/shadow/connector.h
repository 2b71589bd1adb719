/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_CONNECTOR_H
#define KT_SHADOW_CONNECTOR_H

#include "base/ipaddr.h"
#include "base/loop.h"

#include <stddef.h>

struct shadow;
struct connector;

/**
 * connector_start() - connect to one of @n addresses, tried one by one
 * @done: once, from the loop: the connected socket (taken), or -errno; @last is
 * the address that was tried last. The handle is gone.
 * Return: the handle, or NULL with errno.
 */
struct connector *connector_start(struct shadow *sh, const struct ipaddr *addr,
				  size_t n, uint16_t port,
				  void (*done)(void *user, int fd,
					       const struct ipport *last),
				  void *user);
void connector_cancel(struct connector *c);

#endif
