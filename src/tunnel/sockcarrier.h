/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_SOCKCARRIER_H
#define KT_TUNNEL_SOCKCARRIER_H

#include "base/carrier.h"
#include "base/loop.h"

/**
 * sockcarrier_new() - a carrier over a connected (or connecting) stream socket
 * @fd: taken, also on failure; is made non-blocking
 * Return: the carrier (carrier_close() frees it), or NULL with errno.
 */
struct carrier *sockcarrier_new(struct loop *loop, int fd);

#endif
