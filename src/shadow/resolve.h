/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_RESOLVE_H
#define KT_SHADOW_RESOLVE_H

#include "base/ipaddr.h"

#include <stddef.h>

struct shadow;
struct resolve;

#define RESOLVE_MAX 16 /* addresses of one name that are tried */

/**
 * resolve_start() - the addresses of @host as a program in the Pod finds them:
 * search list and ndots of resolv.conf, A and AAAA together
 * @done: once, from the loop: 0 with @n >= 1 addresses, or -ENOENT (no such
 * name), -ETIME (no answer), ...; the handle is gone
 * Return: the handle, or NULL with errno.
 */
struct resolve *resolve_start(struct shadow *sh, const char *host,
			      void (*done)(void *user, int error,
					   const struct ipaddr *addr, size_t n),
			      void *user);
void resolve_cancel(struct resolve *r);

#endif
