/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_PROBE_H
#define KT_INBOUND_PROBE_H

struct job;

/**
 * probe_origin() - can the shadow reach the Service's own Pods? It is asked to
 * connect to one of their ports, over a tunnel of its own; when there is no
 * answer in PROBE_WAIT a warning says so, before any caller depends on it.
 * What cannot be asked is not told.
 */
void probe_origin(struct job *job);

#endif
