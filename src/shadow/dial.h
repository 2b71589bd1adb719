/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_DIAL_H
#define KT_SHADOW_DIAL_H

struct mux_stream;
struct shadow;

/** dial_serve() - a TCP connection to @authority; @s is taken */
void dial_serve(struct shadow *sh, struct mux_stream *s, const char *authority);

#endif
