/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_DIAL_H
#define KT_SHADOW_DIAL_H

struct mux_stream;
struct shadow;

/** dial_serve() - a TCP connection to @authority; @s is taken
 *  @env: HTTP requests on it get this environment's mark (marked.h), or "";
 *  @header: also in this field, or "" */
void dial_serve(struct shadow *sh, struct mux_stream *s, const char *authority,
		const char *env, const char *header);

#endif
