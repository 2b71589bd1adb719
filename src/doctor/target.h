/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_TARGET_H
#define KT_DOCTOR_TARGET_H

#include "doctor/finding.h"

/**
 * target_check() - what of @service (of the API, borrowed) matters to whoever
 * exchanges or meshes it
 * @pods: those of its selector (array); NULL: not known
 * @http: the command looks into requests (mesh)
 */
void target_check(struct findings *f, const json_t *service, const json_t *pods,
		  bool http);

#endif
