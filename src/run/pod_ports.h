/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_POD_PORTS_H
#define KT_RUN_POD_PORTS_H

#include "run/loopback.h"

struct connect_pod;
struct loop;

/**
 * DOC: The loopback of the Pod that the program stands in (--inPod)
 *
 * A sidecar listens on the Pod's 127.0.0.1, and the program is to find it on
 * its own. On which ports there is somebody the shadow in the Pod says, at the
 * start and every POD_PORTS_INTERVAL; a call to one of them is dialled by it.
 */

#define POD_PORTS_INTERVAL ((int64_t)5 * 1000000000) /* ns */

struct pod_ports;

/** pod_ports_new() - @pod: borrowed until pod_ports_free(); @own: of the
 *  shadow's tunnel, which is nobody's business */
struct pod_ports *pod_ports_new(struct loop *l, const struct connect_pod *pod,
				uint16_t own);
/** pod_ports_far() - for loopback_new(); valid until pod_ports_free() */
struct loopback_far pod_ports_far(struct pod_ports *p);
/** pod_ports_free() - NULL is allowed */
void pod_ports_free(struct pod_ports *p);

#endif
