/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_FORMS_H
#define KT_DOCTOR_FORMS_H

#include "doctor/finding.h"
#include "uplink/forms.h"

/** forms_check() - what the tries say about the way of the tunnel */
void forms_check(struct findings *f, const struct forms *tried);

#endif
