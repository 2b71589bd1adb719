/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_RANGES_H
#define KT_CONNECT_RANGES_H

#include "base/prefixset.h"
#include "cli/options.h"
#include "cluster/cidr.h"

/**
 * connect_ranges() - what is captured
 * @found: the cluster's ranges
 * @holes: addresses that stay where they are (API server, name servers)
 * @out: (found + includeIps) - excludeIps - holes; free with prefixset_fini()
 */
void connect_ranges(const struct cidr_result *found,
		    const struct connect_options *opt,
		    const struct ipaddr *holes, size_t nholes,
		    struct prefixset *out);

/** connect_ranges_text() - "a, b, c (+4)" for people; @dst of @size bytes */
const char *connect_ranges_text(const struct prefixset *s, char *dst,
				size_t size);

#endif
