/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_UDP_H
#define KT_SHADOW_UDP_H

struct mux_stream;
struct shadow;

/** udp_serve() - datagrams to the address in @path (RFC 9298); @s is taken */
void udp_serve(struct shadow *sh, struct mux_stream *s, const char *path);

#endif
