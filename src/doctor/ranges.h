/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_RANGES_H
#define KT_DOCTOR_RANGES_H

#include "base/prefixset.h"
#include "doctor/finding.h"
#include "net/netlink.h"

/**
 * DOC: Who else has the cluster's addresses
 *
 * `connect` puts a route for each range into the table main. A network of this
 * machine inside a range is more specific and wins; one around it loses. A rule
 * that names another table before main wins whatever is in main, unless main is
 * looked at first without its default route, as wg-quick does it.
 */

/** struct range_rival - a network that shares addresses with a range, and where
 *  the kernel leads them now */
struct range_rival {
	struct ipprefix net;
	char ifname[IF_NAMESIZE];
	char kind[IF_NAMESIZE]; /* "bridge", "tun"; "": a real one */
	uint32_t table;
	bool main_first; /* a rule has main before @table */
};

/** ranges_judge() - who wins of @range and @rival; false: nothing to tell */
bool ranges_judge(struct findings *f, const struct ipprefix *range,
		  const struct range_rival *rival);
/** ranges_check() - which of the cluster's @ranges go elsewhere */
void ranges_check(struct findings *f, const struct prefixset *ranges);

#endif
