/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_TARGET_H
#define KT_DOCTOR_TARGET_H

#include "doctor/finding.h"

/**
 * target_check() - what of @service (of the API, borrowed) matters to whoever
 * exchanges or meshes it
 * @http: the command looks into requests (mesh)
 */
void target_check(struct findings *f, const json_t *service, bool http);

#endif
