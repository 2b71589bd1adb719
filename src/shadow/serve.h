/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_SHADOW_SERVE_H
#define KT_SHADOW_SERVE_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"
#include "shadow/servespec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exempt;
struct origin;
struct shadow;

/**
 * DOC: Serve
 *
 * The shadow in the place of a Service's Pods: it listens on their ports, and
 * each caller goes to the laptop whose rule it matches, or to the origin, or is
 * reset.
 */

struct serve;

/** serve_new() - listen on every port of @spec; @exempt: callers that are never
 *  led away from a port that another program listens on; NULL with @err */
struct serve *serve_new(struct shadow *sh, const struct servespec *spec,
			const struct exempt *exempt, struct kt_error *err);
/** serve_rules_changed() - callers of a port whose laptops drain end with their
 *  requests, until one serves it again; lead callers here, or no longer. NULL
 *  is allowed */
void serve_rules_changed(struct serve *sv);
/** serve_end() - the shadow was told to end: all callers' HTTP connections end
 *  with their requests, those that come included; NULL is allowed */
void serve_end(struct serve *sv);
/** serve_sweep() - some laptop serves no more: idle connections to it end; NULL
 *  is allowed */
void serve_sweep(struct serve *sv);
/** serve_free() - reset every caller; NULL is allowed */
void serve_free(struct serve *sv);
/** serve_callers() - those that wait for their way, or are with the origin;
 *  NULL: none */
size_t serve_callers(const struct serve *sv);
/** serve_accepted() - TCP callers so far, of all ports; NULL: none */
uint64_t serve_accepted(const struct serve *sv);
/** serve_origin() - behind a TCP port; NULL: none */
struct origin *serve_origin(const struct serve *sv, uint16_t port);
/** serve_has() - the shadow listens on this port */
bool serve_has(const struct serve *sv, uint16_t port, bool udp);

#endif
