/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_FORMS_H
#define KT_UPLINK_FORMS_H

#include "carrier/carriers.h"

/**
 * DOC: Which forms of port-forward get through
 *
 * Where a Pod of ours runs, each form is opened into it and closed again: that
 * is the whole way. Where none does, each form asks for a Pod that is not
 * there. The API server looks for the Pod before it upgrades, so its own "not
 * found" proves that the request came through, and not that its header Upgrade
 * did. That is seen by a watch over WebSocket, which the API server itself
 * upgrades: with the header it answers 101, without it 200.
 */

/** struct form_try - one request; @opened, or @why */
struct form_try {
	bool opened;
	struct kt_error why;
};

struct forms {
	char pod[256];	    /* "": none */
	uint16_t port;	    /* of its tunnel */
	enum pf_form known; /* worked before; PF_NFORMS_: none */
	struct form_try form[PF_NFORMS_];
	struct form_try watch; /* without a Pod only */
};

/** forms_try() - all of them at once, at most @timeout_ns; waits in the loop.
 *  Return: 0 with @out, -EINTR */
KT_CHECK int forms_try(struct kube *k, const char *ns, const struct home *home,
		       int64_t timeout_ns, struct forms *out);

/** forms_try_pod() - the same into that Pod; nothing is listed */
KT_CHECK int forms_try_pod(struct kube *k, const char *ns, const char *pod,
			   uint16_t port, const struct home *home,
			   int64_t timeout_ns, struct forms *out);

/** forms_not_found() - the API server itself says that there is no such Pod */
bool forms_not_found(const struct form_try *t);

#endif
