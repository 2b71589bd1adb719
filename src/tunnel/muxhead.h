/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_MUXHEAD_H
#define KT_TUNNEL_MUXHEAD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct mux_head;
struct mux_request;

/** struct muxhead - the fields of one head that matter to us, while it comes
 *  in; of bounded size, whatever is sent */
struct muxhead {
	int status;
	int error;	   /* of Proxy-Status, 0 when there is none */
	size_t used;	   /* of text[] */
	uint16_t field[8]; /* offsets into text[]; 0: absent */
	char detail[200];
	char text[1600];
};

struct muxhead *muxhead_new(void); /* NULL: memory */
/** muxhead_add() - one field; unknown ones are ignored; 0 or -EMSGSIZE */
KT_CHECK int muxhead_add(struct muxhead *h, const uint8_t *name, size_t namelen,
			 const uint8_t *value, size_t len);
/** muxhead_request() - the strings are borrowed from @h, "" when absent */
void muxhead_request(const struct muxhead *h, struct mux_request *req);
void muxhead_answer(const struct muxhead *h, struct mux_head *head);

#endif
