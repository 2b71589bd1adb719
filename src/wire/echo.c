/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/echo.h"

#include "base/buf.h"

#include <errno.h>

void echo_put_request(uint8_t out[ECHO_REQUEST_HEAD],
		      const struct echo_request *e)
{
	struct wr w = wr_make(out, ECHO_REQUEST_HEAD);

	wr_u8(&w, 0);
	wr_u16(&w, e->id);
	wr_u16(&w, e->seq);
	wr_u8(&w, e->ttl);
}

void echo_put_answer(uint8_t out[ECHO_ANSWER_HEAD], const struct echo_answer *e)
{
	struct wr w = wr_make(out, ECHO_ANSWER_HEAD);

	wr_u8(&w, 0);
	wr_u16(&w, e->id);
	wr_u16(&w, e->seq);
	wr_u8(&w, e->type);
	wr_u8(&w, e->code);
	wr_u8(&w, e->from.family == AF_INET6 ? 6 : 4);
	wr_bytes(&w, e->from.b, 16);
}

int echo_get_request(const uint8_t *p, size_t n, struct echo_request *e)
{
	struct rd r = rd_make(p, n);
	uint8_t context;

	if (!rd_u8(&r, &context) || context || !rd_u16(&r, &e->id) ||
	    !rd_u16(&r, &e->seq) || !rd_u8(&r, &e->ttl) ||
	    rd_left(&r) > ECHO_PAYLOAD_MAX)
		return -EPROTO;
	return 0;
}

int echo_get_answer(const uint8_t *p, size_t n, struct echo_answer *e)
{
	struct rd r = rd_make(p, n);
	uint8_t context, version;
	const uint8_t *addr;

	if (!rd_u8(&r, &context) || context || !rd_u16(&r, &e->id) ||
	    !rd_u16(&r, &e->seq) || !rd_u8(&r, &e->type) ||
	    !rd_u8(&r, &e->code) || !rd_u8(&r, &version))
		return -EPROTO;
	addr = rd_bytes(&r, 16);
	if (!addr || (version != 4 && version != 6))
		return -EPROTO;
	e->from = version == 4 ? ipaddr_v4(addr) : ipaddr_v6(addr);
	return 0;
}
