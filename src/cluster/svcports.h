/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_SVCPORTS_H
#define KT_CLUSTER_SVCPORTS_H

#include "base/error.h"
#include "wire/rule.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * DOC: A Service's ports, as a shadow in front of it needs them
 *
 * A Service leads from its port to a port of its Pods, the target, given by
 * number or by the name of a container's port. The shadow listens on the
 * targets; a named one has that name in the shadow's Pod too, so its number is
 * that of the original Pods, or else any. Pure: objects in, facts out.
 */

struct service_port {
	char name[64];	      /* of the Service's port, or "" */
	uint16_t port;	      /* of the Service */
	uint16_t target;      /* of the Pods */
	char target_name[64]; /* when the Service names it so, or "" */
	bool unknown;	      /* no Pod that was seen has a port of that name */
	bool udp;
	const char *proto; /* what is spoken: "auto", "http", "tcp" */
	bool tls;	   /* by its name, appProtocol or number */
	bool ended;	   /* a gate of the router ends it (--tlsSecret) */
};

struct service_ports {
	struct service_port *v;
	size_t n;
};

/**
 * service_ports_make() - of @service (borrowed)
 * @pods: array of the Pods behind it, for the names of ports; may be NULL
 * SCTP ports are left out. -EINVAL with @err when nothing is left, -E2BIG when
 * more than SHADOW_PORTS_MAX are.
 */
KT_CHECK int service_ports_make(struct service_ports *out,
				const json_t *service, const json_t *pods,
				struct kt_error *err);
void service_ports_fini(struct service_ports *p);

/**
 * service_ports_find() - which one is meant
 * @number: target or port of the Service, in this order; 0: take @name, the
 * name of either
 * @tcp, @udp: what may be found; TCP comes first
 * Return: borrowed, or NULL.
 */
const struct service_port *service_ports_find(const struct service_ports *p,
					      uint16_t number, const char *name,
					      bool tcp, bool udp);
/** service_port_unmarked() - why no mark can be seen in what is sent to @p: it
 *  "speaks TLS", "is UDP", "speaks no HTTP"; NULL: it can, as far as is known
 */
const char *service_port_unmarked(const struct service_port *p);
/** service_ports_end_tls() - a gate ends TLS of the ports that speak it, going
 *  by name, appProtocol or number; of the only TCP port, whatever it is called
 *  Return: of how many */
size_t service_ports_end_tls(struct service_ports *p);
/** service_ports_ended() - their targets, "8443,9443" (returned, caller frees)
 */
char *service_ports_ended(const struct service_ports *p);
/** service_ports_text() - "80 (http, target 8080), 53/udp" for messages
 *  (returned, caller frees) */
char *service_ports_text(const struct service_ports *p);
/** service_ports_serve() - SHADOW_SERVE; @origin: host of the Service behind,
 *  or NULL; @whole: connections go as a whole, nobody looks inside (returned,
 *  caller frees) */
char *service_ports_serve(const struct service_ports *p, const char *origin,
			  bool whole);
/** service_ports_serve_beside() - the same for a shadow beside the program that
 *  listens at @address (returned, caller frees) */
char *service_ports_serve_beside(const struct service_ports *p,
				 const char *address);
/**
 * service_ports_containers() - what the shadow's containers declare: an array
 * of lists of ports, one for each container (returned, caller decrefs)
 *
 * A container has each name once, and two original ones may have the same name
 * for TCP and for UDP: then there is a second list, else never.
 */
json_t *service_ports_containers(const struct service_ports *p);
#define SERVICE_PORT_RAISE 20000
/** service_ports_raise() - named targets below 1024 get a number above */
void service_ports_raise(struct service_ports *p);
/** service_ports_low() - one of the targets is below 1024 */
bool service_ports_low(const struct service_ports *p);

/** selector_query() - "labelSelector=k%3Dv%2Ck%3Dv" of {"k": "v"} (returned,
 *  caller frees); NULL when @selector is empty */
char *selector_query(const json_t *selector);
/** selector_matches() - every label of @selector is in @labels, and there is
 *  one */
bool selector_matches(const json_t *selector, const json_t *labels);

#endif
