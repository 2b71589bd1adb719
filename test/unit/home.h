/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_HOME_H
#define KT_UNIT_HOME_H

#include "test.h"

#include "local/home.h"

#include <stdio.h>
#include <stdlib.h>

/** own_home() - a home directory of the test's own, @h->user, which is empty;
 *  0, or -1 as cmocka's set-up wants it. The test removes it. */
static inline int own_home(struct home *h, const char *name)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "/tmp/ktctl-%s-XXXXXX", name);
	if (!mkdtemp(dir))
		return -1;
	setenv("HOME", dir, 1);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	home_init(h);
	return 0;
}

#endif
