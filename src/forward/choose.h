/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_FORWARD_CHOOSE_H
#define KT_FORWARD_CHOOSE_H

#include "cluster/svcports.h"
#include "forward/spec.h"

/**
 * DOC: Which port is meant
 *
 *     typed         of a Service              of a Pod or workload   any other
 *     nothing       its only port             the only declared one  an error
 *     LOCAL         its only port, else the   LOCAL                  LOCAL
 *                   one of that number
 *     LOCAL:NUMBER  the Service's port        NUMBER                 NUMBER
 *     LOCAL:NAME    likewise, by its name     the declared one       an error
 *
 * Without /udp a TCP port is meant, where there is one. Pure.
 */

/** struct forward_choice - a port of this machine and one of the target */
struct forward_choice {
	uint16_t local;	 /* 0: any */
	uint16_t number; /* 0: it has a name */
	char name[64];	 /* or "" */
	bool udp;
};

/** choose_of_service() - @asked NULL: nothing was typed; 0, or -errno with @err
 *  and a hint that names @target, as it was typed */
KT_CHECK int choose_of_service(struct forward_choice *c,
			       const struct service_ports *ports,
			       const struct forward_port *asked,
			       const char *target, struct kt_error *err);
/** choose_of_pod() - @spec: a Pod's spec, or that of a template */
KT_CHECK int choose_of_pod(struct forward_choice *c, const json_t *spec,
			   const struct forward_port *asked, const char *target,
			   struct kt_error *err);
/** choose_of_host() - what declares no ports */
KT_CHECK int choose_of_host(struct forward_choice *c,
			    const struct forward_port *asked,
			    const char *target, struct kt_error *err);

/** choose_service_port() - the Service's port for @c, as it is now; borrowed,
 *  NULL: it has none any more */
const struct service_port *choose_service_port(const struct service_ports *p,
					       const struct forward_choice *c);
/** choose_pod_port() - the number of the port @name that @spec declares, or 0
 */
uint16_t choose_pod_port(const json_t *spec, const char *name, bool udp);

#endif
