/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_REPLY_H
#define KT_SHADOW_REPLY_H

#include "base/loop.h"

#include <stddef.h>

struct mux_stream;

/** reply_send() - answer 200 with a body (copied) and end the stream */
void reply_send(struct loop *loop, struct mux_stream *s,
		const char *content_type, const void *body, size_t len);

/** reply_refuse() - refuse with @error (positive errno) and a text */
void reply_refuse(struct mux_stream *s, int error, const char *detail);

#endif
