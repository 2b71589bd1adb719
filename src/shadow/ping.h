/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_PING_H
#define KT_SHADOW_PING_H

struct mux_stream;
struct shadow;

/** ping_serve() - echo requests to the address in @path; @s is taken */
void ping_serve(struct shadow *sh, struct mux_stream *s, const char *path);

#endif
