/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DOCTOR_CAPTURES_H
#define KT_DOCTOR_CAPTURES_H

#include "doctor/finding.h"

/** captures_check() - each way that `run` can capture a program's traffic on
 *  this machine, tried (run/ways.h), and which one it takes. None of them
 * fails: the last one is always there. */
void captures_check(struct findings *f);

#endif
