/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_DECLARED_H
#define KT_CLUSTER_DECLARED_H

#include <jansson.h>

/**
 * DOC: A declared router
 *
 * A Service whose environments have a router that is there for ever, written
 * down beside it, in Git for instance (ktctl env init):
 *
 *   Service     NAME                  leads to the label kt-env-router: NAME;
 *                                     kt-declared: its own selector, as JSON
 *   Service     NAME-kt-origin        has that selector: the trunk
 *   Deployment  NAME-kt-env-router    the router, which reads the table
 *
 * Who joins or leaves an environment changes none of them, so there is nothing
 * to give back, and nothing that a controller would revert. They carry neither
 * control-by nor a selector of ours, so that nobody takes the Service for one
 * that is taken: exchange and mesh treat it as any other, and clean leaves it
 * alone. Pure: objects in, objects out.
 */

#define KT_ANNOTATION_DECLARED "kt-declared"
#define KT_LABEL_DECLARED "kt-env-router"

/** declared_router_name() - fit for a DNS label (returned, caller frees) */
char *declared_router_name(const char *service);
/** declared_origin_name() - likewise */
char *declared_origin_name(const char *service);
/** declared_selector() - of a declared Service its own selector (returned,
 *  caller decrefs); NULL: it is not declared, or says nonsense */
json_t *declared_selector(const json_t *service);

/** declared_service() - @service as it is written down; @selector: its own.
 *  Without what the API server fills in (returned, caller decrefs) */
json_t *declared_service(const json_t *service, const json_t *selector);
/** declared_origin() - the trunk of @service (returned, caller decrefs) */
json_t *declared_origin(const json_t *service, const json_t *selector);
/** declared_router() - @deployment, which shadow_deployment() has made, as it
 *  is written down for @service: changed in place */
void declared_router(json_t *deployment, const json_t *service);

#endif
