/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sockcount.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKCOUNT_TEXT 512

void sockcount_init(struct sockcount *c, pid_t pid)
{
	static const char *const name[2] = { "sockstat", "sockstat6" };

	*c = (struct sockcount){ 0 };
	for (int f = 0; f < 2; f++) {
		auto_free char *path =
			pid ? xasprintf("/proc/%d/net/%s", (int)pid, name[f])
			    : xasprintf("/proc/self/net/%s", name[f]);

		c->fd[f] = open(path, O_RDONLY | O_CLOEXEC);
	}
}

/* "TCP: inuse 5 orphan 0 tw 0 alloc 7 mem 1": of all that only the first number
 * is this namespace's and changes with a socket; -1: it is not there */
static long sockcount_read(int fd)
{
	static const char word[] = "inuse ";
	char text[SOCKCOUNT_TEXT];
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);
	const char *at;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	at = strstr(text, "TCP");
	at = at ? strstr(at, word) : NULL;
	return at ? strtol(at + strlen(word), NULL, 10) : -1;
}

static bool sockcount_changed(struct sockcount *c, int f)
{
	long n = sockcount_read(c->fd[f]);
	bool changed = n != c->before[f];

	c->before[f] = n;
	/* where nothing is known, the first family says so for both */
	return changed || (n < 0 && f == 0);
}

bool sockcount_due(struct sockcount *c, int64_t now, int64_t often)
{
	bool due = !c->listed || now - c->listed >= often;

	for (int f = 0; f < 2; f++)
		due |= sockcount_changed(c, f);
	if (due)
		c->listed = now;
	return due;
}

void sockcount_fini(struct sockcount *c)
{
	for (int f = 0; f < 2; f++)
		if (c->fd[f] >= 0)
			close(c->fd[f]);
}
