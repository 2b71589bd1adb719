/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_DOH_H
#define KT_SHADOW_DOH_H

#include <stdbool.h>

struct mux_stream;
struct shadow;

/** doh_serve() - a question for the name servers (RFC 8484); @s is taken */
void doh_serve(struct shadow *sh, struct mux_stream *s, bool tcp);

#endif
