/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_SLEEP_MODE_H
#define KT_GATE_SLEEP_MODE_H

#include "gate/mode.h"

/** sleep_mode - "gate sleep": a sleeper (gate/sleep.h), with its way to the API
 *  server */
extern const struct gate_mode sleep_mode;

#endif
