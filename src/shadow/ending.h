/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_ENDING_H
#define KT_SHADOW_ENDING_H

#include "base/loop.h"

#include <stdbool.h>

/**
 * DOC: A client that wants to know when the shadow is told to end
 *
 * It asks once for each session ("GET /.well-known/ktctl/ending"), and the
 * answer comes when there is something to say. Who has asked makes another
 * shadow then, and is served until it leaves this one, as long as there is
 * time. Who has not, an older client, would open new streams here until the
 * end, so it is not waited for.
 */

struct mux_stream;

/** struct ending - of one client; zeroed: it has not asked */
struct ending {
	struct loop *loop;
	struct mux_stream *stream; /* of the question; NULL: none */
	bool told;
};

/** ending_serve() - the question; @e outlives the client's streams */
void ending_serve(struct ending *e, struct loop *loop, struct mux_stream *s);
/** ending_tell() - the answer: false: nobody has asked */
bool ending_tell(struct ending *e);

#endif
