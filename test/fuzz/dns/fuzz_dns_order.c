/* SPDX-License-Identifier: Apache-2.0 */
/* Either an order list, or an error with a sentence. */
#include "base/mem.h"
#include "dns/order.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	struct kt_error err = { 0 };
	struct dns_order o;

	if (dns_order_parse(&o, text, &err) < 0) {
		if (!err.msg[0])
			abort();
		return 0;
	}
	if (err.msg[0] || !o.n || o.n > DNS_ORDER_MAX)
		abort();
	for (size_t i = 0; i < o.n; i++) {
		if (o.v[i].via == DNS_VIA_ADDR && !o.v[i].addr.port)
			abort();
	}
	return 0;
}
