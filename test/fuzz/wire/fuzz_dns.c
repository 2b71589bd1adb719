/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes, the parser must end, and cut replies must parse. */
#include "wire/dns.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_walk(const uint8_t *msg, size_t len)
{
	char text[DNS_NAME_STRLEN];
	struct dns_walk w;
	struct dns_name back;
	struct dns_rr rr;

	if (dns_walk_start(&w, msg, len) < 0)
		return;
	while (dns_walk_next(&w, &rr) > 0) {
		if (dns_name_parse(&back, dns_name_str(&rr.name, text)) < 0 ||
		    !dns_name_eq(&back, &rr.name))
			abort();
	}
}

static void check_truncate(const uint8_t *data, size_t size)
{
	static const size_t limits[] = { 12, 40, 64, 128, 512 };
	uint8_t *msg = malloc(size + 1);
	struct dns_walk w;
	struct dns_rr rr;

	for (size_t i = 0; msg && i < sizeof(limits) / sizeof(*limits); i++) {
		ssize_t n;
		int rc;

		memcpy(msg, data, size);
		n = dns_truncate(msg, size, limits[i]);
		if (n < 0)
			continue;
		/* the question always stays, whatever the limit */
		if ((size_t)n > size)
			abort();
		if ((size_t)n == size)
			continue;
		rc = dns_walk_start(&w, msg, (size_t)n);
		while (rc >= 0 && (rc = dns_walk_next(&w, &rr)) > 0)
			;
		if (rc < 0)
			abort();
	}
	free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[DNS_UDP_PLAIN], raw[DNS_HDR_LEN];
	struct dns_query q, back;
	uint32_t ttl;
	bool negative;

	if (size > DNS_MSG_MAX)
		return 0;
	check_walk(data, size);
	check_truncate(data, size);
	(void)!dns_lifetime(data, size, &ttl, &negative);
	(void)!dns_same_addresses(data, size, data, size, DNS_A);
	(void)dns_reply_matches(data, size, data, size);
	(void)dns_reply_raw(data, size, DNS_FORMERR, raw);
	if (dns_query_parse(&q, data, size) == 0) {
		ssize_t n = dns_query_build(&q, out, sizeof(out));

		if (n < 0 || dns_query_parse(&back, out, (size_t)n) < 0 ||
		    !dns_name_eq(&back.name, &q.name) || back.type != q.type ||
		    back.edns != q.edns)
			abort();
	}
	return 0;
}
