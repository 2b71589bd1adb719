/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_LOOPBACK_IMPL_H
#define KT_RUN_LOOPBACK_IMPL_H

#define LOOPBACK_TABLE "kt_run"
#define LOOPBACK_SET4 "here4" /* ports that this machine listens on */
#define LOOPBACK_SET6 "here6"

#endif
