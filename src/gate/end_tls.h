/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_GATE_END_TLS_H
#define KT_GATE_END_TLS_H

#include "gate/mode.h"

/** end_tls - "gate tls": beside a router, for env join --tlsSecret */
extern const struct gate_mode end_tls;

#endif
