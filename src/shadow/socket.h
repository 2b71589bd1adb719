/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SOCKET_H
#define KT_SHADOW_SOCKET_H

struct shadow;

/**
 * socket_open() - a non-blocking socket, unless descriptors run short
 * Return: the descriptor, or -errno (-EMFILE; a few are always kept back so
 * that clients can come back).
 */
int socket_open(const struct shadow *sh, int family, int type, int protocol);

/** socket_keepalive() - a peer that vanished without a word must not hold the
 *  connection for ever */
void socket_keepalive(int fd);

#endif
