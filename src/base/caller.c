/* SPDX-License-Identifier: Apache-2.0 */
#include "base/caller.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define MAX_GROUPS 65536 /* NGROUPS_MAX of the kernel */

static bool caller_id(const char *name, long *id)
{
	const char *text = getenv(name);

	return text && str_to_long(text, id) == 0 && *id > 0 && *id < UINT_MAX;
}

/* HOME, unless it is root's */
static char *caller_home(const struct passwd *pw)
{
	const char *home = getenv("HOME");
	const struct passwd *root;
	auto_free char *own = pw ? xstrdup(pw->pw_dir) : NULL;

	root = getpwuid(0);
	if (home && *home && root && strcmp(home, root->pw_dir) != 0)
		return xstrdup(home);
	if (own && *own == '/')
		return steal_ptr(&own);
	return xstrdup(home && *home ? home : "/");
}

static void caller_groups(struct caller *c)
{
	int n = 64;

	c->groups = xcalloc((size_t)n, sizeof(*c->groups));
	while (getgrouplist(c->name, c->gid, c->groups, &n) < 0 &&
	       n <= MAX_GROUPS)
		c->groups = xrealloc(c->groups, (size_t)n * sizeof(*c->groups));
	c->ngroups = (size_t)n;
}

bool caller_get(struct caller *c)
{
	const struct passwd *pw;
	long uid, gid;

	*c = (struct caller){ 0 };
	if (geteuid() != 0 || !caller_id("SUDO_UID", &uid))
		return false;
	pw = getpwuid((uid_t)uid);
	c->uid = (uid_t)uid;
	if (caller_id("SUDO_GID", &gid))
		c->gid = (gid_t)gid;
	else
		c->gid = pw ? pw->pw_gid : (gid_t)uid;
	c->name = pw ? xstrdup(pw->pw_name) : xasprintf("%ld", uid);
	c->shell = pw && *pw->pw_shell ? xstrdup(pw->pw_shell) : NULL;
	c->home = caller_home(pw);
	caller_groups(c);
	return true;
}

void caller_fini(struct caller *c)
{
	free(c->name);
	free(c->home);
	free(c->shell);
	free(c->groups);
	*c = (struct caller){ 0 };
}

/* The groups first, while that is still allowed */
int caller_become(const struct caller *c)
{
	if (setgroups(c->ngroups, c->groups) < 0 || setgid(c->gid) < 0 ||
	    setuid(c->uid) < 0)
		return -errno;
	return 0;
}

int caller_enter(const struct caller *c)
{
	int rc = caller_become(c);

	if (rc < 0)
		return rc;
	setenv("HOME", c->home, 1);
	setenv("USER", c->name, 1);
	setenv("LOGNAME", c->name, 1);
	return 0;
}
