/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_MARKED_H
#define KT_SHADOW_MARKED_H

#include "base/ipaddr.h"

struct envmark;
struct mux_stream;
struct shadow;

/**
 * marked_serve() - couple a client's stream with a connection, and mark the
 * HTTP requests that pass
 *
 * Plain HTTP/1 and HTTP/2 requests that name no environment get the mark
 * @mark (a good one, copied). All else goes on as it comes, and nobody is
 * waited for: whichever end speaks first.
 * @s: accepted here; taken. @fd: connected to @to; taken
 */
void marked_serve(struct shadow *sh, struct mux_stream *s, int fd,
		  const struct ipport *to, const struct envmark *mark);

#endif
