/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_TEST_H
#define KT_UNIT_TEST_H

/* cmocka.h needs these first, in this order */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
