/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_NETNS_TEST_H
#define KT_UNIT_NETNS_TEST_H

#include "base/loop.h"
#include "test.h"

/** netns_test_enter() - into a fresh network namespace with lo up, or print
 *  a TAP skip and end the program */
void netns_test_enter(void);

/** netns_test_client() - run @fn(@arg) in a thread of its own, serve @l
 *  meanwhile; what @fn returned */
long netns_test_client(struct loop *l, long (*fn)(void *arg), void *arg);

/** netns_test_shell() - status of a shell command, output kept quiet */
int netns_test_shell(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

#endif
