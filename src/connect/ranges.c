/* SPDX-License-Identifier: Apache-2.0 */
#include "connect/ranges.h"

#include <stdio.h>

#define SHOWN 6

static void add_all(struct prefixset *to, const struct prefixset *from)
{
	for (size_t i = 0; i < from->n; i++)
		prefixset_add(to, &from->v[i]);
}

void connect_ranges(const struct cidr_result *found,
		    const struct connect_options *opt,
		    const struct ipaddr *holes, size_t nholes,
		    struct prefixset *out)
{
	*out = (struct prefixset){ 0 };
	add_all(out, &found->services);
	if (!opt->disable_pod_ip)
		add_all(out, &found->pods);
	for (size_t i = 0; i < opt->include_ips.n; i++)
		prefixset_add(out, &opt->include_ips.v[i]);
	for (size_t i = 0; i < opt->exclude_ips.n; i++)
		prefixset_remove(out, &opt->exclude_ips.v[i]);
	for (size_t i = 0; i < nholes; i++) {
		struct ipprefix p =
			ipprefix_make(&holes[i], ipaddr_bits(&holes[i]));

		prefixset_remove(out, &p);
	}
}

const char *connect_ranges_text(const struct prefixset *s, char *dst,
				size_t size)
{
	char one[IPPREFIX_STRLEN];
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < s->n && i < SHOWN && used < size; i++)
		used += (size_t)snprintf(dst + used, size - used, "%s%s",
					 i ? ", " : "",
					 ipprefix_str(&s->v[i], one));
	if (s->n > SHOWN && used < size)
		snprintf(dst + used, size - used, ", %zu more", s->n - SHOWN);
	if (!s->n)
		snprintf(dst, size, "nothing");
	return dst;
}
