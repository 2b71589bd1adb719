/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_ADVICE_H
#define KT_ENV_ADVICE_H

#include "base/error.h"
#include "base/str.h"
#include "cluster/svcports.h"

#include <jansson.h>

/**
 * DOC: What an environment cannot do, told when joining
 *
 * A request belongs to an environment by a mark in its HTTP head. Where the
 * router sees no head (TLS that ends in the Pod, TCP of another kind, UDP) all
 * goes to the trunk; where the work does not come as a request at all (a queue)
 * a member takes part in it, whoever it is for. Nothing of that is an error
 * that anybody would notice, so it is said before. Pure.
 */

struct advice_of {
	const char *ns;
	const json_t *service;
	const struct service_ports *ports; /* of it */
	uint16_t port; /* number of the only port that is meant; 0: all */
	const json_t *template;	 /* of the member's Pods; NULL: not known */
	const struct pairs *set; /* --set; or NULL */
};

/**
 * advice_make() - can a member be of use here?
 * @warnings: what will not be as one might think, added
 * Return: 0; -EOPNOTSUPP with @err: no request for this Service could ever
 * reach the member
 */
KT_CHECK int advice_make(const struct advice_of *a, struct strv *warnings,
			 struct kt_error *err);

/** advice_says_tls() - @service says of its port that it is TLS; a number alone
 *  says little */
bool advice_says_tls(const json_t *service, const struct service_port *p);
/** advice_markable() - the first port of @service whose callers can be looked
 *  into; -EOPNOTSUPP with @err: none */
KT_CHECK int advice_markable(const char *ns, const json_t *service,
			     uint16_t *port, struct kt_error *err);

/** advice_askable() - likewise, or the first one that speaks TLS (*@tls), which
 *  a router's gate may end */
KT_CHECK int advice_askable(const char *ns, const json_t *service,
			    uint16_t *port, bool *tls, struct kt_error *err);

/** advice_queue() - "KAFKA_TOPIC, AMQP_URL": variables in @template (of Pods)
 *  which look as if the program takes its work from a queue, and which @set
 * (may be NULL) does not change (returned, caller frees); NULL: none does */
char *advice_queue(const json_t *template, const struct pairs *set);

#endif
