/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SPLICE_H
#define KT_SHADOW_SPLICE_H

#include "base/error.h"

struct shadow;
struct splice;

/**
 * splice_start() - couple two connected sockets until both ways are over: end
 * of file is passed on as such, a reset as a reset, a full side stops the other
 * @a, @b: taken, also on failure (both are reset then)
 * @done: the last call; the handle is gone; may be NULL
 * Return: the handle, or NULL with errno.
 */
struct splice *splice_start(struct shadow *sh, int a, int b,
			    void (*done)(void *user), void *user);
/** splice_reset() - end it now; no callback */
void splice_reset(struct splice *s);

#endif
