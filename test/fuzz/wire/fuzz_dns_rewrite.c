/* SPDX-License-Identifier: Apache-2.0 */
/* A rewritten reply must parse, and rewriting it again must change nothing. */
#include "wire/dns_rewrite.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_records(const uint8_t *msg, size_t len, bool opt)
{
	struct dns_walk w;
	struct dns_rr rr;
	size_t n = 0;
	int rc = dns_walk_start(&w, msg, len);

	while (rc >= 0 && (rc = dns_walk_next(&w, &rr)) > 0)
		n += opt || rr.type != DNS_OPT;
	if (rc < 0)
		abort();
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t once[DNS_MSG_MAX], twice[DNS_MSG_MAX];
	struct dns_name from = { 0 };
	struct dns_query q = { .id = 7, .flags = DNS_RD, .type = DNS_A };
	size_t pos = DNS_HDR_LEN;
	ssize_t n, m;

	if (!size || size > DNS_MSG_MAX)
		return 0;
	q.klass = DNS_IN;
	q.edns = data[0] & 1;
	if (dns_name_parse(&q.name, "wEb.demo") < 0 ||
	    dns_name_read(data, size, &pos, &from) < 0)
		return 0;
	n = dns_rewrite(&q, &from, data, size, once, sizeof(once));
	if (n < 0)
		return 0;
	if (count_records(once, (size_t)n, true) !=
	    count_records(data, size, q.edns))
		abort();
	m = dns_rewrite(&q, &from, once, (size_t)n, twice, sizeof(twice));
	if (m != n || memcmp(once, twice, (size_t)n) != 0)
		abort();
	return 0;
}
