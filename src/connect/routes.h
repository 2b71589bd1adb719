/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_ROUTES_H
#define KT_CONNECT_ROUTES_H

#include "base/prefixset.h"
#include "net/capture.h"

/**
 * DOC: The routes into the capture
 *
 * routes_set() makes them what they are to be, now and when the ranges change
 * later. Not every range can be had: a part that this machine sends elsewhere
 * whatever our route says is named in a warning, once, with what to do.
 */

struct routes {
	struct capture *cap;	 /* borrowed */
	struct prefixset on;	 /* routes that we have */
	struct prefixset lost;	 /* of these what goes elsewhere */
	struct prefixset around; /* networks that lose addresses: told */
};

/**
 * routes_set() - capture @want and nothing else
 * Return: 0, also when a part could not be had; -errno with @err when nothing
 * could. routes_captured() tells.
 */
KT_CHECK int routes_set(struct routes *r, const struct prefixset *want,
			struct kt_error *err);
/** routes_captured() - what does come in; prefixset_fini() it */
struct prefixset routes_captured(const struct routes *r);
void routes_fini(struct routes *r);

#endif
