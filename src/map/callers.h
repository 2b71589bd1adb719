/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_MAP_CALLERS_H
#define KT_MAP_CALLERS_H

#include <jansson.h>

/**
 * DOC: Whose an address is
 *
 * A router knows a caller by its address; people know a workload. So each Pod
 * of the namespace that is heard of leaves its name at its addresses: that of
 * the Deployment, StatefulSet, ... it belongs to, else its own; USER@MACHINE of
 * one who is connected. An address that has a new Pod has its name from then
 * on; it has none once its Pod is over or gone. Pure.
 */

#define CALLERS_MAX 20000 /* then it begins anew */

/** callers_note() - remember @pod in @names: "10.0.0.7": "web" */
void callers_note(json_t *names, const json_t *pod);

/** callers_forget() - @pod is gone: its addresses are nobody's, but those that
 *  have got another name meanwhile */
void callers_forget(json_t *names, const json_t *pod);

#endif
