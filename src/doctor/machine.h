/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_MACHINE_H
#define KT_DOCTOR_MACHINE_H

#include "doctor/finding.h"

struct home;

/** machine_check() - what `connect` needs of this machine: capabilities,
 *  nftables, name servers, ~/.kt, no other connect. @bad: what the lack of
 *  privileges is, which other commands do not need */
void machine_check(struct findings *f, const struct home *home,
		   enum finding_state bad);

#endif
