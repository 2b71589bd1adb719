/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_MEMLIMIT_H
#define KT_BASE_MEMLIMIT_H

#include <stdint.h>

/** memlimit_get() - bytes of memory that the cgroup of this process may have
 *  (cgroups 2, then 1); 0: no limit, or not known */
uint64_t memlimit_get(void);
/** memlimit_parse() - of what memory.max says; 0: "max", or no number */
uint64_t memlimit_parse(const char *text);

#endif
