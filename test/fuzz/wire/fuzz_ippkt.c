/* SPDX-License-Identifier: Apache-2.0 */
/* A packet from the TUN, and every answer we would build to it. */
#include "wire/ippkt.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[IPPKT_ERROR_MAX], head[IPPKT_HEAD_MAX];
	struct ippkt_echo e;
	struct ippkt_tcp t;
	struct ippkt_udp u;
	struct ippkt p, q;
	int n;

	if (ippkt_parse(&p, data, size) < 0)
		return 0;
	expect(p.whole_len <= size && p.l4_len <= p.whole_len);
	if (ippkt_tcp(&p, &t) == 0) {
		size_t len = ippkt_build_rst(&p, &t, out);

		expect(ippkt_parse(&q, out, len) == 0);
		expect(ippkt_tcp(&q, &t) == 0);
	}
	if (ippkt_udp(&p, &u) == 0) {
		struct ipport src = { p.src, u.sport },
			      dst = { p.dst, u.dport };

		expect(u.len <= p.l4_len);
		n = ippkt_udp_head(&dst, &src, u.data, u.len, head);
		expect(n > 0);
	}
	if (ippkt_echo(&p, &e) == 0) {
		n = ippkt_echo_head(&p.dst, &p.src, &e, head);
		expect(n > 0);
	}
	for (enum ippkt_error k = 0; k < IPPKT_NERRORS_; k++) {
		n = ippkt_build_error(&p.dst, p.whole, p.whole_len, k, 1500,
				      out);
		expect(n > 0);
		expect(ippkt_parse(&q, out, (size_t)n) == 0);
	}
	return 0;
}
