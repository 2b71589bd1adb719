/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_MAP_OPENER_H
#define KT_MAP_OPENER_H

#include "base/error.h"

/** opener_open() - have the user's browser show @url, by xdg-open, as the one
 *  who called sudo where that is so. Nothing waits for it, and it stays when we
 *  end. 0; -ENOTTY: there is no screen (or nobody but root to show it to);
 *  -errno */
KT_CHECK int opener_open(const char *url);

#endif
