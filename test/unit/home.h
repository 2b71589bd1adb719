/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UNIT_HOME_H
#define KT_UNIT_HOME_H

#include "test.h"

#include "local/home.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/** own_home_of_sessions() - likewise, with the control sockets in it */
static inline int own_home_of_sessions(struct home *h, const char *name)
{
	int rc = own_home(h, name);

	return rc < 0 ? rc : setenv("XDG_RUNTIME_DIR", h->user, 1);
}

/** own_home_remove() - of one that is empty again, but for their folder */
static inline void own_home_remove(struct home *h)
{
	char run[128];

	snprintf(run, sizeof(run), "%s/ktctl", h->user);
	rmdir(run);
	rmdir(h->user);
	home_fini(h);
}

#endif
