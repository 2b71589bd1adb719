/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that has lost its parent is its subreaper's, so the tree below the
 * keeper is whole. /proc/PID/task/TID/children would say it, but not every
 * kernel has that, and not those of another thread: so all of /proc is read.
 */
#include "run/offspring.h"

#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define STAT_MAX 1024

struct offspring_one {
	pid_t pid, parent;
};

struct offspring_list {
	struct offspring_one *v;
	size_t n, room;
};

static void offspring_add(struct offspring_list *l, pid_t pid, pid_t parent)
{
	if (l->n == l->room) {
		l->room = MAX(2 * l->room, (size_t)64);
		l->v = xrealloc(l->v, l->room * sizeof(*l->v));
	}
	l->v[l->n++] = (struct offspring_one){ pid, parent };
}

/* "PID (NAME) STATE PARENT ...", where the name may have anything in it */
static pid_t offspring_parent(const char *pid)
{
	auto_free char *path = xasprintf("/proc/%s/stat", pid);
	auto_free char *text = file_read(path, STAT_MAX, NULL);
	const char *end = text ? strrchr(text, ')') : NULL;

	if (!end || strlen(end) < 5 || end[2] == 'Z')
		return 0;
	return (pid_t)strtol(end + 3, NULL, 10);
}

static void offspring_read(struct offspring_list *l)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		pid_t parent = pid > 0 ? offspring_parent(e->d_name) : 0;

		if (parent > 0)
			offspring_add(l, pid, parent);
	}
	if (d)
		closedir(d);
}

void offspring_signal(pid_t root, int signo)
{
	struct offspring_list all = { 0 }, ours = { 0 };

	offspring_read(&all);
	offspring_add(&ours, root, 0);
	for (size_t at = 0; at < ours.n; at++) {
		if (at)
			kill(ours.v[at].pid, signo);
		for (size_t i = 0; i < all.n; i++)
			if (all.v[i].parent == ours.v[at].pid)
				offspring_add(&ours, all.v[i].pid,
					      all.v[i].parent);
	}
	free(all.v);
	free(ours.v);
}
