/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TEST_SIMTIME_H
#define KT_TEST_SIMTIME_H

#include <stdint.h>

/**
 * DOC: Simulated time
 *
 * A test that is linked with --wrap=clock_gettime,--wrap=epoll_wait and this
 * file waits for nothing: where the loop would sleep until a timer is due, the
 * clock is put forward instead. What comes over descriptors comes first.
 */

/** simtime_skipped() - ns that were not waited for so far */
int64_t simtime_skipped(void);

/** simtime_freeze() - from now on nothing else passes: what a slow machine
 *  takes for its work does not count */
void simtime_freeze(void);

/** simtime_patience() - ms that what comes by way of the kernel (a loopback
 *  connection on a busy machine) is waited for before time is put forward; 0 */
void simtime_patience(int ms);

#endif
