/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_QUANTITY_H
#define KT_POD_QUANTITY_H

#include "base/error.h"

#include <stdint.h>

/**
 * quantity_milli() - thousandths of a quantity of Kubernetes, rounded up:
 * "100m", "1.5", "128Mi", "1e3", "0.5G"
 * Return: 0, or -EINVAL, -ERANGE
 */
KT_CHECK int quantity_milli(const char *text, __int128 *milli);

/** quantity_divided() - @text / @divisor ("0" is 1), rounded up; of whole
 *  units, or for @milli of thousandths, as resourceFieldRef has it of cpu.
 *  0, -EINVAL or -ERANGE */
KT_CHECK int quantity_divided(const char *text, const char *divisor, int milli,
			      int64_t *out);

#endif
